"""The journal's file as it is written: entries in, one transaction for many, and the oldest out where it grows.

For one thread; readers have connections of their own (:mod:`dgemma_ros.journal.archive`). Longer than most files: every
statement that writes is here.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dgemma_ros.context.segments import FrameSegment, Segment
from dgemma_ros.journal import schema
from dgemma_ros.journal.changes import (
    Arrived,
    Basis,
    Change,
    Cleared,
    Entry,
    Gone,
    Made,
    Picture,
    Placed,
    Remembered,
    Taken,
)
from dgemma_ros.journal.errors import DamageError, JournalError
from dgemma_ros.journal.row_codec import RowCodec, checked
from dgemma_ros.journal.segment_codec import content_of, kind_of, sealed, soft_bytes

JPEG_QUALITY: Final = 90
PRUNED: Final = 16
"""Segments or plans that are taken out at a time."""
TARGET: Final = 0.8
"""Of the bound: what it is brought down to, so that not every commit prunes, and the write-ahead log has room."""


@dataclass(frozen=True)
class Limits:
    """How much a journal may hold: bytes in all, the write-ahead log included, and seconds; 0 sets no bound.

    An empty one takes a quarter of a megabyte.
    """

    max_bytes: int = 4 << 30
    max_age: float = 0.0


class Store:
    """Holds the lock until :meth:`close`. Methods raise :class:`sqlite3.Error`, with nothing of the call written."""

    def __init__(self, file: Path, model: str, codec: RowCodec | None, limits: Limits, about: dict[str, str]) -> None:
        """Opens or begins the journal of that model; without a codec, to prune it. Raises :class:`JournalError`.

        One that is damaged, another model's or of another version is set aside: :attr:`warning` says so.
        """
        self.file, self.warning = file, ""
        self._model, self._codec, self._limits, self._about = model, codec, limits, about
        self._lock = schema.Lock(file)
        try:
            self._connection = self._opened()
        except BaseException:
            self._lock.release()
            raise

    def _opened(self) -> sqlite3.Connection:
        try:
            if schema.check_kind(self.file):
                try:
                    connection = schema.reopen(self.file, self._model)
                    connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", list(self._about.items()))
                    return connection
                except schema.OtherJournalError as other:
                    self._set_aside(other.suffix, str(other))
                except DamageError as error:
                    self._set_aside("damaged", f"damaged ({error})")
            return schema.create(self.file, self._model, self._about)
        except sqlite3.Error as error:
            raise schema.as_journal_error(error, self.file) from None

    def _set_aside(self, suffix: str, why: str) -> None:
        kept = schema.set_aside(self.file, suffix)
        self.warning = f"{self.file}: the journal there is {why}; it is kept as {kept.name}, and a new one begun"

    def begin_anew(self, why: str) -> None:
        """Sets a journal aside that turned out to be damaged. Raises :class:`JournalError`."""
        self._connection.close()
        self._set_aside("damaged", f"damaged ({why})")
        try:
            self._connection = schema.create(self.file, self._model, self._about)
        except sqlite3.Error as error:
            raise schema.as_journal_error(error, self.file) from None

    def close(self) -> None:
        """All that was written is in the file itself then. Idempotent."""
        try:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error:
            pass  # what is in the write-ahead log is read from there
        finally:
            self._connection.close()
            self._lock.release()

    # -- writing --------------------------------------------------------------------------------------------------

    def write(self, entries: Iterable[Entry]) -> None:
        """All of them, or none."""

        def do() -> None:
            for entry in entries:
                self._write(entry)

        self._transaction(do)

    def probe(self) -> None:
        """Whether it can be written again, after an error."""
        self._connection.close()
        self._connection = schema.connect(self.file)
        now = str(time.time_ns())
        self._transaction(lambda: self._connection.execute("INSERT OR REPLACE INTO meta VALUES ('tried', ?)", (now,)))

    def _transaction(self, do: Callable[[], object]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            do()
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _write(self, entry: Entry) -> None:
        execute = self._connection.execute
        match entry:
            case Taken():
                self._take(entry.segments)
            case Remembered():
                self._remember_only(entry.ids, time.time_ns())
            case Change():
                self._change(entry)
            case Arrived():
                picture = None if entry.rgb is None else jpeg(entry.rgb)
                values = (entry.number, entry.arrived_ns, entry.kind, sealed(dict(entry.content)), picture)
                execute("INSERT OR REPLACE INTO arrivals VALUES (?, ?, ?, ?, ?)", values)
            case Gone():
                execute("DELETE FROM arrivals WHERE ?1 IS NULL OR number = ?1", (entry.number,))
            case Cleared():
                self._state(recall_after=str(entry.last))
            case Picture():
                if (picture := jpeg(entry.rgb)) is not None:
                    execute("UPDATE segments SET picture = ? WHERE id = ?", (picture, entry.segment))
            case Basis():
                execute("INSERT OR IGNORE INTO skills VALUES (?, ?)", entry.skills)
                self._plan(entry.plan_id, "basis", entry.content)
                uses = [("rows", record, entry.plan_id) for record in entry.rows]
                uses += [("windows", record, entry.plan_id) for record in entry.windows]
                self._connection.executemany("INSERT OR IGNORE INTO uses VALUES (?, ?, ?)", uses)
            case Made():
                self._plan(entry.plan_id, "plan", entry.content)
                execute("UPDATE plans SET made_ns = ? WHERE id = ?", (entry.made_ns, entry.plan_id))

    def _plan(self, plan_id: str, column: str, content: object) -> None:
        text = sealed(content)
        self._connection.execute(
            f"INSERT INTO plans (id, made_ns, {column}) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET {column} = ?",
            (plan_id, time.time_ns(), text, text),
        )

    def _take(self, segments: Iterable[Segment]) -> None:
        for segment in segments:
            soft = soft_bytes(segment.soft) if isinstance(segment, FrameSegment) else None
            self._connection.execute(
                "INSERT OR IGNORE INTO segments (id, appended_ns, kind, content, soft, soft_count)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    segment.id,
                    segment.appended_ns,
                    kind_of(segment),
                    sealed(content_of(segment)),
                    None if soft is None else checked(soft),
                    len(segment.soft) if isinstance(segment, FrameSegment) else 0,
                ),
            )

    def _remember_only(self, ids: Iterable[int], now: int) -> None:
        """All other segments are forgotten."""
        self._connection.execute("UPDATE segments SET evicted_ns = ? WHERE evicted_ns IS NULL", (now,))
        alive = [(number,) for number in ids]
        self._connection.executemany("UPDATE segments SET evicted_ns = NULL WHERE id = ?", alive)

    def _change(self, change: Change) -> None:
        execute, codec = self._connection.execute, self._codec
        assert codec is not None
        now = time.time_ns()
        if change.fresh:
            execute("UPDATE segments SET place = NULL WHERE place IS NOT NULL")
            self._remember_only(change.alive, now)
            execute("UPDATE rows SET live = 0")
            execute("UPDATE windows SET live = 0")
        for together in change.shifts:
            made = [execute("INSERT INTO shifts (first, delta) VALUES (?, ?)", own).lastrowid for own in together]
            if len(made) > 1:
                execute("INSERT INTO joined_shifts VALUES (?, ?)", (made[0], made[-1]))
        for record in change.rows:
            rows = record.rows
            values, keys = codec.pack(rows)
            numbers = (int(rows.orders[0]), int(rows.positions[0]), len(rows), change.numbers.shift)
            execute(
                "INSERT OR REPLACE INTO rows VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?)",
                (record.id, record.segment, *numbers, values, keys),
            )
        for window in change.windows:
            held = window.rows
            stored = codec.pack_window(held)
            execute(
                "INSERT OR REPLACE INTO windows VALUES (?, 1, ?, ?, ?, ?)",
                (window.id, window.first, len(held), change.numbers.shift, stored),
            )
        for gone in change.evicted:
            execute("UPDATE segments SET place = NULL, evicted_ns = ? WHERE id = ?", (now, gone))
        for placed in change.placed:
            execute("UPDATE segments SET place = ?, evicted_ns = NULL WHERE id = ?", (_place(placed), placed.id))
        self._connection.executemany("UPDATE rows SET live = 0 WHERE id = ?", [(number,) for number in change.retired])
        self._connection.executemany("UPDATE windows SET live = 0 WHERE id = ?", [(number,) for number in change.left])
        if change.fresh:
            # Rows of a segment that were made again; of what was forgotten they stay as long as the segment does.
            execute(
                "DELETE FROM rows WHERE live = 0 AND segment IN (SELECT id FROM segments WHERE evicted_ns IS NULL)"
                " AND NOT EXISTS (SELECT 1 FROM uses WHERE kind = 'rows' AND record = rows.id)"
            )
        if change.left or change.fresh:
            self._drop_windows()
        self._state(numbers=json.dumps(change.numbers.told), system=change.system)

    def _state(self, **values: str) -> None:
        self._connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", list(values.items()))

    def _drop_windows(self) -> None:
        self._connection.execute(
            "DELETE FROM windows WHERE live = 0"
            " AND NOT EXISTS (SELECT 1 FROM uses WHERE kind = 'windows' AND record = windows.id)"
        )

    # -- bounds ---------------------------------------------------------------------------------------------------

    @property
    def nbytes(self) -> int:
        """What it takes on the disk."""
        wal = self.file.with_name(self.file.name + "-wal")
        return sum(part.stat().st_size for part in (self.file, wal) if part.exists())

    def prune(self) -> int:
        """Takes out what is beyond the bounds, oldest first, a little at a time; how many segments and plans that was.

        What the context still holds goes last, and then it will not come back after a restart.
        """
        taken = 0
        if self._limits.max_age > 0:
            before = time.time_ns() - int(1e9 * self._limits.max_age)
            while count := self._prune_step(before):
                taken += count
        most = self._limits.max_bytes
        if not most or self.nbytes <= most:
            return taken
        self._shrink()
        if self.nbytes <= most:
            return taken
        while self._used() > TARGET * most and (count := self._prune_step(None) or self._prune_live()):
            taken += count
        self._shrink()
        return taken

    def _shrink(self) -> None:
        """Gives free pages back to the file system."""
        # As a script: it takes a step a page, and `execute` makes only the first of a statement without columns.
        self._connection.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)")

    def _used(self) -> int:
        pages, free, size = (
            self._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def _prune_step(self, before: int | None) -> int:
        """The oldest of what the context has forgotten, and of the plans; None: however old.

        Segments that have a place still were forgotten while the cache was being read anew: they go after that.
        """
        limit = 2**63 - 1 if before is None else before
        oldest = self._connection.execute(
            "SELECT appended_ns, 'segment', id FROM segments"
            " WHERE evicted_ns IS NOT NULL AND place IS NULL AND appended_ns < ?1"
            " UNION ALL SELECT made_ns, 'plan', id FROM plans WHERE made_ns < ?1 ORDER BY 1 LIMIT ?2",
            (limit, PRUNED),
        ).fetchall()
        self._transaction(lambda: self._take_out([(kind, number) for _, kind, number in oldest]))
        return len(oldest)

    def _prune_live(self) -> int:
        found = self._connection.execute("SELECT id FROM segments ORDER BY id LIMIT 1").fetchall()
        self._transaction(lambda: self._take_out([("segment", number) for (number,) in found], live=True))
        return len(found)

    def _take_out(self, things: list[tuple[str, int | str]], live: bool = False) -> None:
        execute = self._connection.execute
        for kind, number in things:
            if kind == "plan":
                execute("DELETE FROM plans WHERE id = ?", (number,))
                execute("DELETE FROM uses WHERE plan = ?", (number,))
            else:
                execute("DELETE FROM segments WHERE id = ?", (number,))
                if live:
                    execute("UPDATE rows SET live = 0 WHERE segment = ?", (number,))
        execute(
            "DELETE FROM rows WHERE live = 0 AND segment NOT IN (SELECT id FROM segments)"
            " AND NOT EXISTS (SELECT 1 FROM uses WHERE kind = 'rows' AND record = rows.id)"
        )
        self._drop_windows()
        execute("DELETE FROM skills WHERE NOT EXISTS (SELECT 1 FROM plans WHERE instr(basis, skills.digest))")


def jpeg(rgb: NDArray[np.uint8]) -> bytes | None:
    """A picture as it is kept, behind its checksum; None where it cannot be."""
    found, made = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return checked(np.asarray(made).tobytes()) if found else None


def prune_file(file: Path, limits: Limits) -> int:
    """Prunes a journal that no planner keeps now; how much was taken out. Raises :class:`JournalError`."""
    if not schema.check_kind(file):
        raise JournalError(f"{file}: no such journal")
    lock = schema.Lock(file)
    try:
        connection = schema.connect(file)
        try:
            schema.check_format(connection, file)
            (model,) = connection.execute("SELECT value FROM meta WHERE key = 'model'").fetchone() or ("",)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise schema.as_journal_error(error, file) from None
    finally:
        lock.release()
    store = Store(file, str(model), None, limits, {})
    try:
        return store.prune()
    except sqlite3.Error as error:
        raise schema.as_journal_error(error, file) from None
    finally:
        store.close()


def _place(placed: Placed) -> str:
    return sealed([placed.tokens, placed.prefix, placed.carry, placed.spans])
