"""The planner node with a model that loads for as long as the file named by HANG is there; started by a test."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from dgemma_ros.nodes import planner

load = planner.load


def load_slowly(*arguments: Any) -> Any:
    while Path(os.environ["HANG"]).exists():
        time.sleep(0.05)
    return load(*arguments)


if __name__ == "__main__":
    planner.load = load_slowly
    sys.exit(planner.main())
