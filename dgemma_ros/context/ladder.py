"""How frames thin out with age: for how long each of a camera's frames is kept, known from its number alone.

A rung ``600:2`` keeps every 2nd frame until it is 600 seconds old. As each rung keeps only what the one before it does,
a frame is thinned once, when it passes the last rung that keeps it; nothing else has to be looked at again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from dgemma_ros.errors import DgemmaError


class LadderError(DgemmaError):
    """A rung that cannot be used; the text names it."""


@dataclass(frozen=True)
class Ladder:
    """Rungs (seconds, every), in order; no rungs keep everything for ever. Pure."""

    rungs: tuple[tuple[float, int], ...] = ()

    @classmethod
    def of(cls, rungs: Iterable[str]) -> Self:
        """From ``["60:1", "600:2"]``; empty ones are passed over. Raises :class:`LadderError`."""
        read: list[tuple[float, int]] = []
        if isinstance(rungs, str) or not all(isinstance(rung, str) for rung in rungs):
            raise LadderError(f"{rungs!r} is no list of texts like 600:2")
        for text in filter(None, (rung.strip() for rung in rungs)):
            try:
                seconds, every = text.split(":")
                age, step = float(seconds), int(every)
            except ValueError:
                raise LadderError(f"{text!r} is not SECONDS:EVERY, as in 600:2") from None
            last_age, last_step = read[-1] if read else (0.0, 1)
            if not last_age < age < float("inf"):
                raise LadderError(f"{text!r}: seconds must rise from rung to rung")
            if step < 1 or step % last_step:
                raise LadderError(f"{text!r}: {step} is no multiple of {last_step}, which the rung before it keeps")
            read.append((age, step))
        return cls(tuple(read))

    def lifetime(self, number: int) -> float:
        """Seconds for which a camera's frame of this number, from 0, is kept."""
        if not self.rungs:
            return float("inf")
        return max((age for age, every in self.rungs if number % every == 0), default=0.0)


@lru_cache(maxsize=8)
def ladder_of(rungs: tuple[str, ...]) -> Ladder:
    """:meth:`Ladder.of`, read once."""
    return Ladder.of(rungs)
