"""A task from its first plan to its end: what is done of it, how many plans it took, and what is said of its goal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from dgemma_ros.execution.types import NextTask, Order
from dgemma_ros.skills.types import PlanStep
from dgemma_ros.skills.validation import plan_text

OPEN: str = "____"
"""In a template: any calls may follow."""


class Verdict(StrEnum):
    """What is said of a goal."""

    UNKNOWN = "UNKNOWN"
    YES = "YES"
    NO = "NO"


@dataclass
class Wish:
    """``order`` is the first plan; ``done`` the first steps of the newest plan, those that have succeeded."""

    order: Order
    done: list[PlanStep] = field(default_factory=list)
    plans: int = 0
    plan_id: str = ""
    """Of the newest plan."""
    model: Verdict = Verdict.UNKNOWN
    rule: Verdict = Verdict.UNKNOWN
    last: str = ""
    """What went wrong last."""
    asked: int = 0
    _steps: tuple[PlanStep, ...] = ()

    def begin(self, order: Order, done: int = 0) -> None:
        """A plan of it is carried out, of which so many steps are done already."""
        del self.done[done:]
        self.plans, self.plan_id, self._steps = self.plans + 1, order.plan_id, order.steps
        self.model = self.rule = Verdict.UNKNOWN

    @property
    def settled(self) -> bool:
        """Whether nothing more is to be done for it."""
        return self.model is Verdict.YES

    def repeats(self, steps: Sequence[PlanStep]) -> bool:
        """Whether a plan only says again what has just been done, in a goal that no rule calls missed."""
        return self.rule is not Verdict.NO and calls(steps) == calls(self._steps)

    def skip(self, steps: Sequence[PlanStep]) -> int | None:
        """How many of a plan's steps are done already; None where it does not begin with them."""
        begins = calls(steps[: len(self.done)]) == calls(self.done)
        return len(self.done) if begins else None

    def next_task(self, pinned: bool) -> NextTask:
        """The task for its next plan."""
        self.asked += 1
        template = f"{plan_text(self.done)}; {OPEN}" if pinned and self.done else ""
        return NextTask(
            f"{self.order.task_id}~{self.asked}", self.order.task, template, self.plan_id, self.order.priority
        )


def calls(steps: Sequence[PlanStep]) -> list[tuple[str, dict[str, object]]]:
    """Steps without their confidence."""
    return [(step.skill, dict(step.arguments)) for step in steps]
