"""The way in to the nodes, as scripts and by ``python -m dgemma_ros.nodes.planner``: what must be before all else.

Signals: what a node needs takes a second to import. A signal meanwhile ends the process at once, without a word and
with status 0, as nothing was begun; from then on :mod:`dgemma_ros.nodes.process` hears it.

The allocator: libraries start threads as they are imported, and each would have a heap of its own by then.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module

from dgemma_ros.nodes.allocator import limit_what_is_kept

for _number in (signal.SIGINT, signal.SIGTERM):  # nobody imports this but to start a node
    signal.signal(_number, lambda number, frame: os._exit(0))
limit_what_is_kept()


def planner() -> None:
    """Runs the planner. Never returns."""
    sys.exit(_main_of("planner")())


def camera() -> None:
    """Runs the camera. Never returns."""
    sys.exit(_main_of("camera")())


def executor() -> None:
    """Runs the executor. Never returns."""
    sys.exit(_main_of("executor")())


def tabletop() -> None:
    """Runs the tabletop. Never returns."""
    sys.exit(_main_of("tabletop")())


def demo() -> None:
    """Runs the demo, which is a command and no node. Never returns."""
    from dgemma_ros.console import signals

    signals.run(lambda: _main_of("demo"))


def _main_of(name: str) -> Callable[[], int]:
    main: Callable[[], int] = import_module(f"dgemma_ros.nodes.{name}").main
    return main
