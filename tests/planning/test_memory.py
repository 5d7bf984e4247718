"""What a task sees of what was read before it: frames and their age, notes, earlier tasks and their plans."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dgemma_ros.model import Model
from dgemma_ros.planning import (
    ErrorCode,
    EventKind,
    Settings,
    SkillCatalogue,
    Status,
)
from tests.desk import Desk, Later, frame
from tests.scripted import Held, Says, call, scripted

PICK = call("pick{object:'red cube'}")


def test_stale_cameras(model: Model, desk_of: Callable[..., Desk]) -> None:
    desk = desk_of(Says(model, call("stop{}")), max_observation_age=0.5, frame_rate=0.001)
    plan = desk.ask()
    assert plan.valid and plan.stale and plan.observation_stamp_ns is None
    old = time.monotonic() - 10
    assert desk.planner.add_frame(frame(1, 1.0, received=old))
    assert desk.ask().stale
    desk.planner.update(Settings(max_observation_age=0.5, stale_policy="refuse", frame_rate=0.001))
    refused = desk.ask()
    assert refused.status is Status.REJECTED and refused.error_code is ErrorCode.STALE_CAMERA
    # A frame too soon for the rate is taken after all where the task needs one.
    assert not desk.planner.add_frame(frame(2, 9.0))
    fresh = desk.ask()
    assert fresh.valid and not fresh.stale and fresh.observation_stamp_ns == 9 * 10**9 and fresh.latency.vision > 0
    desk.planner.reset_context()
    assert desk.ask().error_code is ErrorCode.NO_FRAME


def test_a_frame_that_grows_old_while_the_plan_is_made_makes_it_stale(
    model: Model, desk_of: Callable[..., Desk]
) -> None:
    clock, script = Later(), Held(Says(model, PICK))
    desk = desk_of(script, clock=clock, max_observation_age=100.0)
    desk.planner.read_frame(frame(1, 1.0, received=clock()))
    task = desk.submit(budget=1000.0)
    assert script.inside.wait(30)
    clock.ahead = 200.0
    script.go.set()
    plan = desk.seen.plan(task)
    assert plan.valid and plan.stale and plan.latency.total > 200
    desk.planner.read_frame(frame(2, 2.0, received=clock()))
    assert not desk.ask(received=clock()).stale


class SlowEyes:
    """A session whose vision tower takes a second of that clock."""

    def __init__(self, session: Any, clock: Later) -> None:
        self._session, self._clock = session, clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def soft_tokens(self, feeds: Any) -> Any:
        self._clock.ahead += 1.0
        return self._session.soft_tokens(feeds)


@pytest.mark.parametrize(("budget", "read"), [(11.0, 2), (7.0, 1), (3.0, 0), (60.0, 4)])
def test_frames_take_no_more_than_a_quarter_of_a_tasks_own_time(
    model: Model, skills: SkillCatalogue, budget: float, read: int
) -> None:
    clock, script = Later(), Held(Says(model, call("stop{}")))
    mind = scripted(model, script)
    mind = replace(mind, session=SlowEyes(mind.session, clock))
    desk = Desk(mind, skills, Settings(preemption="queue", frame_rate=1000.0, max_frames=9), clock=clock)
    desk.planner.start()
    desk.planner.read_frame(frame(1, 0.0, received=clock()))  # a second, as is known now
    first = desk.submit(received=clock())
    assert script.inside.wait(30)
    for number in range(4):
        assert desk.planner.add_frame(frame(number, 1.0, f"camera{number}", received=clock()))
    second = desk.submit(budget=budget, received=clock())
    script.go.set()
    desk.seen.plan(first)
    plan = desk.seen.plan(second)
    desk.planner.close()
    assert plan.valid and plan.latency.vision == pytest.approx(read, abs=0.5)


def test_plans_are_remembered_where_they_are_valid_and_wanted(model: Model, desk_of: Callable[..., Desk]) -> None:
    said = Says(model, call("stop{}"), call("fly{}"), call("stop{}"), call("stop{}"))
    desk = desk_of(said, max_turns=9, repair=False)
    desk.ask("one"), desk.ask("two"), desk.ask("three", remember=False), desk.ask("four")
    read = said.read()
    assert "one<turn|>\n<|turn>model\n" in read and "two" not in read and "three" not in read
    assert call("stop{}") + "<turn|>\n<|turn>user\nfour<turn|>" in read
    desk.seen.wait(lambda: len(desk.planner.context_info().segments) == 5)
    assert [s.kind for s in desk.planner.context_info().segments] == ["system", "task", "plan", "task", "plan"]


def test_a_task_sees_the_frames_that_came_before_it(model: Model, desk_of: Callable[..., Desk]) -> None:
    script = Held(said := Says(model, call("stop{}")))
    desk = desk_of(script, preemption="queue")
    first = desk.submit()
    assert script.inside.wait(30)
    desk.planner.add_frame(frame(1, 1.0)), desk.planner.add_frame(frame(2, 2.0, "rear"))
    second = desk.submit()
    script.go.set()
    assert desk.seen.plan(first).observation_stamp_ns is None
    plan = desk.seen.plan(second)
    assert plan.observation_stamp_ns == 2 * 10**9 and said.read().count("<image|>") == 2 and plan.latency.vision > 0


def test_frames_that_come_while_planning_are_read_afterwards(model: Model, desk_of: Callable[..., Desk]) -> None:
    script = Held(Says(model, call("stop{}")))
    desk = desk_of(script)
    task = desk.submit()
    assert script.inside.wait(30)
    for seconds in range(3):
        assert desk.planner.add_frame(frame(seconds, seconds, received=time.monotonic() + 0.01 * seconds))
    script.go.set()
    desk.seen.plan(task)
    desk.seen.wait(lambda: any(e.kind is EventKind.FRAME_ENCODED for e in desk.seen.events))
    assert desk.planner.context_info().newest_stamp_ns == 2 * 10**9
    assert desk.planner.statistics().frames_dropped == {"replaced": 2}


def test_notes_are_read_before_the_next_task(model: Model, desk_of: Callable[..., Desk]) -> None:
    script = Held(said := Says(model, call("stop{}")))
    desk = desk_of(script, preemption="queue")
    first = desk.submit()
    assert script.inside.wait(30)
    desk.planner.add_note("the gripper is broken"), desk.planner.add_note(" "), desk.planner.add_note("x " * 9000)
    second = desk.submit("go on")
    script.go.set()
    assert desk.seen.plan(first).valid and "gripper" not in said.read(0)
    assert desk.seen.plan(second).valid and "note: the gripper is broken\ngo on<turn|>" in said.read()
    kinds = [s.kind for s in desk.planner.context_info().segments]
    assert kinds.count("note") == 1
    assert [e.text for e in desk.seen.events if e.kind is EventKind.ERROR and "a note" in e.text]
    assert desk.planner.stop(30)
    desk.planner.add_note("no worker is needed")
    assert desk.planner.context_info().segments[-1].summary == "no worker is needed"
