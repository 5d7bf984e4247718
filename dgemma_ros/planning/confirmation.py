"""The same task planned again from another seed: where the two plans differ, neither can be sure.

A second reading costs as much as the first, so it is made on request only, after a valid plan, and where the time that
the first one took is left once more. It changes neither the plan nor the context.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dgemma_ros.generation.contract import Answer, FinishReason, Generator, Request
from dgemma_ros.planning.budget import Budget
from dgemma_ros.planning.types import Confirmation
from dgemma_ros.skills.validation import Checked, check, plan_text

SEEDS = 2**63


@dataclass(frozen=True)
class SecondReading:
    """What became of it. ``text``: the other plan's calls, where it differs."""

    confirmation: Confirmation = Confirmation.NOT_ASKED
    text: str = ""


NOT_ASKED = SecondReading()
NOT_TRIED = SecondReading(Confirmation.NOT_TRIED)


def read_again(generator: Generator, request: Request, first: Answer, budget: Budget) -> SecondReading:
    """Answers a request that has been answered once more, with the next seed, and compares skills and arguments.

    The context is left as the first answer left it: the task stays open. Nothing is asked where the first plan is not
    valid. Raises what the generator raises.
    """
    plan = _checked(request, first)
    if plan.problems:
        return NOT_ASKED
    took = first.usage.prefill + first.usage.denoise
    if first.finish_reason is FinishReason.INTERRUPTED or budget.usable <= took:
        return NOT_TRIED
    request.context.abandon()
    again = replace(request, seed=(request.seed + 1) % SEEDS)
    second = generator.answer(again)
    if second.finish_reason is FinishReason.INTERRUPTED:
        return NOT_TRIED
    other = _checked(again, second)
    if not other.problems and _calls(other) == _calls(plan):
        return SecondReading(Confirmation.CONFIRMED)
    return SecondReading(Confirmation.DIFFERED, plan_text(other.steps) or " ".join(second.parsed.text.split()))


def _checked(request: Request, answer: Answer) -> Checked:
    return check(answer.parsed, request.skills, request.limits.max_calls, answer.complete)


def _calls(plan: Checked) -> list[tuple[str, dict[str, object]]]:
    return [(step.skill, dict(step.arguments)) for step in plan.steps]
