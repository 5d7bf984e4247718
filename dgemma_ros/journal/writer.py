"""The thread that writes the journal, and what it is told meanwhile: a queue that is bounded in bytes.

Nobody waits for it. Where the disk refuses, or cannot keep up, what waits is dropped, planning goes on, one warning
says so, and the file is tried again now and then; when it can be written again all that is remembered is told anew.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from dgemma_ros.errors import DgemmaError, one_line
from dgemma_ros.journal.changes import Arrived, Entry, Gone
from dgemma_ros.journal.errors import DamageError
from dgemma_ros.journal.schema import as_journal_error
from dgemma_ros.journal.store import Store

GATHER: Final = 0.4
"""Seconds that an entry waits at most for others, or for the commit before to end: then all that wait are written. So
with a commit of 0.5 s no more than a second is lost."""
MAX_WAITING: Final = 256 << 20
"""Bytes of entries that may wait."""
RETRY: Final = 5.0
"""Seconds between two tries to write again."""
TIDY: Final = 60.0
"""Seconds after which bounds are looked at where nothing comes in."""


@dataclass(frozen=True)
class JournalFigures:
    """A journal's state and counts, for people."""

    file: str
    bytes: int
    """On the disk."""
    waiting: int
    """Bytes that are not written yet."""
    commits: int
    dropped: int
    """Entries that could not be written."""
    pruned: int
    """Segments and plans that were taken out, as the bounds ask for."""
    failing: str
    """Why it cannot be written now; empty where it can."""
    restored: int = 0
    """Tokens that were put back after the restart."""
    restoring: int = 0
    """Tokens that are still to be."""


class Writer:
    """Thread-safe. ``on_trouble`` hears, in the writer's thread, of what a person should know: one line each."""

    def __init__(
        self, store: Store, on_trouble: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store, self._on_trouble, self._clock = store, on_trouble, clock
        self._changed = threading.Condition()
        self._waiting: list[Entry] = []
        self._arrived: dict[int, Arrived] = {}  # of those that wait
        self._own = threading.local()  # what a thread holds back to be written together
        self._since = 0.0  # when the first of those that wait was put
        self._bytes = self._commits = self._dropped = self._pruned = 0
        self._size = store.nbytes
        self._failing, self._lost, self._closing, self._busy = "", False, False, False
        self._hurry = False
        self._thread = threading.Thread(target=self._run, name="dgemma-journal", daemon=True)
        self._thread.start()

    def put(self, entry: Entry) -> None:
        """Takes it to be written; drops it where nothing can be written now. Never waits, never raises."""
        if (held := getattr(self._own, "held", None)) is not None:
            held.append(entry)
            return
        with self._changed:
            self._put(entry)

    @contextmanager
    def together(self) -> Iterator[None]:
        """All that this thread puts within is written in one transaction, or none; also where an error ends it."""
        held: list[Entry] = []
        self._own.held = held
        try:
            yield
        finally:
            self._own.held = None
            with self._changed:
                for entry in held:
                    self._put(entry)

    def _put(self, entry: Entry) -> None:
        if self._failing or self._lost or self._closing:
            self._dropped += 1
            self._lost = True
            return
        known = entry.number if isinstance(entry, Gone) else None
        if known is not None and (arrived := self._arrived.pop(known, None)) is not None:
            self._waiting.remove(arrived)  # it was read before it was written
            self._bytes -= arrived.nbytes
            return
        if self._bytes + entry.nbytes > MAX_WAITING and self._waiting:
            self._drop()
            self._dropped += 1
            return
        if isinstance(entry, Arrived):
            self._arrived[entry.number] = entry
        if not self._waiting:
            self._since = self._clock()
        self._waiting.append(entry)
        self._bytes += entry.nbytes
        self._changed.notify_all()

    @property
    def lost(self) -> bool:
        """Whether something was lost that has not been told anew."""
        return self._lost

    def restart(self) -> bool:
        """Whether something was lost, and can be told anew now: all of it, as it is."""
        with self._changed:
            if not self._lost or self._failing or self._closing:
                return False
            self._lost = False
            self._put(Gone(None))
            return True

    def flush(self, timeout: float = 10.0) -> bool:
        """Waits until all that was put so far is on the disk; whether it is."""
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            done = self._changed.wait_for(lambda: not (self._waiting or self._busy) or bool(self._failing), timeout)
            self._hurry = False
            return done and not self._failing

    def close(self, timeout: float = 10.0) -> None:
        """Writes what waits, and closes the file. Idempotent."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout)

    def figures(self) -> JournalFigures:
        """As they are now."""
        with self._changed:
            return JournalFigures(
                str(self._store.file),
                self._size,
                self._bytes,
                self._commits,
                self._dropped,
                self._pruned,
                self._failing,
            )

    # -- inside ---------------------------------------------------------------------------------------------------

    def _drop(self) -> None:
        self._dropped += len(self._waiting)
        self._waiting.clear()
        self._arrived.clear()
        self._bytes, self._lost = 0, True

    def _run(self) -> None:
        while (entries := self._next()) is not None:
            try:
                if self._failing:
                    self._store.probe()
                    self._recovered()
                elif entries:
                    self._store.write(entries)
                pruned = self._store.prune()
            except (sqlite3.Error, OSError, DgemmaError, ValueError) as error:
                if not self._begun_anew(error, len(entries)):
                    self._failed(one_line(error), len(entries))
                continue
            with self._changed:
                self._commits += bool(entries)
                self._pruned += pruned
                self._busy = False
                self._size = self._store.nbytes
                self._changed.notify_all()
        self._store.close()

    def _next(self) -> list[Entry] | None:
        """What is to be written next, after it was gathered for a while; None where it is to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing, RETRY if self._failing else TIDY)
            if self._waiting and not self._failing:
                while not (self._closing or self._hurry) and (left := self._since + GATHER - self._clock()) > 0:
                    self._changed.wait(left)
            if self._closing and (self._failing or not self._waiting):
                return None
            entries, self._waiting, self._bytes = self._waiting, [], 0
            self._arrived.clear()
            self._busy = True
            return entries

    def _failed(self, text: str, entries: int) -> None:
        with self._changed:
            first = not self._failing
            self._failing, self._busy = text, False
            self._dropped += entries
            self._drop()
            self._changed.notify_all()
        if first:
            self._on_trouble(f"{self._store.file}: cannot be written ({text}); planning goes on without it")

    def _begun_anew(self, error: Exception, entries: int) -> bool:
        """A file that turns out to be damaged is set aside; whether it was that, and another is begun."""
        if not isinstance(error, sqlite3.Error):
            return False
        known = as_journal_error(error, self._store.file)
        if not isinstance(known, DamageError):
            return False
        try:
            self._store.begin_anew(one_line(error))
        except (sqlite3.Error, DgemmaError):
            return False
        with self._changed:
            self._dropped += entries
            self._drop()
            self._busy = False
            self._changed.notify_all()
        self._on_trouble(self._store.warning)
        return True

    def _recovered(self) -> None:
        with self._changed:
            self._failing = ""
        self._on_trouble(f"{self._store.file}: can be written again")
