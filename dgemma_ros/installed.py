"""What ships with the package besides code: in the repository that it runs from, or where it was installed."""

from __future__ import annotations

import site
import sys
import sysconfig
from pathlib import Path

from dgemma_ros.errors import DgemmaError


def share(*names: str) -> Path | None:
    """The first of ``names`` that is there, as a path below the repository or below ``share/dgemma_ros``; or None."""
    bases = (sysconfig.get_path("data"), sys.prefix, site.getuserbase())
    # colcon installs beside its own lib: <prefix>/lib/python3.x/site-packages/dgemma_ros.
    own = Path(__file__).resolve()
    places = [own.parents[1], *(Path(base) / "share" / "dgemma_ros" for base in bases)]
    places += [parent / "share" / "dgemma_ros" for parent in own.parents[3:6]]
    return next((place / name for place in places for name in names if (place / name).exists()), None)


class MissingFileError(DgemmaError):
    """A file that was named is not there; the text says what there is."""


def parameter_file(name: str) -> str:
    """The absolute path of a file of parameters: ``name`` itself, or of that name among those that are installed.

    Called by the launch files. Raises :class:`MissingFileError`.
    """
    if (file := Path(name).expanduser().absolute()).is_file():
        return str(file)
    folder = share("launch/config", "config")
    there = sorted(file.name for file in folder.glob("*.yaml")) if folder is not None else []
    for known in (name, f"{name}.yaml"):
        if folder is not None and known in there:
            return str(folder / known)
    raise MissingFileError(f"params_file: {name!r} is no file; by name there are {', '.join(there) or 'none'}")
