"""Rows and positions apart: what was evicted, shifted or put back leaves what it should."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgemma_ros.errors import ContextError
from dgemma_ros.runtime.sequence import Sequence
from tests.conftest import Models
from tests.runtime.alike import FIXED, NAMES, assert_same, logits, rows, text_of
from tests.tiny import TINIES

ONE_LAYER = TINIES["images"].with_(layers="F")
"""Its keys and values hang on nothing but their own token and position."""


@FIXED
@given(st.integers(0, 30), st.integers(1, 30), st.integers(0, 30), st.booleans())
def test_what_was_evicted_is_as_if_it_had_never_been_seen(
    opened: Models, before: int, gone: int, after: int, closed: bool
) -> None:
    """Where no row has seen another: the rest at its positions, or, once the gap is closed, the rest read afresh."""
    model = opened(ONE_LAYER)
    ids = text_of(model, before + gone + after)
    edited, fresh = Sequence(model.session, chunk=7), model.sequence()
    edited.append(ids)
    edited.evict(before, gone)
    fresh.append(ids[:before])
    if closed:
        edited.shift(before, -gone)
    else:
        fresh.shift(before, gone)  # no row is there to be turned: the next one comes later
    fresh.append(ids[before + gone :])
    assert edited.position == fresh.position == before + after + (0 if closed else gone)
    assert_same(edited, fresh)


@FIXED
@given(NAMES, st.integers(1, 60), st.integers(1, 300), st.integers(0, 12))
def test_shifting_all_changes_no_logits(opened: Models, name: str, length: int, delta: int, more: int) -> None:
    """What attention knows of positions are distances."""
    model = opened(name)
    ids = text_of(model, length + more)
    shifted, left = Sequence(model.session, chunk=5, slack=3), model.sequence()
    for sequence in (shifted, left):
        sequence.append(ids[:length])
    shifted.shift(0, delta)
    for sequence in (shifted, left):
        sequence.append(ids[length:])
    assert shifted.position == left.position + delta
    assert np.abs(logits(shifted) - logits(left)).max() < 1e-2  # angles are float32
    shifted.shift(0, -delta)
    for ours, theirs in zip(rows(shifted), rows(left), strict=True):
        assert np.abs(ours - theirs).max(initial=0) < 1e-4


def test_a_session_runs_on_beyond_its_positions(opened: Models) -> None:
    """A context of 60 positions, frame after frame: what is oldest goes, and positions come back by a shift."""
    model = opened(TINIES["small_window"].with_(positions=60))
    sequence = model.sequence()
    sequence.append(text_of(model, 5))
    for number in range(40):
        if sequence.room < 10 + model.config.canvas_length:
            sequence.evict(5, 10)
            sequence.shift(5, -10)
        sequence.append(text_of(model, 10, number))
        logits(sequence)
    assert sequence.length == sequence.position <= 60


def test_a_thousand_shifts_do_not_wear_the_keys_out(opened: Models) -> None:
    model = opened("odd_pattern")
    sequence = model.sequence()
    sequence.append(text_of(model, 50))
    before = rows(sequence)
    for delta in range(1, 501):
        sequence.shift(20, 7 * delta)
        sequence.shift(20, -7 * delta)
    for new, old in zip(rows(sequence), before, strict=True):
        assert np.abs(new - old).max() < 1e-4


def test_edits_void_canvases_and_are_refused_where_there_are_no_such_rows(opened: Models) -> None:
    model = opened("images")
    sequence = model.sequence()
    sequence.append(text_of(model, 30))
    for edit in (lambda: sequence.evict(25, 5), lambda: sequence.evict(3, 2), lambda: sequence.shift(23, 4)):
        canvas = sequence.open_canvas({})
        canvas.step({})
        edit()
        with pytest.raises(ContextError, match="void"):
            canvas.step({})
    before = rows(sequence)
    for start, count in ((-1, 2), (20, 4), (24, 1), (3, -1)):
        with pytest.raises(ContextError, match=r"cannot evict rows .* the sequence has 23"):
            sequence.evict(start, count)
    for start, delta, message in (
        (-1, 0, "the sequence has 23"),
        (24, 0, "the sequence has 23"),
        (0, -1, "its position 0 would become -1, but 0 is the lowest"),
        (3, -3, "its position 5 would become 2, but 3 is the lowest"),
        (23, -10, "its position 34 would become 24, but 25 is the lowest"),
        (10, 1 << 18, "beyond the model's 262144"),
    ):
        with pytest.raises(ContextError, match=message):
            sequence.shift(start, delta)
    assert sequence.position == 34
    assert all(np.array_equal(new, old) for new, old in zip(rows(sequence), before, strict=True))
    sequence.evict(0, 23)
    assert sequence.length == 0 and sequence.position == 34
    logits(sequence)  # over what the sliding layers still hold


@pytest.mark.parametrize("name", ["small_window", "odd_pattern", "all_full", "images"])
def test_restored_rows_are_those_that_were_exported(name: str, opened: Models) -> None:
    """In another sequence, newest first and in slices, with an eviction and a shift before: as the one they are of."""
    model = opened(name)
    ids = text_of(model, 120)
    ours = Sequence(model.session, chunk=16)
    ours.append(ids[:100])
    ours.evict(30, 20)
    ours.shift(30, -7)
    other = Sequence(model.session, chunk=16)
    other.append(ids[:10])
    for start, stop in ((60, 80), (35, 60), (10, 35)):
        other.restore_rows(ours.export_rows(start, stop - start), 10)
    other.restore_window(ours.export_window())
    assert_same(other, ours)
    assert (other.position, other.room) == (ours.position, ours.room)
    for sequence in (ours, other):
        snapshot = sequence.snapshot()
        sequence.append(ids[100:])
        sequence.restore(snapshot)
        sequence.append(ids[105:])
        sequence.shift(40, -3 if sequence.gap(40) >= 3 else 2)
        sequence.rollback(sequence.length - 4)
    assert_same(other, ours)
