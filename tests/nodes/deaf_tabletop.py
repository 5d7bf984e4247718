"""The tabletop in a process whose port in shared memory is lost the first DEAF times; started by a test."""

from __future__ import annotations

import os
import sys

from dgemma_ros import shared_memory
from dgemma_ros.nodes import tabletop

hears = shared_memory.hears


def hears_later() -> bool:
    started_again = int(os.environ.get("DGEMMA_STARTED_AGAIN", "0"))
    return hears() and started_again >= int(os.environ["DEAF"])


if __name__ == "__main__":
    shared_memory.hears = hears_later
    sys.exit(tabletop.main())
