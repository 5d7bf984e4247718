"""Tasks and frames in, checked plans out by a deadline: queue, budget, worker, publisher, watchdog, the planner.

Nothing here knows ROS. :class:`Planner` is the only door: thread-safe, with one worker thread that has the model;
:func:`plan_once` makes one plan with it.
"""

from dgemma_ros.planning.once import plan_once
from dgemma_ros.planning.planner import Planner, PlannerError
from dgemma_ros.planning.types import (
    Confirmation,
    ContextInfo,
    ErrorCode,
    Event,
    EventKind,
    Frame,
    Latency,
    LatePolicy,
    Percentiles,
    Plan,
    PlanDraft,
    PlanStep,
    Preemption,
    SegmentInfo,
    Settings,
    SettingsError,
    StalePolicy,
    Statistics,
    Status,
    Task,
)
from dgemma_ros.skills.catalogue import SkillCatalogue, SkillsError

__all__ = [
    "Confirmation",
    "ContextInfo",
    "ErrorCode",
    "Event",
    "EventKind",
    "Frame",
    "LatePolicy",
    "Latency",
    "Percentiles",
    "Plan",
    "PlanDraft",
    "PlanStep",
    "Planner",
    "PlannerError",
    "Preemption",
    "SegmentInfo",
    "Settings",
    "SettingsError",
    "SkillCatalogue",
    "SkillsError",
    "StalePolicy",
    "Statistics",
    "Status",
    "Task",
    "plan_once",
]
