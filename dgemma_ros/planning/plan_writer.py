"""A task's plan, written from its job: the answer checked against the skills, or why there is none."""

from __future__ import annotations

from dgemma_ros.planning.jobs import Ending, Job
from dgemma_ros.planning.types import Confirmation, ErrorCode, Latency, LatePolicy, Plan, Status
from dgemma_ros.skills.catalogue import SkillCatalogue
from dgemma_ros.skills.validation import Checked, check, plan_text

TEXT_SHOWN = 2000
"""Characters of what the model says where it calls nothing."""


def write_plan(
    job: Job, ending: Ending | None, status: Status, plan_id: str, model: str, skills: SkillCatalogue, now: float
) -> Plan:
    """The plan as of ``now``: the job's answer with ``status``, or how it ended.

    It rests on the job's own settings and skills; only what is switched off in ``skills``, those of now, is refused.
    """
    settings, answer, task, frame, late = job.settings, job.answer, job.task, job.frame, now - job.deadline
    checked, said = Checked((), ()), ""
    if ending is None:
        usable = job.skills if skills.off <= job.skills.off else job.skills.without(job.skills.off | skills.off)
        checked, said = check(answer.parsed, usable, settings.max_plan_steps, answer.complete), answer.parsed.text
        if late > 0:
            status = Status.DEADLINE
        if status is Status.DEADLINE and settings.late_policy is LatePolicy.EMPTY:
            checked = Checked((), checked.problems)
            ending = Ending(status, ErrorCode.LATE, "the time was up; late_policy is 'empty'")
    if ending is not None:
        status, code, error = ending.status, ending.code, ending.text
    elif checked.problems:
        first, more = checked.problems[0], len(checked.problems) - 1
        code, error = first.code, first.text + (f" (and {more} more)" if more else "")
    elif late > 0 and settings.late_policy is not LatePolicy.ACCEPT:
        code, error = ErrorCode.LATE, f"the plan came {1e3 * late:.1f} ms after its deadline"
    else:
        code, error = ErrorCode.NONE, ""
    valid, oldest, usage = code is ErrorCode.NONE, settings.max_observation_age, answer.usage
    return Plan(
        plan_id=plan_id,
        task_id=task.task_id,
        task=str(task.text),
        status=status,
        valid=valid,
        stale=oldest > 0 and (frame is None or now - frame.received > oldest),
        error_code=code,
        error=error,
        valid_for=settings.valid_for if valid else 0.0,
        camera=frame.camera if frame else "",
        frame_id=frame.frame_id if frame else "",
        observation_stamp_ns=frame.stamp_ns if frame else None,
        steps=checked.steps,
        text=plan_text(checked.steps) or " ".join(said.split())[:TEXT_SHOWN],
        deadline=job.deadline,
        finished=now,
        latency=Latency(now - job.received, job.vision, usage.prefill, usage.denoise),
        denoising_steps=usage.steps,
        step_budget=usage.step_budget,
        canvases=usage.canvases,
        mean_entropy=usage.mean_entropy,
        context_tokens=usage.context_tokens,
        model=model,
        seed=settings.seed,
        priority=task.priority,
        parent_plan_id=str(task.parent_plan_id),
        confirmation=job.second.confirmation if valid else Confirmation.NOT_ASKED,
        recalled=job.recalled,
        other_text=job.second.text[:TEXT_SHOWN] if valid else "",
    )
