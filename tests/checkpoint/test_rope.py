"""The rotary frequencies of the released model, held to what torch computed (tests/oracle compares live)."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from dgemma_ros.checkpoint.rope import inverse_powers

TORCH = {(10_000.0, 256, 128): "cc63341a0ac42a60", (1_000_000.0, 512, 64): "1d3c94a1b1e62051"}


@pytest.mark.parametrize(("theta", "denominator", "count"), TORCH)
def test_equal_to_torch(theta: float, denominator: int, count: int) -> None:
    values = inverse_powers(theta, denominator, count)
    assert hashlib.sha256(values.tobytes()).hexdigest()[:16] == TORCH[theta, denominator, count]


@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 64, 200])
@pytest.mark.parametrize("theta", [1.0, 100.0, 1e6, 1e12])
def test_within_a_unit_of_the_true_value(theta: float, count: int) -> None:
    values = inverse_powers(theta, 400, count)
    exponents = (np.arange(0, 2 * count, 2).astype(np.float32) / np.float32(400)).astype(np.float64)
    true = (1.0 / np.float64(np.float32(theta)) ** exponents).astype(np.float32)
    assert values.dtype == np.float32 and values.shape == (count,)
    np.testing.assert_array_max_ulp(values, true, maxulp=2)
