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


@given(st.lists(st.tuples(st.integers(-(2**62), 2**62), st.floats(0, 1e6)), min_size=1, max_size=20))
def test_the_clock_never_runs_backwards(frames: list[tuple[int, float]]) -> None:
    clock = FrameClock()
    said = [clock.seconds(*frame) for frame in frames]
    assert said[0] == 0.0 and all(b >= a for a, b in pairwise(said))


@given(st.lists(st.sampled_from([0, -5, 2**31 - 1, 2**31 + 7, 10**12]), max_size=8), st.integers(0, 2_000_000_000))
def test_a_stamp_that_cannot_be_meant_moves_no_later_one(bad: list[int], start: int) -> None:
    """A frame a second: good stamps, then bad ones, then good ones again; each says the seconds that have gone by."""
    good = [start + second for second in range(1, 20)]
    stamps = [*good[:5], *bad, *good[5 + len(bad) :]]
    clock = FrameClock()
    said = [clock.seconds(stamp * 10**9, 100.0 + number) for number, stamp in enumerate(stamps)]
    assert said == pytest.approx(range(len(stamps)))
    assert len(bad) == 0 or clock.replaced >= 1
    assert clock.replaced <= len(bad) + 1


@pytest.mark.parametrize("jump", [-1e9, -3.0, 4000.0, 3e8])
def test_a_clock_that_is_set_costs_one_step(jump: float) -> None:
    clock = FrameClock()
    said = [clock.seconds(int((1.7e9 + n + (jump if n >= 5 else 0)) * 1e9), float(n)) for n in range(10)]
    assert said == pytest.approx(range(10))
    assert clock.replaced == 1


def test_a_bag_played_fast_and_simulated_time_keep_their_own_pace() -> None:
    clock = FrameClock()
    assert [clock.seconds(30 * 10**9 * (n + 1), 0.1 * n) for n in range(5)] == pytest.approx([0, 30, 60, 90, 120])
    assert clock.replaced == 0
    clock.restart()
    assert clock.seconds(10**18, 5.0) == 0.0


def test_clock_text() -> None:
    assert [clock_text(s) for s in (0, 59.99, 60, 3599, 6000)] == ["00:00", "00:59", "01:00", "59:59", "100:00"]
