"""Planning with a generator that is no model of this process: one that tells neither confidence, spans nor steps."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dgemma_ros.context.context import Context
from dgemma_ros.generation.canvas_loop import FinishReason
from dgemma_ros.generation.contract import Answer, Request, WholeAnswer
from dgemma_ros.model import Model
from dgemma_ros.planning import ErrorCode, Planner, Settings, SkillCatalogue, Status, Task
from dgemma_ros.skills.calls import Broken, Call, ParsedAnswer
from tests.desk import Recorder


class Elsewhere:
    """Answers as somebody else's server might."""

    name, backend = "a server", "http"

    def __init__(self, parsed: ParsedAnswer) -> None:
        self.parsed = parsed
        self.asked: list[Request] = []

    def answer(self, request: Request) -> Answer:
        self.asked.append(request)
        request.context.begin(request.task)
        whole = WholeAnswer(self.parsed, complete=True, finish_reason=FinishReason.CONVERGED)
        request.on_update(whole)
        return whole

    def warm_up(
        self, context: Context, record: Callable[[int, float], None], on_progress: Callable[[str], None]
    ) -> None:
        on_progress("nothing to warm up")

    def canary(self, context: Context) -> None:
        pass


def planned(model: Model, skills: SkillCatalogue, elsewhere: Elsewhere, count: int = 1) -> tuple[Planner, Recorder]:
    seen = Recorder()
    settings = Settings(seed=7, max_turns=3)
    planner = Planner(model, skills, settings, seen.on_draft, seen.on_plan, seen.on_event, generator=elsewhere)
    planner.warm_up()
    planner.start()
    for number in range(count):
        planner.submit(Task(f"t{number}", "pick up the red cube", 30.0, template_text="pick(object=____)"))
        seen.plan(f"t{number}")
    return planner, seen


def test_its_plan_is_checked_published_and_remembered(model: Model, skills: SkillCatalogue) -> None:
    elsewhere = Elsewhere(ParsedAnswer((Call("pick", {"object": "red cube"}), Call("stop", {})), text="Well."))
    planner, seen = planned(model, skills, elsewhere, count=2)
    plan = seen.plans[0]
    assert plan.status is Status.CONVERGED and plan.valid and plan.model == "a server"
    assert plan.text == 'pick(object="red cube"); stop()' and [s.confidence for s in plan.steps] == [None, None]
    assert (plan.denoising_steps, plan.canvases, plan.mean_entropy) == (0, 0, 0.0) and not seen.drafts
    request = elsewhere.asked[0]
    assert (request.seed, request.template, request.limits.max_calls) == (7, "pick(object=____)", 32)
    assert request.budget.remaining > 20
    kinds = [segment.kind for segment in planner.context_info().segments]
    assert kinds[:3] == ["system", "task", "plan"]
    planner.close()
    (first, *_) = elsewhere.asked[1].context.log.segments
    said = elsewhere.asked[1].context.sequence
    assert first.summary == "pick up the red cube" and said.length == planner.context_info().tokens
    assert planner.statistics().backend == "http"


@pytest.mark.parametrize(
    ("parsed", "code"),
    [
        (ParsedAnswer(text="I can not."), ErrorCode.NO_CALLS),
        (ParsedAnswer((Call("fly", {}),)), ErrorCode.UNKNOWN_SKILL),
        (ParsedAnswer((Call("turn", {"by": 900}),)), ErrorCode.BAD_ARGUMENT),
        (ParsedAnswer((Call("stop", {}),), (Broken(None, "no JSON", False),)), ErrorCode.MALFORMED),
    ],
)
def test_what_is_wrong_is_said_without_knowing_where(
    model: Model, skills: SkillCatalogue, parsed: ParsedAnswer, code: ErrorCode
) -> None:
    planner, seen = planned(model, skills, Elsewhere(parsed))
    planner.close()
    assert seen.plans[0].error_code is code and not seen.plans[0].valid
    assert [segment.kind for segment in planner.context_info().segments] == ["system"]
