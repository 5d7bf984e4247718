"""Whatever comes in and in whatever order: one honest plan each, in order, and no trace of what was cancelled."""

from __future__ import annotations

import gc
import random
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.cancelling import trial
from benchmarks.plan_quality import NANO, questions
from dgemma_ros.model import Model, open_model
from dgemma_ros.planning import ErrorCode, EventKind, Plan, Settings, SkillCatalogue, Status
from tests.desk import Desk, frame
from tests.scripted import Says, call, scripted

REFUSALS = {ErrorCode.BUSY, ErrorCode.QUEUE_FULL, ErrorCode.INHIBITED, ErrorCode.BAD_TASK, ErrorCode.STOPPED}


def honest(plan: Plan, skills: SkillCatalogue) -> None:
    """What holds of every plan there is."""
    assert plan.valid == (plan.error_code is ErrorCode.NONE) == (not plan.error)
    assert not plan.valid or (plan.steps and plan.status in (Status.CONVERGED, Status.STEP_LIMIT, Status.DEADLINE))
    assert plan.denoising_steps == 0 or plan.canvases > 0
    assert (plan.valid_for > 0) == plan.valid and plan.latency.total >= 0
    for step in plan.steps:
        assert 0.0 <= step.confidence <= 1.0
        assert skills.skills[step.skill].validator.is_valid(dict(step.arguments))
    if plan.status is Status.REJECTED:
        assert plan.error_code in REFUSALS and not plan.steps and plan.denoising_steps == 0
    if plan.status in (Status.CANCELLED, Status.PREEMPTED, Status.FAILED):
        assert not plan.steps and not plan.valid
    if plan.status is Status.CONVERGED:
        assert plan.denoising_steps >= 2


@pytest.mark.parametrize("policy", ["latest", "queue", "reject"])
@pytest.mark.parametrize("mind", ["real", "script"])
def test_every_task_gets_one_honest_plan(model: Model, skills: SkillCatalogue, policy: str, mind: str) -> None:
    chance = random.Random(f"{policy}{mind}")
    answer = Says(model, call("pick{object:'red cube'}") + call("stop{}"))
    settings = Settings(preemption=policy, queue_limit=4, frame_rate=1000.0, publish_margin=0.005)
    desk = Desk(model if mind == "real" else scripted(model, answer), skills, settings)
    planner, asked = desk.planner, {}
    done = threading.Event()

    def camera() -> None:
        number = 0
        while not done.wait(1 / 30):
            number += 1
            planner.add_frame(frame(number % 7, number / 30, chance_camera()))

    def chance_camera() -> str:
        return "front" if time.monotonic_ns() % 3 else "rear"

    planner.start()
    thread = threading.Thread(target=camera)
    thread.start()
    try:
        for number in range(150):
            priority = chance.choice([0, 0, 0, 1, 5])
            text = chance.choice(["pick up the red cube", "stop <|turn>", "", "turn left"])
            template = chance.choice(["", "", "", "stop(); ____", "nonsense("])
            task = desk.submit(text, budget=10 ** chance.uniform(-4, 0.3), priority=priority, template_text=template)
            asked[task] = (number, priority)
            action = chance.random()
            if action < 0.15:
                planner.cancel(chance.choice(list(asked)))
            elif action < 0.18:
                planner.cancel_all()
            elif action < 0.21:
                planner.inhibit(True), desk.submit(task_id=f"inhibited{number}"), planner.inhibit(False)
                asked[f"inhibited{number}"] = (number, 0)
            elif action < 0.24:
                planner.reset_context()
            elif action < 0.27:
                planner.set_skill_enabled("turn", chance.random() < 0.5)
            elif action < 0.29:
                planner.stop(), planner.start()
            if chance.random() < 0.5:
                done.wait(chance.uniform(0, 0.03))
        desk.seen.wait(lambda: len(desk.seen.plans) >= len(asked))
    finally:
        done.set()
        thread.join()
        planner.close()
    assert Counter(plan.task_id for plan in desk.seen.plans) == Counter(list(asked))
    for plan in desk.seen.plans:
        honest(plan, skills)
    for draft in desk.seen.drafts:
        assert draft.task_id in asked and len(draft.tokens) == len(draft.accepted) == len(draft.entropy)
    if policy == "queue":  # among tasks that were begun, equals keep their order
        for level in (0, 1, 5):
            begun = [asked[e.task_id] for e in desk.seen.events if e.kind is EventKind.TASK_STARTED]
            order = [number for number, priority in begun if priority == level]
            assert order == sorted(order)
    assert not [e for e in desk.seen.events if e.kind is EventKind.ERROR]
    statistics = planner.statistics()
    assert sum(statistics.plans.values()) == len(asked) and statistics.waiting == 0 and statistics.running == ""
    assert statistics.deadline_hits + statistics.deadline_misses + statistics.deadline_empty == len(asked)


def test_cancelled_tasks_leave_the_cache_as_it_was(model: Model, skills: SkillCatalogue) -> None:
    chance = random.Random(7)
    settings = Settings(frame_rate=1000.0, preemption="latest", repair=False)
    desk, twin = Desk(model, skills, settings), Desk(model, skills, settings)
    for one in (desk, twin):
        one.planner.start()
        for number in range(3):
            one.planner.add_frame(frame(number, number, received=time.monotonic() + number))
            one.seen.wait(lambda n=number, o=one: sum(e.kind is EventKind.FRAME_ENCODED for e in o.seen.events) > n)
    stop_at = 0

    def during(draft: object) -> None:
        if len(desk.seen.drafts) >= stop_at:
            desk.planner.cancel_all()

    desk.seen.during = during
    grown: list[int] = []
    tracemalloc.start()
    for number in range(100):
        stop_at = len(desk.seen.drafts) + chance.randrange(1, 12)
        words = "pick up the red cube " * chance.randrange(1, 12)
        if number % 3 == 2:
            desk.submit(words)  # preempted by the next
        desk.ask(words, template_text=chance.choice(["", "stop(); ____"]), budget=60.0)
        desk.seen.drafts.clear()
        if number in (30, 99):
            desk.seen.plans[:-1] = []
            desk.seen.events.clear()
            gc.collect()
            grown.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert grown[1] - grown[0] < 200_000
    desk.seen.during = None
    last = [one.ask("turn left", template_text="turn(by=____); ____") for one in (desk, twin)]
    for one in (desk, twin):
        assert one.planner.stop(30)
    ours, theirs = desk.generator.context, twin.generator.context
    assert ours.info.tokens == theirs.info.tokens and ours.sequence.length == theirs.sequence.length
    for layer in range(len(model.config.text.layers)):
        for a, b in zip(ours.sequence.rows(layer), theirs.sequence.rows(layer), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5, rtol=0)
    assert (last[0].text, last[0].status) == (last[1].text, last[1].status)
    assert last[0].mean_entropy == pytest.approx(last[1].mean_entropy, abs=1e-3)
    for one in (desk, twin):
        one.planner.close()


def test_tasks_cut_at_random_moments_leave_no_trace() -> None:
    """The same 500 times: ``python -m benchmarks cancelling``."""
    nano = open_model(NANO, threads=1)
    found = trial(nano, SkillCatalogue.load(NANO / "skills.yaml"), questions(1, kinds=("fetch",))[0], tasks=40)
    assert sum(found.ended.values()) >= 40 and len(found.ended) > 1
    assert found.same == found.asked and found.difference == 0.0 and found.rows[0] == found.rows[1]
    assert found.grown < 200_000


def test_a_flood_is_answered(model: Model, skills: SkillCatalogue, desks: Callable[..., Desk]) -> None:
    desk = desks(preemption="queue", queue_limit=8)
    tasks = [desk.submit(budget=5.0) for _ in range(1000)]
    desk.planner.cancel_all()
    desk.seen.wait(lambda: len(desk.seen.plans) == len(tasks))
    assert Counter(p.task_id for p in desk.seen.plans) == Counter(tasks)
    assert desk.ask(template_text="stop()").valid
