"""What is written down of a plan: all that it rests on besides the context, and the plan itself, as JSON values."""

from __future__ import annotations

from dataclasses import asdict, fields
from enum import Enum
from typing import Any, Final

import numpy as np

from dgemma_ros.journal.errors import DamageError
from dgemma_ros.planning.jobs import Job
from dgemma_ros.planning.settings import Settings
from dgemma_ros.planning.trace import Trace
from dgemma_ros.planning.types import Frame, Plan, PlanStep, Recalled, Task
from dgemma_ros.skills.catalogue import SkillCatalogue

NO_PICTURE: Final = np.empty((0, 0, 3), np.uint8)


def basis_of(job: Job, trace: Trace, backend: str) -> dict[str, Any]:
    """Task, settings, times of the planner's clock, the newest frame, and how far the clock let the answer go."""
    frame = job.frame
    return {
        "task": asdict(job.task),
        "settings": _plain(job.settings),
        "received": job.received,
        "deadline": job.deadline,
        "frame": None if frame is None else [frame.camera, frame.frame_id, frame.stamp_ns, frame.received],
        "trace": trace.content,
        "backend": backend,
    }


def skills_of(skills: SkillCatalogue) -> dict[str, Any]:
    """A catalogue, and what of it is switched off."""
    return {"catalogue": skills.content, "off": sorted(skills.off)}


def plan_content(plan: Plan) -> dict[str, Any]:
    """All of a plan."""
    return _plain(plan) | {"steps": [_plain(step) for step in plan.steps], "latency": asdict(plan.latency)}


def job_of(basis: Any, skills: Any) -> Job:
    """The job as it was begun. Raises :class:`DamageError`, :class:`SettingsError` or :class:`SkillsError`."""
    try:
        task = Task(**{entry.name: basis["task"][entry.name] for entry in fields(Task)})
        settings = Settings.of(basis["settings"])
        catalogue = SkillCatalogue.of(skills["catalogue"], "the plan's skills").without(skills["off"])
        job = Job(task, float(basis["received"]), float(basis["deadline"]), 0, settings, catalogue)
        if basis["frame"] is not None:
            camera, frame_id, stamp, received = basis["frame"]
            job.frame = Frame(NO_PICTURE, int(stamp), str(camera), str(frame_id), float(received))
    except (KeyError, TypeError, ValueError):
        raise DamageError("what that plan rests on is not what a journal holds") from None
    return job


def _plain(value: Any) -> dict[str, Any]:
    """A dataclass's fields, enumerations by their names or values."""
    return {entry.name: _shown(getattr(value, entry.name)) for entry in fields(value)}


def _shown(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, PlanStep | Recalled):
        return _plain(value)
    if isinstance(value, tuple):
        return [_shown(entry) for entry in value]
    return dict(value) if hasattr(value, "keys") else value
