"""A journal as it is read: by the planner that starts again, and by the command line, also while it is written.

Nothing in it is trusted: each text and each blob has a checksum and a size, and what is not what was written raises
:class:`DamageError`.

Longer than most files: every statement that reads a journal is here, as every one that writes it is in ``store``.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from dgemma_ros.context.places import Place
from dgemma_ros.context.restoring import Pace, Returned, Saved
from dgemma_ros.context.segments import FrameSegment, Segment
from dgemma_ros.errors import DgemmaError
from dgemma_ros.journal import schema
from dgemma_ros.journal.arrivals import Waiting, waiting_of
from dgemma_ros.journal.changes import Numbers, Placed, WindowSpan
from dgemma_ros.journal.errors import DamageError, JournalError
from dgemma_ros.journal.row_codec import RowCodec, Shift, proved
from dgemma_ros.journal.segment_codec import segment_of, soft_of, unsealed
from dgemma_ros.runtime.contract import Array
from dgemma_ros.runtime.rows import Layout, Rows, Window

MAX_SEGMENTS: Final = 1 << 20
MAX_CARRY: Final = 64
MAX_WAITING: Final = 4096
MOST: Final = 1 << 40


@dataclass(frozen=True)
class SegmentEntry:
    """One segment, for people."""

    id: int
    kind: str
    appended_ns: int
    evicted_ns: int | None
    tokens: int | None
    """In the cache; None where it is not there any more."""
    bytes: int
    has_picture: bool
    content: Any


@dataclass(frozen=True)
class PlanEntry:
    """One plan, for people. ``basis`` and ``plan`` are JSON values; None where that was not written."""

    id: str
    made_ns: int
    basis: Any
    plan: Any


@dataclass(frozen=True)
class State:
    """Where the rows of a context lie: as it is now, or as it was when a plan was made."""

    numbers: Numbers
    system: str
    placed: tuple[Placed, ...]
    windows: tuple[WindowSpan, ...]
    unread: tuple[int, ...] = ()
    """Segments behind those, which are remembered and had not been read."""
    forgotten: frozenset[int] = frozenset()
    """Those of ``placed`` that were forgotten while the cache was being read anew: without them the rows do not fit."""


class Archive:
    """A read-only connection. For one thread."""

    def __init__(self, file: Path) -> None:
        """Raises :class:`JournalError` for what is no journal of this version."""
        self.file = file
        if not schema.check_kind(file):
            raise JournalError(f"{file}: no such journal")
        try:
            self._connection = schema.connect(file, read_only=True)
            try:
                schema.check_format(self._connection, file)
            except BaseException:
                self._connection.close()
                raise
        except sqlite3.Error as error:
            raise schema.as_journal_error(error, file) from None
        except DamageError as error:
            raise DamageError(f"{file}: {error}") from None
        except schema.OtherJournalError as error:
            raise JournalError(f"{file}: is {error}") from None

    def close(self) -> None:
        """Idempotent."""
        self._connection.close()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """What SQLite or the content says against it is damage, or the journal's error."""
        try:
            yield self._connection
        except sqlite3.Error as error:
            raise schema.as_journal_error(error, self.file) from None
        except (KeyError, TypeError, ValueError, OverflowError, IndexError):
            raise DamageError(f"{self.file}: something in it is not what a journal holds") from None

    # -- what there is --------------------------------------------------------------------------------------------

    def about(self) -> dict[str, str]:
        """The model's digest and place, and what it was opened with."""
        with self._reading() as connection:
            return {str(key): str(value) for key, value in connection.execute("SELECT key, value FROM meta")}

    def segments(self) -> list[SegmentEntry]:
        """All, in order, without what is large."""
        with self._reading() as connection:
            found = connection.execute(
                "SELECT id, kind, appended_ns, evicted_ns, place, content, ifnull(length(soft), 0)"
                " + ifnull(length(picture), 0) + (SELECT ifnull(sum(length(contents) + length(keys)), 0) FROM rows"
                " WHERE segment = segments.id), picture IS NOT NULL FROM segments ORDER BY id LIMIT ?",
                (MAX_SEGMENTS,),
            )
            return [
                SegmentEntry(
                    int(number),
                    str(kind),
                    int(appended),
                    evicted,
                    None if place is None else _placed(number, place).tokens,
                    int(size),
                    bool(picture),
                    unsealed(content, f"segment {number}"),
                )
                for number, kind, appended, evicted, place, content, size, picture in found
            ]

    def pictures(self) -> Iterator[tuple[int, bytes]]:
        """The JPEGs of frames, by the segment's id. A damaged one is passed over."""
        with self._reading() as connection:
            numbers = [
                n for (n,) in connection.execute("SELECT id FROM segments WHERE picture IS NOT NULL ORDER BY id")
            ]
            for number in numbers:
                (stored,) = connection.execute("SELECT picture FROM segments WHERE id = ?", (number,)).fetchone()
                with contextlib.suppress(DamageError):
                    yield int(number), proved(stored, f"picture {number}")

    def plans(self) -> list[PlanEntry]:
        """All, oldest first."""
        with self._reading() as connection:
            return [
                _plan(row) for row in connection.execute("SELECT id, made_ns, basis, plan FROM plans ORDER BY made_ns")
            ]

    def plan(self, plan_id: str) -> PlanEntry | None:
        """One; None where there is none of that id."""
        with self._reading() as connection:
            row = connection.execute("SELECT id, made_ns, basis, plan FROM plans WHERE id = ?", (plan_id,)).fetchone()
            return None if row is None else _plan(row)

    def skills(self, digest: str) -> Any:
        """A catalogue's content. Raises :class:`DamageError` where it is not there."""
        with self._reading() as connection:
            row = connection.execute("SELECT content FROM skills WHERE digest = ?", (digest,)).fetchone()
            if row is None:
                raise DamageError(f"{self.file}: the skills of that plan are not there")
            return unsealed(row[0], "skills")

    # -- a context ------------------------------------------------------------------------------------------------

    def last_ids(self) -> tuple[int, int, int, int]:
        """The highest ids of segments, rows, windows and shifts there are; also of those that plans alone name."""
        with self._reading() as connection:
            segments, rows, windows, shifts = (
                int(connection.execute(f"SELECT ifnull(max({column}), 0) FROM {table}").fetchone()[0])
                for column, table in (("id", "segments"), ("id", "rows"), ("id", "windows"), ("number", "shifts"))
            )
            used = dict(connection.execute("SELECT kind, max(record) FROM uses GROUP BY kind").fetchall())
            return segments, max(rows, used.get("rows", 0)), max(windows, used.get("windows", 0)), shifts

    def state(self) -> State:
        """As it is now. Where no rows were written yet, nothing is placed, and the system turn has no digest."""
        about = self.about()
        with self._reading() as connection:
            numbers = _numbers(json.loads(about.get("numbers", "[0, 0, 0, 0, 0, 0]")))
            placed = connection.execute(
                "SELECT id, place, evicted_ns FROM segments WHERE place IS NOT NULL ORDER BY id LIMIT ?",
                (MAX_SEGMENTS,),
            ).fetchall()
            unread = connection.execute(
                "SELECT id FROM segments WHERE place IS NULL AND evicted_ns IS NULL ORDER BY id"
            ).fetchall()
            windows = connection.execute(
                "SELECT id, first, first + count FROM windows WHERE live ORDER BY first"
            ).fetchall()
            return State(
                numbers,
                about.get("system", ""),
                tuple(_placed(number, place) for number, place, _ in placed),
                tuple((_count(record), _count(first), _count(stop)) for record, first, stop in windows),
                tuple(_count(number) for (number,) in unread),
                frozenset(_count(number) for number, _, evicted in placed if evicted is not None),
            )

    def state_of(self, plan: PlanEntry) -> State:
        """As it was when a plan was made. Raises :class:`JournalError` where that is not known."""
        told = plan.basis if isinstance(plan.basis, dict) else {}
        if not isinstance(told.get("state"), dict):
            why = str(told.get("why") or "the model was not asked")
            raise JournalError(f"{self.file}: plan {plan.id} cannot be made again: {why}")
        with self._reading():
            state = told["state"]
            return State(
                _numbers(state["numbers"]),
                str(state["system"]),
                tuple(placed_of(*own) for own in state["placed"]),
                tuple((_count(record), _count(first), _count(stop)) for record, first, stop in state["windows"]),
            )

    def window(self, codec: RowCodec, state: State) -> Window:
        """What the sliding layers held. Raises :class:`DamageError` where it is not whole."""
        order, position = state.numbers.order, state.numbers.position
        needed = min(order, codec.config.text.sliding_window - 1)
        parts: list[Window] = []
        with self._reading() as connection:
            for record, _, _ in reversed(state.windows):
                if sum(len(part) for part in parts) >= needed:
                    break
                row = connection.execute(
                    "SELECT first, count, shift, contents FROM windows WHERE id = ?", (record,)
                ).fetchone()
                if row is None:
                    raise DamageError(f"{self.file}: a part of the sliding window is not there")
                first, count, shift, contents = row
                end = order - sum(len(part) for part in parts)
                if first + count != end:
                    raise DamageError(f"{self.file}: the sliding window has a gap")
                part = codec.unpack_window(contents, end, position, count)
                parts.append(codec.shifted_window(part, self._shifts(shift, state.numbers.shift)))
        if not parts:
            parts = [Window(order, position, (), ())]
        arrays = [
            tuple(np.concatenate(own, 1)[:, -needed:] for own in zip(*sides, strict=True))
            for sides in ([part.keys for part in parts[::-1]], [part.values for part in parts[::-1]])
        ]
        found = Window(order, position, arrays[0], arrays[1])
        if found.keys and len(found) != needed:
            raise DamageError(f"{self.file}: the sliding window is not whole")
        return found

    def saved(self, codec: RowCodec, state: State, received: Callable[[int], float], pace: Pace | None = None) -> Saved:
        """The state as a context takes it. ``received(appended_ns)``: when a frame arrived, by the planner's clock.

        Raises :class:`DamageError` where the window is not whole, or a segment's rows were never written.
        """
        if any(not placed.spans for placed in state.placed):
            raise DamageError(f"{self.file}: some of the rows were never written")
        by_id = {placed.id: placed for placed in state.placed}

        def load(numbers: Sequence[int]) -> dict[int, Returned]:
            found = {}
            for number in numbers:
                with contextlib.suppress(DgemmaError):
                    rows = self._rows(codec, by_id[number], state.numbers.shift)
                    found[number] = Returned(self.segment(number, codec.config.text.hidden_size, received), tuple(rows))
            return found

        places = tuple((own.id, Place(own.tokens, own.prefix, own.carry)) for own in state.placed)
        return Saved(
            places,
            self.window(codec, state),
            self.last_ids()[0],
            load,
            self._newest(codec, state, received),
            state.numbers.layout,
            self._pinned(state),
            pace or Pace(),
        )

    def _pinned(self, state: State) -> frozenset[int]:
        with self._reading() as connection:
            notes = connection.execute("SELECT id, content FROM segments WHERE kind = 'note' AND evicted_ns IS NULL")
            own = {placed.id for placed in state.placed}
            read = [(number, unsealed(content, f"segment {number}")) for number, content in notes if number in own]
            return frozenset(number for number, note in read if note["pinned"])

    def _newest(self, codec: RowCodec, state: State, received: Callable[[int], float]) -> FrameSegment | None:
        """The last frame that is remembered, read or not."""
        with self._reading() as connection:
            frames = {number for (number,) in connection.execute("SELECT id FROM segments WHERE kind = 'frame'")}
        mine = frames.intersection([*(placed.id for placed in state.placed), *state.unread])
        if not mine:
            return None
        found = self.segment(max(mine), codec.config.text.hidden_size, received)
        return found if isinstance(found, FrameSegment) else None

    def segment(self, number: int, width: int, received: Callable[[int], float]) -> Segment:
        """One segment, whole. ``width``: of soft tokens. Raises :class:`DamageError`."""
        with self._reading() as connection:
            row = connection.execute(
                "SELECT kind, content, appended_ns, soft, soft_count FROM segments WHERE id = ?", (number,)
            ).fetchone()
            if row is None:
                raise DamageError(f"{self.file}: segment {number} is not there")
            kind, content, appended, stored, count = row
            soft = None if stored is None else soft_of(proved(stored, f"segment {number}"), int(count), width)
            told = unsealed(content, f"segment {number}")
            return segment_of(str(kind), told, int(number), int(appended), soft, received(int(appended)))

    # -- what waited ----------------------------------------------------------------------------------------------

    def waiting(self, received: Callable[[int], float]) -> list[Waiting]:
        """What had come and was not in the context yet, in order; what is damaged is passed over."""
        with self._reading() as connection:
            if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'arrivals'").fetchone():
                return []
            stored = connection.execute(
                "SELECT number, kind, content, picture, arrived_ns FROM arrivals ORDER BY number LIMIT ?",
                (MAX_WAITING,),
            ).fetchall()
        found = []
        for number, kind, content, picture, arrived in stored:
            with contextlib.suppress(DamageError):
                told = unsealed(content, f"arrival {number}")
                shown = None if picture is None else proved(picture, f"arrival {number}")
                found.append(waiting_of(int(number), str(kind), told, shown, arrived, received))
        return found

    def last_arrival(self) -> int:
        """The highest number of one that waits."""
        with self._reading() as connection:
            return int(connection.execute("SELECT ifnull(max(number), 0) FROM arrivals").fetchone()[0])

    # -- what was forgotten ---------------------------------------------------------------------------------------

    def forgotten_keyframes(self, most: int) -> list[int]:
        """The ids of the newest, unless somebody asked for them to go; the newest first."""
        after = int(self.about().get("recall_after", "0"))
        with self._reading() as connection:
            # By text, so that not thousands of others are taken apart: what is found is proved when it is read.
            found = connection.execute(
                "SELECT id FROM segments WHERE kind = 'frame' AND evicted_ns IS NOT NULL AND place IS NULL AND id > ?"
                """ AND content NOT LIKE '%"kept":""%' ORDER BY id DESC LIMIT ?""",
                (after, most),
            )
            return [int(number) for (number,) in found]

    def picture_values(self, codec: RowCodec, number: int) -> list[Array]:
        """Values [kv, n, D] of a frame's n soft tokens in each full layer, as they were written last.

        Whether the context holds them or not. Raises :class:`DamageError` where they are not there.
        """
        parts: list[list[Array]] = []
        with self._reading() as connection:
            (soft,) = connection.execute("SELECT soft_count FROM segments WHERE id = ?", (number,)).fetchone() or (0,)
            before = None
            for record, contents, count in connection.execute(
                "SELECT id, contents, count FROM rows WHERE segment = ? ORDER BY id DESC", (number,)
            ):
                if before is not None and record != before - 1:
                    break  # those are of an earlier time
                parts.insert(0, codec.unpack_values(contents, int(count)))
                before = record
            values = [np.concatenate(own, 1)[:, -1 - int(soft) : -1] for own in zip(*parts, strict=True)]
            if not soft or not values or values[0].shape[1] != soft:
                raise DamageError(f"{self.file}: rows of segment {number} are not there")
            return values

    def _rows(self, codec: RowCodec, placed: Placed, shift: int) -> list[Rows]:
        found: list[Rows] = []
        with self._reading() as connection:
            for record, start, count in placed.spans:
                row = connection.execute(
                    "SELECT contents, keys, first, position, count, shift FROM rows WHERE id = ?", (record,)
                ).fetchone()
                if row is None or not 0 <= start < start + count <= row[4]:
                    raise DamageError(f"{self.file}: rows of segment {placed.id} are not there")
                contents, keys, first, position, whole, before = row
                part = codec.unpack(contents, keys, int(first), int(position), int(whole)).part(start, start + count)
                found += codec.shifted(part, self._shifts(before, shift))
        if sum(len(part) for part in found) != placed.tokens:
            raise DamageError(f"{self.file}: rows of segment {placed.id} are not as many as its tokens")
        return found

    def _shifts(self, after: int, until: int) -> list[Shift]:
        span = (after, until)
        found = self._connection.execute(
            "SELECT number, first, delta FROM shifts WHERE number > ? AND number <= ? ORDER BY number", span
        ).fetchall()
        if not found:
            return []
        joined = {}
        if self._connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'joined_shifts'").fetchone():
            joined = dict(
                self._connection.execute("SELECT first, last FROM joined_shifts WHERE first > ? AND last <= ?", span)
            )
        groups: list[list[tuple[int, int]]] = []
        last = 0
        for number, first, delta in found:
            if number > last:
                groups.append([])
                last = joined.get(number, number)
            groups[-1].append((first, delta))
        return [tuple(group) for group in groups]


def _plan(row: tuple[Any, ...]) -> PlanEntry:
    plan_id, made, basis, plan = row
    told = [None if text is None else unsealed(text, f"plan {plan_id}") for text in (basis, plan)]
    return PlanEntry(str(plan_id), int(made), *told)


def _placed(number: int, place: str) -> Placed:
    tokens, prefix, carry, spans = unsealed(place, f"segment {number}")
    return placed_of(number, tokens, prefix, carry, spans)


def placed_of(number: int, tokens: Any, prefix: Any, carry: Any, spans: Any) -> Placed:
    """From JSON values. Raises :class:`ValueError` or :class:`TypeError` for what they cannot be."""
    if not isinstance(carry, str) or len(carry) > MAX_CARRY:
        raise ValueError
    own = tuple((_count(record), _count(start), _count(count)) for record, start, count in spans)
    return Placed(_count(number), _count(tokens), None if prefix is None else _count(prefix), carry, own)


def _numbers(told: Any) -> Numbers:
    order, position, shift, *layout = (_count(number) for number in told)
    return Numbers(order, position, shift, Layout(*layout))


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < MOST:
        raise ValueError
    return value
