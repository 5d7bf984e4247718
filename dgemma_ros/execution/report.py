"""Where execution stands, shown at every change, and how often each thing happened."""

from __future__ import annotations

from dgemma_ros.execution.gates import Refusal
from dgemma_ros.execution.hands import Hands
from dgemma_ros.execution.run import Run
from dgemma_ros.execution.types import Ending, Order, Progress, State
from dgemma_ros.execution.wish import Wish


class Report:
    """``progress`` is what was shown last."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands
        self.progress = Progress()
        self.counts: dict[str, int] = {}

    def count(self, what: str) -> None:
        """Something happened once more."""
        self.counts[what] = self.counts.get(what, 0) + 1

    def running(self, run: Run, state: State, reason: str = "") -> None:
        """A plan's current step, which runs, stops, or waits for a person."""
        order, wish = run.order, run.wish.order
        step = order.steps[min(run.index, len(order.steps) - 1)]
        self._show(
            Progress(
                state, Ending.NONE, wish.task_id, wish.task, order.plan_id, reason, step.skill,
                run.index, len(order.steps), run.wish.plans,
            )
        )  # fmt: skip

    def asking(self, wish: Wish, reason: str, message: str) -> None:
        """The planner or a rule was asked what comes next."""
        order, done = wish.order, len(wish.done)
        self._show(
            Progress(
                State.PLANNING, Ending.NONE, order.task_id, order.task, wish.plan_id, reason, message,
                done, 0, wish.plans,
            )
        )  # fmt: skip

    def ended(self, wish: Wish, ending: Ending, why: Refusal, order: Order) -> None:
        """A task has ended, with ``order`` as its newest plan."""
        self.count(ending.value.lower())
        total = len(order.steps)
        self._show(
            Progress(
                State.ENDED, ending, wish.order.task_id, wish.order.task, order.plan_id, why.reason, why.message,
                min(len(wish.done), total), total, wish.plans,
            )
        )  # fmt: skip

    def refused(self, order: Order, why: Refusal) -> None:
        """A plan that never began; what runs goes on, and what is shown of it is shown again."""
        self.count(f"refused, {why.reason}")
        before = self.progress
        self._show(
            Progress(
                State.ENDED, Ending.REFUSED, order.task_id, order.task, order.plan_id, why.reason, why.message,
                0, len(order.steps), 0,
            )
        )  # fmt: skip
        if before.state not in (State.ENDED, State.IDLE):
            self._show(before)

    def _show(self, progress: Progress) -> None:
        self.progress = progress
        self._hands.show(progress)
