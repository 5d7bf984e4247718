"""The journal's file: its tables, who may have it, and what is set aside because it is not this planner's to read."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path
from typing import Final

from dgemma_ros.errors import one_line
from dgemma_ros.file_lock import open_alone
from dgemma_ros.journal.errors import DamageError, JournalError

FORMAT: Final = 1
APPLICATION: Final = 0x64474D4A
MAGIC: Final = b"SQLite format 3\0"
PAGE: Final = 16384
"""Bytes: rows and pictures are blobs of many of them."""
WAL_BYTES: Final = 32 << 20
"""What the write-ahead log is cut to whenever all of it is in the file."""
CHECKED_BYTES: Final = 64 << 20
"""A journal up to this size is looked through when it is opened; in a larger one damage is found where it is read."""
BUSY: Final = 5.0
"""Seconds that are waited for somebody who reads."""
TABLES: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE segments (
    id INTEGER PRIMARY KEY, appended_ns INTEGER NOT NULL, kind TEXT NOT NULL, content TEXT NOT NULL,
    soft BLOB, soft_count INTEGER NOT NULL, picture BLOB, evicted_ns INTEGER, place TEXT
);
CREATE TABLE rows (
    id INTEGER PRIMARY KEY, segment INTEGER NOT NULL, live INTEGER NOT NULL, first INTEGER NOT NULL,
    position INTEGER NOT NULL, count INTEGER NOT NULL, shift INTEGER NOT NULL, contents BLOB NOT NULL,
    keys BLOB NOT NULL
);
CREATE INDEX rows_of ON rows (segment);
CREATE TABLE windows (
    id INTEGER PRIMARY KEY, live INTEGER NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL,
    shift INTEGER NOT NULL, contents BLOB NOT NULL
);
CREATE TABLE shifts (number INTEGER PRIMARY KEY, first INTEGER NOT NULL, delta INTEGER NOT NULL);
CREATE TABLE plans (id TEXT PRIMARY KEY, made_ns INTEGER NOT NULL, basis TEXT, plan TEXT) WITHOUT ROWID;
CREATE INDEX plans_made ON plans (made_ns);
CREATE TABLE uses (kind TEXT NOT NULL, record INTEGER NOT NULL, plan TEXT NOT NULL, PRIMARY KEY (kind, record, plan))
    WITHOUT ROWID;
CREATE INDEX uses_of ON uses (plan);
CREATE TABLE skills (digest TEXT PRIMARY KEY, content TEXT NOT NULL) WITHOUT ROWID;
"""
ADDED: Final = """
CREATE TABLE IF NOT EXISTS arrivals (
    number INTEGER PRIMARY KEY, arrived_ns INTEGER NOT NULL, kind TEXT NOT NULL, content TEXT NOT NULL, picture BLOB
);
CREATE TABLE IF NOT EXISTS joined_shifts (first INTEGER PRIMARY KEY, last INTEGER NOT NULL);
"""
"""What journals of this format did not have in the beginning."""


class Lock:
    """Beside the file; two planners cannot have one journal. Raises :class:`JournalError` where another has it."""

    def __init__(self, file: Path) -> None:
        beside = file.with_name(file.name + ".lock")
        self._fd = open_alone(beside, os.O_RDWR | os.O_NOFOLLOW, JournalError, file, "planner")

    def release(self) -> None:
        """Gives it back. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def connect(file: Path, read_only: bool = False) -> sqlite3.Connection:
    """A connection that begins no transaction by itself. Raises :class:`sqlite3.Error`."""
    mode = "ro" if read_only else "rwc"
    connection = sqlite3.connect(
        f"{file.absolute().as_uri()}?mode={mode}", timeout=BUSY, isolation_level=None, check_same_thread=False, uri=True
    )
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("PRAGMA query_only = ON" if read_only else "PRAGMA query_only = OFF")
        # What is told as kept shall be kept when the power goes, too: each commit waits for the disk. There is about
        # one in half a second, from a thread that nobody waits for.
        connection.execute("PRAGMA synchronous = FULL")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1 << 30)
    except BaseException:
        connection.close()
        raise
    return connection


def create(file: Path, model: str, about: dict[str, str]) -> sqlite3.Connection:
    """A new journal for the model of that digest. Raises :class:`sqlite3.Error`."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))  # what cameras saw is private
    connection = connect(file)
    try:
        connection.execute(f"PRAGMA page_size = {PAGE}")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
        connection.executescript(f"BEGIN IMMEDIATE; {TABLES}; {ADDED}; PRAGMA user_version = {FORMAT}; COMMIT")
        connection.executemany("INSERT INTO meta VALUES (?, ?)", [("model", model), *about.items()])
        # Last: until then it is no journal, and begun anew.
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
    except BaseException:
        connection.close()
        raise
    return connection


def check_kind(file: Path) -> bool:
    """Whether there is something in ``file``. Raises :class:`JournalError` for what is no database at all.

    So no file that a parameter named by mistake is ever moved, or written to.
    """
    try:
        if file.is_symlink() or (file.exists() and not file.is_file()):
            raise JournalError(f"{file}: is no regular file; the parameter journal names a file of the planner's own")
        with file.open("rb") as stream:
            head = stream.read(len(MAGIC))
    except FileNotFoundError:
        return False
    except OSError as error:
        raise JournalError(f"{file}: cannot be read ({error.strerror}); the parameter journal names it") from None
    if not MAGIC.startswith(head):
        raise JournalError(f"{file}: is no journal; the parameter journal must name a file of the planner's own")
    return bool(head)


def reopen(file: Path, model: str) -> sqlite3.Connection:
    """The journal in ``file``, of the model of that digest.

    Raises :class:`DamageError` where it is damaged, :class:`OtherJournalError` where it is another's, and
    :class:`JournalError` where it cannot be opened.
    """
    connection: sqlite3.Connection | None = None
    try:
        connection = connect(file)
        check_format(connection, file)
        found = connection.execute("SELECT value FROM meta WHERE key = 'model'").fetchone()
        if found is None:
            raise DamageError("it does not say which model it is of")
        if found[0] != model:
            raise OtherJournalError(f"model-{str(found[0])[:8]}", "of another model")
        if file.stat().st_size <= CHECKED_BYTES:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise DamageError(one_line(verdict))
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
        connection.executescript(ADDED)
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise as_journal_error(error, file) from None
    except BaseException:
        if connection is not None:
            connection.close()
        raise
    return connection


class OtherJournalError(JournalError):
    """It was written for another model, or by another version. ``suffix`` tells it apart."""

    def __init__(self, suffix: str, text: str) -> None:
        super().__init__(text)
        self.suffix = suffix


def check_format(connection: sqlite3.Connection, file: Path) -> None:
    """Raises :class:`JournalError`, or what it is more exactly, for what is no journal of ours."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if application != APPLICATION and tables and "segments" not in tables:
        raise JournalError(
            f"{file}: is another program's database; the parameter journal names a file of the planner's"
        )
    if application == APPLICATION and version != FORMAT:
        raise OtherJournalError(f"format-{version}", f"of format {version}, and this version writes {FORMAT}")
    if application != APPLICATION or not {"meta", "segments", "rows", "windows", "plans", "uses"} <= tables:
        raise DamageError("its beginning is not whole")


def as_journal_error(error: sqlite3.Error, file: Path) -> JournalError:
    """Damage, or what else SQLite says."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    damaged = code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_MISMATCH)
    if damaged or "no such" in str(error) or isinstance(error, sqlite3.InterfaceError | sqlite3.DataError):
        return DamageError(f"{file}: {one_line(error)}")
    return JournalError(f"{file}: {one_line(error)}")


def set_aside(file: Path, suffix: str) -> Path:
    """Renames the journal, so that nothing is lost and nothing misread; its new name. Raises :class:`JournalError`."""
    with contextlib.suppress(sqlite3.Error):
        connection = connect(file)
        with contextlib.closing(connection):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    stamp = time.strftime("%Y%m%dT%H%M%S")
    target, number = file.with_name(f"{file.stem}.{suffix}.{stamp}{file.suffix}"), 1
    while target.exists():
        number += 1
        target = file.with_name(f"{file.stem}.{suffix}.{stamp}-{number}{file.suffix}")
    try:
        file.rename(target)
        for part in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                file.with_name(file.name + part).rename(target.with_name(target.name + part))
    except OSError as error:
        raise JournalError(f"{file}: cannot be set aside ({error.strerror})") from None
    return target
