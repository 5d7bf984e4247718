"""Single histories: what voids a snapshot, how far a rollback goes, what grows with the context and what does not."""

from __future__ import annotations

import numpy as np
import pytest

from dgemma_ros.checkpoint.config import LayerKind
from dgemma_ros.errors import ContextError
from dgemma_ros.runtime.rows import Rows, Window
from dgemma_ros.runtime.sequence import Sequence
from tests.runtime.slots import SlotCache, SlotSession, session_of


def test_a_snapshot_is_void_only_after_a_cut_below_it() -> None:
    sequence = Sequence(session_of(6, 3), slack=40, chunk=40)

    def append(count: int) -> None:
        sequence.append(np.arange(count))

    append(20)
    at_20 = sequence.snapshot()
    append(5)
    at_25 = sequence.snapshot()
    sequence.rollback(21)
    sequence.restore(at_20)  # 21 is not below 20
    with pytest.raises(ContextError, match=r"snapshot of 25 tokens is void: those from 20 on"):
        sequence.restore(at_25)
    append(10)
    with pytest.raises(ContextError, match="void"):
        sequence.restore(at_25)  # other tokens stand there now
    sequence.restore(at_20)
    append(10)
    with pytest.raises(ContextError, match="take a snapshot"):
        sequence.rollback(19)  # a snapshot holds the window before it and no more
    sequence.rollback(0)
    append(50)
    with pytest.raises(ContextError, match=r"snapshot of 20 tokens is void: those from 0 on"):
        sequence.restore(at_20)
    assert sequence.length == 50


def test_a_lower_cut_is_not_forgotten_for_a_later_one() -> None:
    sequence = Sequence(session_of(6, 3, "FF"))
    sequence.append(np.arange(15))
    at_15 = sequence.snapshot()
    sequence.rollback(14)
    with pytest.raises(ContextError, match="from 14 on were cut off"):
        sequence.restore(at_15)  # one token is enough
    sequence.rollback(10)
    sequence.append(np.arange(15))
    at_25 = sequence.snapshot()
    sequence.rollback(20)
    sequence.append(np.arange(10))
    sequence.rollback(25)
    for snapshot, lowest in ((at_15, 10), (at_25, 20)):
        with pytest.raises(ContextError, match=f"from {lowest} on"):
            sequence.restore(snapshot)


def test_rollback_beyond_the_slack() -> None:
    sequence = Sequence(session_of(8, 4), chunk=4)
    sequence.append(np.arange(200))
    sequence.rollback(200 - sequence.slack)
    for length in (100, 5):
        with pytest.raises(ContextError, match=rf"cannot roll back from 196 to {length} tokens.*take a snapshot"):
            sequence.rollback(length)
    assert sequence.length == 196
    for length in (-1, 197):
        with pytest.raises(ContextError, match="the sequence has 196 tokens"):
            sequence.rollback(length)
    sequence.rollback(0)  # needs no rows
    sequence.append(np.arange(3))
    assert sequence.length == 3


def test_full_layers_alone_roll_back_anywhere() -> None:
    sequence = Sequence(session_of(8, 4, "FF"))
    sequence.append(np.arange(500))
    sequence.rollback(1)
    sequence.restore(sequence.snapshot())
    assert sequence.length == 1


@pytest.mark.parametrize("piece", [1, 7, 66])
def test_work_a_token_does_not_grow_with_the_context(piece: int) -> None:
    """Slots copied by the host are bounded by a constant for each token appended, however long the context gets."""
    session = session_of(64, 16)
    sequence = Sequence(session)
    total = 2000 - 2000 % piece
    for start in range(0, total, piece):
        sequence.append(np.arange(start, start + piece))
        session.seen.clear()
    cache: SlotSession = sequence.cache  # type: ignore[assignment]
    assert cache.copied[LayerKind.FULL] <= 10 * total
    assert cache.resizes[LayerKind.FULL] <= 35  # an eighth more each time
    keep = sequence.window - 1 + sequence.slack
    assert cache.copied[LayerKind.SLIDING] <= keep * (total / (sequence.chunk - piece) + 2)
    assert cache.resizes[LayerKind.SLIDING] == 1
    assert cache.capacity(LayerKind.SLIDING) == keep + sequence.chunk


def test_a_cache_grows_to_the_context_limit_and_not_beyond() -> None:
    session = session_of(8, 4, positions=100)
    sequence = Sequence(session)
    for start in range(0, 100, 10):
        sequence.append(np.arange(start, start + 10))
    assert sequence.cache.capacity(LayerKind.FULL) == 100 and sequence.length == 100


def test_a_snapshot_is_void_after_an_edit_below_it_even_if_the_sequence_has_grown_again() -> None:
    for edit, arguments in ((Sequence.evict, (15, 3)), (Sequence.shift, (19, 4))):
        sequence = Sequence(session_of(6, 3))
        sequence.append(np.arange(15))
        at_15 = sequence.snapshot()
        sequence.append(np.arange(15, 20))
        at_20 = sequence.snapshot()
        edit(sequence, *arguments)
        sequence.append(np.arange(20, 30))
        with pytest.raises(ContextError, match=r"snapshot of 20 tokens is void: those from 1[59] on"):
            sequence.restore(at_20)
        sequence.restore(at_15)  # what was edited lay behind it
        assert sequence.length == sequence.position == 15


def test_rows_within_the_slack_shift_with_the_window() -> None:
    """So that what is rolled back to stands as far from its window as it did."""
    session = session_of(6, 3)
    sequence = Sequence(session, slack=10)
    sequence.append(np.arange(30))
    sequence.shift(0, 100)
    sequence.rollback(21)
    cache: SlotCache = sequence.cache  # type: ignore[assignment]
    slots, frequencies = cache.slots[LayerKind.SLIDING], session.config.text.rope[LayerKind.SLIDING]
    first = int(np.flatnonzero(slots == 16)[0])
    expected = np.exp(1j * np.outer(np.arange(116, 121), frequencies.inverse_frequencies()))
    assert np.allclose(cache.turns[LayerKind.SLIDING][first : first + 5], expected, atol=1e-3)


def test_a_rollback_to_before_a_shift_needs_a_snapshot() -> None:
    for layers in ("SF", "FF"):
        sequence = Sequence(session_of(6, 3, layers), slack=20)
        sequence.append(np.arange(20))
        sequence.shift(15, 4)
        if layers == "SF":  # the window before row 12 lies 4 further on now
            with pytest.raises(ContextError, match="positions behind were shifted since; take a snapshot"):
                sequence.rollback(12)
            assert (sequence.length, sequence.position) == (20, 24)
            sequence.rollback(15)
            assert sequence.position == 19
        else:
            sequence.rollback(12)
            assert sequence.position == 12


def test_restored_behind_all_rows_move_the_next_one_and_leave_nothing_to_the_window() -> None:
    session = session_of(6, 3)
    old = Sequence(session)
    old.append(np.arange(40))
    rows, window = old.export_rows(20, 20), old.export_window()
    new = Sequence(session)
    new.append(np.arange(5))
    new.restore_rows(rows)
    assert (new.length, new.position) == (25, 40)
    session.seen.clear()
    new.append(np.array([99]))
    assert session.seen == [([*range(5), *range(20, 40), 99], [99])]  # the sliding layers see it alone
    new.restore_window(Window(41, 60, window.keys, window.values))
    session.seen.clear()
    new.append(np.array([100]))
    assert session.seen[0][1] == [35, 36, 37, 38, 39, 100] and new.position == 61
    new.restore_rows(old.export_rows(7, 6), 5)
    assert session.seen.clear() is None and new.append(np.array([101])) is None
    assert session.seen[0][0] == [*range(5), *range(7, 13), *range(20, 40), 99, 100, 101]


def test_rows_that_cannot_be_restored_change_nothing() -> None:
    sequence = Sequence(session_of(6, 3, positions=60))
    sequence.append(np.arange(50))
    rows, window = sequence.export_rows(10, 5), sequence.export_window()
    for start, other, match in (
        (12, rows, "do not lie between"),
        (51, rows, "the sequence has 50"),
        (None, rows.moved(50).part(0, 5), "do not lie between"),
        (None, Rows(rows.orders + 60, rows.positions + 50, rows.values), "position 64: the model has 60"),
        (None, Rows(rows.orders + 60, rows.positions, rows.values[:0]), "none of this model's"),
        (None, Rows(rows.orders[::-1], rows.positions, rows.values), "orders do not rise"),
        (None, Rows(rows.orders[1:], rows.positions, rows.values), "orders for"),
    ):
        with pytest.raises(ContextError, match=match):
            sequence.restore_rows(other, start)
    for other_window, match in (
        (Window(49, 50, window.keys, window.values), "does not lie behind"),
        (Window(3, 50, window.keys, window.values), "are more than are seen"),
        (Window(50, 50, window.keys[:0], window.values), "none of this model's"),
    ):
        with pytest.raises(ContextError, match=match):
            sequence.restore_window(other_window)
    with pytest.raises(ContextError, match="cannot export rows 48 … 52"):
        sequence.export_rows(48, 5)
    assert (sequence.length, sequence.position) == (50, 50)
