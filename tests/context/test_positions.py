"""When positions run out, and what a shift makes free: on a small model's own sequence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dgemma_ros.context import positions
from dgemma_ros.model import Model, open_model
from dgemma_ros.runtime.sequence import Sequence
from tests.desk import write_model

MOST = 640
FIRST = 20
"""Rows that stay where they are."""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return open_model(write_model(tmp_path_factory.mktemp("few") / "tiny", positions=MOST), threads=1)


def read(model: Model, count: int) -> Sequence:
    sequence = model.sequence()
    sequence.append(5 + np.arange(count) % 50)
    return sequence


def test_an_eighth_and_a_sixteenth_of_the_positions_or_four_canvases_stay_free(small: Model, tmp_path: Path) -> None:
    large = open_model(write_model(tmp_path / "large", positions=16384), threads=1)
    assert positions.most_remembered(large) == 16384 - 2048 - 1024
    assert 4 * small.config.canvas_length > MOST // 16
    assert positions.most_remembered(small) == MOST - MOST // 8 - 4 * small.config.canvas_length


def test_it_is_cramped_where_few_are_left_and_many_would_come_free(small: Model) -> None:
    early = 4 * small.config.canvas_length
    sequence = read(small, MOST - early)
    sequence.evict(FIRST, 100)
    assert not positions.cramped(small, sequence)  # as many as that are enough
    sequence.append(np.array([5]))
    assert positions.cramped(small, sequence)
    gone = read(small, MOST - early + 1)
    gone.evict(FIRST, MOST // 8 - 1)
    assert not positions.cramped(small, gone)  # one less than is worth it
    gone.evict(FIRST, 1)
    assert positions.cramped(small, gone)


def test_they_are_lacking_only_where_a_shift_makes_some_free(small: Model) -> None:
    full = read(small, 600)
    assert not positions.lacking(small, full, MOST)  # nothing is gone
    full.evict(FIRST, 1)
    assert not positions.lacking(small, full, MOST - 600)
    assert positions.lacking(small, full, MOST - 600 + 1)


def test_a_gap_is_closed_as_one_and_many_each_by_itself(small: Model) -> None:
    one = read(small, 400)
    one.evict(FIRST, MOST // 8)
    one.evict(FIRST + 50, 10)  # stays, as somebody may want to know how long ago that was
    assert positions.shift(small, one, FIRST) == MOST // 8
    assert (one.length, one.position) == (310, 320)
    many = read(small, 400)
    many.evict(FIRST, MOST // 8 - 1)  # not worth it alone
    many.evict(FIRST + 50, 60)
    assert positions.shift(small, many, FIRST) == MOST // 8 - 1 + 60
    assert many.length == many.position
    none = read(small, 100)
    assert positions.shift(small, none, FIRST) == 0
