"""The axis of a timeline of what is remembered: the oldest at 0, now at 1, recent ages spread out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

EVEN: Final = 10.0
"""Seconds below which the axis is about even; beyond, it is logarithmic, as memory thins out with age."""
_TICKS: Final = (10, 60, 600, 3600, 6 * 3600, 86_400, 7 * 86_400, 30, 300, 1800)
"""Seconds; those in front are wanted more."""


@dataclass(frozen=True)
class AgeAxis:
    """From ``oldest`` (seconds) to now."""

    oldest: float

    def at(self, age: float) -> float:
        """Where an age of seconds lies, 0 … 1."""
        span = math.log1p(max(self.oldest, 1.0) / EVEN)
        return min(1.0, max(0.0, 1.0 - math.log1p(max(age, 0.0) / EVEN) / span))

    def ticks(self, apart: float) -> list[tuple[float, str]]:
        """Places with their words, at least ``apart``, from left to right: now, the oldest, and round ages between."""
        chosen = {1.0: "now"}
        for age in (max(self.oldest, 1.0), *_TICKS):
            place = self.at(age)
            if age <= max(self.oldest, 1.0) and all(abs(place - other) >= apart for other in chosen):
                chosen[place] = age_text(age)
        return sorted(chosen.items())


def age_text(seconds: float) -> str:
    """``8 s``, ``5 min``, ``1 h 5 min``, ``2 d 3 h``."""
    whole = round(max(seconds, 0.0))
    if whole < 60:
        return f"{whole} s"
    if whole < 600 and whole % 60:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(whole / 60)
    if minutes < 60:
        return f"{minutes} min"
    large, small, names = (*divmod(minutes, 60), ("h", "min"))
    if large >= 24:
        large, small, names = (*divmod(round(minutes / 60), 24), ("d", "h"))
    return f"{large} {names[0]}" + (f" {small} {names[1]}" if small else "")
