"""A journal that cannot be written, and clocks that jump: nothing is dispatched on what can no longer be trusted."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from dgemma_ros.execution.approvals import Asked
from dgemma_ros.execution.clock import WallClock
from dgemma_ros.execution.journal import CRASHED, JournalError
from dgemma_ros.execution.types import Ending, Outcome, State
from tests.execution.desk import Desk

HOUR = 3600.0
TAKEN = len('{"plan": "p1"}\n')


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def accept(desk: Desk) -> str:
    dispatch_id = desk.hands.sent[-1].dispatch_id
    desk.dispatcher.flight.accepted(dispatch_id)
    return dispatch_id


def last(desk: Desk) -> tuple[State, Ending, str]:
    shown = desk.hands.shown[-1]
    return shown.state, shown.ending, shown.reason


# -- the journal ------------------------------------------------------------------------------------------------------


@contextmanager
def full(journal: Path, room: int) -> Iterator[None]:
    """A file that takes so many more bytes and no more, as on a full disk: the system cuts the write short."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal.stat().st_size + room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def gone(journal: Path) -> Iterator[None]:
    """Somebody deletes it: what is still written to it would not be there after a crash."""
    journal.unlink()
    yield


@contextmanager
def replaced(journal: Path) -> Iterator[None]:
    """Somebody puts another file in its place."""
    journal.rename(journal.with_suffix(".old"))
    journal.touch()
    yield


FAULTS: dict[str, Callable[[Path], AbstractContextManager[None]]] = {
    "full": lambda file: full(file, 0),
    "full in the middle of the plan's line": lambda file: full(file, TAKEN - 5),
    "full in the middle of the dispatch's line": lambda file: full(file, TAKEN + 20),
    "gone": gone,
    "replaced": replaced,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_dispatched_where_the_journal_cannot_be_written(desk: Desk, fault: str) -> None:
    with FAULTS[fault](desk.path):
        with pytest.raises(JournalError, match="nothing is dispatched without a journal"):
            desk.give("place a left", "place b left")
        assert not desk.hands.sent and desk.dispatcher.live is None
        desk.dispatcher.cancel()  # as the node does that meets an error
        desk.dispatcher.tick()
        with pytest.raises(JournalError):
            desk.give("pick a")
        assert not desk.hands.sent and not desk.hands.told


@pytest.mark.parametrize("fault", ["full", "gone"])
def test_no_next_step_where_the_journal_cannot_be_written(desk: Desk, fault: str) -> None:
    desk.give("place a left", "place b left")
    dispatch_id = accept(desk)
    with FAULTS[fault](desk.path), pytest.raises(JournalError):
        desk.dispatcher.flight.ended(dispatch_id, Outcome.SUCCEEDED)
    desk.dispatcher.cancel()
    assert len(desk.hands.sent) == 1 and last(desk) == (State.ENDED, Ending.STOPPED, "cancelled")
    if fault == "full":
        assert [d.dispatch_id for d in desk.kill()] == [dispatch_id]
        assert [(r.outcome, r.reason) for r in desk.hands.told] == [(Outcome.UNKNOWN, CRASHED)]


@pytest.mark.parametrize("fault", ["full", "gone"])
def test_an_approval_that_cannot_be_written_does_not_count(desk: Desk, fault: str) -> None:
    desk.give("cut a")
    request = desk.hands.pending
    with FAULTS[fault](desk.path), pytest.raises(JournalError):
        desk.dispatcher.approve(request.request_id, request.digest, True, "me")
    assert not desk.hands.sent


@pytest.mark.parametrize("fault", ["full", "gone"])
def test_the_word_to_stop_is_obeyed_where_the_journal_cannot_be_written(desk: Desk, fault: str) -> None:
    desk.give("place a left")
    dispatch_id = accept(desk)
    with FAULTS[fault](desk.path), pytest.raises(JournalError):
        desk.dispatcher.inhibit(True)
    assert desk.hands.cancelled == [dispatch_id] and last(desk) == (State.STOPPING, Ending.NONE, "inhibited")
    desk.give("pick a")
    assert len(desk.hands.sent) == 1


@pytest.mark.parametrize("fault", ["full", "gone"])
def test_a_doubt_holds_where_the_journal_cannot_be_written(desk: Desk, fault: str) -> None:
    desk.give("place a left")
    desk.now += 4  # nobody took the goal
    with FAULTS[fault](desk.path), pytest.raises(JournalError):
        desk.dispatcher.tick()
    desk.give("pick a")
    assert any(shown.reason == "doubt" for shown in desk.hands.shown) and len(desk.hands.sent) == 1


# -- clocks -----------------------------------------------------------------------------------------------------------


def test_a_wall_clock_that_is_set_is_told_once_and_one_that_is_kept_right_is_not() -> None:
    steady, error = 100.0, 0.0
    clock = WallClock(lambda: 1.7e9 + steady + error, lambda: steady)
    for jump in (HOUR, -HOUR, 2.5, -2.5):
        steady, error = steady + 10.0, error + jump
        assert clock.jumped() and not clock.jumped()
    steady, error = steady + HOUR, error + 1.5
    assert not clock.jumped()
    assert not WallClock().jumped()


def test_a_clock_that_jumps_forwards_stops_what_was_planned_before(desk: Desk) -> None:
    desk.give("place a left", "place b left")
    dispatch_id = accept(desk)
    waits = desk.give("pick c", priority=1)
    desk.dispatcher.clock_jumped()
    refused = [shown for shown in desk.hands.shown if shown.plan_id == waits.plan_id]
    assert [(shown.ending, shown.reason) for shown in refused] == [(Ending.REFUSED, "clock")]
    assert desk.hands.cancelled == [dispatch_id]
    desk.dispatcher.flight.ended(dispatch_id, Outcome.SUCCEEDED)  # quicker than the cancel
    assert last(desk)[:2] == (State.ENDED, Ending.STOPPED) and len(desk.hands.sent) == 1
    desk.give("pick d", begin_before=desk.now - HOUR)  # valid until a time that the jump left behind
    assert last(desk) == (State.ENDED, Ending.REFUSED, "late") and len(desk.hands.sent) == 1
    desk.give("pick e")
    assert len(desk.hands.sent) == 2


def test_a_clock_that_jumps_forwards_takes_back_approvals_and_questions(desk: Desk) -> None:
    desk.give("cut a")
    request = desk.hands.pending
    desk.dispatcher.clock_jumped()
    assert desk.hands.asked[-1].state is Asked.WITHDRAWN and last(desk) == (State.ENDED, Ending.STOPPED, "clock")
    assert desk.dispatcher.approve(request.request_id, request.digest, True, "me")
    desk.give("place a left")
    desk.dispatcher.flight.ended(accept(desk), Outcome.FAILED, "not reachable")
    desk.dispatcher.clock_jumped()
    assert last(desk) == (State.ENDED, Ending.STOPPED, "clock")
    desk.answer("place a right")
    assert last(desk)[2] == "orphan" and len(desk.hands.sent) == 1


def test_an_hour_in_which_the_executor_stood_still_lets_nothing_old_start(desk: Desk) -> None:
    desk.give("weld")
    request = desk.hands.pending
    desk.now += HOUR
    assert "expired" in desk.dispatcher.approve(request.request_id, request.digest, True, "me")
    desk.dispatcher.tick()
    assert last(desk) == (State.ENDED, Ending.REFUSED, "expired") and not desk.hands.sent
    desk.give("place a left")
    desk.dispatcher.flight.ended(accept(desk), Outcome.FAILED, "not reachable")
    desk.now += HOUR
    desk.dispatcher.tick()
    assert last(desk) == (State.ENDED, Ending.FAILED, "no_plan")
    desk.give("place a left", "place b left")
    accept(desk)
    waits = desk.give("pick c", priority=1)
    desk.now += HOUR
    desk.dispatcher.tick()
    assert desk.hands.told[-1].outcome is Outcome.UNKNOWN and desk.dispatcher.conditions.doubt
    assert (desk.hands.shown[-1].plan_id, last(desk)[2]) == (waits.plan_id, "late") and len(desk.hands.sent) == 2
