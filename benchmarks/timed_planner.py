"""The planner node, and on stdout when it takes up each task and when its canvas loop begins; for ``ros_overhead``.

Lines of a word, the task's id and ``time.monotonic()``, a clock that all processes of a machine share.
"""

from __future__ import annotations

import sys

import dgemma_ros.nodes.start  # noqa: F401 - first, as the nodes do
from dgemma_ros.nodes import process
from dgemma_ros.nodes.planner import PlannerNode
from dgemma_ros.planning import Event, EventKind

WORDS = {EventKind.TASK_STARTED: "taken", EventKind.TASK_READ: "loop"}


def on_event(event: Event) -> None:
    """Notes which task runs, and when its denoising begins."""
    if event.kind in WORDS:
        print(WORDS[event.kind], event.task_id, event.at, flush=True)


if __name__ == "__main__":
    sys.exit(process.run(lambda finish: PlannerNode(finish, on_event)))
