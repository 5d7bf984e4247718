"""Which frames are taken, and what time they say."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgemma_ros.context.frames import FrameClock, FrameGate, clock_text
from tests.desk import frame


def test_a_camera_at_30_hz_is_taken_at_the_rate() -> None:
    gate = FrameGate()
    taken = 0
    for number in range(301):
        if gate.offer(frame(0, 0.0, received=100.0 + number / 30), rate=2.0):
            taken += 1
            assert gate.next() is not None
    assert 20 <= taken <= 21 and gate.taken == taken and gate.dropped["rate"] == 301 - taken


def test_the_newest_of_each_camera_waits() -> None:
    gate = FrameGate()
    for number in range(3):
        assert gate.offer(frame(number, number, received=1.0 + number), rate=1000.0)
    assert gate.offer(frame(0, 9.0, "rear", received=1.5), rate=1000.0)
    first, second = gate.next(), gate.next()
    assert first is not None and second is not None and (first.camera, second.camera) == ("rear", "front")
    assert second.stamp_ns == 2 * 10**9 and gate.next() is None
    assert gate.dropped["replaced"] == 2 and gate.taken == 2


def test_a_frame_that_came_too_soon_is_kept_for_a_task_that_needs_it() -> None:
    gate = FrameGate()
    assert gate.offer(frame(0, 0.0, received=1.0), rate=0.1)
    assert not gate.offer(frame(0, 1.0, received=2.0), rate=0.1)
    assert gate.freshest(newer_than=5.0) is None
    fresh = gate.freshest(newer_than=1.0)
    assert fresh is not None and fresh.received == 2.0 and gate.freshest(0.0) is None and gate.dropped["rate"] == 0


@pytest.mark.parametrize(
    "rgb",
    [
        None,
        [[1]],
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((1, 20000, 3), np.uint8),
    ],
)
def test_what_is_no_picture_is_counted(rgb: Any) -> None:
    gate = FrameGate()
    assert not gate.offer(replace(frame(0, 0.0), rgb=rgb), 1.0)
    assert gate.dropped["invalid"] == 1 and not gate.waiting


@given(st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=20))
def test_the_clock_never_runs_backwards(stamps: list[int]) -> None:
    clock = FrameClock()
    said = [clock.seconds(stamp) for stamp in stamps]
    assert said[0] == 0.0 and all(b >= a for a, b in pairwise(said))


def test_clock_text() -> None:
    assert [clock_text(s) for s in (0, 59.99, 60, 3599, 6000)] == ["00:00", "00:59", "01:00", "59:59", "100:00"]
