"""Plans by their deadline: how many steps there is time for, and what comes out where there is too little."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from dgemma_ros.model import Model
from dgemma_ros.planning import (
    ErrorCode,
    EventKind,
    Status,
)
from tests.desk import Desk, Later, timed
from tests.scripted import Asked, Held, Says, call

PICK = call("pick{object:'red cube'}")


def test_a_hopeless_budget_ends_honestly(model: Model, desk_of: Callable[..., Desk]) -> None:
    plan = desk_of(Says(model, PICK)).ask(budget=1e-6)
    assert plan.status is Status.DEADLINE and plan.error_code is ErrorCode.LATE and not plan.valid and not plan.steps


@pytest.mark.parametrize("policy", ["draft", "empty"])
def test_a_hanging_step_does_not_make_the_plan_late(model: Model, desk_of: Callable[..., Desk], policy: str) -> None:
    script = Held(Says(model, PICK, entropy=1.0), at=1)
    desk = desk_of(script, late_policy=policy, publish_margin=0.1)
    task = desk.submit(budget=0.4)
    plan = desk.seen.plan(task)
    assert not script.go.is_set() and plan.status is Status.DEADLINE and plan.finished < plan.deadline
    assert plan.denoising_steps == 1 and desk.planner.statistics().watchdog == 1
    assert plan.valid == (policy == "draft") and len(plan.steps) == (1 if policy == "draft" else 0)
    script.go.set()
    assert desk.ask("and on").valid
    assert len(desk.seen.plans) == 2


def test_a_waiting_task_gets_its_plan_by_its_deadline(model: Model, desk_of: Callable[..., Desk]) -> None:
    script = Held(Says(model, PICK))
    desk = desk_of(script, preemption="queue")
    first = desk.submit(budget=30.0)
    assert script.inside.wait(30)
    late = desk.seen.plan(desk.submit(budget=0.05))
    assert late.status is Status.DEADLINE and late.error_code is ErrorCode.LATE
    script.go.set()
    assert desk.seen.plan(first).valid and desk.planner.statistics().waiting == 0


def test_the_schedule_is_compressed_to_the_time_there_is(model: Model, desk_of: Callable[..., Desk]) -> None:
    asked: list[float] = []

    def script(one: Asked) -> Any:
        return Says(model, PICK)(one)[0], 1.0

    desk = desk_of(script, timed(0.1))
    plan = desk.ask(budget=0.75)
    assert plan.step_budget == 7 and plan.status is Status.STEP_LIMIT and not asked
    assert plan.denoising_steps == 7


def test_a_step_that_would_be_late_is_not_begun(model: Model, desk_of: Callable[..., Desk]) -> None:
    never = threading.Event()

    def slow(asked: Asked) -> Any:
        never.wait(0.3)
        return Says(model, PICK)(asked)[0], 1.0

    desk = desk_of(slow, timed(0.05), publish_margin=0.4)  # so much may a busy machine be late
    plan = desk.ask(budget=1.6)
    assert plan.status is Status.DEADLINE and plan.finished < plan.deadline and plan.step_budget > 10
    assert plan.denoising_steps <= 4 and desk.planner.statistics().watchdog == 0


@pytest.mark.parametrize(("policy", "valid", "steps"), [("draft", False, 1), ("empty", False, 0), ("accept", True, 1)])
def test_a_plan_behind_its_deadline_says_so(
    model: Model, desk_of: Callable[..., Desk], policy: str, valid: bool, steps: int
) -> None:
    """As where the process was stopped for seconds: what was converged then comes too late."""
    clock, script = Later(), Held(Says(model, PICK), at=1)
    desk = desk_of(script, clock=clock, late_policy=policy)
    task = desk.submit(budget=100.0, received=clock())
    assert script.inside.wait(30)
    clock.ahead = 200.0
    script.go.set()
    plan = desk.seen.plan(task)
    assert plan.finished > plan.deadline and plan.status is Status.DEADLINE
    assert (plan.valid, len(plan.steps)) == (valid, steps)
    assert plan.error_code is (ErrorCode.NONE if valid else ErrorCode.LATE)
    desk.seen.wait(lambda: any(e.kind is EventKind.DEADLINE_MISSED for e in desk.seen.events))
    figures = desk.planner.statistics()
    assert (figures.deadline_hits, figures.deadline_misses, figures.deadline_empty) == (0, 1, 0)


def test_a_plan_that_is_handed_on_too_late_counts_as_late(model: Model, desk_of: Callable[..., Desk]) -> None:
    """As where the process was stopped between a plan's writing and its sending."""
    clock = Later()
    desk = desk_of(Says(model, PICK), clock=clock)

    def stand_still(plan: Any) -> None:
        clock.ahead = 200.0

    desk.seen.then = stand_still
    plan = desk.ask(budget=100.0, received=clock())
    assert plan.finished < plan.deadline
    desk.seen.wait(lambda: any(e.kind is EventKind.DEADLINE_MISSED for e in desk.seen.events))
    figures = desk.planner.statistics()
    assert (figures.deadline_hits, figures.deadline_misses, figures.deadline_empty) == (0, 1, 0)
    assert figures.lateness.max > 50.0


def test_a_budget_within_the_publish_margin_says_so(model: Model, desk_of: Callable[..., Desk]) -> None:
    desk = desk_of(Says(model, PICK), publish_margin=0.5)
    plan = desk.ask(budget=0.5, received=time.monotonic() - 0.1)  # a sum of which is not exact
    assert plan.status is Status.DEADLINE and plan.error_code is ErrorCode.LATE
    assert "budget of 0.5 s" in plan.error and "publish_margin" in plan.error
    figures = desk.planner.statistics()
    assert (figures.deadline_hits, figures.deadline_misses, figures.deadline_empty) == (0, 0, 1)


def test_a_thousand_equal_deadlines_are_all_kept(model: Model, desk_of: Callable[..., Desk]) -> None:
    script = Held(Says(model, PICK))
    desk = desk_of(script, preemption="queue", queue_limit=5000)
    first = desk.submit(budget=1000.0)
    assert script.inside.wait(30)
    desk.seen.then = lambda plan: time.sleep(0.0005)  # a publisher takes its time, too
    for _ in range(20):
        desk.submit("")  # refused: so it is known how long
    received = time.monotonic()
    for _ in range(1000):
        desk.submit(budget=5.0, received=received)
    desk.seen.wait(lambda: len(desk.seen.plans) == 1020)
    late = [plan.finished - plan.deadline for plan in desk.seen.plans if plan.finished > plan.deadline]
    assert not late and desk.seen.plans[-1].task_id == "t22"  # who came first is given up last
    script.go.set()
    assert desk.seen.plan(first).valid


def test_what_needs_no_model_is_answered_before_submit_returns(model: Model, desk_of: Callable[..., Desk]) -> None:
    script = Held(Says(model, PICK))
    desk = desk_of(script, timed(0.1, clock=lambda: 0.0), preemption="queue")  # what was measured stays fresh
    first, second = desk.submit(), desk.submit()
    assert script.inside.wait(30)
    hopeless, unusable = desk.submit(budget=0.1), desk.submit("")
    assert [p.task_id for p in desk.seen.plans] == [hopeless, unusable]  # no thread had to wake up for them
    assert desk.seen.plan(hopeless).error_code is ErrorCode.LATE
    assert desk.planner.cancel(second) and desk.seen.plans[-1].task_id == second
    script.go.set()
    assert desk.seen.plan(first).valid


def test_a_step_is_tried_where_none_was_timed_of_late(model: Model, desk_of: Callable[..., Desk]) -> None:
    ago = 10.0
    times = timed(2.2, clock=lambda: time.monotonic() - ago)
    ago = 0.0
    desk = desk_of(Says(model, PICK), times)
    assert desk.ask(budget=2.0).denoising_steps > 0
