"""The temperature schedule, its compression, and the stopping rule against a plain statement of it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgemma_ros.checkpoint.config import load_generation_config
from dgemma_ros.runtime.sampling import Sampling, StoppingRule
from tests.conftest import Folders, Models

DEFAULT = Sampling(steps=48, t_min=0.4, t_max=0.8, entropy_bound=0.1, stability=1, confidence=0.005)


def sampling(steps: int) -> Sampling:
    return Sampling(steps, 0.4, 0.8, 0.1, 1, 0.005)


def test_the_schedule() -> None:
    """``t_min + (t_max - t_min) · n/N``, n the steps that remain, the one at hand included."""
    assert DEFAULT.temperature(0) == 0.8
    assert DEFAULT.temperature(47) == pytest.approx(0.4 + 0.4 / 48)
    assert DEFAULT.temperature(24) == pytest.approx(0.6)
    for step in range(48):
        assert DEFAULT.temperature(step) == pytest.approx(0.4 + 0.4 * (48 - step) / 48, abs=1e-15)


@given(st.integers(1, 1000), st.integers(1, 10))
def test_a_smaller_budget_compresses_the_schedule(steps: int, factor: int) -> None:
    few, many = sampling(steps), sampling(steps * factor)
    temperatures = [few.temperature(step) for step in range(steps)]
    assert temperatures[0] == pytest.approx(0.8) and temperatures[-1] == pytest.approx(0.4 + 0.4 / steps)
    assert all(later < earlier for earlier, later in itertools.pairwise(temperatures))
    assert temperatures == pytest.approx([many.temperature(factor * step) for step in range(steps)])


def test_a_checkpoints_own_settings(opened: Models, checkpoint: Folders) -> None:
    generation = load_generation_config(checkpoint("plain"), opened("plain").config)
    own = Sampling.of(generation)
    assert own == Sampling(12, 0.4, 0.8, 0.4, 1, 0.05)
    assert Sampling.of(generation, 5) == Sampling(5, 0.4, 0.8, 0.4, 1, 0.05)


def stops(canvases: list[int], entropies: list[float], stability: int, confidence: float) -> list[bool]:
    """At step i: the last ``stability`` canvases are there and equal to this one, and the entropy is low enough."""
    return [
        i >= stability
        and all(canvases[i - back] == canvases[i] for back in range(1, stability + 1))
        and entropies[i] < confidence
        for i in range(len(canvases))
    ]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0.0, 0.004, 0.005, 0.006, 1.0])), max_size=25),
    st.integers(0, 4),
)
def test_the_stopping_rule(steps: list[tuple[int, float]], stability: int) -> None:
    rule = StoppingRule(stability, 0.005)
    got = [rule(np.array([3, canvas, 5]), entropy) for canvas, entropy in steps]
    assert got == stops([canvas for canvas, _ in steps], [entropy for _, entropy in steps], stability, 0.005)


def test_the_bound_itself_is_not_sure_enough() -> None:
    rule = StoppingRule(0, 0.5)
    assert not rule(np.zeros(2), 0.5) and rule(np.zeros(2), 0.49)


def test_the_rule_keeps_a_copy() -> None:
    """The array may be a buffer that the next step overwrites."""
    rule, buffer = StoppingRule(1, 1.0), np.zeros(4, np.int64)
    assert not rule(buffer, 0.0)
    buffer[:] = 7
    assert not rule(buffer, 0.0)
    assert rule(buffer, 0.0)
