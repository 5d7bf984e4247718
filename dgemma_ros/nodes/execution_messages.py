"""Plans, results, approvals and progress between messages and execution's own types. Plans are untrusted."""

from __future__ import annotations

import json
import math
import time
from typing import Any

from dgemma_msgs import msg
from rclpy.clock import Clock

from dgemma_ros.errors import one_line
from dgemma_ros.execution.approvals import Asked, Request, Scope
from dgemma_ros.execution.types import Ending, NextTask, Order, Outcome, Progress, Result, State
from dgemma_ros.nodes import ros_time
from dgemma_ros.nodes.plan_messages import step_message
from dgemma_ros.skills.types import PlanStep
from dgemma_ros.skills.validation import plan_text

OUTCOME = {outcome: getattr(msg.SkillResult, outcome.name) for outcome in Outcome}
OUTCOME_OF = {value: outcome for outcome, value in OUTCOME.items()}
STATE = {state: getattr(msg.Execution, state.name) for state in State}
ENDING = {ending: getattr(msg.Execution, ending.name) for ending in Ending}
ASKED = {asked: getattr(msg.ApprovalRequest, asked.name) for asked in Asked}
SCOPE = {scope: getattr(msg.ApprovalRequest, scope.name) for scope in Scope}
AHEAD = 0.5
"""Seconds that a stamp may lie ahead of our clock: clocks of two machines are never quite the same."""
MAX_STEPS = 1000


def order_of(message: msg.Plan, clock: Clock) -> Order:
    """A plan as the dispatcher takes it; what cannot be read makes it invalid, with the reason."""
    now = clock.now().nanoseconds
    error: str = message.error
    steps: tuple[PlanStep, ...] = ()
    try:
        if len(message.steps) > MAX_STEPS:
            raise ValueError(f"{len(message.steps)} steps are too many")
        steps = tuple(_step(step) for step in message.steps)
    except (ValueError, TypeError, RecursionError) as problem:
        error = f"a step cannot be read: {one_line(problem, 120)}"
    left = (ros_time.nanoseconds(message.valid_until) - now) / 1e9
    return Order(
        plan_id=message.plan_id,
        task_id=message.task_id,
        task=message.task,
        steps=steps,
        valid=message.valid and message.error_code == msg.Plan.ERROR_NONE and len(steps) == len(message.steps),
        stale=message.stale,
        begin_before=time.monotonic() + left,
        observation_stamp_ns=ros_time.nanoseconds(message.observation_stamp),
        priority=int(message.priority),
        parent_plan_id=message.parent_plan_id,
        error=error,
        confirmed=message.confirmation == msg.Plan.CONFIRMATION_CONFIRMED,
        from_the_future=ros_time.nanoseconds(message.header.stamp) > now + AHEAD * 1e9,
    )


def _step(step: msg.PlanStep) -> PlanStep:
    arguments = json.loads(step.arguments_json or "{}")
    if not isinstance(arguments, dict):
        raise ValueError("arguments_json is no object")
    typed = {}
    for argument in step.arguments:
        text = argument.type == msg.Argument.STRING
        typed[argument.name] = argument.value if text else json.loads(argument.value)
    if typed != arguments:
        raise ValueError(f"{step.skill}: arguments and arguments_json differ")
    confidence = float(step.confidence)
    return PlanStep(step.skill, arguments, confidence if math.isfinite(confidence) else 0.0)


def result_message(result: Result, clock: Clock) -> msg.SkillResult:
    """What became of a dispatch."""
    dispatch = result.dispatch
    message = msg.SkillResult(
        task_id=dispatch.task_id,
        plan_id=dispatch.plan_id,
        step=dispatch.step,
        skill=dispatch.skill,
        arguments_json=json.dumps(dict(sorted(dispatch.arguments.items())), ensure_ascii=False),
        dispatch_id=dispatch.dispatch_id,
        attempt=dispatch.attempt,
        retried=result.retried,
        outcome=OUTCOME[result.outcome],
        reason=result.reason,
        message=result.message,
        duration=ros_time.to_duration(result.seconds),
    )
    message.header.stamp = clock.now().to_msg()
    return message


def request_message(request: Request, clock: Clock) -> msg.ApprovalRequest:
    """What a person is asked, or how that was settled."""
    order = request.order
    message = msg.ApprovalRequest(
        request_id=request.request_id,
        state=ASKED[request.state],
        task_id=order.task_id,
        task=order.task,
        plan_id=order.plan_id,
        scope=SCOPE[request.scope],
        step=request.step,
        steps=[step_message(step) for step in request.steps],
        text=plan_text(request.steps),
        observation_stamp=ros_time.to_time(order.observation_stamp_ns),
        digest=request.digest,
        expires=ros_time.at(clock, request.expires),
    )
    message.header.stamp = clock.now().to_msg()
    return message


def progress_message(progress: Progress, clock: Clock) -> msg.Execution:
    """Where things stand."""
    values: dict[str, Any] = {
        name: getattr(progress, name)
        for name in ("task_id", "task", "plan_id", "reason", "message", "step", "steps", "attempt")
    }
    message = msg.Execution(state=STATE[progress.state], ending=ENDING[progress.ending], **values)
    message.header.stamp = clock.now().to_msg()
    return message


def task_message(task: NextTask, remember: bool) -> msg.Task:
    """What the planner is asked."""
    return msg.Task(
        task_id=task.task_id,
        text=task.text,
        template_text=task.template_text,
        parent_plan_id=task.parent_plan_id,
        priority=task.priority,
        remember=remember,
    )
