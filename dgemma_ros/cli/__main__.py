"""``python -m dgemma_ros.cli``: the command where it is not installed as a script."""

from dgemma_ros.cli import main

main()
