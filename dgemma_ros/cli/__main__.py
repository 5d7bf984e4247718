"""The way in: ``dgemma``, or ``python -m dgemma_ros.cli`` where it is not installed as a script."""

import signal

# Python's own handler would show a traceback out of whatever is being imported. From here on Ctrl-C ends the process
# without a word, until the command takes both signals over.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from dgemma_ros.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
