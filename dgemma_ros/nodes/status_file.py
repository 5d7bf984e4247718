"""The planner node's side of the status file: written with each round of diagnostics, removed at the end."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress

from rclpy.node import Node

import dgemma_ros
from dgemma_ros import status
from dgemma_ros.errors import OutputError
from dgemma_ros.nodes.camera_input import CameraInput
from dgemma_ros.planning.types import Statistics

RECENT = 60.0
"""Seconds of which missed deadlines are counted apart."""


class StatusFile:
    """Thread-safe. A folder that cannot be written is told once, and the planner goes on without the file."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._name = node.get_fully_qualified_name()
        self._file = status.file_of(self._name)
        self._started = time.monotonic()
        self._misses: deque[tuple[float, int]] = deque([(self._started, 0)])
        self._broken = self._removed = False
        self._lock = threading.Lock()

    def write(
        self,
        state: str,
        message: str,
        starts_itself: bool,
        active_since: float | None,
        canary_period: float,
        figures: Statistics | None,
        cameras: Iterable[CameraInput],
    ) -> None:
        """How the node is now; ``figures`` where there is a planner, ``active_since`` where it is active."""
        now = time.monotonic()
        misses = figures.deadline_misses if figures is not None else 0
        steps = [at for at in (active_since, figures and figures.last_step) if at]
        told = status.Status(
            node=self._name,
            version=dgemma_ros.__version__,
            pid=os.getpid(),
            started=self._started,
            written=now,
            state=state,
            message=message,
            starts_itself=starts_itself,
            watched=active_since is not None and (canary_period > 0 or bool(figures and figures.running)),
            last_step=max(steps, default=None),
            plans=sum(figures.plans.values()) if figures is not None else 0,
            misses=misses,
            recent_misses=self._recent(now, misses),
            cameras={camera.topic: camera.last_received for camera in cameras},
        )
        try:
            with self._lock:
                if not self._removed:
                    status.write(told, self._file)
        except OutputError as error:
            if not self._broken:
                self._node.get_logger().warning(f"no status for `dgemma health`: {error}; set DGEMMA_STATUS_DIR")
            self._broken = True

    def _recent(self, now: float, misses: int) -> int:
        if misses < self._misses[-1][1]:  # a planner made anew counts from zero
            self._misses.clear()
        self._misses.append((now, misses))
        while now - self._misses[0][0] > RECENT:
            self._misses.popleft()
        return misses - self._misses[0][1]

    def remove(self) -> None:
        """At the node's end."""
        with self._lock, suppress(OSError):
            self._removed = True
            self._file.unlink()
