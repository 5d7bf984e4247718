"""A large journal is looked through while the planner works: damage is said before somebody needs what it hit."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from dgemma_ros.errors import one_line
from dgemma_ros.journal import schema


class Inspection:
    """A thread with a connection of its own, which reads. ``on_trouble`` hears, in that thread, of damage: one line.

    What is damaged is left out where it is read, whatever is said here.
    """

    def __init__(self, file: Path, on_trouble: Callable[[str], None]) -> None:
        self._file, self._on_trouble, self._ended = file, on_trouble, False
        self._connection: sqlite3.Connection | None = None
        self._thread = threading.Thread(target=self._run, name="dgemma-journal-inspection", daemon=True)
        self._thread.start()

    def join(self, timeout: float | None = None) -> bool:
        """Whether it has been looked through."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def close(self) -> None:
        """Ends it, wherever it is. Idempotent."""
        self._ended = True
        if self._connection is not None:
            self._connection.interrupt()
        self._thread.join(1.0)

    def _run(self) -> None:
        try:
            self._connection = schema.connect(self._file, read_only=True)
            (verdict,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
            why = "" if verdict == "ok" else one_line(verdict)
        except sqlite3.Error as error:
            why = one_line(error)
        if why and not self._ended:
            self._on_trouble(f"{self._file}: is damaged ({why}); what is hit is left out where it is read")
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
