"""The planner node with a backend whose steps hang once the file named by HANG is there; started by a test."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from dgemma_ros.nodes import planner

load = planner.load


def load_hanging(*arguments: Any) -> Any:
    made, free = load(*arguments)
    session, file = made.model.session, Path(os.environ["HANG"])
    open_canvas = session.open_canvas

    def hang(*arguments: Any, **keywords: Any) -> Any:
        while file.exists():
            time.sleep(0.05)
        return open_canvas(*arguments, **keywords)

    session.open_canvas = hang  # type: ignore[method-assign]
    return made, free


if __name__ == "__main__":
    planner.load = load_hanging
    sys.exit(planner.main())
