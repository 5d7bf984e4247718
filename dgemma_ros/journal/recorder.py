"""What the journal is told: each change of the log and of the cache, by the thread that has the model.

It compares what log and cache hold with what the journal knows, so that it need not know who changed what: one way for
an append, an eviction, a cache that was read anew, and a journal that could not be written for a while.

Longer than most files: what is told of contents, rows and windows is one comparison, made in one order.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgemma_ros.context.context import Context
from dgemma_ros.context.mirror import Settled
from dgemma_ros.context.places import Place
from dgemma_ros.context.segments import Segment
from dgemma_ros.journal.archive import State
from dgemma_ros.journal.changes import (
    Basis,
    Change,
    Made,
    Numbers,
    Picture,
    Placed,
    Remembered,
    RowsRecord,
    Span,
    Taken,
    WindowRecord,
    WindowSpan,
)
from dgemma_ros.journal.identity import system_digest
from dgemma_ros.journal.segment_codec import sealed
from dgemma_ros.journal.writer import Writer
from dgemma_ros.runtime.rows import Rows


@dataclass
class LastIds:
    """Of the records that there are; they are never used again."""

    segments: int = 0
    rows: int = 0
    windows: int = 0
    shifts: int = 0


class Recorder:
    """A :class:`~dgemma_ros.context.log.LogListener`, behind the mirror. Nothing that it does reaches the planner."""

    def __init__(
        self,
        context: Context,
        writer: Writer,
        on_error: Callable[[Exception], None],
        last: LastIds,
        state: State | None = None,
    ) -> None:
        """``state``: what the journal holds of what the context holds now, after a restart."""
        self._context, self._writer, self._on_error, self._last = context, writer, on_error, last
        self._known: dict[int, Placed] = {}
        self._uses: Counter[int] = Counter()
        self._windows: list[WindowSpan] = []
        self._epoch = -1
        self._shifts_seen = 0
        self._redo: set[int] = set()
        # Ids of segments that the journal holds, and that are remembered.
        self._told = {segment.id for segment in context.log.segments}
        if state is not None:
            self._resume(state)
        context.log.listen(self)
        self.sync()

    def _resume(self, state: State) -> None:
        mirror = self._context.mirror
        self._known = {placed.id: placed for placed in state.placed}
        self._told |= {*self._known, *state.unread}
        self._uses.update(record for placed in state.placed for record, _, _ in placed.spans)
        self._windows = list(state.windows)
        self._epoch, self._shifts_seen = mirror.epoch, len(mirror.current.shifts)

    # -- the log --------------------------------------------------------------------------------------------------

    def appended(self, segment: Segment) -> None:
        """See the protocol."""
        self.sync(segment)

    def evicted(self, segments: tuple[Segment, ...]) -> None:
        """See the protocol."""
        self.sync()

    def picture(self, segment: Segment, rgb: NDArray[np.uint8]) -> None:
        """The frame of a segment, which nobody writes to any more."""
        self._writer.put(Picture(segment.id, rgb))

    def sync(self, coming: Segment | None = None) -> None:
        """Tells what has changed since the last time; ``coming`` is about to stand in the log."""
        try:
            self._sync(coming)
        except Exception as error:
            self._epoch = -1  # all of it is told next time
            self._on_error(error)

    # -- plans ----------------------------------------------------------------------------------------------------

    def basis(self, plan_id: str, content: Mapping[str, Any], skills: Any) -> None:
        """What a plan rests on, besides the context as it is without the task. ``content``: JSON values."""
        self.sync()
        text = sealed(skills)
        digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        settled = self._context.mirror.settled
        away = self._context.restoring is not None
        skipped = bool(self._context.mirror.skipped)
        told: dict[str, Any] = dict(content) | {"skills": digest}
        if recalled := self._context.recalled:
            told["recalled"] = [frame.segment for frame in recalled]
        rows: tuple[int, ...] = ()
        windows: tuple[int, ...] = ()
        known = self._epoch == self._context.mirror.epoch and not self._writer.lost
        if settled is not None and known and not away and not skipped:
            windows, rows = tuple(record for record, _, _ in self._windows), tuple(self._uses)
            told["state"] = {
                "numbers": Numbers(settled.order, settled.position, self._last.shifts, settled.layout).told,
                "system": system_digest(self._context.pieces),
                "placed": [[own.id, own.tokens, own.prefix, own.carry, own.spans] for own in self._placed()],
                "windows": self._windows,
            }
        else:
            late = "the plan was made before all that was remembered had been read"
            told["why"] = (
                "the memory was still coming back after a restart"
                if away
                else late
                if skipped
                else "the journal was behind at the time"
            )
        self._writer.put(Basis(plan_id, told, (digest, text), rows, windows, 1024 + 64 * len(self._known)))

    def made(self, plan_id: str, made_ns: int, content: Mapping[str, Any]) -> None:
        """A plan as it was published; from any thread."""
        self._writer.put(Made(plan_id, made_ns, content, len(json.dumps(content))))

    def _placed(self) -> list[Placed]:
        return [self._known[segment.id] for segment in self._context.log.segments]

    # -- inside ---------------------------------------------------------------------------------------------------

    def _sync(self, coming: Segment | None) -> None:
        """What came in or is forgotten is told at once; rows are when all that moved them is done."""
        if lost := self._writer.restart():
            self._epoch = -1
        segments = (*self._context.log.segments, *([] if coming is None else [coming]))
        away = set(self._context.restoring.away) if self._context.restoring is not None else set()
        alive = away | {segment.id for segment in segments}
        if fresh := tuple(segment for segment in segments if lost or segment.id not in self._told):
            self._writer.put(Taken(fresh))
        settled = self._readable()
        if settled is not None:
            self._tell_rows(settled, alive, away)
        elif lost or self._told - alive:
            self._writer.put(Remembered(tuple(sorted(alive))))
        self._told = alive

    def _readable(self) -> Settled | None:
        """Where the rows end that can be told now; None while the cache is being read, or a task lies over them."""
        mirror = self._context.mirror
        settled = mirror.settled
        if settled is not None and mirror.epoch != self._epoch and (settled.open or mirror.behind):
            return None
        return settled

    def _tell_rows(self, settled: Settled, alive: set[int], away: set[int]) -> None:
        mirror = self._context.mirror
        sequence, anew = mirror.current, mirror.epoch != self._epoch
        present = dict(mirror.held)
        gone = tuple(sorted((self._told | self._known.keys()) - alive))
        new = [number for number in present if number not in self._known]
        shifts = tuple(sequence.shifts[self._shifts_seen :]) if not anew else ()
        self._last.shifts += sum(map(len, shifts))
        self._shifts_seen = len(sequence.shifts)
        followers = {} if anew else self._followers(set(gone))
        wanted = set(present) if anew else set(new)
        placed: dict[int, Placed] = {number: self._moved(number, first) for number, first in followers.items()}
        if not away:
            # What moved while others were away, and what is not as long as it should be.
            wanted |= self._redo & set(present)
            self._redo = set()
            told = self._known | placed
            wanted |= {
                number for number, own in present.items() if number in told and told[number].tokens != own.tokens
            }
        self._redo |= set(followers) if away else set()
        rows = self._taken(wanted, placed)
        if anew:
            placed |= {
                n: Placed(n, own.tokens, own.prefix, own.carry, ()) for n, own in self._known.items() if n in away
            }
        if not (anew or gone or new or shifts or placed or rows):
            return
        windows = self._taken_window(None if anew else sum(present[number].tokens for number in new))
        retired = self._remember(gone, placed)
        needed = settled.order - (sequence.window - 1)
        left = tuple(record for record, _, stop in self._windows if anew or stop <= needed)
        kept = [] if anew else [own for own in self._windows if own[0] not in left]
        self._windows = kept + [(record.id, record.first, record.rows.order) for record in windows]
        self._epoch = mirror.epoch
        self._writer.put(
            Change(
                numbers=Numbers(settled.order, settled.position, self._last.shifts, settled.layout),
                system=system_digest(self._context.pieces),
                evicted=gone,
                rows=tuple(rows),
                windows=windows,
                placed=tuple(placed.values()),
                shifts=shifts,
                retired=retired,
                left=left,
                fresh=anew,
                alive=tuple(sorted(alive)) if anew else (),
            )
        )

    def _followers(self, gone: set[int]) -> dict[int, int]:
        """Of each segment that stands behind some that are gone: the first of those, whose prefix it takes over."""
        found, first = {}, None
        for number in self._known:
            if number in gone:
                first = first or number
            else:
                if first is not None:
                    found[number] = first
                first = None
        return found

    def _moved(self, number: int, first: int) -> Placed:
        """A segment's place, with the prefix of the first one before it that is gone."""
        own, other = self._known[number], self._known[first]
        kept, prefix = other.prefix or 0, own.prefix or 0
        spans = _part(other.spans, 0, kept) + _part(own.spans, prefix, own.tokens)
        return Placed(number, own.tokens - prefix + kept, kept, own.carry, spans)

    def _taken(self, wanted: set[int], placed: dict[int, Placed]) -> list[RowsRecord]:
        """Records of the rows of those segments as they lie in the cache; their places are put into ``placed``."""
        mirror = self._context.mirror
        records: list[RowsRecord] = []
        slot = mirror.base_length
        for number, place in mirror.held:
            if number in wanted:
                taken = _runs(mirror.current.export_rows(slot, place.tokens, with_keys=True))
                spans = []
                for rows in taken:
                    self._last.rows += 1
                    records.append(RowsRecord(self._last.rows, number, rows))
                    spans.append((self._last.rows, 0, len(rows)))
                placed[number] = _placed(number, place, tuple(spans))
            slot += place.tokens
        return records

    def _taken_window(self, most: int | None) -> tuple[WindowRecord, ...]:
        window = self._context.mirror.current.export_window(most) if most != 0 else None
        if window is None or not len(window):
            return ()
        self._last.windows += 1
        return (WindowRecord(self._last.windows, window),)

    def _remember(self, gone: tuple[int, ...], placed: Mapping[int, Placed]) -> tuple[int, ...]:
        """What the journal knows from now on; records of rows that are in the cache no more."""
        before = {record for record, count in self._uses.items() if count}
        for number in (*gone, *placed):
            if number in self._known:
                self._uses.subtract(record for record, _, _ in self._known[number].spans)
        for number in gone:
            self._known.pop(number, None)
        self._known |= placed
        for own in placed.values():
            self._uses.update(record for record, _, _ in own.spans)
        self._uses = +self._uses
        if list(self._known) != sorted(self._known):
            self._known = dict(sorted(self._known.items()))
        return tuple(sorted(before - set(self._uses)))


def _placed(number: int, place: Place, spans: tuple[Span, ...]) -> Placed:
    return Placed(number, place.tokens, place.prefix, place.carry, spans)


def _part(spans: tuple[Span, ...], start: int, stop: int) -> tuple[Span, ...]:
    """Rows ``start`` … ``stop`` - 1 of those that the spans name."""
    found, first = [], 0
    for record, begin, count in spans:
        low, high = max(start - first, 0), min(stop - first, count)
        if low < high:
            found.append((record, begin + low, high - low))
        first += count
    return tuple(found)


def _runs(rows: Rows) -> list[Rows]:
    """Parts whose orders and positions follow one another."""
    breaks = np.flatnonzero((np.diff(rows.orders) != 1) | (np.diff(rows.positions) != 1)) + 1
    ends = [0, *breaks.tolist(), len(rows)]
    return [rows.part(start, stop) for start, stop in pairwise(ends) if start < stop]
