"""One plan at a time through the dispatcher: what starts, what must not, and how each thing ends.

Longer than most files: all ways in which a skill ends, on one scripted arm.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dgemma_ros.execution.approvals import Asked
from dgemma_ros.execution.journal import CRASHED
from dgemma_ros.execution.types import Ending, Outcome, State
from tests.execution.desk import Desk

S, F = Outcome.SUCCEEDED, Outcome.FAILED


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def end(desk: Desk, outcome: Outcome = S, reason: str = "") -> None:
    dispatch = desk.hands.sent[-1]
    desk.dispatcher.flight.accepted(dispatch.dispatch_id)
    desk.dispatcher.flight.ended(dispatch.dispatch_id, outcome, reason)


def last(desk: Desk) -> tuple[State, Ending, str]:
    shown = desk.hands.shown[-1]
    return shown.state, shown.ending, shown.reason


def test_steps_go_one_by_one_and_the_model_is_asked_at_the_end(desk: Desk) -> None:
    desk.give("place a left", "place b left")
    assert [d.arguments["object"] for d in desk.hands.sent] == ["a"]
    end(desk)
    end(desk)
    assert [d.arguments["object"] for d in desk.hands.sent] == ["a", "b"]
    assert last(desk)[0] is State.PLANNING and not desk.hands.planned[-1].template_text
    desk.answer("done")
    assert last(desk) == (State.ENDED, Ending.REACHED, "")
    assert [r.outcome for r in desk.hands.told] == [S, S]


def test_a_goal_that_the_model_calls_missed_is_gone_on_with(desk: Desk) -> None:
    desk.give("place a left")
    end(desk)
    desk.answer("place b left")
    end(desk)
    desk.answer("place b left")  # only says again what was just done
    assert last(desk)[:2] == (State.ENDED, Ending.CARRIED_OUT)
    assert len(desk.hands.sent) == 2


def test_a_rule_that_says_no_is_believed(desk: Desk) -> None:
    desk.hands.rule = True
    order = desk.give("place a left")
    end(desk)
    desk.dispatcher.rule_said(order.task_id, True, False)
    desk.answer("done")
    assert last(desk) == (State.ENDED, Ending.FAILED, "not_reached")


def test_what_is_done_is_pinned_and_not_done_again(desk: Desk) -> None:
    desk.give("place a left", "place b left")
    end(desk)
    end(desk, F, "not reachable")
    assert desk.hands.planned[-1].template_text == 'place(object="a", target="left"); ____'
    desk.answer("place a left", "place b right")
    assert desk.hands.sent[-1].arguments == {"object": "b", "target": "right"}
    assert [d.arguments["object"] for d in desk.hands.sent] == ["a", "b", "b"]


def test_a_next_plan_that_forgets_what_is_done_is_not_begun(desk: Desk) -> None:
    desk.give("place a left", "place b left")
    end(desk)
    end(desk, F)
    desk.answer("place b right")
    assert last(desk) == (State.ENDED, Ending.STOPPED, "changed") and len(desk.hands.sent) == 2


def test_attempts_end(desk: Desk) -> None:
    desk.give("place a left")
    for _ in range(2):
        end(desk, F, "not reachable")
        desk.answer("place a left")
    end(desk, F, "not reachable")
    assert last(desk) == (State.ENDED, Ending.FAILED, "attempts") and len(desk.hands.sent) == 3


def test_retries_are_for_their_reasons_only(desk: Desk) -> None:
    desk.give("pick a")
    end(desk, F, "slipped")
    assert [d.attempt for d in desk.hands.sent] == [1, 2] and desk.hands.told[0].retried
    end(desk, F, "slipped")
    assert len(desk.hands.sent) == 2 and not desk.hands.told[1].retried
    desk.dispatcher.cancel()
    desk.give("pick a")
    end(desk, F, "not found")
    assert len(desk.hands.sent) == 3


@pytest.mark.parametrize(
    ("calls", "changes", "reason"),
    [
        (["pick a"], {"valid": False}, "invalid"),
        (["pick a"], {"stale": True}, "stale"),
        (["pick a"], {"begin_before": 1000.0}, "late"),
        (["pick a"], {"begin_before": float("nan")}, "late"),
        (["pick a"], {"begin_before": float("inf")}, "late"),
        (["pick a"], {"from_the_future": True}, "clock"),
        (["pick a"], {"plan_id": ""}, "nameless"),
        (["pick a"], {"parent_plan_id": "p0"}, "orphan"),
        ([], {}, "empty"),
        (["fly"], {}, "unmapped"),
        (["Pick a"], {}, "unknown_skill"),
        (["pick"], {}, "bad_argument"),
        (["place a up"], {}, "bad_argument"),
        (["pick a", "place a up"], {}, "bad_argument"),
    ],
)
def test_gates(desk: Desk, calls: list[str], changes: dict[str, Any], reason: str) -> None:
    desk.give(*calls, **changes)
    assert not desk.hands.sent and last(desk) == (State.ENDED, Ending.REFUSED, reason)


def test_only_confirmed_plans_where_that_is_asked_for(desk: Desk) -> None:
    desk.terms = replace(desk.terms, require_confirmed=True)
    desk.kill()
    desk.give("place a left")
    assert not desk.hands.sent and last(desk) == (State.ENDED, Ending.REFUSED, "unconfirmed")
    desk.give("place a left", confirmed=True)
    assert len(desk.hands.sent) == 1


def test_a_plan_is_taken_once_even_by_the_next_executor(desk: Desk) -> None:
    order = desk.give("pick a")
    end(desk)
    desk.answer("done")
    desk.dispatcher.plan(order)
    assert last(desk)[2] == "seen"
    desk.kill()
    desk.dispatcher.plan(order)
    assert last(desk)[2] == "seen" and not desk.hands.sent


def test_inhibit_stops_and_nothing_goes_on_by_itself(desk: Desk) -> None:
    desk.give("place a left", "place b left")
    desk.dispatcher.inhibit(True)
    assert desk.hands.cancelled == [desk.hands.sent[0].dispatch_id] and last(desk)[0] is State.STOPPING
    end(desk, Outcome.CANCELLED)
    assert last(desk) == (State.ENDED, Ending.STOPPED, "inhibited")
    desk.give("pick a")
    assert last(desk)[2] == "inhibited" and len(desk.hands.sent) == 1
    desk.dispatcher.inhibit(False)
    assert len(desk.hands.sent) == 1
    desk.give("pick a")
    assert len(desk.hands.sent) == 2


def test_inhibit_closes_every_way_by_which_a_step_could_start(desk: Desk) -> None:
    desk.dispatcher.inhibit(True)
    desk.give("pick a")  # a new plan
    desk.kill()
    desk.give("pick a")  # a new plan for an executor that has not heard the word itself
    desk.dispatcher.inhibit(False)
    desk.give("weld")  # one that waits for a person
    request = desk.hands.pending
    desk.dispatcher.inhibit(True)
    assert desk.dispatcher.approve(request.request_id, request.digest, True, "me")
    desk.dispatcher.inhibit(False)
    desk.give("place a left")  # one that waits for the planner
    end(desk, F, "not reachable")
    desk.dispatcher.inhibit(True)
    desk.answer("place a left")
    desk.dispatcher.inhibit(False)
    desk.dispatcher.tick()
    assert [d.arguments.get("object") for d in desk.hands.sent] == ["a"]
    desk.give("pick b", "pick c")  # the next step, and the next attempt
    desk.dispatcher.inhibit(True)
    end(desk, F, "slipped")
    desk.dispatcher.inhibit(False)
    desk.give("pick d", "pick e")
    desk.dispatcher.inhibit(True)
    end(desk)
    assert [d.arguments.get("object") for d in desk.hands.sent] == ["a", "b", "d"]


@pytest.mark.parametrize("what", ["planner", "camera"])
def test_what_is_lost_stops(desk: Desk, what: str) -> None:
    desk.give("place a left", "place b left")
    desk.dispatcher.lose(what, "silent for 3 s")
    end(desk, S)  # it was quicker than the cancel
    assert last(desk) == (State.ENDED, Ending.STOPPED, f"no_{what}") and len(desk.hands.sent) == 1
    desk.give("pick a")
    assert last(desk)[2] == f"no_{what}"
    desk.dispatcher.find(what)
    desk.give("pick a")
    assert len(desk.hands.sent) == 2


def test_an_end_that_does_not_come_is_a_doubt_until_it_is_cleared(desk: Desk) -> None:
    desk.give("pick a")
    desk.dispatcher.flight.accepted(desk.hands.sent[0].dispatch_id)
    desk.now += 1
    desk.dispatcher.flight.feedback(desk.hands.sent[0].dispatch_id)
    desk.dispatcher.cancel()
    desk.now += 6
    desk.dispatcher.tick()
    assert desk.hands.told[-1].outcome is Outcome.UNKNOWN
    desk.give("pick b")
    assert last(desk)[2] == "doubt"
    desk.kill()
    desk.give("pick b")
    assert last(desk)[2] == "doubt" and not desk.hands.sent
    assert desk.dispatcher.clear_doubt("me") and not desk.dispatcher.clear_doubt("me")
    desk.give("pick b")
    assert len(desk.hands.sent) == 1


def test_a_late_end_settles_its_doubt_and_tells_nothing_twice(desk: Desk) -> None:
    desk.give("pick a")
    desk.now += 4
    desk.dispatcher.tick()
    assert desk.hands.told[-1].reason == "lost" and desk.dispatcher.conditions.doubt
    desk.dispatcher.flight.ended(desk.hands.sent[0].dispatch_id, S)
    assert not desk.dispatcher.conditions.doubt and len(desk.hands.told) == 1


def test_a_timeout_is_cancelled_and_counts_as_that(desk: Desk) -> None:
    desk.give("place a left")
    dispatch = desk.hands.sent[0].dispatch_id
    desk.dispatcher.flight.accepted(dispatch)
    for _ in range(11):
        desk.now += 1
        desk.dispatcher.flight.feedback(dispatch)
        desk.dispatcher.tick()
    assert desk.hands.cancelled == [dispatch]
    desk.dispatcher.flight.ended(dispatch, Outcome.CANCELLED)
    assert desk.hands.told[-1].outcome is Outcome.TIMED_OUT and desk.hands.planned


def test_silence_of_the_server_is_a_loss(desk: Desk) -> None:
    desk.give("place a left")
    desk.dispatcher.flight.accepted(desk.hands.sent[0].dispatch_id)
    desk.now += 3
    desk.dispatcher.tick()
    assert desk.hands.told[-1].outcome is Outcome.UNKNOWN and desk.hands.cancelled


def test_priorities(desk: Desk) -> None:
    desk.give("place a left", priority=5)
    desk.give("pick b", priority=4)
    assert last(desk)[0] is State.RUNNING and any(p.reason == "busy" for p in desk.hands.shown)
    urgent = desk.give("pick c", priority=9)
    assert len(desk.hands.sent) == 1 and desk.hands.cancelled
    end(desk, Outcome.CANCELLED)
    assert desk.hands.sent[-1].plan_id == urgent.plan_id


@pytest.mark.parametrize("checking", [False, True])
def test_a_new_plan_while_the_planner_is_asked_is_carried_out(desk: Desk, checking: bool) -> None:
    desk.give("place a left")
    end(desk, S if checking else F)
    new = desk.give("pick b")
    assert desk.hands.sent[-1].plan_id == new.plan_id and not desk.hands.cancelled
    assert last(desk)[0] is State.RUNNING
    desk.answer("place a right")  # too late
    end(desk)
    assert [d.skill for d in desk.hands.sent] == ["place", "pick"]


def test_a_crash_gives_what_was_on_its_way_the_outcome_unknown_once(desk: Desk) -> None:
    desk.give("place a left", "place b left")
    end(desk)
    cut = desk.kill()
    assert [d.step for d in cut] == [1]
    assert [(r.dispatch.step, r.outcome, r.reason) for r in desk.hands.told] == [(1, Outcome.UNKNOWN, CRASHED)]
    desk.give("pick b")
    assert last(desk)[2] == "doubt"
    assert desk.kill() == [] and not desk.hands.told


def test_approval_of_a_plan_is_for_what_was_seen_once(desk: Desk) -> None:
    desk.give("weld", "weld")
    request = desk.hands.pending
    approve = desk.dispatcher.approve
    assert "digest" in approve(request.request_id, "0" * 64, True, "me")
    assert "no such request" in approve("other", request.digest, True, "me")
    assert not desk.hands.sent
    assert approve(request.request_id, request.digest, True, "me") == ""
    assert len(desk.hands.sent) == 1 and desk.hands.asked[-1].state is Asked.GRANTED
    assert "no such request" in approve(request.request_id, request.digest, True, "me")
    end(desk)
    end(desk)
    desk.dispatcher.cancel()
    desk.give("weld", "weld")
    assert len(desk.hands.sent) == 2 and desk.hands.pending.digest != request.digest


def test_approval_of_steps_is_asked_for_each(desk: Desk) -> None:
    desk.give("cut a", "say x", "cut b")
    for number in (0, 2):
        request = desk.hands.pending
        assert request.step == number and len(request.steps) == 1
        assert desk.dispatcher.approve(request.request_id, request.digest, True, "me") == ""
        end(desk)
        if number == 0:
            end(desk)
    assert [d.skill for d in desk.hands.sent] == ["cut", "say", "cut"]


@pytest.mark.parametrize("calls", [("weld",), ("place a left", "weld"), ("cut a",)])
def test_nothing_starts_unapproved_whatever_else_happens(desk: Desk, calls: tuple[str, ...]) -> None:
    desk.give(*calls)
    assert last(desk)[0] is State.APPROVAL
    request = desk.hands.pending
    desk.now += 1
    desk.dispatcher.tick()
    desk.give("say x", priority=-1)
    desk.dispatcher.find("camera")
    desk.dispatcher.inhibit(False)
    desk.dispatcher.clear_doubt("me")
    assert desk.dispatcher.approve(request.request_id, "0" * 64, True, "me")
    assert not desk.hands.sent and desk.hands.pending is request
    assert desk.dispatcher.approve(request.request_id, request.digest, True, "me") == ""
    assert [d.skill for d in desk.hands.sent] == [calls[0].split()[0]]


def test_approvals_come_too_late(desk: Desk) -> None:
    desk.give("weld")
    request = desk.hands.pending
    desk.now += 11  # the plan's validity bounds the approval's
    assert "expired" in desk.dispatcher.approve(request.request_id, request.digest, True, "me")
    desk.dispatcher.tick()
    assert last(desk) == (State.ENDED, Ending.REFUSED, "expired") and desk.hands.asked[-1].state is Asked.EXPIRED
    desk.give("weld")
    request = desk.hands.pending
    desk.dispatcher.inhibit(True)
    assert desk.hands.asked[-1].state is Asked.WITHDRAWN
    assert desk.dispatcher.approve(request.request_id, request.digest, True, "me")
    desk.dispatcher.inhibit(False)
    desk.give("weld")
    request = desk.hands.pending
    assert desk.dispatcher.approve(request.request_id, request.digest, False, "me") == ""
    assert last(desk)[2] == "denied" and not desk.hands.sent


def test_others_words_do_not_answer_what_was_asked(desk: Desk) -> None:
    desk.give("place a left")
    end(desk, F)
    asked = desk.hands.planned[-1]
    desk.give("place a left", task_id="other", parent_plan_id=asked.parent_plan_id)
    assert len(desk.hands.sent) == 1
    desk.now += 31
    desk.dispatcher.tick()
    assert last(desk) == (State.ENDED, Ending.FAILED, "no_plan")
    desk.give("place a left", task_id=asked.task_id, parent_plan_id=asked.parent_plan_id)
    assert last(desk)[2] == "orphan" and len(desk.hands.sent) == 1


def test_a_goal_that_is_taken_after_it_was_given_up_is_not_wanted(desk: Desk) -> None:
    desk.give("place a left")
    dispatch = desk.hands.sent[-1]
    desk.now += 5.0
    desk.dispatcher.tick()
    assert desk.hands.told[-1].outcome is Outcome.UNKNOWN
    assert desk.dispatcher.flight.accepted(dispatch.dispatch_id) is False
    desk.dispatcher.clear_doubt("me")
    assert desk.dispatcher.flight.accepted(dispatch.dispatch_id) is False
    desk.give("place b left")
    assert desk.dispatcher.flight.accepted(desk.hands.sent[-1].dispatch_id) is True
