"""One planner: statuses, deadlines, preemption, memory, drafts, repair."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dgemma_ros.errors import BackendError
from dgemma_ros.model import Model
from dgemma_ros.planning import (
    ErrorCode,
    EventKind,
    Planner,
    PlannerError,
    Settings,
    SettingsError,
    SkillCatalogue,
    Status,
)
from dgemma_ros.planning.budget import StepTimes
from tests.desk import Desk, frame
from tests.scripted import Asked, Says, Script, call, scripted

PICK = call("pick{object:'red cube'}")
TWO = PICK + call("place{object:'red cube',target:'left'}")


@pytest.fixture
def desk_of(model: Model, skills: SkillCatalogue) -> Iterator[Callable[..., Desk]]:
    """Started planners on scripted models."""
    made: list[Desk] = []

    def make(script: Script, times: StepTimes | None = None, **settings: Any) -> Desk:
        start = settings.pop("start", True)
        given = {name: settings.pop(name) for name in ("clock",) if name in settings}
        mind, wanted = scripted(model, script), Settings(**{"frame_rate": 1000.0, **settings})
        desk = Desk(mind, skills, wanted, times=times, **given)
        made.append(desk)
        if start:
            desk.planner.start()
        return desk

    yield make
    for desk in made:
        desk.planner.close()


def timed(seconds: float, clock: Callable[[], float] = time.monotonic) -> StepTimes:
    """Steps of any context took so long, so often that it is certain."""
    times = StepTimes(clock)
    for _ in range(100):
        times.record(400, seconds)
    return times


class Held:
    """A script that waits in its first step until it is let go; then as ``then`` says."""

    def __init__(self, then: Script, at: int = 0) -> None:
        self.then, self.at = then, at
        self.inside, self.go = threading.Event(), threading.Event()

    def __call__(self, asked: Asked) -> Any:
        if asked.step >= self.at and not self.go.is_set():
            self.inside.set()
            assert self.go.wait(60)
        return self.then(asked)


# -- answers ----------------------------------------------------------------------------------------------------------


def test_a_right_answer_becomes_a_valid_plan(model: Model, desk_of: Callable[..., Desk]) -> None:
    desk = desk_of(Says(model, TWO))
    desk.planner.add_frame(frame(1, 5.0))
    desk.seen.wait(lambda: any(e.kind is EventKind.FRAME_ENCODED for e in desk.seen.events))
    plan = desk.ask("put the red cube to the left")
    assert plan.status is Status.CONVERGED and plan.valid and not plan.stale and plan.error_code is ErrorCode.NONE
    assert [(s.skill, dict(s.arguments)) for s in plan.steps] == [
        ("pick", {"object": "red cube"}),
        ("place", {"object": "red cube", "target": "left"}),
    ]
    assert plan.denoising_steps == 2 and plan.canvases == 1 and plan.step_budget == 12
    assert (plan.camera, plan.frame_id, plan.observation_stamp_ns) == ("front", "front_optical", 5 * 10**9)
    assert plan.finished < plan.deadline and plan.valid_for == 10.0 and plan.latency.total > plan.latency.denoise > 0
    assert plan.text == 'pick(object="red cube"); place(object="red cube", target="left")'


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("I can not.", ErrorCode.NO_CALLS),
        (call("fly{}"), ErrorCode.UNKNOWN_SKILL),
        (call("turn{by:900}"), ErrorCode.BAD_ARGUMENT),
        ("<|tool_call>call:pick{object:", ErrorCode.TRUNCATED),
    ],
)
def test_a_wrong_answer_is_never_valid(
    model: Model, desk_of: Callable[..., Desk], answer: str, code: ErrorCode
) -> None:
    plan = desk_of(Says(model, call("stop{}") + answer if code is not ErrorCode.NO_CALLS else answer)).ask()
    assert not plan.valid and plan.error_code is code and plan.error and plan.valid_for == 0.0
    assert all(s.skill == "stop" for s in plan.steps)


def test_an_answer_of_several_canvases(model: Model, desk_of: Callable[..., Desk]) -> None:
    answer = PICK + call("turn{by:12}") + call("place{object:'blue plate',target:'table'}") + call("stop{}")
    answer += PICK + call("stop{}")
    ids = model.chat.tokenizer.encode(answer + "<turn|>", trusted=True)
    count = model.config.canvas_length
    assert 2 * count > len(ids) > count

    def script(asked: Asked) -> Any:
        return ids[asked.number * count :] + [model.chat.tokenizer.id("<pad>")] * count, 0.0

    desk = desk_of(script)
    plan = desk.ask()
    assert plan.valid and plan.canvases == 2
    assert [s.skill for s in plan.steps] == ["pick", "turn", "place", "stop", "pick", "stop"]
    assert desk_of(script, max_canvases=1).ask().error_code is ErrorCode.TRUNCATED


def test_thoughts_never_leak(model: Model, desk_of: Callable[..., Desk]) -> None:
    said = Says(model, "<|channel>thought\nno " + call("stop{}") + "<channel|>" + call("turn{by:1}"))
    desk = desk_of(said, thinking=True)
    plan = desk.ask()
    assert plan.valid and [s.skill for s in plan.steps] == ["turn"]
    assert all("thought" not in d.text and "stop" not in d.text for d in desk.seen.drafts)
    desk.ask("again")
    assert "<|channel>" not in said.read()  # nor does the model read its old thoughts


def test_drafts_tell_each_step(model: Model, desk_of: Callable[..., Desk]) -> None:
    count = model.config.canvas_length
    entropy = [0.02] * 5 + [3.0] * (count - 5)
    desk = desk_of(Says(model, call("stop{}"), entropy=entropy))
    plan = desk.ask()
    assert plan.status is Status.STEP_LIMIT and plan.valid and len(desk.seen.drafts) == plan.denoising_steps == 12
    draft = desk.seen.drafts[3]
    assert (draft.task_id, draft.canvas, draft.step, draft.steps) == (plan.task_id, 0, 3, 12)
    assert draft.text == call("stop{}") and len(draft.tokens) == len(draft.accepted) == len(draft.entropy)
    assert draft.accepted[:5] == (True,) * 5 and not any(draft.accepted[5:]) and 29 < draft.remaining <= 30
    assert plan.steps[0].confidence == pytest.approx(2.718281828 ** -max(draft.entropy), rel=1e-3)


# -- deadlines --------------------------------------------------------------------------------------------------------


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


def test_a_budget_within_the_publish_margin_says_so(model: Model, desk_of: Callable[..., Desk]) -> None:
    desk = desk_of(Says(model, PICK), publish_margin=0.5)
    plan = desk.ask(budget=0.5)
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


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"image_tokens": 30000}, "image_tokens: 30000 a frame do not fit"),
        ({"context_tokens": 500}, "context_tokens: 500 is too small"),
        ({"publish_margin": 60.0}, "publish_margin: 60 s leave no time of the budget, 2 s"),
        ({"budget": 0.01}, "publish_margin: 0.02 s leave no time of the budget, 0.01 s"),
    ],
)
def test_settings_that_cannot_work_with_this_model_are_refused_by_name(
    model: Model, skills: SkillCatalogue, desk_of: Callable[..., Desk], settings: Any, words: str
) -> None:
    desk = desk_of(Says(model, PICK))
    with pytest.raises(SettingsError, match=words):
        desk.planner.update(Settings(**settings))
    with pytest.raises(SettingsError, match=words):
        Desk(model, skills, Settings(**settings))


def test_the_smallest_context_that_is_taken_holds_a_task(model: Model, desk_of: Callable[..., Desk]) -> None:
    with pytest.raises(SettingsError) as refused:
        desk_of(Says(model, PICK), context_tokens=430, start=False)
    smallest = int(re.findall(r"need (\d+) tokens", str(refused.value))[0])
    assert desk_of(Says(model, PICK), context_tokens=smallest).ask("go").valid


# -- in and out -------------------------------------------------------------------------------------------------------


def test_cancel_takes_effect_within_a_step(model: Model, desk_of: Callable[..., Desk]) -> None:
    script = Held(Says(model, PICK, entropy=1.0), at=2)
    desk = desk_of(script)
    task = desk.submit()
    assert script.inside.wait(30) and desk.planner.cancel(task) and not desk.planner.cancel(task)
    script.go.set()
    plan = desk.seen.plan(task)
    assert plan.status is Status.CANCELLED and plan.denoising_steps == 3 and not plan.valid and not plan.steps
    assert not desk.planner.cancel("nobody")


def test_a_newer_task_takes_the_place(model: Model, desk_of: Callable[..., Desk]) -> None:
    script = Held(Says(model, PICK, entropy=1.0), at=1)
    desk = desk_of(script, preemption="latest")
    first = desk.submit()
    assert script.inside.wait(30)
    second, third = desk.submit(), desk.submit()
    script.go.set()
    assert [desk.seen.plan(t).status for t in (first, second, third)] == [
        Status.PREEMPTED,
        Status.PREEMPTED,
        Status.STEP_LIMIT,
    ]


def test_queued_tasks_keep_their_order_and_priority_beats_it(model: Model, desk_of: Callable[..., Desk]) -> None:
    script = Held(Says(model, call("stop{}")))
    desk = desk_of(script, preemption="queue", queue_limit=3)
    running = desk.submit(priority=9)
    assert script.inside.wait(30)
    a, b, urgent, refused = desk.submit(), desk.submit(), desk.submit(priority=3), desk.submit()
    assert desk.seen.plan(refused).error_code is ErrorCode.QUEUE_FULL
    script.go.set()
    desk.seen.plan(b)
    assert [p.task_id for p in desk.seen.plans if p.valid] == [running, urgent, a, b]


def test_inhibit_stops_all_until_it_is_lifted(model: Model, desk_of: Callable[..., Desk]) -> None:
    script = Held(Says(model, call("stop{}")))
    desk = desk_of(script, preemption="queue")
    first = desk.submit()
    assert script.inside.wait(30)
    second = desk.submit()
    desk.planner.inhibit(True)
    third = desk.submit()
    assert desk.seen.plan(second).status is Status.CANCELLED
    refused = desk.seen.plan(third)
    assert refused.status is Status.REJECTED and refused.error_code is ErrorCode.INHIBITED
    script.go.set()
    assert desk.seen.plan(first).error_code is ErrorCode.INHIBITED and desk.planner.statistics().state == "inhibited"
    desk.planner.inhibit(False)
    assert desk.ask().valid


@pytest.mark.parametrize(
    ("task", "code"),
    [
        ({"text": " "}, ErrorCode.BAD_TASK),
        ({"budget": -1.0}, ErrorCode.BAD_TASK),
        ({"template_text": "fly()"}, ErrorCode.BAD_TASK),
        ({"text": "word " * 5000}, ErrorCode.CONTEXT_FULL),
    ],
)
def test_unusable_tasks_are_refused(model: Model, desk_of: Callable[..., Desk], task: Any, code: ErrorCode) -> None:
    desk = desk_of(Says(model, call("stop{}")))
    plan = desk.ask(**task)
    assert plan.status is Status.REJECTED and plan.error_code is code and plan.error
    assert desk.ask("go on").valid


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


class Later:
    """A clock that can be set forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


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


def test_a_plan_rests_on_what_its_task_began_with(model: Model, desk_of: Callable[..., Desk]) -> None:
    """Settings and skills that change meanwhile are for the next one, but what is switched off is in none."""
    script = Held(Says(model, call("stop{}")))
    desk = desk_of(script, seed=1, valid_for=5.0, preemption="queue")
    first = desk.submit()
    assert script.inside.wait(30)
    waiting = desk.submit()
    desk.planner.update(Settings(seed=999, valid_for=9.0, max_plan_steps=1, preemption="queue"))
    script.go.set()
    plan, then = desk.seen.plan(first), desk.seen.plan(waiting)
    assert (plan.seed, plan.valid_for, then.seed, then.valid_for) == (1, 5.0, 999, 9.0) and plan.valid


def test_what_is_switched_off_meanwhile_is_in_no_plan(model: Model, desk_of: Callable[..., Desk]) -> None:
    script = Held(Says(model, PICK + call("stop{}")))
    desk = desk_of(script, repair=False)
    task = desk.submit()
    assert script.inside.wait(30)
    desk.planner.set_skill_enabled("stop", False)
    script.go.set()
    plan = desk.seen.plan(task)
    assert plan.error_code is ErrorCode.UNKNOWN_SKILL and not plan.valid
    assert [step.skill for step in plan.steps] == ["pick"]
    assert [segment.kind for segment in desk.planner.context_info().segments] == ["system"]


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


# -- memory -----------------------------------------------------------------------------------------------------------


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


def test_settings_and_skills_change_live(model: Model, desk_of: Callable[..., Desk]) -> None:
    said = Says(model, call("stop{}"))
    desk = desk_of(said)
    desk.planner.set_skill_enabled("stop", False)
    plan = desk.ask()
    assert plan.error_code is ErrorCode.UNKNOWN_SKILL and "declaration:stop" not in said.read()
    desk.planner.set_skill_enabled("stop", True)
    assert desk.ask().valid and "declaration:stop" in said.read()
    with pytest.raises(SettingsError, match="too small"):
        desk.planner.update(Settings(context_tokens=20))
    desk.planner.update(Settings(budget=7.0, seed=5))
    plan = desk.ask(budget=None)
    assert plan.seed == 5 and plan.deadline - plan.finished > 5


# -- repair and pins --------------------------------------------------------------------------------------------------


def test_a_wrong_argument_is_repaired_alone(model: Model, desk_of: Callable[..., Desk]) -> None:
    wrong = call("turn{by:99}") + call("stop{}")
    said = Says(model, wrong, call("turn{by:19}") + call("stop{}"))
    desk = desk_of(said)
    plan = desk.ask()
    assert plan.valid and plan.steps[0].arguments == {"by": 19} and desk.planner.statistics().repairs == 1
    pinned = said.asked[-1].pin
    assert 1 <= (~pinned).sum() <= 6  # the value and what shares a token with it
    said = Says(model, wrong)
    plan = desk_of(said).ask()
    assert not plan.valid and plan.error_code is ErrorCode.BAD_ARGUMENT and len(said.asked) > 2
    said = Says(model, wrong)
    desk_of(said, repair=False).ask()
    assert len(said.asked) == 2


def test_templates_are_pinned(model: Model, desk_of: Callable[..., Desk]) -> None:
    said = Says(model, call("stop{}") + call("turn{by:12}"))
    desk = desk_of(said)
    plan = desk.ask("which?", template_text="stop(); turn(by=____)")
    assert said.asked[0].pin.sum() > 10 and plan.steps[0].skill == "stop"
    free = ~said.asked[0].pin
    allowed = said.asked[0].feeds["allowed"][said.asked[0].feeds["allowed_row"][free]]
    assert allowed.any(-1).all() and allowed.sum() < 100


# -- when things break ------------------------------------------------------------------------------------------------


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


def test_a_plan_can_be_made_again_from_its_seed(desks: Callable[..., Desk]) -> None:
    plans = []
    for _ in range(2):
        desk = desks(seed=11)
        plans.append(desk.ask("turn", template_text="turn(by=____); ____"))
    one, two = plans
    assert (one.text, one.steps, one.denoising_steps, one.mean_entropy) == (
        two.text,
        two.steps,
        two.denoising_steps,
        two.mean_entropy,
    )
