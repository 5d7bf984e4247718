"""The small file in which a running planner says once a second how it is, and what a probe reads out of it.

A probe asks every ten seconds for as long as a robot runs. A client of ROS would take seconds of discovery for it, and
would find nothing under DDS security without keys of its own; reading a file takes milliseconds. All times are
``time.monotonic()``, which is one clock for all processes of a machine.
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Final

from dgemma_ros import files
from dgemma_ros.errors import DgemmaError
from dgemma_ros.output import whole_file

FORMAT: Final = 1
LARGEST: Final = 1 << 16
"""Bytes of the file: whoever can write there must not fill a probe's memory."""
STARTING: Final = ("unconfigured", "configuring")


class StatusError(DgemmaError):
    """There is no status file, or it is none of ours."""


class Health(StrEnum):
    """What a probe says."""

    HEALTHY = "healthy"
    STARTING = "starting"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True)
class Status:
    """How a planner is. Times are ``time.monotonic()``; None where that has not happened yet."""

    node: str
    """Its full name, as ``/left/planner``."""
    version: str
    pid: int
    started: float
    written: float
    state: str
    """Of the lifecycle; ``configuring`` may say behind a colon what it is at."""
    message: str = ""
    """What is wrong, in the node's own words."""
    starts_itself: bool = True
    """Whether it becomes active without a lifecycle manager."""
    watched: bool = False
    """Whether denoising steps are due at all: a task runs, or canaries are made while none does."""
    last_step: float | None = None
    """When the last denoising step ended, a canary's included, or when the planner became active."""
    plans: int = 0
    misses: int = 0
    """Deadlines missed, since the planner was configured."""
    recent_misses: int = 0
    """The same within the last minute."""
    cameras: dict[str, float | None] = field(default_factory=dict)
    """When the last picture came, by topic."""


@dataclass(frozen=True)
class Limits:
    """Seconds, where nothing else is said; None does not ask."""

    silence: float = 5.0
    """Without a word from the node, whose word is due every second."""
    step_age: float = 30.0
    start: float = 900.0
    camera_age: float | None = None
    misses: int | None = None
    """Deadlines that may be missed within a minute."""


@dataclass(frozen=True)
class Verdict:
    """What a probe says, and why, in one line."""

    health: Health
    reason: str


def folder() -> Path:
    """Where status files are kept: ``DGEMMA_STATUS_DIR``, else the user's run-time folder."""
    if chosen := os.environ.get("DGEMMA_STATUS_DIR"):
        return Path(chosen)
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime) / "dgemma_ros" if runtime else Path(tempfile.gettempdir()) / f"dgemma_ros-{os.getuid()}"


def file_of(node: str) -> Path:
    """A node's file, named after it and its ROS domain."""
    return folder() / f"{os.environ.get('ROS_DOMAIN_ID') or '0'}.{node.strip('/').replace('/', '.')}.json"


def write(status: Status, file: Path) -> None:
    """Replaces the file at once. Raises :class:`OutputError`."""
    if not file.parent.is_dir():
        with suppress(OSError):
            file.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    with whole_file(file) as stream:
        stream.write(json.dumps({"format": FORMAT, **asdict(status)}).encode())


def read(file: Path) -> Status:
    """What the file says. Raises :class:`StatusError`."""
    hint = "no planner has reported here (name it with --node; DGEMMA_STATUS_DIR and ROS_DOMAIN_ID as it has)"
    text = files.read_bytes(file, LARGEST, StatusError, hint)
    try:
        values = json.loads(text)
        if values.pop("format") != FORMAT:
            raise StatusError(f"{file}: of another version of dgemma_ros than this one")
        return _checked(Status(**{entry.name: values[entry.name] for entry in fields(Status)}))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StatusError(f"{file}: not a status file of this version") from error


def _checked(status: Status) -> Status:
    numbers = (status.started, status.written, status.pid, status.plans, status.misses, status.recent_misses)
    optional = (status.last_step, *status.cameras.values())
    right = all(isinstance(value, (int, float)) for value in numbers)
    right &= all(value is None or isinstance(value, (int, float)) for value in optional)
    right &= all(isinstance(value, str) for value in (status.node, status.version, status.state, status.message))
    if not right:
        raise TypeError("a field is of another type")
    return status


def judge(status: Status, now: float, limits: Limits) -> Verdict:
    """Whether the planner can be relied on; ``now`` is ``time.monotonic()``."""
    silent = now - status.written
    if not 0 <= silent <= limits.silence:
        said = f"{silent:.0f} s" if silent > 0 else "since before this machine's last start"
        return Verdict(Health.UNHEALTHY, f"the planner (pid {status.pid}) has said nothing for {said}")
    if status.state != "active":
        return _not_active(status, now - status.started, limits)
    step = None if status.last_step is None else now - status.last_step
    if status.watched and (step is None or step > limits.step_age):
        missing = "yet" if step is None else f"for {step:.0f} s, {limits.step_age:g} are allowed"
        return Verdict(Health.UNHEALTHY, f"active, but no denoising step {missing}")
    ages = {topic: None if at is None else now - at for topic, at in status.cameras.items()}
    for topic, age in ages.items():
        if limits.camera_age is not None and (age is None or age > limits.camera_age):
            seen = "no picture yet" if age is None else f"no picture for {age:.0f} s"
            return Verdict(Health.UNHEALTHY, f"active, but {seen} on {topic}, {limits.camera_age:g} are allowed")
    if limits.misses is not None and status.recent_misses > limits.misses:
        late = f"{status.recent_misses} deadlines missed within a minute, {limits.misses} are allowed"
        return Verdict(Health.UNHEALTHY, f"active, but {late}")
    told = ["active" if step is None else f"active, last step {step:.1f} s ago"]
    told.append(f"{status.plans} plans, {status.misses} late ({status.recent_misses} within a minute)")
    told += [f"{topic} {'silent' if age is None else f'{age:.1f} s ago'}" for topic, age in ages.items()]
    return Verdict(Health.HEALTHY, "; ".join(told))


def _not_active(status: Status, age: float, limits: Limits) -> Verdict:
    said = f": {status.message}" if status.message else ""
    if status.state.split(":")[0] in STARTING and status.starts_itself and not status.message:
        if age <= limits.start:
            return Verdict(Health.STARTING, f"{status.state}, {age:.0f} s after its start")
        return Verdict(Health.UNHEALTHY, f"{status.state} for {age:.0f} s, {limits.start:g} are allowed")
    return Verdict(Health.UNHEALTHY, f"not active but {status.state}{said}")
