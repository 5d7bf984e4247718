"""Whatever comes, in whatever order: nothing twice, nothing after a word to stop, and each dispatch ends once."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from dgemma_ros.execution.approvals import Asked
from dgemma_ros.execution.types import Order, Outcome, Result
from tests.execution.desk import Desk

GOOD = ["pick a", "place a left", "place b right", "cut a", "weld", "say x", "done"]
CALLS = st.lists(st.sampled_from([*GOOD, *GOOD, "fly", "place a up"]), max_size=4)
OUTCOMES = st.sampled_from(list(Outcome))


def in_short(call: str) -> str:
    """``place(object="a", target="left")`` as the desk writes it."""
    return re.sub(r"\W+", " ", re.sub(r"\w+=", "", call)).strip()


class Executor(RuleBasedStateMachine):
    """Rules are what can happen; the invariants hold after each."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.desk = Desk(Path(self.folder.name), attempts=3)
        self.told: list[Result] = []
        self.sent: dict[str, tuple[str, int, int]] = {}
        self.approved: set[tuple[str, int]] = set()
        self.orders: list[Order] = []
        self.seen = 0
        self.inhibited = False
        self.lost: set[str] = set()

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.desk.journal.close()
            self.folder.cleanup()

    # -- what can happen ----------------------------------------------------------------------------------------------

    @rule(calls=CALLS, wrong=st.sampled_from(["", "", "", "invalid", "stale", "late"]), priority=st.integers(0, 2))
    def plan(self, calls: list[str], wrong: str, priority: int) -> None:
        order = self.desk.order(
            *calls,
            valid=wrong != "invalid",
            stale=wrong == "stale",
            begin_before=self.desk.now + (-1 if wrong == "late" else 10),
            priority=priority,
        )
        self.orders.append(order)
        self.desk.dispatcher.plan(order)

    @rule(calls=CALLS, valid=st.booleans(), pinned=st.booleans())
    def answer(self, calls: list[str], valid: bool, pinned: bool) -> None:
        if self.desk.hands.planned:
            done = self.desk.hands.planned[-1].template_text.split("; ")[:-1] if pinned else []
            self.orders.append(self.desk.answer(*map(in_short, done), *calls, valid=valid))

    @rule(number=st.integers(0, 30))
    def again(self, number: int) -> None:
        if self.orders:
            self.desk.dispatcher.plan(self.orders[number % len(self.orders)])

    @rule(number=st.integers(0, 3), what=st.sampled_from(["accepted", "rejected", "feedback", "lost"]))
    def word_of_a_server(self, number: int, what: str) -> None:
        sent = self.desk.hands.sent
        if sent:
            dispatch_id = sent[-1 - number % len(sent)].dispatch_id
            act = getattr(self.desk.dispatcher.flight, what)
            act(dispatch_id, "gone") if what == "lost" else act(dispatch_id)

    @rule(number=st.integers(0, 3), outcome=OUTCOMES, reason=st.sampled_from(["", "slipped", "not found"]))
    def end(self, number: int, outcome: Outcome, reason: str) -> None:
        sent = self.desk.hands.sent
        if sent:
            self.desk.dispatcher.flight.ended(sent[-1 - number % len(sent)].dispatch_id, outcome, reason)

    @rule(on=st.booleans())
    def inhibit(self, on: bool) -> None:
        self.inhibited = on
        self.desk.dispatcher.inhibit(on)

    @rule(what=st.sampled_from(["planner", "camera"]), lost=st.booleans())
    def watch(self, what: str, lost: bool) -> None:
        if lost:
            self.lost.add(what)
            self.desk.dispatcher.lose(what, "silent")
        else:
            self.lost.discard(what)
            self.desk.dispatcher.find(what)

    @rule(yes=st.booleans(), right=st.booleans())
    def approve(self, yes: bool, right: bool) -> None:
        if self.desk.hands.asked:
            request = self.desk.hands.asked[-1]
            digest = request.digest if right else "0" * 64
            before = self.desk.dispatcher.approvals.pending
            why = self.desk.dispatcher.approve(request.request_id, digest, yes, "test")
            if not why:
                assert before is not None and right and request.state is Asked.PENDING
                if yes:
                    self.approved.add((request.order.plan_id, -1 if request.scope == "PLAN" else request.step))

    @rule(seconds=st.sampled_from([0.5, 2.5, 4.0, 6.0, 11.0, 61.0]))
    def time_passes(self, seconds: float) -> None:
        self.desk.now += seconds
        self.desk.dispatcher.tick()

    @rule()
    def clock_jumps(self) -> None:
        self.desk.dispatcher.clock_jumped()

    @rule()
    def cancel(self) -> None:
        self.desk.dispatcher.cancel()

    @rule()
    def clear_doubt(self) -> None:
        self.desk.dispatcher.clear_doubt("test")

    @rule()
    def kill(self) -> None:
        self.check()
        self.desk.kill()
        self.seen = 0
        self.lost.clear()  # the next executor has watched nothing yet

    # -- what must hold -----------------------------------------------------------------------------------------------

    @invariant()
    def check(self) -> None:
        if not hasattr(self, "desk"):
            return
        hands = self.desk.hands
        for dispatch in hands.sent[self.seen :]:
            key = (dispatch.plan_id, dispatch.step, dispatch.attempt)
            assert dispatch.dispatch_id not in self.sent and key not in self.sent.values(), "nothing twice"
            self.sent[dispatch.dispatch_id] = key
            order = next(o for o in self.orders if o.plan_id == dispatch.plan_id)
            assert order.valid and not order.stale
            assert (order.steps[dispatch.step].skill, order.steps[dispatch.step].arguments) == (
                dispatch.skill,
                dispatch.arguments,
            )
            if dispatch.skill == "cut":
                assert (order.plan_id, dispatch.step) in self.approved
            if any(step.skill == "weld" for step in order.steps):
                assert (order.plan_id, -1) in self.approved
        if len(hands.sent) > self.seen:  # what was sent in the rule that has just run
            assert not self.inhibited and not self.lost, "nothing after a word to stop"
            self.seen = len(hands.sent)
        self.told += hands.told
        hands.told.clear()
        counted = Counter(result.dispatch.dispatch_id for result in self.told)
        assert all(count == 1 for count in counted.values()), "one outcome each"
        live = self.desk.dispatcher.live
        without = [d for d in self.sent if d not in counted]
        assert without in ([], [live.dispatch_id] if live else []), "one on its way, all others have ended"
        assert [d.dispatch_id for d in self.desk.journal.unfinished()] == ([live.dispatch_id] if live else [])


TestExecutor = Executor.TestCase
# A failure is shown as it was found: shrinking it takes minutes. Add Phase.shrink to have it shorter.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
TestExecutor.settings = settings(max_examples=150, stateful_step_count=40, deadline=None, phases=PHASES)
