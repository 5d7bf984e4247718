"""Programs that are sent a signal in the middle of loading themselves."""

from __future__ import annotations


def at_import(entry: str, call: str, number: int, which: int) -> str:
    """Python code: ``entry`` (an import), then ``call``; ``number`` is sent with the ``which``-th import after that."""
    return f"""
import os, signal, sys
{entry}
left = {which}
def hook(event, arguments):
    global left
    if event == "import":
        left -= 1
        if left == 0:
            os.kill(os.getpid(), {int(number)})
sys.addaudithook(hook)
{call}
"""
