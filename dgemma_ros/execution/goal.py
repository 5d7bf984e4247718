"""What follows a plan: another one where a step failed; where all succeeded, whether the goal is reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from dgemma_ros.execution.entry import Entry
from dgemma_ros.execution.gates import Refusal
from dgemma_ros.execution.hands import Hands, Limits
from dgemma_ros.execution.report import Report
from dgemma_ros.execution.types import Ending, Order
from dgemma_ros.execution.wish import Verdict, Wish


@dataclass
class Question:
    """What the planner or a rule was asked, and until when the answer is awaited."""

    wish: Wish
    until: float
    task_id: str = ""
    """Of the planner's; empty where it is a rule that was asked."""
    checking: bool = False

    def wants(self, order: Order) -> bool:
        """Whether a plan is the planner's answer."""
        return self.task_id != "" and order.task_id == self.task_id


class Owner(Protocol):
    """Who carries plans out."""

    def refusal(self, order: Order) -> Refusal | None:
        """Why a plan must not be taken."""

    def begin(self, order: Order, wish: Wish, skip: int) -> None:
        """Carries out a plan, but for its first steps, which are done."""

    def end(self, wish: Wish, ending: Ending, why: Refusal, order: Order) -> None:
        """The task has ended."""


class Goal:
    """At most one question at a time; ``pin`` and ``ask_model`` are the dispatcher's."""

    def __init__(
        self, entries: Mapping[str, Entry], hands: Hands, report: Report, clock: Callable[[], float], limits: Limits,
        owner: Owner, pin: bool, ask_model: bool,
    ) -> None:  # fmt: skip
        self._entries, self._hands, self._report = entries, hands, report
        self._clock, self._limits, self._owner = clock, limits, owner
        self._pin, self._ask_model = pin, ask_model
        self.asked: Question | None = None

    def awaits(self, task_id: str) -> bool:
        """Whether the planner's answer to that task is still wanted."""
        return self.asked is not None and self.asked.task_id == task_id

    def failed(self, wish: Wish, order: Order) -> None:
        """A step failed for good: the planner is asked for another way, as often as is allowed."""
        if wish.plans >= self._limits.attempts:
            text = f"{wish.last}; {wish.plans} plans were tried"
            self._owner.end(wish, Ending.FAILED, Refusal("attempts", text), order)
        else:
            self._ask_plan(wish, checking=False)

    def succeeded(self, wish: Wish, order: Order) -> None:
        """All steps have succeeded."""
        entries = [self._entries[step.skill] for step in order.steps]
        if all(entry.idle for entry in entries):
            wish.model = Verdict.YES
        if not any(entry.effect for entry in entries):
            self._judge(wish, order)
        elif self._hands.ask_rule(wish.order.task_id, wish.order.task, order.plan_id):
            self.asked = Question(wish, self._clock() + self._limits.rule)
            self._report.asking(wish, "rule", "is the goal reached?")
        else:
            self._after_rule(wish)

    def rule_said(self, task_id: str, known: bool, reached: bool) -> None:
        """A rule's answer."""
        asked = self.asked
        if asked is None or asked.task_id or asked.wish.order.task_id != task_id:
            return
        self.asked = None
        asked.wish.rule = Verdict.UNKNOWN if not known else Verdict.YES if reached else Verdict.NO
        self._after_rule(asked.wish)

    def answered(self, asked: Question, order: Order) -> None:
        """The plan that was asked for: the rest of a task, or a word on its goal."""
        self.asked = None
        wish, end = asked.wish, self._owner.end
        refusal = self._owner.refusal(order)
        if refusal is not None and refusal.reason != "invalid":
            return end(wish, Ending.STOPPED, refusal, order)
        if asked.checking:
            idle = refusal is None and all(self._entries[step.skill].idle for step in order.steps)
            wish.model = Verdict.UNKNOWN if refusal else Verdict.YES if idle else Verdict.NO
            if refusal is not None or wish.settled or wish.repeats(order.steps):
                return self._judge(wish, order)
        elif refusal is not None:
            return end(wish, Ending.FAILED, refusal, order)
        skip = wish.skip(order.steps) if self._pin and not asked.checking else 0
        if skip is None:
            text = "the next plan does not begin with what is done, as it was asked to"
            return end(wish, Ending.STOPPED, Refusal("changed", text), order)
        if wish.plans >= self._limits.attempts:
            text = f"{wish.plans} plans have not reached the goal; the last one: {wish.last or 'it is not reached'}"
            return end(wish, Ending.FAILED, Refusal("attempts", text), order)
        return self._owner.begin(order, wish, skip)

    def drop(self) -> Wish | None:
        """Waits for no answer any more; the task that waited for one."""
        asked, self.asked = self.asked, None
        return asked.wish if asked else None

    def overdue(self, now: float) -> None:
        """Looks for an answer that has not come in time."""
        asked = self.asked
        if asked is None or now <= asked.until:
            return
        self.asked = None
        if not asked.task_id:
            self._after_rule(asked.wish)
        elif asked.checking:
            self._judge(asked.wish, asked.wish.order)
        else:
            text = f"the planner gave no plan in {self._limits.plan:g} s"
            self._owner.end(asked.wish, Ending.FAILED, Refusal("no_plan", text), asked.wish.order)

    def _after_rule(self, wish: Wish) -> None:
        if self._ask_model or wish.rule is Verdict.NO:
            self._ask_plan(wish, checking=True)
        else:
            self._judge(wish, wish.order)

    def _judge(self, wish: Wish, order: Order) -> None:
        """What model and rule say of the goal decides how the task ended."""
        said = f"model: {wish.model.value.lower()}, rule: {wish.rule.value.lower()}"
        if Verdict.NO in (wish.model, wish.rule):
            ending = Ending.FAILED if wish.rule is Verdict.NO else Ending.CARRIED_OUT
            why = Refusal("not_reached", f"is the goal reached? {said}")
        elif Verdict.YES in (wish.model, wish.rule):
            ending, why = Ending.REACHED, Refusal("", f"the goal is reached; {said}")
        else:
            ending, why = Ending.CARRIED_OUT, Refusal("", "all steps succeeded")
        self._owner.end(wish, ending, why, order)

    def _ask_plan(self, wish: Wish, checking: bool) -> None:
        task = wish.next_task(self._pin and not checking)
        self.asked = Question(wish, self._clock() + self._limits.plan, task.task_id, checking)
        self._report.asking(wish, "check" if checking else "next", wish.last)
        self._hands.plan(task)
