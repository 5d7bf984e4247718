"""One task from beginning to end, with no threads to care for: what the command line, benchmarks and notebooks want."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dgemma_ros.errors import DgemmaError
from dgemma_ros.model import Model
from dgemma_ros.planning.planner import Planner
from dgemma_ros.planning.types import Event, EventKind, Frame, Plan, PlanDraft, Settings, Task
from dgemma_ros.skills.catalogue import SkillCatalogue

SECONDS_APART = 1.0
"""What the timestamps of pictures say where nobody says when they were taken."""


def plan_once(
    model: Model,
    skills: SkillCatalogue,
    settings: Settings,
    task: Task,
    pictures: Sequence[NDArray[np.uint8]] = (),
    on_draft: Callable[[PlanDraft], None] | None = None,
    warm: bool = False,
) -> Plan:
    """Shows the pictures to the model, oldest first, and plans.

    The task's time begins when they have been read; the latency counts them in. ``warm`` measures steps first, without
    which a short budget can only guess. Raises what :class:`Planner` raises, and :class:`DgemmaError` for a picture
    that cannot be read. The model is free again afterwards.
    """
    talk = _Talk()
    wanted = replace(settings, frame_rate=1000.0, max_frames=max(1, len(pictures)))
    planner = Planner(model, skills, wanted, on_draft, talk.on_plan, talk.on_event)
    try:
        if warm:
            planner.warm_up()
        planner.start()
        began = time.monotonic()
        for number, picture in enumerate(pictures):
            due = began + SECONDS_APART * number  # spaced, so that the rate lets each of them in
            talk.seen.clear()
            stamp = int(1e9 * SECONDS_APART * number)
            if not planner.add_frame(Frame(picture, stamp, "picture", "", due)):
                raise DgemmaError("this model takes no pictures, or not this one")
            talk.seen.wait()
            if talk.error:
                raise DgemmaError(talk.error)
        vision = time.monotonic() - began if pictures else 0.0
        planner.submit(replace(task, received=time.monotonic()))
        talk.done.wait()
    finally:
        planner.close(timeout=None)
    plan = talk.plan
    assert plan is not None
    latency = replace(plan.latency, total=plan.latency.total + vision, vision=plan.latency.vision + vision)
    return replace(plan, latency=latency)


class _Talk:
    """Waits for what a planner says."""

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self.error = ""
        self.seen, self.done = threading.Event(), threading.Event()

    def on_plan(self, plan: Plan) -> None:
        self.plan = plan
        self.done.set()

    def on_event(self, event: Event) -> None:
        if event.kind is EventKind.ERROR:
            self.error = event.text
        if event.kind in (EventKind.ERROR, EventKind.FRAME_ENCODED):
            self.seen.set()
