"""A plan that is being carried out, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass

from dgemma_ros.execution.gates import Refusal
from dgemma_ros.execution.types import Order, Outcome
from dgemma_ros.execution.wish import Wish
from dgemma_ros.skills.types import PlanStep


@dataclass
class Run:
    """``index`` is the step that is carried out or comes next, ``attempt`` its attempt, from 1."""

    order: Order
    wish: Wish
    index: int = 0
    attempt: int = 1
    begun: bool = False
    """A step of this plan was dispatched."""
    stop: Refusal | None = None
    """Why no further step may start."""
    approved: bool = False
    """As a whole, or it need not be."""
    granted_step: int = -1
    """The step that was approved last."""

    @property
    def step(self) -> PlanStep:
        """The step at ``index``."""
        return self.order.steps[self.index]

    @property
    def behind(self) -> str:
        """The skill of the step before that, empty where there is none."""
        return self.order.steps[self.index - 1].skill if self.index else ""

    def ended(self, outcome: Outcome, reason: str, message: str, again: bool) -> bool:
        """Takes its step's outcome; whether the step failed for good, so that another plan is needed."""
        step = self.step
        if outcome is Outcome.SUCCEEDED:
            self.wish.done.append(step)
            self.index, self.attempt = self.index + 1, 1
        elif again:
            self.attempt += 1
        elif self.stop is None:
            self.wish.last = f"{step.skill}: {reason or outcome.value.lower()}"
            if outcome in (Outcome.FAILED, Outcome.TIMED_OUT):
                return True
            self.stop = Refusal(outcome.value.lower(), message or f"{step.skill} was cancelled by others")
        return False
