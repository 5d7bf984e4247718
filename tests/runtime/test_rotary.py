"""Rotary tables: float32 where the reference rounds, exact everywhere else."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgemma_ros.checkpoint.config import LayerKind, read_config
from dgemma_ros.checkpoint.fields import Section
from dgemma_ros.runtime import rotary
from tests.cases import GOLDEN
from tests.tiny import TINIES, config_json

CONFIG = read_config(Section(GOLDEN, config_json(TINIES["odd_pattern"])))


@given(st.lists(st.integers(0, 262_143), min_size=1, max_size=20))
def test_angles(positions: list[int]) -> None:
    frequencies = CONFIG.text.rope[LayerKind.SLIDING].inverse_frequencies()
    cos, sin = rotary.angles(np.array(positions), frequencies)
    assert cos.shape == sin.shape == (1, len(positions), len(frequencies)) and cos.dtype == sin.dtype == np.float32
    for row, position in enumerate(positions):
        for column, frequency in enumerate(frequencies):
            angle = float(np.float32(position) * frequency)  # rounded to float32, as the reference does
            assert cos[0, row, column] == np.float32(math.cos(angle))
            assert sin[0, row, column] == np.float32(math.sin(angle))


def test_text_tables_are_of_each_kind_that_occurs() -> None:
    tables = rotary.text_tables(CONFIG, np.arange(7))
    assert {name: table.shape for name, table in tables.items()} == {
        "cos_full": (1, 7, 12),
        "sin_full": (1, 7, 12),
        "cos_sliding": (1, 7, 8),
        "sin_sliding": (1, 7, 8),
    }
    assert (tables["cos_full"][0, 0] == 1).all() and (tables["sin_full"][0, 0] == 0).all()
    # "Proportional" leaves the slowest half of the pairs as they are, at any position.
    far = rotary.text_tables(CONFIG, np.array([123_456]))
    assert (far["cos_full"][0, 0, 6:] == 1).all() and (far["sin_full"][0, 0, 6:] == 0).all()
    assert (far["sin_full"][0, 0, :6] != 0).all()
    all_full = read_config(Section(GOLDEN, config_json(TINIES["all_full"])))
    assert rotary.text_tables(all_full, np.arange(2)).keys() == {"cos_full", "sin_full"}


def test_vision_tables_are_of_each_axis() -> None:
    assert CONFIG.vision is not None
    positions = np.array([[0, 0], [3, 0], [0, 5]])
    tables = rotary.vision_tables(CONFIG.vision, positions)
    assert {name: table.shape for name, table in tables.items()} == dict.fromkeys(
        ("cos_x", "sin_x", "cos_y", "sin_y"), (1, 3, 2)
    )
    frequencies = CONFIG.vision.inverse_frequencies()
    assert tables["sin_x"][0, 1] == pytest.approx(np.sin(3 * frequencies))
    assert tables["sin_y"][0, 2] == pytest.approx(np.sin(5 * frequencies))
    assert not tables["sin_x"][0, [0, 2]].any() and not tables["sin_y"][0, [0, 1]].any()
