"""Between the planner's two clocks and ROS messages."""

from __future__ import annotations

import time
from collections.abc import Callable

from builtin_interfaces.msg import Duration, Time
from rclpy.clock import Clock

_SECOND = 1_000_000_000
_CLOSE = 100_000
"""Nanoseconds between two readings that nothing came between."""
_READINGS = 5


def to_time(nanoseconds: int) -> Time:
    """A stamp; what lies before the epoch becomes 0, which ROS reads as unknown."""
    nanoseconds = max(0, nanoseconds)
    return Time(sec=min(nanoseconds // _SECOND, 2**31 - 1), nanosec=nanoseconds % _SECOND)


def to_duration(seconds: float) -> Duration:
    """A duration of seconds, rounded to nanoseconds; negative where they are."""
    nanoseconds = round(min(max(seconds, -(2.0**31)), 2.0**31 - 1) * _SECOND)
    return Duration(sec=nanoseconds // _SECOND, nanosec=nanoseconds % _SECOND)


def nanoseconds(stamp: Time) -> int:
    """Of a stamp."""
    return int(stamp.sec) * _SECOND + int(stamp.nanosec)


def seconds(duration: Duration) -> float:
    """Of a duration."""
    return float(duration.sec) + float(duration.nanosec) / _SECOND


def offset(now: Callable[[], int]) -> int:
    """Nanoseconds of a clock less those of ``time.monotonic()``: the closest of a few readings of both.

    On a machine that is busy a thread may be put aside for a tenth of a second between two readings.
    """
    best, apart = 0, _SECOND << 20
    for _ in range(_READINGS):
        before = time.monotonic_ns()
        read = now()
        took = time.monotonic_ns() - before
        if took < apart:
            best, apart = read - before - took // 2, took
        if apart < _CLOSE:
            break
    return best


def at(clock: Clock, monotonic: float) -> Time:
    """The ROS time at a moment of ``time.monotonic()``, as far as both run evenly between then and now."""
    return to_time(offset(lambda: int(clock.now().nanoseconds)) + round(monotonic * _SECOND))
