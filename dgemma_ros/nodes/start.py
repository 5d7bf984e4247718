"""The way in to the nodes, as scripts and by ``python -m dgemma_ros.nodes.planner``: signals before everything else.

What a node needs takes a second to import. A signal meanwhile ends the process at once, without a word and with status
0, as nothing was begun; from then on :mod:`dgemma_ros.nodes.process` hears it.
"""

from __future__ import annotations

import os
import signal

for _number in (signal.SIGINT, signal.SIGTERM):  # nobody imports this but to start a node
    signal.signal(_number, lambda number, frame: os._exit(0))

import sys
from collections.abc import Callable
from importlib import import_module
from typing import NoReturn


def planner() -> NoReturn:
    """Runs the planner."""
    sys.exit(_main_of("planner")())


def camera() -> NoReturn:
    """Runs the camera."""
    sys.exit(_main_of("camera")())


def executor() -> NoReturn:
    """Runs the executor."""
    sys.exit(_main_of("executor")())


def tabletop() -> NoReturn:
    """Runs the tabletop."""
    sys.exit(_main_of("tabletop")())


def demo() -> NoReturn:
    """Runs the demo, which is a command and no node."""
    from dgemma_ros.console import signals

    signals.run(lambda: _main_of("demo"))


def _main_of(name: str) -> Callable[[], int]:
    main: Callable[[], int] = import_module(f"dgemma_ros.nodes.{name}").main
    return main
