"""The one way in which a file that somebody names is read: a regular file, whole, and no larger than its kind may be.

Model folders, skills, recipes and cases come from outside. A link to ``/dev/zero`` would fill the memory, and a pipe
would wait for ever. Each reader here has a bound that is checked before the bytes are read, and raises the caller's own
class of error with one line that names the file.
"""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import Final

from dgemma_ros.errors import DgemmaError

KIB: Final = 1 << 10
MIB: Final = 1 << 20


def open_regular(file: Path, error: type[DgemmaError], hint: str = "") -> io.BufferedReader:
    """``file`` opened for reading, links followed; never waits. The caller closes it.

    Raises ``error`` where it is missing (``hint`` says what to do), cannot be read, or is no regular file.
    """
    try:
        stream = open(file, "rb", opener=_open)  # noqa: SIM115
    except FileNotFoundError:
        raise error(f"{file}: no such file{'; ' + hint if hint else ''}") from None
    except IsADirectoryError:
        raise error(f"{file}: cannot be read (it is a folder)") from None
    except (OSError, ValueError) as problem:  # ValueError: a NUL in the name
        raise error(f"{_named(file)}: cannot be read ({getattr(problem, 'strerror', None) or problem})") from problem
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise error(f"{file}: cannot be read (it is a device, pipe or socket, not a file)")
    return stream


def _open(file: str, _: int) -> int:
    # Without O_NONBLOCK a pipe that nobody writes to would hold the caller in open() itself.
    return os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def read_bytes(file: Path, limit: int, error: type[DgemmaError], hint: str = "") -> bytes:
    """The content of ``file``, at most ``limit`` bytes. Raises ``error``, see :func:`open_regular`."""
    with open_regular(file, error, hint) as stream:
        try:
            # One byte more than allowed: a file may grow, and those of /proc say that they have none.
            content = stream.read(limit + 1) if os.fstat(stream.fileno()).st_size <= limit else b""
        except OSError as problem:
            raise error(f"{file}: cannot be read ({problem.strerror or problem})") from problem
        if len(content) > limit or os.fstat(stream.fileno()).st_size > limit:
            raise error(f"{file}: is larger than {_size(limit)}, which is the most that such a file may have")
    return content


def read_text(file: Path, limit: int, error: type[DgemmaError], hint: str = "") -> str:
    """The same as text in UTF-8. Raises ``error``, see :func:`open_regular`."""
    try:
        return read_bytes(file, limit, error, hint).decode("utf-8")
    except UnicodeDecodeError as problem:
        raise error(f"{file}: cannot be read (not UTF-8 text, byte {problem.start})") from problem


def _size(limit: int) -> str:
    return f"{limit // MIB} MiB" if limit >= MIB else f"{limit // KIB} KiB"


def _named(file: Path) -> str:
    return str(file) if str(file).isprintable() else repr(str(file))
