"""What goes into a planner and what comes out of it. Frozen, checked once, shared between threads freely.

Two clocks, never mixed: budgets and deadlines are seconds of :func:`time.monotonic`; ``…_ns`` are the sender's own
time (ROS time, which may jump, loop or be simulated) and are only handed through.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, auto

from dgemma_ros.context.recall import Recalled
from dgemma_ros.context.types import ContextInfo, Frame, SegmentInfo
from dgemma_ros.errors import ErrorCode
from dgemma_ros.journal.writer import JournalFigures
from dgemma_ros.planning.settings import LatePolicy, Preemption, Settings, SettingsError, StalePolicy
from dgemma_ros.skills.types import PlanStep, Scalar

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
    "Preemption",
    "Recalled",
    "Scalar",
    "SegmentInfo",
    "Settings",
    "SettingsError",
    "StalePolicy",
    "Statistics",
    "Status",
    "Task",
]


class _Name(StrEnum):
    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[str]) -> str:
        return name


class Status(_Name):
    """How a task ended. Says nothing of whether the plan is right: that is ``Plan.valid``."""

    CONVERGED = auto()
    """The model was done: stable and sure."""
    STEP_LIMIT = auto()
    """All the steps of the budget were used."""
    DEADLINE = auto()
    """The time was up first; ``steps`` hold the best draft, or nothing, as ``late_policy`` says.

    Where the plan is out by its deadline it may be valid. Where it comes later it is not, but for a ``late_policy`` of
    ``accept``.
    """
    CANCELLED = auto()
    PREEMPTED = auto()
    """A newer or more urgent task took its place."""
    REJECTED = auto()
    """Never begun: ``error_code`` says why."""
    FAILED = auto()
    """Begun, and broken off by an error of ours or of the backend."""


class Confirmation(_Name):
    """Whether the same task from another seed came to the same plan (the setting ``confirm``)."""

    NOT_ASKED = auto()
    """The setting is off, or there was no valid plan to confirm."""
    CONFIRMED = auto()
    """The same skills with the same arguments in the same order."""
    DIFFERED = auto()
    """Another plan, or none: ``Plan.other_text``. Take neither for sure."""
    NOT_TRIED = auto()
    """There was no time for it."""


@dataclass(frozen=True)
class Task:
    """Something to plan for. ``text`` and ``template_text`` are anybody's words, and are treated so."""

    task_id: str
    text: str
    budget: float | None
    """Seconds from ``received`` to the plan; None for the setting."""
    priority: int = 0
    remember: bool = True
    """Whether task and plan stay in the context for later tasks."""
    template_text: str = ""
    """A plan with free slots, or an earlier plan's text to edit; empty: all is free."""
    parent_plan_id: str = ""
    """The plan that this one follows, after some of its steps were carried out; empty: a wish of its own."""
    received: float = 0.0
    """``time.monotonic()`` when it arrived."""


@dataclass(frozen=True)
class Latency:
    """Where the time went, seconds. ``total`` is from receipt to the plan; ``vision`` and ``prefill`` are those of
    the task's own way, not of frames encoded before it came.
    """

    total: float = 0.0
    vision: float = 0.0
    prefill: float = 0.0
    denoise: float = 0.0


@dataclass(frozen=True)
class Plan:
    """The one answer to a task."""

    plan_id: str
    task_id: str
    task: str
    """The task's text."""
    status: Status
    valid: bool
    """Every step is checked against the skills and may be carried out. Never true with an ``error_code``."""
    stale: bool
    """It rests on a frame older than ``max_observation_age``."""
    error_code: ErrorCode
    error: str
    """One line; empty where there is none."""
    valid_for: float
    """Seconds from ``finished`` for which the plan may be begun; 0 where it is not valid."""
    camera: str
    frame_id: str
    observation_stamp_ns: int | None
    """Of the newest frame it rests on; None without one."""
    steps: tuple[PlanStep, ...]
    """Where not valid, the calls that are right by themselves: to be shown, not to be carried out."""
    text: str
    """The calls as text, for people and as a template for the next task."""
    deadline: float
    finished: float
    """Both ``time.monotonic()``."""
    latency: Latency
    denoising_steps: int
    step_budget: int
    """Steps that the budget had room for at the start, of one canvas."""
    canvases: int
    mean_entropy: float
    """Nats, of the last step; 0 where no step was made."""
    context_tokens: int
    """What the model had read when it answered, the task included."""
    model: str
    seed: int
    priority: int = 0
    parent_plan_id: str = ""
    """Both the task's own."""
    confirmation: Confirmation = Confirmation.NOT_ASKED
    other_text: str = ""
    """Where another seed came to another plan, its calls as text."""
    recalled: tuple[Recalled, ...] = ()
    """Frames that were forgotten and that the model was shown again for this answer, oldest first."""


@dataclass(frozen=True)
class PlanDraft:
    """The canvas after a denoising step. ``tokens`` stop at the answer's end; thinking is not shown."""

    task_id: str
    canvas: int
    step: int
    steps: int
    text: str
    tokens: tuple[str, ...]
    accepted: tuple[bool, ...]
    """Which tokens the sampler accepted in this step."""
    entropy: tuple[float, ...]
    """Nats, of each token."""
    mean_entropy: float
    remaining: float
    """Seconds to the deadline."""


class EventKind(_Name):
    """What a planner tells besides plans and drafts."""

    TASK_STARTED = auto()
    TASK_READ = auto()
    """Its words are in the context; denoising begins."""
    FRAME_ENCODED = auto()
    REMEMBERED = auto()
    """A task and its plan, or a note, are in the context."""
    CONTEXT_REBUILT = auto()
    """Something was forgotten, and the rest read again."""
    STEP_TIME_DRIFT = auto()
    """Steps have become much slower or faster than they were: heat, or a shared GPU."""
    DEADLINE_MISSED = auto()
    JOURNAL = auto()
    """The journal cannot be written, or can again; or what was remembered did not come back as it was."""
    ERROR = auto()
    """Something broke in the background; the planner goes on."""


@dataclass(frozen=True)
class Event:
    """``at`` is ``time.monotonic()``; ``task_id`` is empty where it concerns none."""

    kind: EventKind
    text: str
    at: float
    task_id: str = ""


@dataclass(frozen=True)
class Percentiles:
    """Of the last values, at most 1,000."""

    count: int = 0
    p50: float = 0.0
    p90: float = 0.0
    p99: float = 0.0
    max: float = 0.0


@dataclass(frozen=True)
class Statistics:
    """A planner's state and counts since it was made. Times in seconds."""

    state: str
    """``stopped``, ``idle``, ``planning`` or ``inhibited``."""
    running: str
    """The running task's id; empty where none runs."""
    waiting: int
    plans: Mapping[str, int]
    """How many plans, by status name."""
    valid_plans: int
    deadline_hits: int
    deadline_misses: int
    """Plans that came after their deadline."""
    deadline_empty: int
    """Plans by their deadline that it left without a step: neither kept nor missed."""
    lateness: Percentiles
    """Seconds after the deadline, of late plans only."""
    latency: Percentiles
    step_time: Percentiles
    steps_per_plan: Percentiles
    step_drift: float
    """Step time now over what warming up measured."""
    unit_time: Percentiles
    """Of background work, after each unit of which a waiting task goes first."""
    last_step: float
    """``time.monotonic()`` at the end of the last denoising step, a canary's included; 0 where none was made."""
    frames_taken: int
    frames_dropped: Mapping[str, int]
    """By reason: ``rate``, ``replaced``, ``invalid``, ``stopped``, ``refused``."""
    words_dropped: Mapping[str, int]
    """What came faster than it was read and goes unread: ``note``, ``result``."""
    repairs: int
    watchdog: int
    """Plans that the watchdog had to publish because a step hung."""
    real_time: bool
    """Whether the watchdog has a real-time priority."""
    context: ContextInfo
    model: str
    backend: str
    journal: JournalFigures | None = None
    """None where none is kept."""
