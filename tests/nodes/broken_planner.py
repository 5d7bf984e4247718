"""The planner node with a backend that fails, until it is configured a second time; started by a test as a process."""

from __future__ import annotations

import sys
from typing import Any

from dgemma_ros.errors import BackendError
from dgemma_ros.nodes import planner

configured = 0
load = planner.load


def load_broken(*arguments: Any) -> Any:
    global configured
    configured += 1
    made, free = load(*arguments)
    if configured == 1:

        def fail(*arguments: Any, **keywords: Any) -> Any:
            raise BackendError("the accelerator fell off the bus")

        made.model.session.open_canvas = fail  # type: ignore[method-assign]
    return made, free


if __name__ == "__main__":
    planner.load = load_broken
    sys.exit(planner.main())
