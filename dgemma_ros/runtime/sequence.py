"""One sequence of tokens in a session's KV cache: append, roll back, branch, forget.

A row has a slot, an order and a position (:mod:`row_table`). Full layers keep every row until it is evicted, and those
behind it move down. Sliding layers keep the window, which goes by order, and some slack, the row of order *o* in slot
*o - start*; when their buffer is full the rows still needed move to its front. They forget by themselves, so that what
the full layers evict stays in them. Positions of all that lies behind a row can be shifted, by rotating keys in place.
A denoising step writes its canvas behind the last row, where the next write overwrites it, so that it commits nothing.

Longer than most files: every operation keeps rows, slots and positions in step, so they stay side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dgemma_ros.checkpoint.config import LayerKind
from dgemma_ros.errors import ContextError
from dgemma_ros.runtime import rotary, visibility
from dgemma_ros.runtime.contract import Array, Canvas, Feeds, Floats, Ints, SavedRows, Session
from dgemma_ros.runtime.row_table import Row, RowTable
from dgemma_ros.runtime.rows import Layout, Rows, Window, fetch, layers_of
from dgemma_ros.runtime.visibility import Visible, VisionMask

GROWTH = 8  # a cache that must grow gets an eighth more than it needs: masked slots cost attention its reading
GRANULE = 64
TABLE_ROWS = 4096  # of rotary tables made at a time


@dataclass(frozen=True)
class Snapshot:
    """A point to come back to: the numbers of the next row, and a copy of the sliding layers' window before it."""

    length: int
    order: int
    position: int
    start: int
    """The order of the first row of ``window``."""
    window: SavedRows | None
    serial: int
    owner: object = field(repr=False)
    """Stands for the sequence that it is of."""


class Sequence:
    """The tokens that a model has read and not forgotten. Not thread-safe.

    ``chunk``: tokens encoded in one run of the backbone, images excepted, which are never cut. ``slack``: how many
    rows can be rolled back without a snapshot; default, one canvas.
    """

    def __init__(
        self,
        session: Session,
        vision_mask: VisionMask = VisionMask.TRANSFORMERS,
        chunk: int | None = None,
        slack: int | None = None,
    ) -> None:
        self.session = session
        self.config = session.config
        self.vision_mask = vision_mask
        self.chunk = chunk or max(self.config.canvas_length, 128)
        self.slack = self.config.canvas_length if slack is None else slack
        self.cache = session.new_cache()
        self.position = 0
        """The next row's position."""
        self.shifts: list[tuple[tuple[int, int], ...]] = []
        """All there were. Each: the order of the first row of the full layers that was shifted, and by how much; or
        several of them, where rows were turned once, by the sum of what is due."""
        self._table = RowTable()
        self._order = 0  # rows ever appended, those that were rolled back excepted
        self._start = 0  # the order of the row in slot 0 of the sliding layers; those before it are gone
        self._floor = 0  # the order of the first row that is really there, when some were put back without their slack
        self._owner = object()
        self._serial = 0  # counts changes of what was there
        self._changes: list[tuple[int, int]] = []  # (serial, first row changed), of those that no later one goes below

    @property
    def length(self) -> int:
        """Rows in the full layers: what attention reads."""
        return self._table.count

    @property
    def order(self) -> int:
        """The next row's: how many were ever appended, those that were rolled back excepted."""
        return self._order

    @property
    def window(self) -> int:
        """Rows a sliding layer's query sees, itself included."""
        return self.config.text.sliding_window

    @property
    def room(self) -> int:
        """Tokens that the limits of rows and of positions leave; a canvas takes room, too."""
        return min(self.session.max_rows - self.length, self.config.text.max_positions - self.position)

    def append(
        self,
        ids: Ints,
        token_types: Ints | None = None,
        soft_tokens: Floats | None = None,
        chunks: Ints | None = None,
    ) -> None:
        """Encodes tokens behind those that are there.

        ``ids`` [S]; ``token_types`` [S], 1 where a soft token stands; ``soft_tokens`` [n, H], one for each of those, in
        order; ``chunks``, the lengths in which to encode, default by :func:`visibility.plan_chunks`.
        Raises :class:`ContextError`, with nothing appended, where an image is cut or the context limit is passed.
        """
        ids = np.asarray(ids, np.int64)
        types = np.zeros(len(ids), np.int64) if token_types is None else np.asarray(token_types, np.int64)
        count = int((types == 1).sum())
        given = 0 if soft_tokens is None else len(soft_tokens)
        if count != given:
            raise ContextError(f"token_types: {count} tokens are of type image, but {given} soft tokens are given")
        self._check_room(len(ids), "the prompt")
        if chunks is None:
            chunks = visibility.plan_chunks(types, self.chunk)
        elif chunks.sum() != len(ids):
            raise ContextError(f"chunks: sum to {chunks.sum()}, but {len(ids)} tokens are given")
        elif self.config.text.bidirectional_images:
            visibility.check_chunks(types, chunks)
        # Placed by type, never by id: a drawn token may be the image token.
        rows = self.session.embed_tokens(np.where(types == 1, 0, ids))
        if soft_tokens is not None:
            rows[types == 1] = soft_tokens
        stops = np.cumsum(chunks).tolist()
        for start, stop in zip([0, *stops], stops, strict=False):
            seen = visibility.encoding(
                types[start:stop], self.window, self.config.text.bidirectional_images, self.vision_mask
            )
            feeds = self._place(seen)
            self.session.encode(self.cache, rows[start:stop], feeds)
            self._table.append(stop - start, self._order, self.position)
            self._order += stop - start
            self.position += stop - start

    def open_canvas(self, feeds: Feeds, with_logits: bool = False) -> Canvas:
        """Starts a canvas behind the last row; ``feeds`` are the head's that hold for all of its steps.

        It is valid until the sequence is written, or another canvas is opened. Raises :class:`ContextError` where it
        does not fit, or a position has no token that may be drawn.
        """
        count = self.config.canvas_length
        if "allowed" in feeds:
            _check_allowed(feeds["allowed"], feeds.get("allowed_row"))
        self._check_room(count, "a canvas")
        placed = self._place(visibility.denoising(count, self.window))
        return self.session.open_canvas(self.cache, {**placed, **feeds}, with_logits)

    def rollback(self, length: int) -> None:
        """Forgets all rows from ``length`` on, as if they had never been appended; 0 begins anew, at position 0.

        Raises :class:`ContextError` where the sliding layers no longer hold the window before it, or hold it shifted:
        take a snapshot.
        """
        if not 0 <= length <= self.length:
            raise ContextError(f"cannot roll back to {length}: the sequence has {self.length} tokens")
        order, position = self._order, self.position
        if length == 0:
            order = position = self._start = self._floor = 0  # nothing is needed of what was there
        elif length < self.length:
            order, position = self._table.at(length).order, self._table.at(length).position
            if self._needed_from(order) < self._first_held:
                raise ContextError(
                    f"cannot roll back from {self.length} to {length} tokens: sliding layers keep their rows from "
                    f"{self._start} on; take a snapshot where you branch"
                )
            if self._has_sliding and position - order != self.position - self._order:
                raise ContextError(
                    f"cannot roll back from {self.length} to {length} tokens: positions behind were shifted since; "
                    "take a snapshot where you branch"
                )
        self._cut(length, order, position)

    def snapshot(self) -> Snapshot:
        """Remembers this point, with a copy of the sliding window, for :meth:`restore` after any number of tokens."""
        start, count = self._window()
        saved = self.cache.save(LayerKind.SLIDING, start - self._start, count) if self._has_sliding else None
        return Snapshot(self.length, self._order, self.position, start, saved, self._serial, self._owner)

    def restore(self, snapshot: Snapshot) -> None:
        """Comes back to a snapshot of this sequence. From there a rollback below it can only go to 0.

        Raises :class:`ContextError` for another sequence's, and where the rows before the snapshot are no longer those
        it was taken after: cut off, evicted or shifted.
        """
        if snapshot.owner is not self._owner:
            raise ContextError(f"the snapshot of {snapshot.length} tokens is of another sequence")
        lowest = min((first for serial, first in self._changes if serial > snapshot.serial), default=self.length)
        if lowest < snapshot.length:
            raise ContextError(
                f"the snapshot of {snapshot.length} tokens is void: those from {lowest} on were cut off, evicted or "
                "shifted since"
            )
        if snapshot.window is not None:
            self._start = self._floor = snapshot.start
            self.cache.load(LayerKind.SLIDING, 0, snapshot.window)
        self._cut(snapshot.length, snapshot.order, snapshot.position)

    def evict(self, start: int, count: int) -> None:
        """Forgets ``count`` rows of the full layers from row ``start`` on; those behind move down.

        Positions stay as they are, the next row's too. Sliding layers keep all that their window holds, these rows
        among it. Snapshots of more than ``start`` rows are void. Raises :class:`ContextError` where there are no such
        rows.
        """
        self._check_rows(start, count, "evict")
        if count:
            self.cache.move(LayerKind.FULL, start + count, start, self.length - start - count)
            self._table.evict(start, count)
            self._changed(start)

    def shift(self, start: int, delta: int) -> None:
        """Adds ``delta`` to the positions of all rows from ``start`` on, of the full layers, and of the next row.

        Keys are rotated in place; in half precision those of full layers are made anew from their values, so that
        rounding does not add up. Of the sliding layers all rows are shifted, whatever ``start`` is: they may hold rows
        that the full layers have forgotten, and what counts in a window are distances. Snapshots of more than
        ``start`` rows are void. Raises :class:`ContextError`, with nothing shifted, where a position would no longer
        be larger than the one before it, or lie beyond the model's.
        """
        if not 0 <= start <= self.length:
            raise ContextError(f"cannot shift from row {start} on: the sequence has {self.length}")
        if delta < -(gap := self.gap(start)):
            first = self._table.at(start).position if start < self.length else self.position
            raise ContextError(
                f"cannot shift by {delta} from row {start} on: its position {first} would become {first + delta}, "
                f"but {first - gap} is the lowest that is free"
            )
        if (last := self.position + delta) > (most := self.config.text.max_positions):
            raise ContextError(f"cannot shift by {delta}: the next position would be {last}, beyond the model's {most}")
        if not delta:
            return
        tables = rotary.shift_tables(self.config, delta)
        self.shifts.append(((self._table.at(start).order if start < self.length else self._order, delta),))
        self._table.shift(start, self.length, delta)
        if self.cache.dtype.itemsize < 4:
            self._rebuild(start, self.length)
        else:
            self.cache.rotate(LayerKind.FULL, start, self.length - start, *tables[LayerKind.FULL])
        if self._has_sliding:
            self.cache.rotate(LayerKind.SLIDING, 0, self._order - self._start, *tables[LayerKind.SLIDING])
        self.position += delta
        self._changed(start)

    def close_gaps(self, start: int) -> int:
        """Shifts each row from ``start`` on down to the one before it, and the next row, too; by how much that one.

        Each key is turned once, by as much as its own row moves, but for sliding layers' rows: they all are shifted as
        the next row is, as by :meth:`shift`. Snapshots of more than ``start`` rows are void. Raises
        :class:`ContextError` where there is no such row.
        """
        if not 0 <= start <= self.length:
            raise ContextError(f"cannot close gaps from row {start} on: the sequence has {self.length}")
        gaps = [(row.slot, row.order, gap) for row, gap in self._table.gaps(start)]
        if end := self.gap(self.length):
            gaps.append((self.length, self._order, end))
        if not gaps:
            return 0
        total, stops = 0, [slot for slot, _, _ in gaps[1:]] + [self.length]
        for (slot, _, gap), stop in zip(gaps, stops, strict=True):
            total += gap
            self._table.shift(slot, stop, -total)
            if self.cache.dtype.itemsize >= 4 and stop > slot:
                cos, sin = rotary.shift_tables(self.config, -total)[LayerKind.FULL]
                self.cache.rotate(LayerKind.FULL, slot, stop - slot, cos, sin)
        if self.cache.dtype.itemsize < 4:
            self._rebuild(gaps[0][0], self.length)
        if self._has_sliding:
            tables = rotary.shift_tables(self.config, -total)[LayerKind.SLIDING]
            self.cache.rotate(LayerKind.SLIDING, 0, self._order - self._start, *tables)
        self.shifts.append(tuple((order, -gap) for _, order, gap in gaps))
        self.position -= total
        self._changed(gaps[0][0])
        return total

    def gap(self, row: int) -> int:
        """Positions that are free before a row, or for ``length`` before the next one: by how much it can be shifted
        down.
        """
        position = self._table.at(row).position if row < self.length else self.position
        return position - (self._table.at(row - 1).position + 1 if row else 0)

    def export_rows(self, start: int, count: int, with_keys: bool = False) -> Rows:
        """Copies of ``count`` rows of the full layers from row ``start`` on, for :meth:`restore_rows` of any sequence.

        Raises :class:`ContextError` where there are no such rows.
        """
        self._check_rows(start, count, "export")
        orders, positions = self._table.numbers(start, start + count)
        pairs = fetch(self.cache, layers_of(self.config, LayerKind.FULL), start, count)
        keys = tuple(keys for keys, _ in pairs) if with_keys else None
        return Rows(orders, positions, tuple(values for _, values in pairs), keys)

    def export_window(self, most: int | None = None) -> Window:
        """A copy of what the sliding layers hold for the next row, for :meth:`restore_window` of any sequence.

        ``most``: only of the last so many rows.
        """
        start, count = self._window()
        if most is not None and most < count:
            start, count = start + count - most, most
        pairs = fetch(self.cache, layers_of(self.config, LayerKind.SLIDING), start - self._start, count)
        keys, values = zip(*pairs, strict=True) if pairs else ((), ())
        return Window(self._order, self.position, keys, values)

    def restore_rows(self, rows: Rows, start: int | None = None) -> None:
        """Puts exported rows before row ``start``, by default behind all; their keys are made anew from their values.

        Keys that were exported, too, are put back as they are. Nothing is read. The other rows are as they were: they
        have not seen these. Where the next row would not lie behind these, it is moved there, and sliding layers see
        nothing before it until :meth:`restore_window`.
        Snapshots of more than ``start`` rows are void. Raises :class:`ContextError`, with nothing changed, where there
        is no room, or an order or position would not be larger than the one before it.
        """
        start, count = self.length if start is None else start, len(rows)
        rows.check(self.config)
        self._check_rows(start, 0, "restore rows before")
        if not count:
            return
        first, last = Row(start, *rows.first), Row(start, *rows.last)
        before = self._table.at(start - 1) if start else None
        behind = self._table.at(start) if start < self.length else None
        if (before and not before.precedes(first)) or (behind and not last.precedes(behind)):
            raise ContextError(
                f"cannot restore rows before row {start}: their orders {first.order} … {last.order} and positions "
                f"{first.position} … {last.position} do not lie between those of the rows beside them"
            )
        if last.position >= (most := self.config.text.max_positions):
            raise ContextError(f"cannot restore rows at position {last.position}: the model has {most}")
        if self.length + count > (most := self.session.max_rows):
            raise ContextError(f"cannot restore {count} rows: {self.length} are there and the cache can hold {most}")
        self._make_full_room(count)
        self.cache.move(LayerKind.FULL, start, start + count, self.length - start)
        layers = layers_of(self.config, LayerKind.FULL)
        for layer, keys, values in zip(layers, rows.keys or [None] * len(layers), rows.values, strict=True):
            self.cache.put(layer.index, start, keys, values)
        self._table.insert(start, rows.orders, rows.positions)
        if rows.keys is None:
            self._rebuild(start, start + count)
        if not last.precedes(Row(self.length, self._order, self.position)):
            self._order = max(self._order, last.order + 1)
            self.position = max(self.position, last.position + 1)
            self._start = self._floor = self._order if self._has_sliding else 0
        self._changed(start)

    @property
    def layout(self) -> Layout:
        """Where rows lie in the buffers."""
        full, sliding = (self.cache.capacity(kind) for kind in (LayerKind.FULL, LayerKind.SLIDING))
        return Layout(full, sliding, self._order - self._start)

    def restore_window(self, window: Window, layout: Layout | None = None) -> None:
        """The sliding layers hold this for the next row, which has the numbers that it says.

        With a ``layout``, what is computed next is rounded as it was with that one. Snapshots stay: they have a window
        of their own. Raises :class:`ContextError`, with nothing changed, where rows lie behind that next row.
        """
        window.check(self.config)
        last = self._table.at(self.length - 1) if self.length else None
        if last and not last.precedes(Row(self.length, window.order, window.position)):
            raise ContextError(
                f"a window for the row of order {window.order} and position {window.position} does not lie behind the "
                f"last row, of {last.order} and {last.position}"
            )
        count, layers = len(window), layers_of(self.config, LayerKind.SLIDING)
        capacity = self.cache.capacity(LayerKind.SLIDING)
        if layout is None:
            layout = Layout(0, max(capacity, self._sliding_room(self.chunk)), count)
        self._check_layout(layout, count)
        if layout.full > self.cache.capacity(LayerKind.FULL):
            self.cache.resize(LayerKind.FULL, layout.full, self.length)
        if layout.sliding != capacity:
            self.cache.resize(LayerKind.SLIDING, layout.sliding, 0)
        for layer, keys, values in zip(layers, window.keys, window.values, strict=True):
            self.cache.put(layer.index, layout.slot - count, keys, values)
        self._order, self.position = window.order, window.position
        if self._has_sliding:
            self._start, self._floor = self._order - layout.slot, self._order - count

    def _check_layout(self, layout: Layout, count: int) -> None:
        most = 2 * self.session.max_rows + self._sliding_room(self.chunk)
        if layout.full > self.session.max_rows or not count <= layout.slot <= layout.sliding <= most:
            raise ContextError(f"{layout} is none of a cache that holds {count} rows of sliding layers")

    def _check_rows(self, start: int, count: int, what: str) -> None:
        if start < 0 or count < 0 or start + count > self.length:
            raise ContextError(f"cannot {what} rows {start} … {start + count - 1}: the sequence has {self.length}")

    def _rebuild(self, start: int, stop: int) -> None:
        """Makes the full layers' keys of rows ``start`` … ``stop`` - 1 anew, at their positions."""
        frequencies = self.config.text.rope[LayerKind.FULL].inverse_frequencies()
        for first in range(start, stop, TABLE_ROWS):
            _, positions = self._table.numbers(first, min(first + TABLE_ROWS, stop))
            cos, sin = rotary.angles(positions, frequencies)
            self.cache.rebuild_keys(first, cos[0], sin[0])

    def _cut(self, length: int, order: int, position: int) -> None:
        """The rows from ``length`` on are gone, and the next one has these numbers."""
        self._table.truncate(length)
        self._order, self.position = order, position
        self._changed(length)

    def _changed(self, first: int) -> None:
        """What lies from row ``first`` on is not what it was."""
        self._serial += 1
        while self._changes and self._changes[-1][1] >= first:
            self._changes.pop()
        self._changes.append((self._serial, first))

    def rows(self, layer: int) -> tuple[Floats, Floats]:
        """Keys and values [kv, kept, D], as float32, that later rows can see: all, or in sliding layers the last
        window - 1.
        """
        start, count = 0, self.length
        if self.config.text.layers[layer].kind is LayerKind.SLIDING:
            first, count = self._window()
            start = first - self._start
        keys, values = self.cache.fetch(layer, start, count)
        return keys.astype(np.float32), values.astype(np.float32)

    @property
    def _has_sliding(self) -> bool:
        return LayerKind.SLIDING in self.config.text.rope

    def _needed_from(self, order: int) -> int:
        """The order of the first row that sliding layers must hold before the row of this order."""
        return max(0, order - (self.window - 1)) if self._has_sliding else 0

    @property
    def _first_held(self) -> int:
        return max(self._start, self._floor)

    def _window(self) -> tuple[int, int]:
        """The order of the first row that sliding layers hold for the next one, and how many there are."""
        first = max(self._needed_from(self._order), self._first_held)
        return first, self._order - first

    def _check_room(self, count: int, what: str) -> None:
        if self.position + count > (most := self.config.text.max_positions):
            raise ContextError(
                f"{what} of {count} tokens does not fit: {self.position} is the next position in the context and its "
                f"limit is {most} (max_position_embeddings)"
            )
        if self.length + count > (most := self.session.max_rows):
            raise ContextError(
                f"{what} of {count} tokens does not fit: {self.length} are in the context and its limit is {most}, "
                "the rows that the cache can hold"
            )

    def _place(self, seen: Visible) -> Feeds:
        """Makes room for rows behind the last one; the backbone's feeds that say where they go and what they see."""
        count, length = len(seen.last_full), self.length
        feeds: dict[str, Array] = rotary.text_tables(
            self.config, np.arange(self.position, self.position + count, dtype=np.int64)
        )
        self._make_full_room(count)
        feeds["write_full"] = np.array([length], np.int64)
        feeds["last_full"] = length + seen.last_full
        if self._has_sliding:
            slot = self._make_sliding_room(count)
            feeds["write_sliding"] = np.array([slot], np.int64)
            feeds["first_sliding"] = np.maximum(slot + seen.first_sliding, 0)
            feeds["last_sliding"] = slot + seen.last_sliding
        return feeds

    def _make_full_room(self, count: int) -> None:
        """Slots for ``count`` more rows."""
        needed = self.length + count
        if (capacity := self.cache.capacity(LayerKind.FULL)) < needed:
            self.cache.resize(LayerKind.FULL, self._grown(capacity, needed), self.length)

    def _grown(self, capacity: int, needed: int) -> int:
        if capacity:
            needed += needed // GROWTH
        return min(-(-needed // GRANULE) * GRANULE, self.session.max_rows)

    def _make_sliding_room(self, count: int) -> int:
        """The slot for ``count`` more rows, moving those still wanted to the front where the buffer is full."""
        slot = self._order - self._start
        keep = self.window - 1 + self.slack
        if slot + count > (capacity := self.cache.capacity(LayerKind.SLIDING)):
            kept = min(slot, keep)
            if kept < slot:
                self.cache.move(LayerKind.SLIDING, slot - kept, 0, kept)
                self._start += slot - kept
                slot = kept
            if slot + count > capacity:
                self.cache.resize(LayerKind.SLIDING, max(self._sliding_room(count), slot + count), slot)
        return slot

    def _sliding_room(self, count: int) -> int:
        """Slots of sliding layers that take ``count`` rows at a time."""
        return min(self.window - 1 + self.slack, self.config.text.max_positions) + max(count, self.chunk)


def _check_allowed(allowed: Array, row: Array | None) -> None:
    """Raises :class:`ContextError` for a position whose set of tokens is empty, or is not there."""
    used = np.zeros(1, np.int64) if row is None else np.unique(row)
    if used[0] < 0 or used[-1] >= len(allowed):
        raise ContextError(f"allowed_row: names sets {used[0]} … {used[-1]}, but there are {len(allowed)}")
    empty = [number for number in used.tolist() if not allowed[number].any()]
    if empty:
        raise ContextError(f"allowed: set {empty[0]} holds no token, so nothing could be drawn at its positions")
