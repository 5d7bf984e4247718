"""What a plan's next step needs of a person before it starts: asked for, granted, withdrawn, too late."""

from __future__ import annotations

from collections.abc import Mapping

from dgemma_ros.execution.approvals import Approvals, Request, Scope
from dgemma_ros.execution.entry import Approval, Entry
from dgemma_ros.execution.hands import Hands
from dgemma_ros.execution.journal import Journal
from dgemma_ros.execution.run import Run


class Clearance:
    """Asks for the approvals that the table's entries demand, and publishes what becomes of each request."""

    def __init__(self, entries: Mapping[str, Entry], journal: Journal, hands: Hands) -> None:
        self._entries, self._journal, self._hands = entries, journal, hands
        self.approvals = Approvals(self._note)

    def missing(self, run: Run) -> tuple[Scope, int] | None:
        """What the next step still needs; None where it may start. What was granted is used up."""
        if not run.approved:
            needed = any(self._entries[step.skill].approval is Approval.PLAN for step in run.order.steps)
            if needed and not self.approvals.use(run.order, Scope.PLAN):
                return Scope.PLAN, 0
            run.approved = True
        if self._entries[run.step.skill].approval is Approval.STEP and run.granted_step != run.index:
            if not self.approvals.use(run.order, Scope.STEP, run.index):
                return Scope.STEP, run.index
            run.granted_step = run.index
        return None

    def ask(self, run: Run, scope: Scope, step: int, until: float) -> bool:
        """Asks a person, at the latest until the plan may not begin any more; False where a request waits already."""
        if self.approvals.pending is not None:
            return False
        if not run.begun:
            until = min(until, run.order.begin_before)
        self._hands.ask(self.approvals.ask(run.order, scope, step, until))
        return True

    def answer(self, request_id: str, digest: str, yes: bool, by: str, now: float) -> tuple[Request | None, str]:
        """The request as a person's answer settles it, and why the answer does not count; one of the two."""
        request, why = self.approvals.answer(request_id, digest, yes, by, now)
        if request is not None:
            self._hands.ask(request)
        return request, why

    def expired(self, now: float) -> bool:
        """Whether the request that waited has just expired."""
        request = self.approvals.expire(now)
        if request is not None:
            self._hands.ask(request)
        return request is not None

    def withdraw(self) -> None:
        """Takes back what waits and what was granted and not used."""
        if (request := self.approvals.withdraw()) is not None:
            self._hands.ask(request)

    def _note(self, request: Request, by: str) -> None:
        self._journal.approval(request.request_id, request.digest, request.state.value, by)
