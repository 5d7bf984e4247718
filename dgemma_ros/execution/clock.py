"""Whether the wall clock was set: its distance from a clock that does not jump has changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

JUMP: Final = 2.0
"""Seconds by which the wall clock must move, either way; less is what a time service does to keep it right."""


class WallClock:
    """``wall`` and ``steady`` give seconds, since whenever."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self._wall, self._steady = wall, steady
        self._offset = wall() - steady()

    def jumped(self) -> bool:
        """Whether it was set since it was right last; each jump is told once."""
        offset = self._wall() - self._steady()
        if abs(offset - self._offset) <= JUMP:
            return False
        self._offset = offset
        return True
