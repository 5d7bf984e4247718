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

from dgemma_ros.checkpoint.config import LayerKind
from dgemma_ros.errors import ContextError
from dgemma_ros.runtime.rows import Rows
from dgemma_ros.runtime.sequence import Sequence, Snapshot
from dgemma_ros.runtime.visibility import VisionMask
from tests.runtime.slots import SCRATCH, SlotCache, session_of
from tests.runtime.test_visibility import prompts, whole_masks

IMAGE = 1_000_000  # soft tokens of images are told from tokens by this


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
