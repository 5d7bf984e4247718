"""How a canvas is sampled: the temperature schedule and the stopping rule."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from dgemma_ros.checkpoint.config import GenerationConfig
from dgemma_ros.runtime.contract import Ints


@dataclass(frozen=True)
class Sampling:
    """The sampler's settings for one canvas; ``steps`` is the budget, to which the whole schedule is compressed."""

    steps: int
    t_min: float
    t_max: float
    entropy_bound: float
    stability: int
    confidence: float

    @classmethod
    def of(cls, generation: GenerationConfig, steps: int | None = None) -> Sampling:
        """The checkpoint's own settings, with another number of steps where one is given."""
        return cls(
            steps=generation.max_steps if steps is None else steps,
            t_min=generation.t_min,
            t_max=generation.t_max,
            entropy_bound=generation.entropy_bound,
            stability=generation.stability,
            confidence=generation.confidence,
        )

    def temperature(self, step: int) -> float:
        """The temperature of step 0 … steps-1: linear in the steps that remain, of which the last is one."""
        return self.t_min + (self.t_max - self.t_min) * ((self.steps - step) / self.steps)


class StoppingRule:
    """Stable and sure: the argmax canvas as in the last ``stability`` steps, and the mean entropy below ``confidence``.

    The reference's StableAndConfidentStoppingCriteria. One instance a canvas.
    """

    def __init__(self, stability: int, confidence: float) -> None:
        self._confidence = confidence
        self._stability = stability
        self._history: deque[Ints] = deque(maxlen=stability)

    def __call__(self, argmax: Ints, mean_entropy: float) -> bool:
        """Whether to stop after this step; ``argmax`` [C]."""
        stable = len(self._history) == self._stability and all(np.array_equal(argmax, old) for old in self._history)
        self._history.append(argmax.copy())
        return stable and mean_entropy < self._confidence
