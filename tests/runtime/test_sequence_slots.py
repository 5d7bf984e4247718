"""Which rows see which, after any history of appends, cuts, branches and canvases: exact, without a model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from dgemma_ros.checkpoint.config import LayerKind, read_config
from dgemma_ros.checkpoint.fields import Section
from dgemma_ros.errors import ContextError
from dgemma_ros.runtime.rows import Rows, Window
from dgemma_ros.runtime.sequence import Sequence, Snapshot
from dgemma_ros.runtime.visibility import VisionMask
from tests.cases import GOLDEN
from tests.runtime.slots import SCRATCH, SlotCache, SlotSession
from tests.runtime.test_visibility import prompts, whole_masks
from tests.tiny import Tiny, config_json

IMAGE = 1_000_000  # soft tokens of images are told from tokens by this


def session_of(window: int, canvas: int, layers: str = "SF", positions: int = 1 << 18) -> SlotSession:
    tiny = Tiny(layers=layers, window=window, canvas=canvas, positions=positions)
    return SlotSession(read_config(Section(GOLDEN, config_json(tiny))), max_rows=positions)


class Told(NamedTuple):
    """One row, as the plain lists beside the sequence know it."""

    token: int
    type: int
    order: int
    position: int


@dataclass
class Branch:
    """A snapshot with what it must bring back, and whether it may no longer be restored."""

    snapshot: Snapshot
    full: list[Told]
    stream: list[Told]
    position: int
    void: bool = False


class History(RuleBasedStateMachine):
    """A sequence next to plain lists of its rows, each of which has another number as its token.

    ``full`` is what full layers hold; ``stream`` all that was appended and not rolled back, for sliding layers.
    """

    snapshots = Bundle("snapshots")
    exports = Bundle("exports")

    @initialize(
        window=st.integers(2, 12),
        canvas=st.integers(1, 9),
        chunk=st.integers(1, 12),
        slack=st.one_of(st.none(), st.integers(0, 12)),
        layers=st.sampled_from(["SF", "FSSF", "F"]),
        mask=st.sampled_from(VisionMask),
        half=st.booleans(),
    )
    def begin(
        self, window: int, canvas: int, chunk: int, slack: int | None, layers: str, mask: VisionMask, half: bool
    ) -> None:
        self.session = session_of(window, canvas, layers)
        self.sequence = Sequence(self.session, mask, chunk, slack)  # type: ignore[arg-type]
        self.cache: SlotCache = self.sequence.cache  # type: ignore[assignment]
        self.cache.dtype = np.dtype(np.float16 if half else np.float32)
        self.mask, self.sliding = mask, "S" in layers
        self.full: list[Told] = []
        self.stream: list[Told] = []
        self.position = 0
        self.branches: list[Branch] = []
        self.fresh = 0
        self.peak = 0  # the most rows since the last restore: slack is counted from there
        self.reach = 0  # the order at the last snapshot restored

    def changed(self, first: int) -> None:
        for branch in self.branches:
            branch.void |= len(branch.full) > first

    @rule(types=prompts(), planned=st.booleans(), data=st.data())
    def append(self, types: np.ndarray, planned: bool, data: st.DataObject) -> None:
        ids = np.arange(self.fresh, self.fresh + len(types))
        self.fresh += len(types)
        soft = ids[types == 1][:, None] + float(IMAGE)
        chunks = None
        if planned and len(types):
            allowed = [i for i in range(1, len(types)) if not types[i - 1] == types[i] == 1]
            cuts = sorted(data.draw(st.sets(st.sampled_from(allowed), max_size=5))) if allowed else []
            chunks = np.diff([0, *cuts, len(types)])
        # One image goes on where types of 1 meet, which two prompts never do.
        if self.stream and len(types) and self.stream[-1].type == types[0] == 1:
            return
        self.session.seen.clear()
        self.sequence.append(ids, types, soft if len(soft) else None, chunks)
        for token, kind in zip(np.where(types == 1, ids + IMAGE, ids).tolist(), types.tolist(), strict=True):
            row = Told(token, kind, len(self.stream), self.position)
            self.full.append(row)
            self.stream.append(row)
            self.position += 1
        self.peak = max(self.peak, len(self.stream))
        assert len(self.session.seen) == len(types)
        masks = [
            whole_masks(np.array([row.type for row in rows], np.int64), self.sequence.window, True, self.mask)[number]
            for number, rows in enumerate((self.full, self.stream))
        ]
        for back, seen in enumerate(reversed(self.session.seen), 1):
            assert seen[0] == [row.token for row, is_seen in zip(self.full, masks[0][-back], strict=True) if is_seen]
            near = [row.token for row, is_seen in zip(self.stream, masks[1][-back], strict=True) if is_seen]
            assert not self.sliding or seen[1] == near

    @rule()
    def denoise(self) -> None:
        self.session.seen.clear()
        self.sequence.open_canvas({})
        count = self.session.config.canvas_length
        past = [row.token for row in self.window]
        for full, near in self.session.seen:
            assert full == [row.token for row in self.full] + [SCRATCH] * count
            assert not self.sliding or near == past + [SCRATCH] * count
        turns = self.cache.turns[LayerKind.FULL][len(self.full) : len(self.full) + count]
        assert np.allclose(turns, self.turn(LayerKind.FULL, range(self.position, self.position + count)), atol=1e-3)

    @rule(back=st.integers(0, 30))
    def rollback(self, back: int) -> None:
        length = max(0, len(self.full) - back)
        if length == 0:
            return self.rollback_to_nothing()
        order, position = len(self.stream), self.position
        if length < len(self.full):
            order, position = self.full[length].order, self.full[length].position
        try:
            self.sequence.rollback(length)
        except ContextError as error:
            assert "take a snapshot" in str(error)
            # Never without need: not within the slack, not where there are full layers alone.
            far = self.peak - order > self.sequence.slack or order < self.reach
            assert self.sliding and (far or position - order != self.position - len(self.stream))
            return None
        self.changed(length)
        del self.full[length:], self.stream[order:]
        self.position = position
        self.reach = min(self.reach, order)
        return None

    @rule()
    def rollback_to_nothing(self) -> None:
        self.sequence.rollback(0)
        self.changed(0)
        self.full, self.stream, self.position, self.reach, self.peak = [], [], 0, 0, 0

    @rule(target=snapshots)
    def snapshot(self) -> Branch:
        branch = Branch(self.sequence.snapshot(), self.full.copy(), self.stream.copy(), self.position)
        self.branches.append(branch)
        return branch

    @rule(branch=snapshots)
    def restore(self, branch: Branch) -> None:
        if branch.void:
            with pytest.raises(ContextError, match="void"):
                self.sequence.restore(branch.snapshot)
            return
        self.sequence.restore(branch.snapshot)
        self.changed(len(branch.full))
        self.full, self.stream, self.position = branch.full.copy(), branch.stream.copy(), branch.position
        self.reach = self.peak = len(self.stream)

    @rule(start=st.integers(0, 40), count=st.integers(0, 12))
    def evict(self, start: int, count: int) -> None:
        """Across an image, inside the window, at the tail, all of it: whatever there is."""
        start = min(start, len(self.full))
        count = min(count, len(self.full) - start)
        self.sequence.evict(start, count)
        if count:
            self.changed(start)
        del self.full[start : start + count]

    @rule(target=exports, start=st.integers(0, 40), count=st.integers(0, 12), gone=st.booleans())
    def export(self, start: int, count: int, gone: bool) -> tuple[Rows, list[Told]]:
        start = min(start, len(self.full))
        count = min(count, len(self.full) - start)
        rows, told = self.sequence.export_rows(start, count), self.full[start : start + count]
        if gone:
            self.evict(start, count)
        return rows, told

    @rule(export=exports, start=st.one_of(st.none(), st.integers(0, 40)), delta=st.integers(0, 5))
    def restore_rows(self, export: tuple[Rows, list[Told]], start: int | None, delta: int) -> None:
        """Where they were, or shall lie: in between others, or where they were the last."""
        rows, told = export[0].moved(delta), [row._replace(position=row.position + delta) for row in export[1]]
        if told and (told[-1].order >= len(self.stream) or told[-1].position >= self.position):
            return  # where the next row is moved, which see below
        if start is None:
            start = sum(not told or row.order < told[0].order for row in self.full)
        start = min(start, len(self.full))
        merged = [*self.full[:start], *told, *self.full[start:]]
        fits = all(a.order < b.order and a.position < b.position for a, b in pairwise(merged))
        if told and not fits:
            with pytest.raises(ContextError, match="do not lie between"):
                self.sequence.restore_rows(rows, start)
            return
        self.sequence.restore_rows(rows, start)
        if told:
            self.changed(start)
        self.full = merged

    @rule()
    def window_again(self) -> None:
        window = self.sequence.export_window()
        assert (window.order, window.position) == (len(self.stream), self.position)
        self.sequence.restore_window(window)
        self.reach = self.peak = len(self.stream)

    @rule(start=st.integers(0, 40), delta=st.integers(-30, 30), closing=st.booleans())
    def shift(self, start: int, delta: int, closing: bool) -> None:
        start = min(start, len(self.full))
        free = (self.full[start].position if start < len(self.full) else self.position) - (
            self.full[start - 1].position + 1 if start else 0
        )
        if closing:
            delta = -free
        if delta < -free:
            with pytest.raises(ContextError, match="is the lowest that is free"):
                self.sequence.shift(start, delta)
            return
        self.sequence.shift(start, delta)
        if delta:
            self.changed(start)
        self.full[start:] = [row._replace(position=row.position + delta) for row in self.full[start:]]
        self.stream = [row._replace(position=row.position + delta) for row in self.stream]
        self.position += delta

    @property
    def window(self) -> list[Told]:
        return self.stream[max(0, len(self.stream) - (self.sequence.window - 1)) :]

    def turn(self, kind: LayerKind, positions: Iterable[int]) -> np.ndarray:
        frequencies = self.session.config.text.rope[kind].inverse_frequencies().astype(np.float64)
        return np.exp(1j * np.outer(list(positions), frequencies))

    @invariant()
    def same_rows(self) -> None:
        if not hasattr(self, "sequence"):
            return
        assert self.sequence.length == len(self.full) and self.sequence.position == self.position
        slots, turns = self.cache.slots[LayerKind.FULL], self.cache.turns[LayerKind.FULL]
        assert slots[: len(self.full)].tolist() == [row.token for row in self.full]
        expected = self.turn(LayerKind.FULL, [row.position for row in self.full])
        assert np.allclose(turns[: len(self.full)], expected, atol=1e-3)
        if self.sliding and self.window:
            slots = self.cache.slots[LayerKind.SLIDING]
            first = int(np.flatnonzero(slots == self.window[0].token)[0])
            here = slice(first, first + len(self.window))
            assert slots[here].tolist() == [row.token for row in self.window]
            expected = self.turn(LayerKind.SLIDING, [row.position for row in self.window])
            assert np.allclose(self.cache.turns[LayerKind.SLIDING][here], expected, atol=1e-3)


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


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
