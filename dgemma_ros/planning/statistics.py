"""What a planner counts: plans by status, deadlines kept and missed, times. Guarded by the planner's lock."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from copy import copy
from typing import Any

import numpy as np

from dgemma_ros.planning.types import Percentiles, Plan, Status

KEPT = 1000


class Counters:
    """Numbers since the planner was made; of times, the last thousand. Not thread-safe."""

    def __init__(self) -> None:
        self.plans: Counter[str] = Counter()
        self.valid = 0
        self.hits = 0
        self.misses = 0
        self.empty = 0
        self.repairs = 0
        self.watchdog = 0
        self.lateness: deque[float] = deque(maxlen=KEPT)
        self.latency: deque[float] = deque(maxlen=KEPT)
        self.steps: deque[float] = deque(maxlen=KEPT)

    def copy(self) -> Counters:
        """As it is now."""
        other = Counters()
        other.__dict__ |= {name: copy(value) for name, value in self.__dict__.items()}
        return other

    def figures(self) -> dict[str, Any]:
        """What :class:`~dgemma_ros.planning.types.Statistics` tells of plans."""
        return {
            "plans": dict(self.plans),
            "valid_plans": self.valid,
            "deadline_hits": self.hits,
            "deadline_misses": self.misses,
            "deadline_empty": self.empty,
            "lateness": percentiles(self.lateness),
            "latency": percentiles(self.latency),
            "steps_per_plan": percentiles(self.steps),
            "repairs": self.repairs,
            "watchdog": self.watchdog,
        }

    def add(self, plan: Plan, at: float) -> float:
        """Counts a plan that was handed on by ``at``; seconds behind its deadline, 0 where that was in time.

        What was written in time and handed on too late is late, as whoever hears it has it.
        """
        late = max(0.0, at - plan.deadline)
        self.plans[plan.status.value] += 1
        self.valid += plan.valid
        empty = not late and plan.status is Status.DEADLINE and not plan.steps
        self.hits += not (late or empty)
        self.misses += late > 0
        self.empty += empty
        if late:
            self.lateness.append(late)
        if plan.canvases:
            self.latency.append(plan.latency.total)
            self.steps.append(plan.denoising_steps)
        return late


def percentiles(values: Iterable[float]) -> Percentiles:
    """Of some values; zeros where there are none."""
    numbers = np.array(list(values), np.float64)
    if not numbers.size:
        return Percentiles()
    p50, p90, p99 = np.percentile(numbers, [50, 90, 99]).tolist()
    return Percentiles(len(numbers), p50, p90, p99, float(numbers.max()))
