"""How many steps fit before a deadline."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgemma_ros.planning.budget import FRESH, RECENT, SMALLEST, Budget, StepTimes, bucket


def times(**by_tokens: float) -> StepTimes:
    made = StepTimes()
    for tokens, seconds in by_tokens.items():
        for _ in range(20):
            made.record(int(tokens[1:]), seconds)
    return made


def test_steps_are_what_is_left_over_what_one_takes() -> None:
    budget = Budget(10.0, 0.5, times(t100=0.07), clock=lambda: 8.0)
    assert budget.steps(100, 48) == 21 and budget.steps(100, 5) == 5
    assert budget.allows(100) and not Budget(8.56, 0.5, times(t100=0.07), lambda: 8.0).allows(100)


def test_one_step_is_tried_where_it_may_be_done_in_time() -> None:
    known = times(t100=0.01)
    for seconds in [0.05] * 10:
        known.record(100, seconds)
    budget = Budget(8.05, 0.02, known, clock=lambda: 8.0)
    assert budget.steps(100, 48) == 1 and budget.allows(100, first=True) and not budget.allows(100)
    assert Budget(8.025, 0.02, known, clock=lambda: 8.0).steps(100, 48) == 0


def test_nothing_known_promises_all_and_nothing_left_promises_none() -> None:
    assert Budget(10.0, 0.1, StepTimes(), lambda: 9.0).steps(100, 48) == 48
    assert Budget(10.0, 0.1, StepTimes(), lambda: 9.95).steps(100, 48) == 0


def test_estimates_are_by_context_size_and_high() -> None:
    known = times(t100=0.01, t5000=0.05)
    assert known.estimate(200) == pytest.approx(0.01) and known.estimate(6000) == pytest.approx(0.05)
    assert known.estimate(1000) == pytest.approx(0.01)  # the next smaller one that is known
    assert times(t5000=0.05).estimate(10) == pytest.approx(0.05)
    for seconds in [0.03] * 5:
        known.record(100, seconds)
    assert known.estimate(100) > 0.02


@given(st.integers(0, 10**7))
def test_buckets_are_powers_of_two_that_hold_their_tokens(tokens: int) -> None:
    size = bucket(tokens)
    assert size >= max(tokens, SMALLEST) and size & (size - 1) == 0 and (size == SMALLEST or size < 2 * tokens)


def test_drift_is_noticed_once_each_way() -> None:
    made = times(t100=0.01)
    made.set_usual(100)
    assert made.drifted() is None
    for _ in range(RECENT):
        made.record(100, 0.03)
    assert made.drifted() is True and made.drifted() is None and made.drift == pytest.approx(3.0)
    for _ in range(RECENT):
        made.record(100, 0.01)
    assert made.drifted() is False


def test_what_was_measured_long_ago_rules_nothing_out() -> None:
    now = 100.0
    made = StepTimes(clock=lambda: now)
    assert made.shortest == 0.0
    for seconds in (0.5, 0.2, 0.9):
        made.record(100, seconds)
    assert made.shortest == 0.2 and made.typical(100) == pytest.approx(0.5)
    assert Budget(8.3, 0.0, made, clock=lambda: 8.0).steps(100, 48) == 0
    now += FRESH
    assert made.shortest == 0.0 and made.typical(100) == 0.0 and made.estimate(100) > 0.5
    assert Budget(8.3, 0.0, made, clock=lambda: 8.0).steps(100, 48) == 1  # tried, to find out
