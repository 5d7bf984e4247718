"""The way in to the nodes, as scripts and by ``python -m dgemma_ros.nodes.planner``: signals before everything else.

What a node needs takes a second to import. A signal meanwhile ends the process at once, without a word and with status
0, as nothing was begun; from then on :mod:`dgemma_ros.nodes.process` hears it.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from typing import NoReturn


def planner() -> NoReturn:
    """Runs the planner."""
    _start("planner")


def camera() -> NoReturn:
    """Runs the camera."""
    _start("camera")


def executor() -> NoReturn:
    """Runs the executor."""
    _start("executor")


def tabletop() -> NoReturn:
    """Runs the tabletop."""
    _start("tabletop")


def demo() -> NoReturn:
    """Runs the demo, which is a command and no node."""
    from dgemma_ros.console import signals

    signals.run(lambda: int(import_module("dgemma_ros.nodes.demo").main()))


def _start(name: str) -> NoReturn:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: os._exit(0))
    sys.exit(import_module(f"dgemma_ros.nodes.{name}").main())
