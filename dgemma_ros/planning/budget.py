"""How many denoising steps fit before a deadline, from how long steps took lately.

A step takes longer the more there is in the context, so times are kept by context size, in powers of two. The estimate
is a high percentile: a plan that is a step shorter than it might have been is better than one that comes late.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

WINDOW = 64
PERCENTILE = 95.0
SMALLEST = 256
"""Contexts up to this size count as one."""
DRIFT = 1.5
"""Steps that take so many times as long (or as short) as they did when warming up are reported."""
RECENT = 16
KEPT = 1000
"""Steps of any context size, for statistics."""
FRESH = 2.0
"""Seconds (or four steps, where they take longer) after which it is not known any more how long a step takes: then one
is tried to find out."""

Clock = Callable[[], float]


def bucket(tokens: int) -> int:
    """The context size that a number of tokens counts as."""
    return max(SMALLEST, 1 << max(0, tokens - 1).bit_length())


class StepTimes:
    """What steps took, seconds. For the thread that has the model; others may read the properties and :attr:`drift`."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._last = (-math.inf, 0.0)
        self._times: dict[int, deque[float]] = {}
        self._usual: dict[int, float] = {}
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._all: deque[float] = deque(maxlen=KEPT)
        self._drifted = False
        self.drift = 1.0
        """The median of the last steps over what is usual; 1 while it is not known."""

    def record(self, tokens: int, seconds: float) -> None:
        """One step behind ``tokens`` of context took so long."""
        size = bucket(tokens)
        times = self._times.setdefault(size, deque(maxlen=WINDOW))
        times.append(seconds)
        self._all.append(seconds)
        self._last = (self._clock(), min(times))
        if size not in self._usual and len(self._times[size]) >= RECENT // 2:
            self.set_usual(size)
        if usual := self._usual.get(size, 0.0):
            self._recent.append(seconds / usual)
        if len(self._recent) == RECENT:
            self.drift = float(np.median(self._recent))

    def set_usual(self, tokens: int) -> None:
        """From now on, what steps of this context size took so far is the usual."""
        if times := self._times.get(bucket(tokens)):
            self._usual[bucket(tokens)] = float(np.median(times))

    def estimate(self, tokens: int) -> float:
        """Seconds that the next step is unlikely to pass; 0 where nothing is known.

        For a context size not seen yet, the next smaller one's, and failing that the next larger one's.
        """
        return self._percentile(tokens, PERCENTILE)

    def typical(self, tokens: int) -> float:
        """Seconds that the next step takes as likely as not; 0 where nothing is known of late."""
        return self._percentile(tokens, 50.0) if self.shortest else 0.0

    @property
    def shortest(self) -> float:
        """The quickest of the last steps, of the context size that was last met; 0 where nothing is known of late."""
        when, shortest = self._last
        return shortest if self._clock() - when < max(FRESH, 4 * shortest) else 0.0

    @property
    def latest(self) -> list[float]:
        """The last steps, of any context size."""
        return list(self._all)

    def _percentile(self, tokens: int, percentile: float) -> float:
        known = [size for size, times in self._times.items() if times]
        if not known:
            return 0.0
        below = [size for size in known if size <= bucket(tokens)]
        return float(np.percentile(self._times[max(below) if below else min(known)], percentile))

    def drifted(self) -> bool | None:
        """Whether steps have become too slow or fast; None unless that has changed since it was last asked."""
        now = not 1.0 / DRIFT <= self.drift <= DRIFT
        if now == self._drifted:
            return None
        self._drifted = now
        return now


@dataclass(frozen=True)
class Budget:
    """One task's time, a :class:`~dgemma_ros.generation.contract.StepBudget`.

    ``deadline`` is of ``clock``; ``reserve``, in seconds, is kept for publishing.
    """

    deadline: float
    reserve: float
    times: StepTimes
    clock: Clock = time.monotonic

    @property
    def remaining(self) -> float:
        """Seconds to the deadline; negative behind it."""
        return self.deadline - self.clock()

    @property
    def usable(self) -> float:
        """Seconds that may be used for denoising."""
        return self.remaining - self.reserve

    def steps(self, tokens: int, most: int) -> int:
        """Denoising steps that there is time for, 0 … ``most``.

        One is tried where it is as likely as not to be done in time: without it there is nothing at all to publish,
        and the watchdog keeps the deadline whatever happens.
        """
        left, each = self.usable, self.times.estimate(tokens)
        if left <= 0.0:
            return 0
        sure = most if each <= 0.0 else min(most, int(left / each))
        return max(sure, int(left > self.times.typical(tokens)))

    def allows(self, tokens: int, first: bool = False) -> bool:
        """Whether one more step would be done in time; for the first one, whether it may be."""
        return self.usable > (self.times.typical(tokens) if first else self.times.estimate(tokens))

    def record(self, tokens: int, seconds: float) -> None:
        """A step took so long."""
        self.times.record(tokens, seconds)
