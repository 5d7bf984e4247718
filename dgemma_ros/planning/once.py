"""One task from beginning to end, with no threads to care for: what the command line, benchmarks and notebooks want."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dgemma_ros.model import Model
from dgemma_ros.planning.planner import Planner
from dgemma_ros.planning.types import Frame, Plan, PlanDraft, Settings, Task
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
    """Shows the pictures to the model, oldest first, and plans. ``pictures``: RGB, uint8 [H, W, 3].

    The task's time begins when they have been read; the latency counts them in. ``warm`` measures steps first, without
    which a short budget can only guess. Raises what :class:`Planner` raises, :class:`DgemmaError` for a picture that
    cannot be read, and what ``on_draft`` raises, which ends the plan. The model is free again afterwards.
    """
    made: Future[Plan] = Future()
    wanted = replace(settings, max_frames=max(1, len(pictures)), frame_ladder=())  # all of them
    broken: list[Exception] = []

    def shown(draft: PlanDraft) -> None:
        if on_draft is not None and not broken:
            try:
                on_draft(draft)
            except Exception as error:
                broken.append(error)
                planner.cancel_all()

    planner = Planner(model, skills, wanted, shown if on_draft else None, made.set_result)
    try:
        if warm:
            planner.warm_up()
        began = time.monotonic()
        for number, picture in enumerate(pictures):
            stamp = int(1e9 * SECONDS_APART * number)
            planner.read_frame(Frame(picture, stamp, "picture", "", time.monotonic()))
        vision = time.monotonic() - began if pictures else 0.0
        planner.start()
        planner.submit(replace(task, received=time.monotonic()))
        plan = made.result()
    finally:
        planner.close(timeout=None)
    if broken:
        raise broken[0]
    latency = replace(plan.latency, total=plan.latency.total + vision, vision=plan.latency.vision + vision)
    return replace(plan, latency=latency)
