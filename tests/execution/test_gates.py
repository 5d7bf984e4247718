"""A skill's own conditions: what it must come behind, and what must lately have been said to be true."""

from __future__ import annotations

from pathlib import Path

import pytest

from dgemma_ros.execution.entry import Entry, Requirement
from dgemma_ros.execution.gates import Conditions, refuse_preconditions
from dgemma_ros.execution.types import Outcome, State
from tests.execution.desk import SKILLS, Desk

DOCK = Entry("dock", "dock", after=("go_to", "turn"), requires=(Requirement("localised", 2.0),))


@pytest.mark.parametrize(
    ("behind", "ready", "why"),
    [
        ("go_to", {"localised": 8.5}, ""),
        ("turn", {"localised": 8.0}, ""),  # just old enough
        ("turn", {"localised": 7.9}, "localised did not say true in the last 2 s"),
        ("turn", {"charged": 9.0}, "localised did not say true in the last 2 s"),
        ("", {"localised": 9.0}, "dock goes only behind go_to or turn"),
        ("dock", {"localised": 9.0}, "dock goes only behind go_to or turn"),
    ],
)
def test_preconditions(behind: str, ready: dict[str, float], why: str) -> None:
    refusal = refuse_preconditions(DOCK, behind, Conditions(ready=ready), 10.0)
    assert (refusal is None) == (not why)
    if refusal is not None:
        assert refusal.reason == "precondition" and why in refusal.message


def test_without_conditions_there_is_nothing_to_refuse() -> None:
    assert refuse_preconditions(Entry("say", "say"), "", Conditions(), 10.0) is None


def test_a_step_starts_only_behind_the_one_that_it_needs(tmp_path: Path) -> None:
    desk = Desk(tmp_path, skills=SKILLS.replace("    place:\n", "    place: {after: [pick]}\n"))
    desk.give("pick a", "place a left")
    sent = desk.hands.sent[-1]
    desk.dispatcher.flight.accepted(sent.dispatch_id)
    desk.dispatcher.flight.ended(sent.dispatch_id, Outcome.SUCCEEDED, "")
    assert [dispatch.skill for dispatch in desk.hands.sent] == ["pick", "place"]
    other = Desk(tmp_path / "other", skills=SKILLS.replace("    place:\n", "    place: {after: [pick]}\n"))
    other.give("place a left")
    shown = other.hands.shown[-1]
    assert not other.hands.sent and shown.state is State.ENDED and shown.reason == "precondition"
