"""What ships with the package besides code: in the repository that it runs from, or where it was installed."""

from __future__ import annotations

import site
import sys
import sysconfig
from pathlib import Path


def share(*names: str) -> Path | None:
    """The first of ``names`` that is there, as a path below the repository or below ``share/dgemma_ros``; or None."""
    bases = (sysconfig.get_path("data"), sys.prefix, site.getuserbase())
    # colcon installs beside its own lib: <prefix>/lib/python3.x/site-packages/dgemma_ros.
    own = Path(__file__).resolve()
    places = [own.parents[1], *(Path(base) / "share" / "dgemma_ros" for base in bases)]
    places += [parent / "share" / "dgemma_ros" for parent in own.parents[3:6]]
    return next((place / name for place in places for name in names if (place / name).exists()), None)
