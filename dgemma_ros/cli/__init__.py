"""The command ``dgemma``: thin commands over the library, with one way to fail.

Everything heavy is imported by the command that needs it, so that help and mistakes answer at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial


def main() -> None:
    """Runs the command line of this process. Never returns."""
    from dgemma_ros.console import signals

    signals.run(_load)


def _load() -> Callable[[], int]:
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # what fails is said by us, in one line
    from dgemma_ros.cli.app import run

    return partial(run, sys.argv[1:])
