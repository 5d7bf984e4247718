"""How long a message was on its way, so that a budget counts from when the task was sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.node import Node

from dgemma_ros.nodes import ros_time

EARLY = 0.05
"""Seconds by which two clocks of one network may differ; what seems to come from further ahead has another clock."""


class Arrival:
    """Turns stamps of senders into moments of ``time.monotonic()``.

    A stamp ahead of our clock, or further behind it than ``tolerance()`` seconds, tells of a clock that differs: such a
    message counts from its arrival, which is said once in a while and counted in :attr:`skewed`. Thread-safe but for
    the count, which may miss one.
    """

    def __init__(self, node: Node, tolerance: Callable[[], float]) -> None:
        self._node, self._tolerance = node, tolerance
        self.skewed = 0

    def of_message(self, info: Mapping[str, Any] | None, topic: str) -> float:
        """When a message was published, by the middleware's stamp; now, where it has none."""
        stamp = int((info or {}).get("source_timestamp") or 0)
        return self._moment(stamp, time.time_ns, topic)

    def of_stamp(self, stamp: Time, topic: str) -> float:
        """When a message was sent by the ROS time in its header; now, where that is 0."""
        return self._moment(ros_time.nanoseconds(stamp), lambda: int(self._node.get_clock().now().nanoseconds), topic)

    def _moment(self, sent: int, clock: Callable[[], int], topic: str) -> float:
        """Of a stamp by that clock, in nanoseconds."""
        now = time.monotonic()
        if sent <= 0:
            return now
        moment = (sent - ros_time.offset(clock)) / 1e9
        age = now - moment
        if not -EARLY <= age <= self._tolerance():
            self.skewed += 1
            where = f"{-age:.1f} s ahead of" if age < 0 else f"{age:.1f} s behind"
            self._node.get_logger().warning(
                f"{topic}: the sender's clock seems {where} ours; budgets count from arrival until both are set by NTP",
                throttle_duration_sec=30.0,
            )
            return now
        return min(now, moment)
