"""The command ``dgemma``: thin commands over the library, with one way to fail.

Everything heavy is imported by the command that needs it, so that help and mistakes answer at once.
"""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Runs the command line of this process. Never returns."""
    from dgemma_ros.cli import signals

    signals.install()
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # what fails is said by us, in one line
    try:
        from dgemma_ros.cli.app import run

        status = run(sys.argv[1:])
    except KeyboardInterrupt:  # just before or behind what run() guards
        os.write(2, signals.INTERRUPTED)
        status = 128 + signal.SIGINT
    signals.ending()
    sys.exit(status)
