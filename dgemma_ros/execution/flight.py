"""The skill that is on its way, from its goal to its outcome, and the doubt where no end of it is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from dgemma_ros.execution.entry import NOBODY, Entry
from dgemma_ros.execution.gates import Conditions
from dgemma_ros.execution.hands import Hands, Limits
from dgemma_ros.execution.journal import CRASHED, Journal
from dgemma_ros.execution.types import Dispatch, Outcome, Result


@dataclass
class Live:
    """A dispatch on its way."""

    dispatch: Dispatch
    entry: Entry
    sent: float
    heard: float
    """When its last sign of life came."""
    accepted: bool = False
    cancelled: float | None = None
    why: Outcome = Outcome.CANCELLED
    """What it counts as where the cancel succeeds."""
    reason: str = ""


class Owner(Protocol):
    """Who started the skill."""

    def retries(self, live: Live, reason: str) -> bool:
        """Whether a skill that failed is attempted again."""

    def stopping(self, reason: str) -> None:
        """The skill is about to be cancelled."""

    def concluded(self, result: Result) -> None:
        """The skill has its outcome, which is written and told; another one may start."""

    def settled(self) -> None:
        """Nothing is in doubt any more."""


class Flight:
    """At most one skill at a time. A dispatch is in the journal before it is sent, and gets exactly one outcome."""

    def __init__(
        self, journal: Journal, hands: Hands, conditions: Conditions, clock: Callable[[], float], limits: Limits,
        owner: Owner,
    ) -> None:  # fmt: skip
        self._journal, self._hands, self._conditions = journal, hands, conditions
        self._clock, self._limits, self._owner = clock, limits, owner
        self._doubtful: set[str] = set()
        self.live: Live | None = None

    def recover(self) -> list[Dispatch]:
        """After a start: gives what a crash cut its outcome, tells what may not have been told; what was cut."""
        cut = self._journal.unfinished()
        if cut:
            self._doubt(f"the executor was killed while {cut[0].skill} was on its way; does the robot stand still?")
        for dispatch in cut:
            self._doubtful.add(dispatch.dispatch_id)
            self._journal.end(Result(dispatch, Outcome.UNKNOWN, CRASHED, "the executor was killed"))
        for result in self._journal.untold():
            self._tell(result)
        return cut

    def begin(self, dispatch: Dispatch, entry: Entry) -> None:
        """A skill that was just written to the journal; :meth:`send` follows."""
        now = self._clock()
        self.live = Live(dispatch, entry, now, heard=now)

    def send(self) -> None:
        """Sends its goal; an action that is nobody's succeeds at once."""
        live = self.live
        assert live is not None
        if live.entry.action == NOBODY:
            self._conclude(live, Outcome.SUCCEEDED, "", "")
        else:
            self._hands.send(live.dispatch, live.entry)

    # -- what its action's server says --------------------------------------------------------------------------------

    def accepted(self, dispatch_id: str) -> bool:
        """The server has taken the goal; False where it was given up meanwhile, and is to be cancelled."""
        live = self._of(dispatch_id)
        if live is None:
            return False
        live.accepted, live.heard = True, self._clock()
        if live.cancelled is not None:
            self._hands.cancel(live.dispatch, live.entry)  # the first cancel may have come before the goal
        return True

    def rejected(self, dispatch_id: str, why: str = "") -> None:
        """The server has not taken the goal, so nothing was done."""
        if dispatch_id in self._doubtful:
            self.ended(dispatch_id, Outcome.FAILED)
            return
        if (live := self._of(dispatch_id)) is not None and not live.accepted:
            if live.cancelled is not None:
                self._conclude(live, live.why, live.reason, "the goal was not taken any more")
            else:
                self._conclude(live, Outcome.FAILED, "rejected", why or "the action's server refused the goal")

    def feedback(self, dispatch_id: str) -> None:
        """A sign of life."""
        if (live := self._of(dispatch_id)) is not None:
            live.heard = self._clock()

    def ended(self, dispatch_id: str, outcome: Outcome, reason: str = "", message: str = "") -> None:
        """The action has ended. One that nobody waits for any more settles a doubt, and nothing else."""
        if dispatch_id in self._doubtful:
            self._doubtful.discard(dispatch_id)
            if not self._doubtful:
                self._settle("the action's own end")
            return
        live = self._of(dispatch_id)
        if live is None:
            return
        if live.cancelled is not None and outcome is Outcome.CANCELLED:
            outcome, reason = live.why, live.reason or reason
        self._conclude(live, outcome, reason, message)

    def lost(self, dispatch_id: str, why: str) -> None:
        """The server is gone, so nobody knows."""
        if (live := self._of(dispatch_id)) is not None:
            if live.cancelled is None:
                self._hands.cancel(live.dispatch, live.entry)  # it may hear it yet
            self._unknown(live, "lost", why)

    # -- its end ------------------------------------------------------------------------------------------------------

    def cancel(self, counts_as: Outcome, reason: str) -> None:
        """Asks for its end, once, and waits for it."""
        live = self.live
        if live is not None and live.cancelled is None:
            live.cancelled, live.why, live.reason = self._clock(), counts_as, reason
            self._owner.stopping(reason)
            self._hands.cancel(live.dispatch, live.entry)

    def overdue(self, now: float) -> None:
        """Looks for what has not come in time."""
        live, limits = self.live, self._limits
        if live is None:
            return
        if live.cancelled is not None and now - live.cancelled > limits.cancel:
            self._unknown(live, "no_end", f"no end came {limits.cancel:g} s after cancel")
        elif live.cancelled is None and not live.accepted and now - live.sent > limits.accept:
            self.lost(live.dispatch.dispatch_id, f"no server took the goal in {limits.accept:g} s")
        elif live.cancelled is None and now - live.sent > live.entry.timeout:
            self.cancel(Outcome.TIMED_OUT, "timeout")
        elif live.accepted and 0 < live.entry.feedback_timeout < now - live.heard:
            self.lost(live.dispatch.dispatch_id, f"no feedback for {live.entry.feedback_timeout:g} s")

    def clear_doubt(self, by: str) -> bool:
        """A person says that the robot stands still; False where nothing is in doubt."""
        if not self._conditions.doubt:
            return False
        self._doubtful.clear()
        self._settle(by)
        return True

    def _of(self, dispatch_id: str) -> Live | None:
        live = self.live
        return live if live is not None and live.dispatch.dispatch_id == dispatch_id else None

    def _unknown(self, live: Live, reason: str, message: str) -> None:
        self._doubtful.add(live.dispatch.dispatch_id)
        self._doubt(f"{live.dispatch.skill}: {message}; does the robot stand still?")
        self._conclude(live, Outcome.UNKNOWN, reason, message)

    def _conclude(self, live: Live, outcome: Outcome, reason: str, message: str) -> None:
        self.live = None
        again = outcome is Outcome.FAILED and self._owner.retries(live, reason)
        result = Result(live.dispatch, outcome, reason, message, self._clock() - live.sent, again)
        self._journal.end(result)
        self._tell(result)
        self._owner.concluded(result)

    def _tell(self, result: Result) -> None:
        self._hands.tell(result)
        self._journal.told(result.dispatch.dispatch_id)

    def _doubt(self, why: str) -> None:
        self._conditions.doubt = why  # first, for it holds even where it cannot be written
        self._journal.doubts(why)

    def _settle(self, by: str) -> None:
        self._journal.doubts("", by)
        self._conditions.doubt = ""
        self._owner.settled()
