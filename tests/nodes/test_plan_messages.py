"""Plans, tasks and times between messages and the planner's own types."""

from __future__ import annotations

import json
import math
import time

import pytest
from builtin_interfaces.msg import Duration
from dgemma_msgs import msg, srv
from hypothesis import given
from hypothesis import strategies as st
from rclpy.clock import Clock
from rclpy.serialization import deserialize_message, serialize_message

from dgemma_ros.console import plan_view
from dgemma_ros.nodes import plan_messages, ros_time
from dgemma_ros.planning.types import (
    Confirmation,
    ContextInfo,
    ErrorCode,
    Latency,
    Plan,
    PlanDraft,
    PlanStep,
    Recalled,
    SegmentInfo,
    Status,
)


def a_plan(**changes: object) -> Plan:
    now = time.monotonic()
    fields = {
        **{"plan_id": "p", "task_id": "t", "task": "tidy", "status": Status.CONVERGED, "valid": True, "stale": False},
        **{"error_code": ErrorCode.NONE, "error": "", "valid_for": 10.0, "camera": "front", "frame_id": "lens"},
        **{"observation_stamp_ns": 5_000_000_007, "text": "push()", "deadline": now + 1.0, "finished": now},
        **{"latency": Latency(0.25, 0.01, 0.02, 0.2), "denoising_steps": 4, "step_budget": 9, "canvases": 1},
        **{"mean_entropy": 0.5, "context_tokens": 300, "model": "nano", "seed": 2**63 - 1},
        **{"priority": 7, "parent_plan_id": "p0", "confirmation": Confirmation.DIFFERED, "other_text": "pull()"},
        **{"recalled": (Recalled(7, "rear", 5_000_000_007, "00:05 rear"),)},
        "steps": (PlanStep("push", {"object": "näh ☃", "far": 3, "speed": 0.5, "soft": True}, 0.9),),
    }
    return Plan(**(fields | changes))  # type: ignore[arg-type]


def test_constants_are_the_planners() -> None:
    assert set(plan_messages.STATUS) == set(Status)
    assert len(set(plan_messages.STATUS.values())) == len(Status)
    for confirmation, value in plan_messages.CONFIRMATION.items():
        assert plan_view.confirmation_name(msg.Plan(confirmation=value)) == confirmation.name
    assert set(plan_messages.CONFIRMATION) == set(Confirmation)
    for code in ErrorCode:
        assert getattr(msg.Plan, f"ERROR_{code.name}") == code.value


def test_plan_says_all(ros: None) -> None:
    plan = a_plan()
    before = time.time()
    message = plan_messages.plan_message(plan, Clock())
    message = deserialize_message(serialize_message(message), msg.Plan)
    assert (message.priority, message.parent_plan_id) == (7, "p0")
    (recalled,) = plan_view.plan_object(message)["recalled"]
    assert recalled == {"segment": 7, "camera": "rear", "stamp_ns": 5_000_000_007, "label": "00:05 rear"}
    assert (message.confirmation, message.other_text) == (msg.Plan.CONFIRMATION_DIFFERED, "pull()")
    step = message.steps[0]
    assert json.loads(step.arguments_json) == dict(plan.steps[0].arguments)
    assert [(a.name, a.type, a.value) for a in step.arguments] == [
        ("far", msg.Argument.INTEGER, "3"),
        ("object", msg.Argument.STRING, "näh ☃"),
        ("soft", msg.Argument.BOOLEAN, "true"),
        ("speed", msg.Argument.NUMBER, "0.5"),
    ]
    assert (message.observation_stamp.sec, message.observation_stamp.nanosec) == (5, 7)
    assert message.deadline.sec + message.deadline.nanosec / 1e9 == pytest.approx(before + 1.0, abs=0.5)
    assert message.valid_until.sec + message.valid_until.nanosec / 1e9 == pytest.approx(before + 10.0, abs=0.5)
    assert ros_time.seconds(message.latency) == pytest.approx(0.25)
    assert (message.status, message.valid, message.seed) == (msg.Plan.CONVERGED, True, 2**63 - 1)


def test_plan_without_a_frame_that_is_not_valid(ros: None) -> None:
    refused = a_plan(
        valid=False,
        status=Status.REJECTED,
        error_code=ErrorCode.BUSY,
        error="busy",
        steps=(),
        observation_stamp_ns=None,
    )
    message = plan_messages.plan_message(refused, Clock())
    assert (message.valid_until.sec, message.observation_stamp.sec, message.steps) == (0, 0, [])
    assert plan_messages.plan_in_words(a_plan()) == "push()"
    assert plan_messages.plan_in_words(a_plan(stale=True)) == "[CONVERGED: the newest frame is too old] push()"
    assert plan_messages.plan_in_words(refused).startswith("[REJECTED: busy]")


def test_draft_and_context(ros: None) -> None:
    draft = PlanDraft("t", 0, 3, 16, "x", ("a", "b"), (True, False), (0.0, math.inf), math.nan, -0.25)
    message = deserialize_message(serialize_message(plan_messages.draft_message(draft, Clock())), msg.PlanDraft)
    assert list(message.entropy) == [0.0, 0.0] and ros_time.seconds(message.remaining) == pytest.approx(-0.25)
    info = ContextInfo(9, 99, (SegmentInfo("frame", 24, 7, "00:01"),), {"frame": 3}, 1, 7, 0.5)
    response = srv.ContextInfo.Response()
    plan_messages.fill_context(response, info)
    assert response.success and response.frames == 1 and response.dropped_kinds == ["frame"]


def test_task_message() -> None:
    task = plan_messages.task_of(msg.Task(text="go", budget=Duration(sec=1, nanosec=500_000_000), priority=255))
    assert (task.text, task.budget, task.priority, task.remember) == ("go", 1.5, 255, True)
    assert task.task_id and plan_messages.task_of(msg.Task()).budget is None
    assert plan_messages.task_of(msg.Task(budget=Duration(sec=-1))).budget == -1.0


@given(st.floats(allow_nan=False))
def test_any_duration_is_a_message(seconds: float) -> None:
    duration = ros_time.to_duration(seconds)
    serialize_message(duration)
    if abs(seconds) < 2**30:
        assert ros_time.seconds(duration) == pytest.approx(seconds, abs=1e-6)


@given(st.integers(-(2**70), 2**70))
def test_any_stamp_is_a_message(nanoseconds: int) -> None:
    serialize_message(ros_time.to_time(nanoseconds))


def test_a_reading_of_two_clocks_that_was_interrupted_does_not_count() -> None:
    readings: list[int] = []

    def now() -> int:
        at = time.monotonic_ns() + 7 * 10**9
        if not readings:
            time.sleep(0.05)  # put aside between the two
        readings.append(at)
        return at

    assert abs(ros_time.offset(now) - 7 * 10**9) < 5_000_000
