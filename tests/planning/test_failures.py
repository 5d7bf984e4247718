"""A failure in any kind of work with the model: the next plan is that of a planner in which nothing ever failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from dgemma_ros.context.results import ResultStatus
from dgemma_ros.context.segments import FrameSegment, NoteSegment
from dgemma_ros.errors import BackendError
from dgemma_ros.model import Model
from dgemma_ros.planning import EventKind, Frame, Plan, Settings, SkillCatalogue, SkillsError, Status
from tests.desk import Breaks, Desk, frame
from tests.scripted import Says, call, scripted

SETTINGS = Settings(max_frames=2, max_notes=2, frame_rate=1000.0)


def shown(number: int) -> Frame:
    """All in one second, which is what the model reads of the time."""
    return frame(number, number / 1000)


WORK: dict[str, Callable[[Desk], object]] = {
    "frame": lambda desk: desk.planner.add_frame(shown(7)),
    "note": lambda desk: desk.planner.add_note("note 7"),
    "result": lambda desk: desk.planner.add_result("p", 0, ResultStatus.FAILED, "slipped"),
    "task": lambda desk: desk.ask("a task", remember=False),
    "settings": lambda desk: desk.planner.update(replace(SETTINGS, max_frames=1)),
    "skill": lambda desk: desk.planner.set_skill_enabled("turn", False),
    "reset": lambda desk: desk.planner.reset_context(),
}


@pytest.fixture
def desk_of(model: Model) -> Iterator[Callable[..., Desk]]:
    made: list[Desk] = []

    def make(mind: Any, skills: SkillCatalogue, settings: Settings = SETTINGS) -> Desk:
        desk = Desk(mind, skills, settings)
        made.append(desk)
        desk.planner.start()
        return desk

    yield make
    for desk in made:
        desk.planner.close()


def asked(desk: Desk) -> tuple[Any, ...]:
    plan: Plan = desk.ask("what now?", template_text="stop(); ____", remember=False)
    return plan.text, plan.status, plan.steps, plan.denoising_steps, plan.mean_entropy, plan.context_tokens


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("name", WORK)
def test_the_next_plan_is_that_of_a_fresh_planner(
    model: Model, skills: SkillCatalogue, desk_of: Callable[..., Desk], name: str, after: int
) -> None:
    breaks = Breaks(model.session)
    desk = desk_of(replace(model, session=breaks), skills)
    for number in (1, 2):
        desk.planner.read_frame(shown(number)), desk.planner.add_note(f"note {number}")
    asked(desk)
    breaks.after = after
    if name == "reset":  # it reads nothing itself, unless something broke before
        breaks.after = 0
        desk.planner.add_note("note 5")
    WORK[name](desk)
    desk.seen.wait(lambda: breaks.after is None or not any(e.kind is EventKind.ERROR for e in desk.seen.events))
    asked(desk)  # all that was to be done is done, or failed
    breaks.after = None
    told = asked(desk)
    assert told[1] is not Status.FAILED
    twin = desk_of(model, desk.planner.skills, desk.planner.settings)
    for segment in desk.generator.context.log.segments:
        match segment:
            case FrameSegment():
                twin.planner.read_frame(shown(segment.frame.stamp_ns // 10**6))
            case NoteSegment():
                twin.planner.add_note(segment.text)
    told_again = asked(twin)
    assert [s.summary for s in twin.planner.context_info().segments[1:]] == [
        s.summary for s in desk.planner.context_info().segments[1:]
    ]
    assert told[:4] == told_again[:4] and told[5] == told_again[5]
    assert told[4] == pytest.approx(told_again[4], abs=1e-4)


def test_an_error_of_what_was_read_is_raised_and_told(
    model: Model, skills: SkillCatalogue, desk_of: Callable[..., Desk]
) -> None:
    breaks = Breaks(model.session)
    desk = desk_of(replace(model, session=breaks), skills)
    breaks.after = 0
    with pytest.raises(BackendError, match="the device is gone"):
        desk.planner.read_frame(frame(1, 1.0))
    desk.seen.wait(lambda: any(e.kind is EventKind.ERROR and "device" in e.text for e in desk.seen.events))
    desk.planner.read_frame(frame(2, 2.0))
    assert desk.planner.context_info().newest_stamp_ns == 2 * 10**9


def test_skills_that_would_not_fit_any_more_are_not_switched_on(
    model: Model, skills: SkillCatalogue, desk_of: Callable[..., Desk]
) -> None:
    few = skills.without(["turn", "place", "pick"])
    mind = scripted(model, Says(model, call("stop{}")))
    all_of_them = desk_of(mind, skills).planner.context_info().segments[0].tokens
    desk = desk_of(mind, few, replace(SETTINGS, context_tokens=all_of_them + model.config.canvas_length - 1))
    desk.planner.set_skill_enabled("turn", True), desk.planner.set_skill_enabled("pick", True)
    with pytest.raises(SkillsError, match=r"'place': context_tokens: \d+ is too small: skills.* need \d+ tokens"):
        desk.planner.set_skill_enabled("place", True)
    assert desk.planner.skills.off == {"place"}
    desk.planner.set_skill_enabled("pick", False), desk.planner.set_skill_enabled("turn", False)
    assert desk.ask("go").valid
    desk.planner.set_skill_enabled("stop", False)
    plan = desk.ask("go")
    assert not plan.valid and "switched off" in plan.error


def test_results_reach_the_model_as_responses_to_their_calls(
    model: Model, skills: SkillCatalogue, desk_of: Callable[..., Desk]
) -> None:
    said = Says(model, call("pick{object:'red cube'}") + call("stop{}"))
    two = replace(SETTINGS, max_turns=2)  # the first is there, whether the second is already, or not yet
    desk = desk_of(scripted(model, said), skills, two)
    plan = desk.ask("pick up the red cube")
    desk.planner.add_result(plan.plan_id, 0, ResultStatus.FAILED, "slipped")
    desk.planner.add_result("forgotten", 2, ResultStatus.SUCCEEDED)
    desk.ask("go on")
    read = said.read()
    behind = read[read.index("<|tool_response>") :]
    assert behind.startswith("<|tool_response>response:pick{") and "slipped" in behind
    assert "note: step 3 of an earlier plan: SUCCEEDED\ngo on<turn|>" in behind
    assert [s.kind for s in desk.planner.context_info().segments][:4] == ["system", "task", "plan", "result"]
