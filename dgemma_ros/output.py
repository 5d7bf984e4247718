"""Files and folders written whole or not at all: beside their place, then renamed into it."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from dgemma_ros.errors import ExportError, OutputError, one_line


@contextmanager
def whole_file(out: Path) -> Iterator[BinaryIO]:
    """A stream whose content becomes the file ``out`` when the block ends well; else ``out`` is as it was.

    Raises :class:`OutputError` for what goes wrong with writing.
    """
    temporary: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(out)
        temporary = None
    except OSError as error:
        raise OutputError(f"{out}: cannot be written ({_reason(error)})") from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """A folder that becomes ``out`` when the block ends well; else it is removed, and parents made for it, too.

    Raises :class:`ExportError` where ``out`` exists (unless it is an empty folder), or writing fails.
    """
    if os.path.lexists(out) and (out.is_symlink() or not out.is_dir() or any(out.iterdir())):
        raise ExportError(f"{out}: exists already; choose another folder, or remove it first")
    made: list[Path] = []
    folder: Path | None = None
    try:
        made = [parent for parent in (out.parent, *out.parent.parents) if not parent.exists()]  # innermost first
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        yield folder
        folder.chmod(0o777 & ~_umask())
        folder.replace(out)
        made, folder = [], None
    except OSError as error:
        raise ExportError(f"{out}: cannot be written ({_reason(error)}); nothing was left behind") from error
    except ExportError as error:  # of a file inside, named by where it would have been
        raise ExportError(str(error).replace(folder.name, out.name) if folder else str(error)) from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        for parent in made:
            with suppress(OSError):
                parent.rmdir()


def name_aside(file: Path, label: str) -> Path:
    """Gives ``file`` the further name ``file.label``, with a number where that is taken, and returns it.

    For what another version wrote: the caller puts its own in ``file``'s place, and at no moment is there none.
    """
    for number in itertools.count():
        name = file.with_name(f"{file.name}.{label}{f'.{number}' if number else ''}")
        with suppress(FileExistsError):
            name.hardlink_to(file)
            return name
    raise AssertionError


def _reason(error: OSError) -> str:
    if isinstance(error, shutil.Error) and error.args and isinstance(error.args[0], list):
        return str(error.args[0][0][-1])  # copytree's: (source, target, reason) of each file
    return error.strerror or one_line(error)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
