"""The command ``dgemma``: thin commands over the library, with one way to fail.

Everything heavy is imported by the command that needs it, so that help and mistakes answer at once.
"""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """The entry point of the console script. Never returns."""
    signal.signal(signal.SIGTERM, _terminate)
    from dgemma_ros.cli.app import run

    sys.exit(run(sys.argv[1:]))


def _terminate(number: int, frame: object) -> None:
    """Leaves through every ``finally``, so that nothing half-written stays behind."""
    raise SystemExit(128 + number)
