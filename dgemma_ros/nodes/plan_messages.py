"""Tasks, plans, drafts and the context between messages and the planner's own types."""

from __future__ import annotations

import json
import math
import time
import uuid

from dgemma_msgs import msg, srv
from rclpy.clock import Clock

from dgemma_ros.context.results import ResultStatus, SkillResult
from dgemma_ros.nodes import ros_time
from dgemma_ros.planning.types import (
    Confirmation,
    ContextInfo,
    ErrorCode,
    Latency,
    Plan,
    PlanDraft,
    PlanStep,
    Recalled,
    Scalar,
    Status,
    Task,
)

STATUS = {status: getattr(msg.Plan, status.name) for status in Status}
CONFIRMATION = {value: getattr(msg.Plan, f"CONFIRMATION_{value.name}") for value in Confirmation}
_OUTCOMES = {getattr(msg.SkillResult, status.name): status for status in ResultStatus}
_KINDS = ((bool, msg.Argument.BOOLEAN), (int, msg.Argument.INTEGER), (float, msg.Argument.NUMBER))


MAX_ID = 256
"""Characters of a task_id that are kept."""
MAX_ARGUMENTS = 1 << 16
"""Characters of a skill's arguments, as JSON, that are read."""
EXCERPT = 1000
"""Characters of anybody's words that a plan repeats: plans are kept for late readers, whatever they were asked."""


def excerpt(text: str) -> str:
    """At most so many characters, with a mark where more there were."""
    return text if len(text) <= EXCERPT else text[: EXCERPT - 1] + "…"


def task_of_text(text: str) -> Task:
    """A task in plain words, all else left to the parameters."""
    return Task(new_id(), text, None, received=time.monotonic())


def task_of(message: msg.Task) -> Task:
    """A task and its terms; an empty task_id gets one. Whether it can be used, the planner says."""
    budget = ros_time.seconds(message.budget)
    return Task(
        task_id=message.task_id[:MAX_ID] or new_id(),
        text=message.text,
        budget=budget if budget != 0.0 else None,
        priority=int(message.priority),
        remember=message.remember,
        template_text=message.template_text,
        parent_plan_id=message.parent_plan_id,
        received=time.monotonic(),
    )


def result_of(message: msg.SkillResult) -> SkillResult:
    """What became of a step, as the model is told it; what cannot be read of its call is left out."""
    text = message.arguments_json
    try:
        arguments = json.loads(text) if 0 < len(text) <= MAX_ARGUMENTS else {}
    except (ValueError, RecursionError):
        arguments = {}
    if not isinstance(arguments, dict):
        arguments = {}
    status = _OUTCOMES.get(message.outcome, ResultStatus.UNKNOWN)
    return SkillResult(message.skill[:MAX_ID], arguments, status, message.reason or message.message)


def new_id() -> str:
    """An id for a task that came without."""
    return uuid.uuid4().hex[:12]


def plan_message(plan: Plan, clock: Clock) -> msg.Plan:
    """A plan as a message, its times in ROS time."""
    message = msg.Plan(
        schema_version=msg.Plan.SCHEMA_VERSION,
        plan_id=plan.plan_id,
        task_id=plan.task_id,
        task=excerpt(plan.task),
        priority=min(max(plan.priority, 0), 255),
        parent_plan_id=plan.parent_plan_id,
        status=STATUS[plan.status],
        valid=plan.valid,
        stale=plan.stale,
        error_code=int(plan.error_code),
        error=excerpt(plan.error),
        camera=plan.camera,
        frame_id=plan.frame_id,
        steps=[step_message(step) for step in plan.steps],
        text=plan.text,
        deadline=ros_time.at(clock, plan.deadline),
        latency=ros_time.to_duration(plan.latency.total),
        latency_vision=ros_time.to_duration(plan.latency.vision),
        latency_prefill=ros_time.to_duration(plan.latency.prefill),
        latency_denoise=ros_time.to_duration(plan.latency.denoise),
        denoising_steps=plan.denoising_steps,
        step_budget=plan.step_budget,
        canvases=plan.canvases,
        mean_entropy=_number(plan.mean_entropy),
        context_tokens=plan.context_tokens,
        model=plan.model,
        seed=plan.seed,
        confirmation=CONFIRMATION[plan.confirmation],
        other_text=excerpt(plan.other_text),
        recalled=[_recalled_message(frame) for frame in plan.recalled],
    )
    message.header.stamp = clock.now().to_msg()
    if plan.valid:
        message.valid_until = ros_time.at(clock, plan.finished + plan.valid_for)
    if plan.observation_stamp_ns is not None:
        message.observation_stamp = ros_time.to_time(plan.observation_stamp_ns)
    return message


def _recalled_message(frame: Recalled) -> msg.RecalledFrame:
    stamp = ros_time.to_time(frame.stamp_ns)
    return msg.RecalledFrame(segment_id=frame.segment, camera=frame.camera, stamp=stamp, label=frame.label)


def refused(task: Task, reason: str) -> Plan:
    """The plan of a task that came when there was no planner to ask."""
    now = time.monotonic()
    return Plan(
        plan_id=new_id(),
        task_id=task.task_id,
        task=task.text,
        status=Status.REJECTED,
        valid=False,
        stale=False,
        error_code=ErrorCode.STOPPED,
        error=reason,
        valid_for=0.0,
        camera="",
        frame_id="",
        observation_stamp_ns=None,
        steps=(),
        text="",
        deadline=now,
        finished=now,
        latency=Latency(max(0.0, now - task.received), 0.0, 0.0, 0.0),
        denoising_steps=0,
        step_budget=0,
        canvases=0,
        mean_entropy=0.0,
        context_tokens=0,
        model="",
        seed=0,
        priority=task.priority,
        parent_plan_id=task.parent_plan_id,
    )


def step_message(step: PlanStep) -> msg.PlanStep:
    """One call of a skill."""
    arguments = dict(sorted(step.arguments.items()))
    return msg.PlanStep(
        skill=step.skill,
        arguments_json=json.dumps(arguments, ensure_ascii=False),
        arguments=[_argument(name, value) for name, value in arguments.items()],
        confidence=math.nan if step.confidence is None else _number(step.confidence),
    )


def _argument(name: str, value: Scalar) -> msg.Argument:
    kind = next((kind for type_, kind in _KINDS if isinstance(value, type_)), msg.Argument.STRING)
    return msg.Argument(name=name, type=kind, value=value if isinstance(value, str) else json.dumps(value))


def plan_in_words(plan: Plan) -> str:
    """A plan for ``plan_text``: its calls, or why there are none."""
    if plan.valid and not plan.stale:
        return plan.text
    reason = plan.error or ("the newest frame is too old" if plan.stale else "not valid")
    return f"[{plan.status}: {reason}] {plan.text}".rstrip()


def draft_message(draft: PlanDraft, clock: Clock) -> msg.PlanDraft:
    """A draft as a message."""
    message = msg.PlanDraft(
        task_id=draft.task_id,
        canvas=draft.canvas,
        step=draft.step,
        steps=draft.steps,
        text=draft.text,
        tokens=list(draft.tokens),
        settled=list(draft.accepted),
        entropy=[_number(value) for value in draft.entropy],
        mean_entropy=_number(draft.mean_entropy),
        remaining=ros_time.to_duration(draft.remaining),
    )
    message.header.stamp = clock.now().to_msg()
    return message


def fill_context(response: srv.ContextInfo.Response, info: ContextInfo) -> None:
    """The planner's memory, for the service."""
    response.success = True
    response.tokens, response.token_limit = info.tokens, info.limit
    response.frames, response.rebuilds = info.frames, info.rebuilds
    response.segments = [
        msg.ContextSegment(
            kind=segment.kind,
            tokens=segment.tokens,
            stamp=ros_time.to_time(segment.stamp_ns or 0),
            summary=segment.line,
        )
        for segment in info.segments
    ]
    if info.newest_stamp_ns is not None:
        response.newest_stamp = ros_time.to_time(info.newest_stamp_ns)
    if info.newest_age is not None:
        response.newest_age = ros_time.to_duration(info.newest_age)
    dropped = dict(info.dropped) | {
        f"frame of {camera.camera or 'the camera'}, {reason}": count
        for camera in info.cameras
        for reason, count in camera.forgotten.items()
    }
    response.dropped_kinds, response.dropped_counts = list(dropped), list(dropped.values())


def _number(value: float) -> float:
    """A float32 field takes no infinity without a complaint."""
    return float(value) if math.isfinite(value) else 0.0
