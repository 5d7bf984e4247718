"""The planner node, and on stdout when it takes up each task and when its canvas loop begins; for ``ros_overhead``.

Lines of a word, the task's id and ``time.monotonic()``, a clock that all processes of a machine share.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from dgemma_ros.nodes import planner
from dgemma_ros.planning.answer import Outcome, Thinker
from dgemma_ros.planning.types import Event, EventKind

hear_event = planner.PlannerNode._on_event
make_canvas = Thinker.canvas
running = ""


def on_event(node: planner.PlannerNode, event: Event) -> None:
    """Notes which task runs, and since when."""
    global running
    if event.kind is EventKind.TASK_STARTED:
        running = event.task_id
        print("taken", running, event.at, flush=True)
    hear_event(node, event)


def canvas(thinker: Thinker, *arguments: Any, **keywords: Any) -> Outcome:
    """Notes when denoising begins; warming up has no task."""
    if running:
        print("loop", running, time.monotonic(), flush=True)
    return make_canvas(thinker, *arguments, **keywords)


if __name__ == "__main__":
    planner.PlannerNode._on_event = on_event  # type: ignore[method-assign]
    Thinker.canvas = canvas  # type: ignore[method-assign]
    sys.exit(planner.main())
