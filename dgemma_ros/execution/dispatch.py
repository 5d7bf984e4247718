"""The order of events: plans, answers, approvals, outcomes and losses in; dispatches, cancels and results out.

:class:`Dispatcher` is a state machine for one thread. It never waits and knows no ROS: :class:`Hands` do what it
decides, and tell it what came of that. Whatever comes in, in any order, doubled or late:

- at most one skill is on its way at a time, and nothing starts that :mod:`gates` refuse;
- a dispatch is in the journal before it is sent, and gets exactly one outcome (:mod:`flight`);
- what must stop is cancelled and its end awaited; an end that does not come is a doubt, and then nothing moves until a
  person says that it may.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from dgemma_ros.execution.approvals import Asked
from dgemma_ros.execution.clearance import Clearance
from dgemma_ros.execution.flight import Flight, Live
from dgemma_ros.execution.gates import Conditions, Refusal, Terms, refuse_dispatch, refuse_plan
from dgemma_ros.execution.goal import Goal
from dgemma_ros.execution.hands import Hands, Limits
from dgemma_ros.execution.journal import Journal
from dgemma_ros.execution.report import Report
from dgemma_ros.execution.run import Run
from dgemma_ros.execution.types import Dispatch, Ending, Order, Outcome, Result, State
from dgemma_ros.execution.wish import Wish


@dataclass
class Dispatcher:
    """See the module. ``clock`` gives seconds that do not jump; ``flight`` is told what an action's server says, and
    ``report`` keeps what was shown."""

    terms: Terms
    journal: Journal
    hands: Hands
    clock: Callable[[], float]
    limits: Limits = field(default_factory=Limits)
    pin: bool = True
    """Whether a next plan has what is done pinned."""
    ask_model: bool = True
    """Whether the planner is asked if the goal is reached, when all steps have succeeded."""

    def __post_init__(self) -> None:
        entries = self.terms.table.entries
        self.conditions = Conditions(self.journal.inhibited, doubt=self.journal.doubt)
        self.report = Report(self.hands)
        self._clearance = Clearance(entries, self.journal, self.hands)
        self.flight = Flight(self.journal, self.hands, self.conditions, self.clock, self.limits, self)
        self._goal = Goal(entries, self.hands, self.report, self.clock, self.limits, self, self.pin, self.ask_model)
        self.approvals = self._clearance.approvals
        self._run: Run | None = None
        self._next: Order | None = None

    @property
    def live(self) -> Dispatch | None:
        """The skill that is on its way."""
        return self.flight.live.dispatch if self.flight.live else None

    def awaits(self, task_id: str) -> bool:
        """Whether the planner's answer to that task is still wanted."""
        return self._goal.awaits(task_id)

    def recover(self) -> list[Dispatch]:
        """After a start: gives what a crash cut its outcome, tells what may not have been told; what was cut."""
        return self.flight.recover()

    # -- plans --------------------------------------------------------------------------------------------------------

    def plan(self, order: Order) -> None:
        """A plan has come."""
        asked = self._goal.asked
        if asked is not None and asked.wants(order) and order.plan_id not in self.journal.plans:
            self._goal.answered(asked, order)
            return
        refusal = self.refusal(order)
        if refusal is None and order.parent_plan_id:
            refusal = Refusal("orphan", f"it follows plan {order.parent_plan_id[:64]!r}, which waits for none")
        busy = self._run.order if self._run else asked.wish.order if asked else None
        if refusal is None and busy is not None:
            waiting = max(busy.priority, self._next.priority) if self._next else busy.priority
            enough = order.priority > waiting or (order.priority == waiting and self.limits.same_priority_replaces)
            if not enough:
                refusal = Refusal("busy", f"plan {busy.plan_id} of priority {waiting} is being carried out")
        if refusal is not None:
            self.report.refused(order, refusal)
            return
        self._drop_next(Refusal("replaced", f"by plan {order.plan_id}"))
        self._next = order
        if busy is not None:
            self._stop(Refusal("replaced", f"by plan {order.plan_id} of priority {order.priority}"))
        self._go_on()

    def refusal(self, order: Order) -> Refusal | None:
        """Why a plan must not be taken now."""
        return refuse_plan(order, self.terms, self.conditions, self.journal.plans, self.clock())

    def begin(self, order: Order, wish: Wish, skip: int = 0) -> None:
        """Carries out a plan that no gate refuses, but for its first ``skip`` steps, which are done."""
        wish.begin(order, skip)
        self.journal.take(order.plan_id)
        self._run = Run(order, wish, index=skip)
        self._advance()

    def end(self, wish: Wish, ending: Ending, why: Refusal, order: Order) -> None:
        """Ends a task of which nothing is on its way; then what waits begins."""
        self._clearance.withdraw()
        self.report.ended(wish, ending, why, order)
        self._go_on()

    def _go_on(self) -> None:
        """Begins what waits, when nothing else is on its way."""
        order = self._next
        if order is None or self._run is not None or self.flight.live is not None or self._goal.asked is not None:
            return
        self._next = None
        refusal = self.refusal(order)
        if refusal is not None:
            self.report.refused(order, refusal)
        else:
            self.begin(order, Wish(order))

    # -- steps --------------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Starts the next step, or what has to come before it."""
        run = self._run
        if run is None or self.flight.live is not None:
            return
        if run.stop is not None:
            return self._end_run(run, Ending.STOPPED, run.stop)
        if run.index >= len(run.order.steps):
            self._run = None
            return self._goal.succeeded(run.wish, run.order)
        now = self.clock()
        refusal = refuse_dispatch(run.order, run.index, run.begun, run.behind, self.terms, self.conditions, now)
        if refusal is not None:
            ending = Ending.STOPPED if run.begun or run.wish.plans > 1 else Ending.REFUSED
            return self._end_run(run, ending, refusal)
        if (missing := self._clearance.missing(run)) is None:
            self._dispatch(run)
        elif self._clearance.ask(run, *missing, until=now + self.limits.approval):
            self.report.running(run, State.APPROVAL)
        return None

    def _dispatch(self, run: Run) -> None:
        step = run.step
        dispatch = Dispatch(
            uuid.uuid4().hex, run.wish.order.task_id, run.order.plan_id, run.index, run.attempt, step.skill,
            dict(step.arguments),
        )  # fmt: skip
        self.journal.dispatch(dispatch)
        run.begun = True
        self.flight.begin(dispatch, self.terms.table.entries[step.skill])
        self.report.count("dispatched")
        self.report.running(run, State.RUNNING)
        self.flight.send()

    def _end_run(self, run: Run, ending: Ending, why: Refusal) -> None:
        self._run = None
        self.end(run.wish, ending, why, run.order)

    # -- what becomes of a dispatch -----------------------------------------------------------------------------------

    def retries(self, live: Live, reason: str) -> bool:
        """Whether a step that failed is attempted again."""
        run, entry = self._run, live.entry
        if run is None or run.stop is not None:
            return False
        return run.attempt <= entry.retries and (not entry.retry_on or reason in entry.retry_on)

    def stopping(self, reason: str) -> None:
        """The skill that is on its way is about to be cancelled."""
        if self._run is not None:
            self.report.running(self._run, State.STOPPING, reason)

    def concluded(self, result: Result) -> None:
        """A dispatch has its outcome: the next step, the next attempt, another plan, or the end."""
        self.report.count(result.outcome.value.lower())
        run = self._run
        if run is None:
            self._go_on()
        elif run.ended(result.outcome, result.reason, result.message, result.retried):
            self._run = None
            self._goal.failed(run.wish, run.order)
        else:
            self._advance()

    def settled(self) -> None:
        """Nothing is in doubt any more."""
        self._go_on()

    def rule_said(self, task_id: str, known: bool, reached: bool) -> None:
        """A rule's answer, whether a goal is reached."""
        self._goal.rule_said(task_id, known, reached)

    # -- stopping -----------------------------------------------------------------------------------------------------

    def inhibit(self, on: bool) -> None:
        """The word to stop, or that it holds no more; what was stopped does not go on by itself."""
        self.conditions.inhibited = on
        try:
            self.journal.inhibit(on)
        finally:  # a word that cannot be kept is obeyed all the same
            if on:
                self._stop_all(Refusal("inhibited", "inhibit is true"))

    def lose(self, what: str, why: str) -> None:
        """Something that is watched is not well: ``planner``, ``camera``."""
        if what not in self.conditions.lost:
            self.conditions.lost[what] = why
            self._drop_next(Refusal(f"no_{what}", why))
            self._stop(Refusal(f"no_{what}", f"{what}: {why}"))

    def find(self, what: str) -> None:
        """It is well again."""
        self.conditions.lost.pop(what, None)

    def clock_jumped(self) -> None:
        """Stamps and validities of before mean nothing any more."""
        self._stop_all(Refusal("clock", "the clock jumped"))

    def cancel(self, task_id: str = "") -> bool:
        """Somebody wants a task to end, or whatever there is; False where there is nothing."""
        asked = self._goal.asked
        wish = self._run.wish if self._run else asked.wish if asked else None
        why = Refusal("cancelled", "it was cancelled")
        waits = self._next is not None and task_id in ("", self._next.task_id)
        runs = wish is not None and task_id in ("", wish.order.task_id)
        if waits:
            self._drop_next(why)
        if runs:
            self._stop(why)
        return waits or runs

    def clear_doubt(self, by: str) -> bool:
        """A person says that the robot stands still; False where nothing is in doubt."""
        return self.flight.clear_doubt(by)

    def _stop_all(self, why: Refusal) -> None:
        self._drop_next(why)
        self._stop(why)

    def _drop_next(self, why: Refusal) -> None:
        order, self._next = self._next, None
        if order is not None:
            self.report.refused(order, why)

    def _stop(self, why: Refusal) -> None:
        """Ends what is being carried out: cancels what is on its way, and waits for its end."""
        self._clearance.withdraw()
        if (wish := self._goal.drop()) is not None:
            return self.end(wish, Ending.STOPPED, why, wish.order)  # what waits begins, and is not to be stopped
        run = self._run
        if run is None:
            return None
        run.stop = run.stop or why
        if self.flight.live is None:
            return self._advance()
        return self.flight.cancel(Outcome.CANCELLED, why.reason)

    # -- time and people ----------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Time has passed: looks for what is overdue."""
        now = self.clock()
        self.flight.overdue(now)
        if self._clearance.expired(now):
            self._unapproved(Refusal("expired", "nobody approved it in time"))
        self._goal.overdue(now)

    def approve(self, request_id: str, digest: str, yes: bool, by: str) -> str:
        """A person's answer; why it does not count, or empty."""
        request, why = self._clearance.answer(request_id, digest, yes, by, self.clock())
        if request is None:
            return why
        if request.state is Asked.GRANTED:
            self._advance()
        else:
            self._unapproved(Refusal("denied", f"{by or 'somebody'} denied it"))
        return ""

    def _unapproved(self, why: Refusal) -> None:
        if (run := self._run) is not None:
            self._end_run(run, Ending.STOPPED if run.begun else Ending.REFUSED, why)
