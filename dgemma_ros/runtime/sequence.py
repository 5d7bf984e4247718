"""One sequence of tokens in a session's KV cache: append, roll back, branch.

Slots and rows. Full layers keep every row, row *r* in slot *r*. Sliding layers keep the window and some slack, row *r*
in slot *r - start*; when their buffer is full the rows still needed move to its front. A denoising step writes its
canvas behind the last row, where the next write overwrites it, so that it commits nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dgemma_ros.checkpoint.config import LayerKind
from dgemma_ros.errors import ContextError
from dgemma_ros.runtime import rotary, visibility
from dgemma_ros.runtime.contract import Array, Canvas, Feeds, Floats, Ints, Session
from dgemma_ros.runtime.visibility import Visible, VisionMask

GROWTH = 8  # a cache that must grow gets an eighth more than it needs: masked slots cost attention its reading
GRANULE = 64


@dataclass(frozen=True)
class Snapshot:
    """A point to come back to: the length, and a copy of the sliding layers' window before it."""

    length: int
    start: int
    window: tuple[Array, ...]
    serial: int
    owner: object = field(repr=False)
    """Stands for the sequence that it is of."""


class Sequence:
    """The tokens that a model has read. Not thread-safe.

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
        self.length = 0
        self._start = 0  # the row in slot 0 of the sliding layers; those before it are gone
        self._owner = object()
        self._serial = 0  # counts cuts
        self._cuts: list[tuple[int, int]] = []  # (serial, length) of the cuts that no later one goes below

    @property
    def window(self) -> int:
        """Rows a sliding layer's query sees, itself included."""
        return self.config.text.sliding_window

    @property
    def room(self) -> int:
        """Tokens that the context limit leaves; a canvas takes room, too."""
        return self.config.text.max_positions - self.length

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
        rows = self.session.token_rows(np.where(types == 1, 0, ids))
        if soft_tokens is not None:
            rows[types == 1] = soft_tokens
        stops = np.cumsum(chunks).tolist()
        for start, stop in zip([0, *stops], stops, strict=False):
            seen = visibility.encoding(
                types[start:stop], self.window, self.config.text.bidirectional_images, self.vision_mask
            )
            feeds = self._place(seen)
            self.session.encode(self.cache, rows[start:stop], feeds)
            self.length += stop - start

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
        """Forgets all rows from ``length`` on.

        Raises :class:`ContextError` where the sliding layers no longer hold the window before it: take a snapshot.
        """
        if not 0 <= length <= self.length:
            raise ContextError(f"cannot roll back to {length}: the sequence has {self.length} tokens")
        if length == 0:
            self._start = 0  # nothing is needed of what was there
        if self._needed_from(length) < self._start:
            raise ContextError(
                f"cannot roll back from {self.length} to {length} tokens: sliding layers keep their rows from "
                f"{self._start} on; take a snapshot where you branch"
            )
        self._cut(length)

    def snapshot(self) -> Snapshot:
        """Remembers this point, with a copy of the sliding window, for :meth:`restore` after any number of tokens."""
        start = self._needed_from(self.length)
        saved: tuple[Array, ...] = ()
        if self._has_sliding:
            saved = tuple(self.cache.save(LayerKind.SLIDING, start - self._start, self.length - start))
        return Snapshot(self.length, start, saved, self._serial, self._owner)

    def restore(self, snapshot: Snapshot) -> None:
        """Comes back to a snapshot of this sequence. From there a rollback below it can only go to 0.

        Raises :class:`ContextError` for another sequence's, and where the tokens before the snapshot are no longer
        those it was taken after.
        """
        if snapshot.owner is not self._owner:
            raise ContextError(f"the snapshot of {snapshot.length} tokens is of another sequence")
        lowest = min((length for serial, length in self._cuts if serial > snapshot.serial), default=self.length)
        if lowest < snapshot.length:
            raise ContextError(
                f"the snapshot of {snapshot.length} tokens is void: the sequence was cut back to {lowest} tokens since"
            )
        if self._has_sliding:
            self._start = snapshot.start
            self.cache.load(LayerKind.SLIDING, 0, list(snapshot.window))
        self._cut(snapshot.length)

    def _cut(self, length: int) -> None:
        self.length = length
        self._serial += 1
        while self._cuts and self._cuts[-1][1] >= length:
            self._cuts.pop()
        self._cuts.append((self._serial, length))

    def rows(self, layer: int) -> tuple[Floats, Floats]:
        """Keys and values [kv, kept, D] that later rows can see: all, or in sliding layers the last window - 1."""
        if self.config.text.layers[layer].kind is LayerKind.FULL:
            return self.cache.read(layer, 0, self.length)
        start = self._needed_from(self.length)
        return self.cache.read(layer, start - self._start, self.length - start)

    @property
    def _has_sliding(self) -> bool:
        return LayerKind.SLIDING in self.config.text.rope

    def _needed_from(self, length: int) -> int:
        return max(0, length - (self.window - 1)) if self._has_sliding else 0

    def _check_room(self, count: int, what: str) -> None:
        if count > self.room:
            raise ContextError(
                f"{what} of {count} tokens does not fit: {self.length} are in the context and its limit is "
                f"{self.config.text.max_positions} (max_position_embeddings)"
            )

    def _place(self, seen: Visible) -> Feeds:
        """Makes room for rows behind the last one; the backbone's feeds that say where they go and what they see."""
        count = len(seen.last_full)
        feeds: dict[str, Array] = rotary.text_tables(
            self.config, np.arange(self.length, self.length + count, dtype=np.int64)
        )
        needed = self.length + count
        if (capacity := self.cache.capacity(LayerKind.FULL)) < needed:
            self.cache.resize(LayerKind.FULL, self._grown(capacity, needed), self.length)
        feeds["write_full"] = np.array([self.length], np.int64)
        feeds["last_full"] = self.length + seen.last_full
        if self._has_sliding:
            slot = self._make_sliding_room(count)
            feeds["write_sliding"] = np.array([slot], np.int64)
            feeds["first_sliding"] = np.maximum(slot + seen.first_sliding, 0)
            feeds["last_sliding"] = slot + seen.last_sliding
        return feeds

    def _grown(self, capacity: int, needed: int) -> int:
        if capacity:
            needed += needed // GROWTH
        return min(-(-needed // GRANULE) * GRANULE, self.config.text.max_positions)

    def _make_sliding_room(self, count: int) -> int:
        """The slot for ``count`` more rows, moving those still wanted to the front where the buffer is full."""
        slot = self.length - self._start
        keep = self.window - 1 + self.slack
        if slot + count > (capacity := self.cache.capacity(LayerKind.SLIDING)):
            kept = min(slot, keep)
            if kept < slot:
                self.cache.move(LayerKind.SLIDING, slot - kept, 0, kept)
                self._start += slot - kept
                slot = kept
            if slot + count > capacity:
                room = min(keep, self.config.text.max_positions) + max(count, self.chunk)
                self.cache.resize(LayerKind.SLIDING, max(room, slot + count), slot)
        return slot


def _check_allowed(allowed: Array, row: Array | None) -> None:
    """Raises :class:`ContextError` for a position whose set of tokens is empty, or is not there."""
    used = np.zeros(1, np.int64) if row is None else np.unique(row)
    if used[0] < 0 or used[-1] >= len(allowed):
        raise ContextError(f"allowed_row: names sets {used[0]} … {used[-1]}, but there are {len(allowed)}")
    empty = [number for number in used.tolist() if not allowed[number].any()]
    if empty:
        raise ContextError(f"allowed: set {empty[0]} holds no token, so nothing could be drawn at its positions")
