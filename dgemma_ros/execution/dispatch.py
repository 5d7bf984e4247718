"""The order of events: plans, answers, approvals, outcomes and losses in; dispatches, cancels and results out.

:class:`Dispatcher` is a state machine for one thread. It never waits and knows no ROS: :class:`Hands` do what it
decides, and tell it what came of that. Whatever comes in, in any order, doubled or late:

- at most one skill is on its way at a time, and nothing starts that :mod:`gates` refuse;
- a dispatch is in the journal before it is sent, and gets exactly one outcome;
- what must stop is cancelled and its end awaited; an end that does not come is a doubt, and then nothing moves until a
  person says that it may.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from dgemma_ros.execution.approvals import Approvals, Asked, Request, Scope
from dgemma_ros.execution.gates import Conditions, Refusal, Terms, refuse_dispatch, refuse_plan
from dgemma_ros.execution.journal import CRASHED, Journal
from dgemma_ros.execution.table import NOBODY, Approval, Entry
from dgemma_ros.execution.types import Dispatch, Ending, NextTask, Order, Outcome, Progress, Result, State
from dgemma_ros.execution.wish import Verdict, Wish
from dgemma_ros.skills.types import PlanStep


class Hands(Protocol):
    """What the dispatcher has done. Nothing here may call back before it has returned."""

    def send(self, dispatch: Dispatch, entry: Entry) -> None:
        """Sends a skill's goal; then accepted, rejected or lost, and ended are told."""

    def cancel(self, dispatch: Dispatch, entry: Entry) -> None:
        """Asks for a goal's end, whether or not it was accepted."""

    def tell(self, result: Result) -> None:
        """Publishes an outcome."""

    def ask(self, request: Request) -> None:
        """Publishes a request for approval, or how it was settled."""

    def show(self, progress: Progress) -> None:
        """Publishes where things stand."""

    def plan(self, task: NextTask) -> None:
        """Asks the planner for the rest of a task, or whether it is reached."""

    def ask_rule(self, task_id: str, task: str, plan_id: str) -> bool:
        """Asks a rule whether the goal is reached; False where there is none, otherwise its answer is told."""


@dataclass(frozen=True)
class Limits:
    """How long and how often; seconds."""

    accept: float = 3.0
    """From sending a goal to its acceptance."""
    cancel: float = 5.0
    """From cancel to the end."""
    approval: float = 60.0
    """For which an approval may be given."""
    plan: float = 30.0
    """For the planner's answer to what it was asked."""
    rule: float = 2.0
    attempts: int = 3
    """Plans for one task."""
    same_priority_replaces: bool = True
    """A new plan of the same priority takes the running one's place; otherwise it is refused."""


@dataclass
class _Live:
    """A dispatch on its way."""

    dispatch: Dispatch
    entry: Entry
    sent: float
    accepted: bool = False
    heard: float = 0.0
    """When its last sign of life came."""
    cancelled: float | None = None
    why: Outcome = Outcome.CANCELLED
    """What it counts as where the cancel succeeds."""
    reason: str = ""


@dataclass
class _Run:
    """A plan that is being carried out, for a wish."""

    order: Order
    wish: Wish
    index: int = 0
    attempt: int = 1
    begun: bool = False
    stop: Refusal | None = None
    approved: bool = False
    granted_step: int = -1


@dataclass
class _Asked:
    """What the planner or a rule was asked, and until when the answer is awaited."""

    wish: Wish
    until: float
    task_id: str = ""
    """Of the planner's; empty where it is a rule that was asked."""
    checking: bool = False


@dataclass
class Dispatcher:
    """See the module. ``clock`` gives seconds that do not jump."""

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
        self.conditions = Conditions(self.journal.inhibited, doubt=self.journal.doubt)
        self.approvals = Approvals(self._note)
        self.progress = Progress()
        self.counts: dict[str, int] = {}
        self._live: _Live | None = None
        self._run: _Run | None = None
        self._asked: _Asked | None = None
        self._next: Order | None = None
        self._doubtful: set[str] = set()

    @property
    def live(self) -> Dispatch | None:
        """The skill that is on its way."""
        return self._live.dispatch if self._live else None

    def awaits(self, task_id: str) -> bool:
        """Whether the planner's answer to that task is still wanted."""
        return self._asked is not None and self._asked.task_id == task_id

    def recover(self) -> list[Dispatch]:
        """After a start: gives what a crash cut its outcome, tells what may not have been told; what was cut."""
        cut = self.journal.unfinished()
        if cut:
            self._doubt(f"the executor was killed while {cut[0].skill} was on its way; does the robot stand still?")
        for dispatch in cut:
            self._doubtful.add(dispatch.dispatch_id)
            self.journal.end(Result(dispatch, Outcome.UNKNOWN, CRASHED, "the executor was killed"))
        for result in self.journal.untold():
            self.hands.tell(result)
            self.journal.told(result.dispatch.dispatch_id)
        return cut

    # -- plans --------------------------------------------------------------------------------------------------------

    def plan(self, order: Order) -> None:
        """A plan has come."""
        asked = self._asked
        expected = asked is not None and asked.task_id != "" and order.task_id == asked.task_id
        if expected and order.plan_id not in self.journal.plans:
            assert asked is not None
            self._answered(asked, order)
            return
        refusal = refuse_plan(order, self.terms, self.conditions, self.journal.plans, self.clock())
        if refusal is None and order.parent_plan_id:
            refusal = Refusal("orphan", f"it follows plan {order.parent_plan_id[:64]!r}, which waits for none")
        busy = self._run.order if self._run else asked.wish.order if asked else None
        if refusal is None and busy is not None:
            waiting = max(busy.priority, self._next.priority) if self._next else busy.priority
            enough = order.priority > waiting or (order.priority == waiting and self.limits.same_priority_replaces)
            if not enough:
                refusal = Refusal("busy", f"plan {busy.plan_id} of priority {waiting} is being carried out")
        if refusal is not None:
            self._refuse(order, refusal)
            return
        if self._next is not None:
            self._refuse(self._next, Refusal("replaced", f"by plan {order.plan_id}"))
        self._next = order
        if busy is not None:
            self._stop(Refusal("replaced", f"by plan {order.plan_id} of priority {order.priority}"))
        self._go_on()

    def _answered(self, asked: _Asked, order: Order) -> None:
        """The plan that was asked for: the rest of a task, or a word on its goal."""
        self._asked = None
        wish = asked.wish
        refusal = refuse_plan(order, self.terms, self.conditions, self.journal.plans, self.clock())
        if refusal is not None and refusal.reason != "invalid":
            self._end(wish, Ending.STOPPED, refusal, order)
            return
        idle = bool(order.steps) and all(self.terms.table.entries[s.skill].idle for s in order.steps if refusal is None)
        if asked.checking:
            wish.model = Verdict.UNKNOWN if refusal else Verdict.YES if idle else Verdict.NO
            if refusal is not None or wish.settled or wish.repeats(order.steps):
                self._judge(wish, order)
                return
        elif refusal is not None:
            self._end(wish, Ending.FAILED, refusal, order)
            return
        skip = wish.skip(order.steps) if self.pin and not asked.checking else 0
        if skip is None:
            text = "the next plan does not begin with what is done, as it was asked to"
            self._end(wish, Ending.STOPPED, Refusal("changed", text), order)
            return
        if wish.plans >= self.limits.attempts:
            text = f"{wish.plans} plans have not reached the goal; the last one: {wish.last or 'it is not reached'}"
            self._end(wish, Ending.FAILED, Refusal("attempts", text), order)
            return
        self._begin(order, wish, skip)

    def _begin(self, order: Order, wish: Wish, skip: int = 0) -> None:
        wish.begin(order, skip)
        self.journal.take(order.plan_id)
        self._run = _Run(order, wish, index=skip)
        self._advance()

    def _go_on(self) -> None:
        """Begins what waits, when nothing else is on its way."""
        order = self._next
        if order is None or self._run is not None or self._live is not None or self._asked is not None:
            return
        self._next = None
        refusal = refuse_plan(order, self.terms, self.conditions, self.journal.plans, self.clock())
        if refusal is not None:
            self._refuse(order, refusal)
        else:
            self._begin(order, Wish(order))

    # -- steps --------------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Starts the next step, or what has to come before it."""
        run = self._run
        if run is None or self._live is not None:
            return
        if run.stop is not None:
            self._run = None
            self._end(run.wish, Ending.STOPPED, run.stop, run.order)
            return
        if run.index >= len(run.order.steps):
            self._run = None
            self._all_done(run)
            return
        behind = run.order.steps[run.index - 1].skill if run.index else ""
        now = self.clock()
        refusal = refuse_dispatch(run.order, run.index, run.begun, behind, self.terms, self.conditions, now)
        if refusal is not None:
            self._run = None
            self._withdraw()
            ending = Ending.STOPPED if run.begun or run.wish.plans > 1 else Ending.REFUSED
            self._end(run.wish, ending, refusal, run.order)
            return
        if not self._approved(run):
            return
        self._dispatch(run)

    def _approved(self, run: _Run) -> bool:
        """Whether the next step is approved as far as it must be; asks for what is missing."""
        entries = self.terms.table.entries
        if not run.approved:
            needed = any(entries[step.skill].approval is Approval.PLAN for step in run.order.steps)
            if needed and not self.approvals.use(run.order, Scope.PLAN):
                return self._ask_approval(run, Scope.PLAN, 0)
            run.approved = True
        step = run.order.steps[run.index]
        if entries[step.skill].approval is Approval.STEP and run.granted_step != run.index:
            if not self.approvals.use(run.order, Scope.STEP, run.index):
                return self._ask_approval(run, Scope.STEP, run.index)
            run.granted_step = run.index
        return True

    def _ask_approval(self, run: _Run, scope: Scope, step: int) -> bool:
        if self.approvals.pending is None:
            until = self.clock() + self.limits.approval
            if not run.begun:
                until = min(until, run.order.begin_before)
            self.hands.ask(self.approvals.ask(run.order, scope, step, until))
            self._show(run, State.APPROVAL)
        return False

    def _dispatch(self, run: _Run) -> None:
        step = run.order.steps[run.index]
        entry = self.terms.table.entries[step.skill]
        root = run.wish.order.task_id
        dispatch = Dispatch(
            uuid.uuid4().hex, root, run.order.plan_id, run.index, run.attempt, step.skill, dict(step.arguments)
        )
        self.journal.dispatch(dispatch)
        now = self.clock()
        run.begun = True
        self._live = _Live(dispatch, entry, now, heard=now)
        self._count("dispatched")
        self._show(run, State.RUNNING)
        if entry.action == NOBODY:
            self._ended(self._live, Outcome.SUCCEEDED, "", "")
        else:
            self.hands.send(dispatch, entry)

    # -- what becomes of a dispatch -----------------------------------------------------------------------------------

    def accepted(self, dispatch_id: str) -> None:
        """The action's server has taken the goal."""
        if (live := self._of(dispatch_id)) is not None:
            live.accepted, live.heard = True, self.clock()
            if live.cancelled is not None:
                self.hands.cancel(live.dispatch, live.entry)  # the first cancel may have come before the goal

    def rejected(self, dispatch_id: str, why: str = "") -> None:
        """The action's server has not taken the goal, so nothing was done."""
        if dispatch_id in self._doubtful:
            self.ended(dispatch_id, Outcome.FAILED)
            return
        if (live := self._of(dispatch_id)) is not None and not live.accepted:
            if live.cancelled is not None:
                self._ended(live, live.why, live.reason, "the goal was not taken any more")
            else:
                self._ended(live, Outcome.FAILED, "rejected", why or "the action's server refused the goal")

    def feedback(self, dispatch_id: str) -> None:
        """A sign of life."""
        if (live := self._of(dispatch_id)) is not None:
            live.heard = self.clock()

    def ended(self, dispatch_id: str, outcome: Outcome, reason: str = "", message: str = "") -> None:
        """The action has ended. One that nobody waits for any more settles a doubt, and nothing else."""
        if dispatch_id in self._doubtful:
            self._doubtful.discard(dispatch_id)
            if not self._doubtful:
                self._clear_doubt("the action's own end")
            return
        live = self._of(dispatch_id)
        if live is None:
            return
        if live.cancelled is not None and outcome is Outcome.CANCELLED:
            outcome, reason = live.why, live.reason or reason
        self._ended(live, outcome, reason, message)

    def lost(self, dispatch_id: str, why: str) -> None:
        """The action's server is gone, so nobody knows."""
        if (live := self._of(dispatch_id)) is not None:
            if live.cancelled is None:
                self.hands.cancel(live.dispatch, live.entry)  # it may hear it yet
            self._unknown(live, "lost", why)

    def _of(self, dispatch_id: str) -> _Live | None:
        live = self._live
        return live if live is not None and live.dispatch.dispatch_id == dispatch_id else None

    def _unknown(self, live: _Live, reason: str, message: str) -> None:
        self._doubtful.add(live.dispatch.dispatch_id)
        self._doubt(f"{live.dispatch.skill}: {message}; does the robot stand still?")
        self._ended(live, Outcome.UNKNOWN, reason, message)

    def _ended(self, live: _Live, outcome: Outcome, reason: str, message: str) -> None:
        self._live = None
        run = self._run
        again = (
            outcome is Outcome.FAILED and run is not None and run.stop is None and self._may_retry(run, live, reason)
        )
        result = Result(live.dispatch, outcome, reason, message, self.clock() - live.sent, again)
        self.journal.end(result)
        self.hands.tell(result)
        self.journal.told(live.dispatch.dispatch_id)
        self._count(outcome.value.lower())
        if run is None:
            return self._go_on()
        step = run.order.steps[run.index]
        if outcome is Outcome.SUCCEEDED:
            run.wish.done.append(step)
            run.index, run.attempt = run.index + 1, 1
        elif again:
            run.attempt += 1
        elif run.stop is None:
            run.wish.last = f"{step.skill}: {reason or outcome.value.lower()}"
            if outcome in (Outcome.FAILED, Outcome.TIMED_OUT):
                self._run = None
                return self._failed(run)
            run.stop = Refusal(outcome.value.lower(), message or f"{step.skill} was cancelled by others")
        self._advance()

    @staticmethod
    def _may_retry(run: _Run, live: _Live, reason: str) -> bool:
        entry = live.entry
        return run.attempt <= entry.retries and (not entry.retry_on or reason in entry.retry_on)

    # -- the end of a plan --------------------------------------------------------------------------------------------

    def _failed(self, run: _Run) -> None:
        """A step failed for good: the planner is asked for another way, as often as is allowed."""
        wish = run.wish
        if wish.plans >= self.limits.attempts:
            text = f"{wish.last}; {wish.plans} plans were tried"
            self._end(wish, Ending.FAILED, Refusal("attempts", text), run.order)
        else:
            self._ask_plan(wish, checking=False)

    def _all_done(self, run: _Run) -> None:
        wish = run.wish
        entries = [self.terms.table.entries[step.skill] for step in run.order.steps]
        if all(entry.idle for entry in entries):
            wish.model = Verdict.YES
        if not any(entry.effect for entry in entries):
            return self._judge(wish, run.order)
        if self.hands.ask_rule(wish.order.task_id, wish.order.task, run.order.plan_id):
            self._asked = _Asked(wish, self.clock() + self.limits.rule)
            return self._show_wish(wish, State.PLANNING, "rule", "is the goal reached?")
        return self._after_rule(wish)

    def rule_said(self, task_id: str, known: bool, reached: bool) -> None:
        """A rule's answer."""
        asked = self._asked
        if asked is None or asked.task_id or asked.wish.order.task_id != task_id:
            return
        self._asked = None
        asked.wish.rule = Verdict.UNKNOWN if not known else Verdict.YES if reached else Verdict.NO
        self._after_rule(asked.wish)

    def _after_rule(self, wish: Wish) -> None:
        if self.ask_model or wish.rule is Verdict.NO:
            self._ask_plan(wish, checking=True)
        else:
            self._judge(wish, wish.order)

    def _judge(self, wish: Wish, order: Order) -> None:
        """All steps have succeeded; what model and rule say of the goal decides how it ended."""
        said = f"model: {wish.model.value.lower()}, rule: {wish.rule.value.lower()}"
        if Verdict.NO in (wish.model, wish.rule):
            ending = Ending.FAILED if wish.rule is Verdict.NO else Ending.CARRIED_OUT
            self._end(wish, ending, Refusal("not_reached", f"is the goal reached? {said}"), order)
        elif Verdict.YES in (wish.model, wish.rule):
            self._end(wish, Ending.REACHED, Refusal("", f"the goal is reached; {said}"), order)
        else:
            self._end(wish, Ending.CARRIED_OUT, Refusal("", "all steps succeeded"), order)

    def _ask_plan(self, wish: Wish, checking: bool) -> None:
        task = wish.next_task(self.pin and not checking)
        self._asked = _Asked(wish, self.clock() + self.limits.plan, task.task_id, checking)
        self._show_wish(wish, State.PLANNING, "check" if checking else "next", wish.last)
        self.hands.plan(task)

    def _end(self, wish: Wish, ending: Ending, why: Refusal, order: Order) -> None:
        self._withdraw()
        self._count(ending.value.lower())
        total = len(order.steps)
        self._set(
            Progress(
                State.ENDED, ending, wish.order.task_id, wish.order.task, order.plan_id, why.reason, why.message,
                min(len(wish.done), total), total, wish.plans,
            )
        )  # fmt: skip
        self._go_on()

    def _refuse(self, order: Order, why: Refusal) -> None:
        """A plan that never began; what runs goes on, and what is shown of it is shown again."""
        self._count(f"refused, {why.reason}")
        before = self.progress
        self._set(
            Progress(
                State.ENDED, Ending.REFUSED, order.task_id, order.task, order.plan_id, why.reason, why.message,
                0, len(order.steps), 0,
            )
        )  # fmt: skip
        if before.state not in (State.ENDED, State.IDLE):
            self._set(before)

    # -- stopping -----------------------------------------------------------------------------------------------------

    def inhibit(self, on: bool) -> None:
        """The word to stop, or that it holds no more; what was stopped does not go on by itself."""
        self.conditions.inhibited = on
        self.journal.inhibit(on)
        if on:
            self._drop_next(Refusal("inhibited", "inhibit is true"))
            self._stop(Refusal("inhibited", "inhibit is true"))

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
        self._drop_next(Refusal("clock", "the clock jumped"))
        self._stop(Refusal("clock", "the clock jumped"))

    def cancel(self, task_id: str = "") -> bool:
        """Somebody wants a task to end, or whatever there is; False where there is nothing."""
        wish = self._run.wish if self._run else self._asked.wish if self._asked else None
        why = Refusal("cancelled", "it was cancelled")
        if self._next is not None and task_id in ("", self._next.task_id):
            self._drop_next(why)
        elif wish is None or task_id not in ("", wish.order.task_id):
            return False
        if wish is not None and task_id in ("", wish.order.task_id):
            self._stop(why)
        return True

    def clear_doubt(self, by: str) -> bool:
        """A person says that the robot stands still; False where nothing is in doubt."""
        if not self.conditions.doubt:
            return False
        self._doubtful.clear()
        self._clear_doubt(by)
        return True

    def _drop_next(self, why: Refusal) -> None:
        order, self._next = self._next, None
        if order is not None:
            self._refuse(order, why)

    def _stop(self, why: Refusal) -> None:
        """Ends what is being carried out: cancels what is on its way, and waits for its end."""
        self._withdraw()
        if (asked := self._asked) is not None:
            self._asked = None
            self._end(asked.wish, Ending.STOPPED, why, asked.wish.order)
        run = self._run
        if run is None:
            return
        run.stop = run.stop or why
        if self._live is None:
            self._advance()
        else:
            self._cancel(self._live, Outcome.CANCELLED, why.reason)

    def _cancel(self, live: _Live, counts_as: Outcome, reason: str) -> None:
        if live.cancelled is None:
            live.cancelled, live.why, live.reason = self.clock(), counts_as, reason
            if self._run is not None:
                self._show(self._run, State.STOPPING, reason)
            self.hands.cancel(live.dispatch, live.entry)

    def _withdraw(self) -> None:
        if (request := self.approvals.withdraw()) is not None:
            self.hands.ask(request)

    def _doubt(self, why: str) -> None:
        self.journal.doubts(why)
        self.conditions.doubt = why

    def _clear_doubt(self, by: str) -> None:
        self.journal.doubts("", by)
        self.conditions.doubt = ""
        self._go_on()

    # -- time and people ----------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Time has passed: looks for what is overdue."""
        now, live = self.clock(), self._live
        if live is not None:
            if live.cancelled is not None and now - live.cancelled > self.limits.cancel:
                self._unknown(live, "no_end", f"no end came {self.limits.cancel:g} s after cancel")
            elif live.cancelled is None and not live.accepted and now - live.sent > self.limits.accept:
                self.lost(live.dispatch.dispatch_id, f"no server took the goal in {self.limits.accept:g} s")
            elif live.cancelled is None and now - live.sent > live.entry.timeout:
                self._cancel(live, Outcome.TIMED_OUT, "timeout")
            elif live.accepted and 0 < live.entry.feedback_timeout < now - live.heard:
                self.lost(live.dispatch.dispatch_id, f"no feedback for {live.entry.feedback_timeout:g} s")
        if (request := self.approvals.expire(now)) is not None:
            self.hands.ask(request)
            self._unapproved(Refusal("expired", "nobody approved it in time"))
        asked = self._asked
        if asked is not None and now > asked.until:
            self._asked = None
            if not asked.task_id:
                return self._after_rule(asked.wish)
            if asked.checking:
                return self._judge(asked.wish, asked.wish.order)
            text = f"the planner gave no plan in {self.limits.plan:g} s"
            self._end(asked.wish, Ending.FAILED, Refusal("no_plan", text), asked.wish.order)
        return None

    def approve(self, request_id: str, digest: str, yes: bool, by: str) -> str:
        """A person's answer; why it does not count, or empty."""
        request, why = self.approvals.answer(request_id, digest, yes, by, self.clock())
        if request is None:
            return why
        self.hands.ask(request)
        if request.state is Asked.GRANTED:
            self._advance()
        else:
            self._unapproved(Refusal("denied", f"{by or 'somebody'} denied it"))
        return ""

    def _unapproved(self, why: Refusal) -> None:
        run, self._run = self._run, None
        if run is not None:
            self._end(run.wish, Ending.STOPPED if run.begun else Ending.REFUSED, why, run.order)

    def _note(self, request: Request, by: str) -> None:
        self.journal.approval(request.request_id, request.digest, request.state.value, by)

    # -- telling ------------------------------------------------------------------------------------------------------

    def _show(self, run: _Run, state: State, reason: str = "") -> None:
        order = run.order
        step: PlanStep = order.steps[min(run.index, len(order.steps) - 1)]
        self._set(
            Progress(
                state, Ending.NONE, run.wish.order.task_id, run.wish.order.task, order.plan_id, reason, step.skill,
                run.index, len(order.steps), run.wish.plans,
            )
        )  # fmt: skip

    def _show_wish(self, wish: Wish, state: State, reason: str, message: str) -> None:
        order, done = wish.order, len(wish.done)
        told = Progress(
            state, Ending.NONE, order.task_id, order.task, wish.plan_id, reason, message, done, 0, wish.plans
        )
        self._set(told)

    def _set(self, progress: Progress) -> None:
        self.progress = progress
        self.hands.show(progress)

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1
