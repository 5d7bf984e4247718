"""What ``/diagnostics`` says of a node, once a second: a level, a line, and figures by name."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from dgemma_ros import shared_memory
from dgemma_ros.execution.dispatch import Dispatcher
from dgemma_ros.journal.writer import JournalFigures
from dgemma_ros.nodes import qos, topics
from dgemma_ros.nodes.camera_input import CameraInput
from dgemma_ros.planning.types import Percentiles, Statistics

PERIOD = 1.0
DEAF = "its port in shared memory is gone, and whoever comes from now on is not heard: start it again"
SILENT_AFTER = 5.0
"""Seconds without a picture after which an active planner warns."""


@dataclass
class Health:
    """What is worth saying now. The worst level wins, the first line of that level is shown."""

    level: bytes = DiagnosticStatus.OK
    message: str = "ok"
    values: dict[str, str] = field(default_factory=dict)

    def raise_to(self, level: bytes, message: str) -> None:
        """Says so unless something worse was said before."""
        if level > self.level:
            self.level, self.message = level, message

    def put(self, values: Mapping[str, object]) -> None:
        """Adds figures; floats are shortened."""
        for name, value in values.items():
            self.values[name] = f"{value:.4g}" if isinstance(value, float) else str(value)


class Diagnostics:
    """Publishes the node's health. The clock is steady, so a paused or looping simulation does not silence it."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publisher = node.create_publisher(
            DiagnosticArray, topics.DIAGNOSTICS.name, qos.of(topics.DIAGNOSTICS), qos_overriding_options=qos.OVERRIDES
        )

    def publish(self, health: Health, hardware: str = "") -> None:
        """Sends one status, named after the node."""
        if shared_memory.lost_ports():
            health.raise_to(DiagnosticStatus.ERROR, DEAF)
        status = DiagnosticStatus(
            level=health.level,
            name=f"{self._node.get_fully_qualified_name().lstrip('/')}: {self._node.get_name()}",
            message=health.message,
            hardware_id=hardware,
            values=[KeyValue(key=key, value=value) for key, value in health.values.items()],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)


def steady() -> Clock:
    """A clock for timers that must not stop with the simulation."""
    return Clock(clock_type=ClockType.STEADY_TIME)


def of_planner(health: Health, figures: Statistics, active: bool) -> None:
    """The planner's record."""
    context = figures.context
    if figures.state == "inhibited":
        health.raise_to(DiagnosticStatus.WARN, "inhibited: no tasks are taken")
    if figures.watchdog:
        health.raise_to(DiagnosticStatus.WARN, f"{figures.watchdog} plans had to be published because a step hung")
    health.put({"planner": figures.state if active else "stopped", "running task": figures.running})
    health.put({"waiting tasks": figures.waiting, "valid plans": figures.valid_plans, "repairs": figures.repairs})
    health.put({f"plans {status.lower()}": count for status, count in sorted(figures.plans.items())})
    health.put({"deadline hits": figures.deadline_hits, "deadline misses": figures.deadline_misses})
    health.put({"deadline without a step": figures.deadline_empty})
    health.put({"real-time watch": figures.real_time})
    health.put(_percentiles("latency ms", figures.latency, 1e3) | _percentiles("lateness ms", figures.lateness, 1e3))
    health.put(_percentiles("step ms", figures.step_time, 1e3) | _percentiles("steps a plan", figures.steps_per_plan))
    health.put({f"{kind}s unread": count for kind, count in sorted(figures.words_dropped.items())})
    health.put({"step time drift": figures.step_drift, "frames taken": figures.frames_taken})
    health.put({f"frames dropped, {reason}": count for reason, count in sorted(figures.frames_dropped.items())})
    health.put({"context tokens": context.tokens, "context limit": context.limit, "context frames": context.frames})
    health.put({"context bytes": context.bytes, "context rebuilds": context.rebuilds})
    health.put({"context tokens not read yet": context.behind})
    health.put(_percentiles("background ms", figures.unit_time, 1e3))
    for camera in context.cameras:
        name = f"frames of {camera.camera or 'the camera'}"
        health.put(
            {f"{name} kept": camera.kept, f"{name} keyframes": camera.keyframes, f"{name} pinned": camera.pinned}
        )
        health.put({f"{name} {reason}": count for reason, count in sorted(camera.forgotten.items())})
    health.put({"position shifts": context.shifts, "stamps replaced": context.replaced_stamps})
    health.put({f"context dropped, {kind}": count for kind, count in sorted(context.dropped.items())})
    health.put({"model": figures.model, "backend": figures.backend})
    if figures.journal is not None:
        of_journal(health, figures.journal)


def of_journal(health: Health, journal: JournalFigures) -> None:
    """The journal's record."""
    if journal.failing:
        health.raise_to(DiagnosticStatus.WARN, f"the journal cannot be written ({journal.failing})")
    health.put({"journal": journal.file, "journal bytes": journal.bytes, "journal waiting bytes": journal.waiting})
    health.put({"journal commits": journal.commits, "journal dropped": journal.dropped})
    health.put({"journal pruned": journal.pruned})
    health.put({"restored tokens": journal.restored, "tokens to restore": journal.restoring})


def of_dispatcher(health: Health, dispatcher: Dispatcher) -> None:
    """The executor's record."""
    conditions, report = dispatcher.conditions, dispatcher.report
    if conditions.doubt:
        health.raise_to(DiagnosticStatus.ERROR, f"in doubt: {conditions.doubt}; ~/clear_doubt ends it")
    if conditions.inhibited:
        health.raise_to(DiagnosticStatus.WARN, "inhibited: nothing is carried out")
    health.put(conditions.lost)
    for what, why in conditions.lost.items():
        health.raise_to(DiagnosticStatus.WARN, f"{what}: {why}")
    progress = report.progress
    health.put({"task": progress.task_id, "execution": progress.state.value, "step": progress.step})
    health.put({"dispatch": dispatcher.live.skill if dispatcher.live else ""})
    health.put(dict(sorted(report.counts.items())))


def _percentiles(name: str, values: Percentiles, scale: float = 1.0) -> dict[str, object]:
    if not values.count:
        return {}
    return {f"{name} p50": values.p50 * scale, f"{name} p99": values.p99 * scale, f"{name} max": values.max * scale}


def of_cameras(health: Health, cameras: Iterable[CameraInput], active_since: float) -> None:
    """Each camera's counts, and a warning for one that is silent or does not fit."""
    now = time.monotonic()
    for camera in cameras:
        health.put({f"{camera.topic} received": camera.received, f"{camera.topic} not wanted yet": camera.skipped})
        health.put({f"{camera.topic} refused, {reason}": n for reason, n in sorted(camera.refused.items())})
        if camera.incompatible and camera.last_received is None:
            health.raise_to(DiagnosticStatus.WARN, f"{camera.topic}: a publisher's quality of service does not fit")
        if now - (camera.last_received or active_since) > SILENT_AFTER:
            health.raise_to(DiagnosticStatus.WARN, f"no pictures on {camera.topic} for {SILENT_AFTER:.0f} s")
