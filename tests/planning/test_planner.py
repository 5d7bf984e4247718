"""One planner: its answers, cancel and preemption, settings that change, repair and pins."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dgemma_ros.model import Model
from dgemma_ros.planning import (
    ErrorCode,
    EventKind,
    Planner,
    Settings,
    SettingsError,
    SkillCatalogue,
    Status,
)
from tests.desk import Desk, frame
from tests.scripted import Asked, Held, Says, call

PICK = call("pick{object:'red cube'}")
TWO = PICK + call("place{object:'red cube',target:'left'}")


# -- answers -----------------------------------------------------------------------------------------------------------


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


# -- in and out --------------------------------------------------------------------------------------------------------


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


# -- settings ----------------------------------------------------------------------------------------------------------


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


# -- repair, pins and seeds --------------------------------------------------------------------------------------------


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


def test_closed_while_it_starts(model: Model, skills: SkillCatalogue) -> None:
    """Somebody closes it at the very moment in which its thread is to begin."""
    before = set(threading.enumerate())
    planner = Planner(model, skills, Settings(), None, lambda plan: None)
    begins, closed = threading.Event(), threading.Event()

    def close() -> None:
        begins.wait()
        planner.close()
        closed.set()

    def hold(frame: Any, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code is threading.Thread.start.__code__:
            sys.setprofile(None)
            begins.set()
            closed.wait(0.2)  # no longer: it may have to wait for the thread

    with ThreadPoolExecutor() as pool:
        ended = pool.submit(close)
        sys.setprofile(hold)
        try:
            planner.start()
        finally:
            sys.setprofile(None)
        ended.result()
    assert begins.is_set() and not set(threading.enumerate()) - before
