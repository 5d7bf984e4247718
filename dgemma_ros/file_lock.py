"""A file that one process at a time may keep."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from dgemma_ros.errors import DgemmaError


def open_alone(path: Path, flags: int, error: type[DgemmaError], of: Path, keeper: str) -> int:
    """The descriptor of the file, made where it is missing, folders too, and locked as long as it is open.

    Raises ``error``, in words about the journal ``of``, where it cannot be written or another ``keeper`` has it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as failed:
        raise error(f"{of}: cannot be written ({failed.strerror}); the parameter journal names it") from None
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as failed:
        os.close(opened)
        busy = isinstance(failed, BlockingIOError)
        why = f"another {keeper} keeps it; give each its own" if busy else failed.strerror
        raise error(f"{of}: {why}") from None
    return opened
