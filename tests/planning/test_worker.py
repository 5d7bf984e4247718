"""The thread that has the model: it starts and stops, goes on after errors, warms up, and says what it noticed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dgemma_ros.errors import BackendError
from dgemma_ros.images.preparation import ImagePreparation
from dgemma_ros.model import Model
from dgemma_ros.planning import (
    ErrorCode,
    EventKind,
    Planner,
    PlannerError,
    Settings,
    SkillCatalogue,
    Status,
)
from dgemma_ros.planning.budget import StepTimes
from tests.desk import Desk, Later, frame
from tests.scripted import Asked, Held, Says, call, scripted

PICK = call("pick{object:'red cube'}")


def test_an_error_fails_the_task_and_the_planner_goes_on(model: Model, desk_of: Callable[..., Desk]) -> None:
    said = Says(model, call("stop{}"))
    errors: list[Exception] = [BackendError("the device is gone"), RuntimeError("a defect")]

    def script(asked: Asked) -> Any:
        if errors:
            raise errors.pop(0)
        return said(asked)

    desk = desk_of(script)
    desk.planner.add_frame(frame(1, 1.0))
    desk.seen.wait(lambda: bool(desk.seen.events))
    first, second = desk.ask(), desk.ask()
    assert (first.status, first.error_code, first.error) == (Status.FAILED, ErrorCode.BACKEND, "the device is gone")
    assert (second.status, second.error_code) == (Status.FAILED, ErrorCode.INTERNAL) and "a defect" in second.error
    assert desk.ask().valid and "<|image|>" in said.read()


def test_what_cannot_be_repaired_at_once_is_repaired_later(model: Model, desk_of: Callable[..., Desk]) -> None:
    said = Says(model, call("stop{}"))
    gone = True

    def script(asked: Asked) -> Any:
        if gone:
            raise BackendError("the device is gone")
        return said(asked)

    desk = desk_of(script)
    desk.planner.add_frame(frame(1, 1.0))
    desk.seen.wait(lambda: bool(desk.seen.events))
    session: Any = desk.planner.model.session
    encode, session.encode = session.encode, lambda *given: script(given)  # type: ignore[arg-type]
    assert [desk.ask().status for _ in range(3)] == [Status.FAILED] * 3
    gone, session.encode = False, encode
    assert desk.ask().valid and said.read().count("<|image|>") == 12


def test_a_picture_that_does_not_fit_harms_nobody(model: Model, desk_of: Callable[..., Desk]) -> None:
    desk = desk_of(Says(model, call("stop{}")))
    for _ in range(2):
        thin = replace(frame(1, 1.0), rgb=np.zeros((1, 9000, 3), np.uint8))
        assert desk.planner.add_frame(thin)
        assert desk.ask().valid
    assert desk.planner.context_info().frames == 0
    assert sum(e.kind is EventKind.ERROR for e in desk.seen.events) == 2


def test_a_picture_is_prepared_by_whoever_brings_it(
    model: Model, desk_of: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large one takes half a second, for which no task waits. Settings may change before its turn comes."""
    threads: list[threading.Thread] = []
    prepare = ImagePreparation.prepare

    def watched(self: ImagePreparation, *given: Any, **named: Any) -> Any:
        threads.append(threading.current_thread())
        return prepare(self, *given, **named)

    monkeypatch.setattr(ImagePreparation, "prepare", watched)
    script = Held(Says(model, PICK))
    desk = desk_of(script, frame_rate=0.001)
    task = desk.submit(budget=100.0)
    assert script.inside.wait(30)
    assert desk.planner.add_frame(frame(1, 1.0)) and threads == [threading.current_thread()]
    assert not desk.planner.add_frame(frame(2, 2.0)) and len(threads) == 1  # too soon: nobody wants it
    fewer = model.images.soft_tokens // 2
    desk.planner.update(replace(desk.planner.settings, image_tokens=fewer))
    script.go.set()
    assert desk.seen.plan(task).valid
    desk.seen.wait(lambda: any(e.kind is EventKind.FRAME_ENCODED for e in desk.seen.events))
    (told,) = [e.text for e in desk.seen.events if e.kind is EventKind.FRAME_ENCODED]
    assert int(told.split()[1]) <= fewer and len(threads) == 2


def test_a_listener_may_submit(model: Model, desk_of: Callable[..., Desk]) -> None:
    desk = desk_of(Says(model, PICK))
    left = 50

    def answer(plan: object) -> None:
        nonlocal left
        if left:
            left -= 1
            desk.submit(budget=1e-6)  # ends at once, without the listener being called inside itself

    depth = 0

    def then(plan: object) -> None:
        nonlocal depth
        depth += 1
        assert depth == 1
        answer(plan)
        depth -= 1

    desk.seen.then = then
    desk.submit(budget=1e-6)
    desk.seen.wait(lambda: len(desk.seen.plans) == 51)
    assert not [e for e in desk.seen.events if e.kind is EventKind.ERROR]


def test_a_listeners_error_is_an_event(model: Model, skills: SkillCatalogue) -> None:
    desk = Desk(scripted(model, Says(model, call("stop{}"))), skills, Settings())
    seen = desk.seen

    def fail(value: object) -> None:
        raise ValueError("a listener's mistake")

    with_plan = Planner(desk.planner.model, skills, Settings(), fail, seen.on_plan, seen.on_event)
    with_plan.start()
    desk.planner.close()
    desk.planner = with_plan
    assert desk.ask().valid
    seen.wait(lambda: any("a listener's mistake" in e.text for e in seen.events))
    with_plan.close()


def test_stop_and_start(model: Model, desk_of: Callable[..., Desk]) -> None:
    script = Held(Says(model, call("stop{}")))
    desk = desk_of(script, preemption="queue")
    with pytest.raises(PlannerError, match="running"):
        desk.planner.start()
    first = desk.submit()
    assert script.inside.wait(30)
    second = desk.submit()
    assert not desk.planner.stop(timeout=0.05)  # the step hangs; the plans come all the same
    assert {desk.seen.plan(t).status for t in (first, second)} == {Status.CANCELLED}
    with pytest.raises(PlannerError, match="not ended"):
        desk.planner.start()
    refused = desk.ask()
    assert refused.status is Status.REJECTED and refused.error_code is ErrorCode.STOPPED
    assert not desk.planner.add_frame(frame(1, 1.0))
    script.go.set()
    assert desk.planner.stop(timeout=30)
    desk.planner.start()
    assert desk.ask().valid
    desk.planner.close()
    desk.planner.close()
    assert desk.ask().error_code is ErrorCode.STOPPED
    assert len({p.task_id for p in desk.seen.plans}) == len(desk.seen.plans)


def test_one_thread_at_a_time_has_the_model(model: Model, desk_of: Callable[..., Desk]) -> None:
    desk = desk_of(Says(model, call("stop{}")), start=False)
    session: Any = desk.planner.model.session
    session.users.clear()
    desk.planner.reset_context()  # no worker: the caller does it
    desk.planner.start()
    desk.planner.add_frame(frame(1, 1.0))
    desk.ask(), desk.planner.reset_context(), desk.ask()
    assert len(session.users - {threading.get_ident()}) == 1


def test_warming_up_leaves_no_trace_and_knows_the_step(desks: Callable[..., Desk]) -> None:
    times = StepTimes()
    desk = desks(start=False, times=times)
    before = desk.planner.context_info()
    said: list[str] = []
    desk.planner.warm_up(said.append)
    assert desk.planner.context_info() == before and len(said) > 10
    assert times.estimate(before.tokens) > 0 and len(times.latest) == 15


def told(desk: Desk, kind: EventKind) -> list[str]:
    """The events of a kind once all that was asked is done."""
    assert desk.planner.stop(30)
    desk.planner.start()
    return [event.text for event in desk.seen.events if event.kind is kind]


class Slow:
    """A script whose steps take so long by a clock, and that is never sure, so that all of them are made."""

    def __init__(self, model: Model, clock: Later) -> None:
        self.takes, self.clock = 1.0, clock
        self.says = Says(model, call("stop{}"), entropy=1.0)

    def __call__(self, asked: Asked) -> Any:
        self.clock.ahead += self.takes
        return self.says(asked)


def test_steps_that_grow_slow_are_told_once_each_way(model: Model, desk_of: Callable[..., Desk]) -> None:
    script = Slow(model, clock := Later())
    desk = desk_of(script, clock=clock)
    words: list[str] = []
    for takes, word in ((1.0, ""), (3.0, "3.0"), (3.0, ""), (1.0, "as long as usual again"), (1.0, "")):
        script.takes = takes
        for _ in range(2):
            assert desk.ask(budget=1000.0, received=clock()).denoising_steps == 12
        words += [word] if word else []
        drifts = told(desk, EventKind.STEP_TIME_DRIFT)
        assert len(drifts) == len(words) and all(map(str.__contains__, drifts, words)), drifts


def test_a_rebuilt_context_is_told_and_nothing_else_is(model: Model, desk_of: Callable[..., Desk]) -> None:
    desk = desk_of(Says(model, call("stop{}")), max_frames=2)
    before, counts = desk.planner.context_info().rebuilds, [0]
    for seconds in range(6):
        desk.planner.read_frame(frame(seconds, seconds))
        rebuilds = desk.planner.context_info().rebuilds
        expected, before = counts[-1] + (rebuilds != before), rebuilds
        rebuilt = told(desk, EventKind.CONTEXT_REBUILT)
        counts.append(len(rebuilt))
        assert counts[-1] == expected
    assert {0, 1} <= set(counts) and "tokens kept; forgotten so far: 1 frames" in rebuilt[0]
