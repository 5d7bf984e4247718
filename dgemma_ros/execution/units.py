"""Units of arguments and goal fields: ``cm -> m``, ``deg -> quaternion``. ROS's own are those of REP 103."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

_FACTORS: Final[tuple[Mapping[str, float], ...]] = (
    {"mm": 0.001, "cm": 0.01, "m": 1.0, "km": 1000.0, "in": 0.0254, "ft": 0.3048},
    {"deg": math.pi / 180, "rad": 1.0},
    {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0},
    {"cm/s": 0.01, "m/s": 1.0, "km/h": 1 / 3.6},
    {"deg/s": math.pi / 180, "rad/s": 1.0},
    {"g": 0.001, "kg": 1.0},
    {"percent": 0.01, "ratio": 1.0},
)
QUATERNION: Final = "quaternion"
"""Of a turn about the vertical, as geometry_msgs/Quaternion."""
DURATION: Final = "duration"
"""builtin_interfaces/Duration."""
ARROW: Final = "->"


def converter(text: str) -> Callable[[float], Any] | None:
    """What ``FROM -> TO`` does to a number; None where the two are no units of the same kind."""
    before, arrow, after = (part.strip() for part in text.partition(ARROW))
    if not arrow:
        return None
    for factors in _FACTORS:
        if before not in factors:
            continue
        factor = factors[before]
        if after in factors:
            ratio = factor / factors[after]
            return lambda value: value * ratio
        if after == QUATERNION and "rad" in factors:
            return lambda value: yaw(value * factor)
        if after == DURATION and "s" in factors:
            return lambda value: duration(value * factor)
    return None


def yaw(radians: float) -> dict[str, float]:
    """A turn about the vertical as a quaternion."""
    return {"x": 0.0, "y": 0.0, "z": math.sin(radians / 2), "w": math.cos(radians / 2)}


def duration(seconds: float) -> dict[str, int]:
    """A duration as its message has it."""
    nanoseconds = round(seconds * 1e9)
    return {"sec": nanoseconds // 10**9, "nanosec": nanoseconds % 10**9}


def known() -> str:
    """All units, for people."""
    kinds = "; ".join(", ".join(factors) for factors in _FACTORS)
    return f"{kinds}; angles also to {QUATERNION}, times also to {DURATION}"
