"""The same task from another seed: the plan says whether both agree, and is otherwise what it would have been."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dgemma_ros.context.context import Context
from dgemma_ros.errors import BackendError
from dgemma_ros.generation.canvas_loop import FinishReason
from dgemma_ros.generation.contract import Answer, Limits, Request, Usage, WholeAnswer
from dgemma_ros.generation.local import LocalGenerator
from dgemma_ros.model import Model
from dgemma_ros.planning import Confirmation, EventKind, Settings, SkillCatalogue
from dgemma_ros.planning.budget import Budget, StepTimes
from dgemma_ros.planning.confirmation import NOT_TRIED, read_again
from dgemma_ros.skills.calls import Call, ParsedAnswer
from tests.desk import Desk
from tests.scripted import Asked, Says, Script, call, scripted

PICK = call("pick{object:'red cube'}")
BOTH = PICK + call("place{object:'red cube',target:'left'}")
OTHER = PICK + call("place{object:'red cube',target:'table'}")


@pytest.fixture
def desk_of(model: Model, skills: SkillCatalogue) -> Iterator[Callable[..., Desk]]:
    """Started planners on scripted models."""
    made: list[Desk] = []

    def make(script: Script, **settings: Any) -> Desk:
        desk = Desk(scripted(model, script), skills, Settings(**settings))
        made.append(desk)
        desk.planner.start()
        return desk

    yield make
    for desk in made:
        desk.planner.close()


def test_nothing_is_asked_twice_by_default(model: Model, desk_of: Callable[..., Desk]) -> None:
    said = Says(model, BOTH)
    plan = desk_of(said).ask()
    assert plan.confirmation is Confirmation.NOT_ASKED and {asked.number for asked in said.asked} == {0}


def test_another_seed_that_agrees_confirms(model: Model, desk_of: Callable[..., Desk]) -> None:
    said = Says(model, BOTH)
    desk = desk_of(said, confirm=True, seed=5)
    plan = desk.ask()
    assert plan.valid and plan.confirmation is Confirmation.CONFIRMED and plan.other_text == "" and plan.seed == 5
    assert len(desk.seen.drafts) == plan.denoising_steps == 2  # nothing is told of the second reading
    first, second = said.asked[0], said.asked[plan.denoising_steps]
    assert first.read == second.read  # the same snapshot


@pytest.mark.parametrize(
    ("second", "text"),
    [(OTHER, 'pick(object="red cube"); place(object="red cube", target="table")'), ("I can not.", "I can not.")],
)
def test_another_plan_is_said_and_the_first_one_stays(
    model: Model, desk_of: Callable[..., Desk], second: str, text: str
) -> None:
    said = Says(model, BOTH, second, BOTH)
    desk = desk_of(said, confirm=True, repair=False)
    plan = desk.ask()
    assert plan.valid and plan.confirmation is Confirmation.DIFFERED and plan.other_text == text
    assert plan.text == 'pick(object="red cube"); place(object="red cube", target="left")'
    desk.ask("again")
    remembered = said.read().split("pick up the red cube")
    assert len(remembered) == 2 and "left" in remembered[1] and "table" not in remembered[1]


def test_what_is_not_valid_is_not_asked_again(model: Model, desk_of: Callable[..., Desk]) -> None:
    said = Says(model, "I can not.")
    plan = desk_of(said, confirm=True, repair=False).ask()
    assert not plan.valid and plan.confirmation is Confirmation.NOT_ASKED
    assert {asked.number for asked in said.asked} == {0}


def test_a_second_reading_that_breaks_costs_no_plan(model: Model, desk_of: Callable[..., Desk]) -> None:
    says = Says(model, BOTH)

    def script(asked: Asked) -> Any:
        if asked.number == 1:
            raise BackendError("the device is gone")
        return says(asked)

    desk = desk_of(script, confirm=True)
    plan = desk.ask()
    assert plan.valid and plan.confirmation is Confirmation.NOT_TRIED
    assert any(e.kind is EventKind.ERROR and "the device is gone" in e.text for e in desk.seen.events)
    assert desk.ask("once more").confirmation is Confirmation.CONFIRMED


def test_it_is_not_tried_where_there_is_no_time(model: Model, skills: SkillCatalogue) -> None:
    context = Context(model, skills, Settings())
    parsed = ParsedAnswer((Call("stop", {}),))
    budget = Budget(time.monotonic() + 4.0, 0.1, StepTimes())
    request = Request(
        context, "stop", "", skills, budget, 2**63 - 1, Limits(1, 8), True, lambda: False, lambda answer: None
    )

    seeds: list[int] = []

    class Watched(LocalGenerator):
        def answer(self, request: Request) -> Answer:
            seeds.append(request.seed)
            return super().answer(request)

    def reading(reason: FinishReason, seconds: float) -> Any:
        first = WholeAnswer(parsed, True, reason, Usage(denoise=seconds))
        context.begin("stop")
        try:
            return read_again(Watched(model), request, first, budget)
        finally:
            context.abandon()

    assert reading(FinishReason.CONVERGED, 5.0) == NOT_TRIED
    assert reading(FinishReason.INTERRUPTED, 0.0) == NOT_TRIED and not seeds
    assert reading(FinishReason.CONVERGED, 0.001).confirmation is Confirmation.DIFFERED
    assert seeds == [0]  # behind the largest seed comes the first
