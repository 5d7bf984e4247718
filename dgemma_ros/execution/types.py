"""What execution takes and gives. Frozen. Times are seconds of a clock that does not jump, but for ``…_ns``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dgemma_ros.skills.types import PlanStep


class Outcome(StrEnum):
    """How a dispatched skill ended; each has exactly one."""

    UNKNOWN = "UNKNOWN"
    """Nobody knows: it may have been carried out, wholly, partly or not at all."""
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"


class State(StrEnum):
    """Where the executor stands with a task."""

    IDLE = "IDLE"
    APPROVAL = "APPROVAL"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    """A step was cancelled, and its end is awaited."""
    PLANNING = "PLANNING"
    """The planner, or a rule, was asked what comes next."""
    ENDED = "ENDED"


class Ending(StrEnum):
    """How a task ended."""

    NONE = "NONE"
    REACHED = "REACHED"
    """All steps succeeded, at least one of model and rule says that the goal is reached, none that it is not."""
    CARRIED_OUT = "CARRIED_OUT"
    """All steps succeeded, and nobody confirms the goal."""
    REFUSED = "REFUSED"
    FAILED = "FAILED"
    STOPPED = "STOPPED"


@dataclass(frozen=True)
class Order:
    """A plan as it reached the executor. Nothing in it is trusted: the gates look at all of it."""

    plan_id: str
    task_id: str
    task: str
    steps: tuple[PlanStep, ...]
    valid: bool
    stale: bool
    begin_before: float
    """Until when it may be begun; converted when it arrived."""
    observation_stamp_ns: int = 0
    priority: int = 0
    parent_plan_id: str = ""
    error: str = ""
    confirmed: bool = False
    """Another seed came to the same plan."""
    from_the_future: bool = False
    """Its stamp lies ahead of the clock, so one of the two clocks is wrong."""


@dataclass(frozen=True)
class Dispatch:
    """One skill, sent once. ``dispatch_id`` is a UUID in hexadecimal."""

    dispatch_id: str
    task_id: str
    plan_id: str
    step: int
    attempt: int
    skill: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """What became of a dispatch. ``seconds`` from sending it to its end."""

    dispatch: Dispatch
    outcome: Outcome
    reason: str = ""
    message: str = ""
    seconds: float = 0.0
    retried: bool = False
    """Another attempt of the same step follows."""


@dataclass(frozen=True)
class NextTask:
    """What the planner is asked for: the rest of a task."""

    task_id: str
    text: str
    template_text: str
    parent_plan_id: str
    priority: int


@dataclass(frozen=True)
class Progress:
    """Where the executor stands now; ``attempt`` counts the plans made for the task, from 1."""

    state: State = State.IDLE
    ending: Ending = Ending.NONE
    task_id: str = ""
    task: str = ""
    plan_id: str = ""
    reason: str = ""
    message: str = ""
    step: int = 0
    steps: int = 0
    attempt: int = 0
