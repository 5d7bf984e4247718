"""When what waits for the journal is written: by a clock that the tests set."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from dgemma_ros.journal.arrivals import Arrivals
from dgemma_ros.journal.changes import Arrived, Entry
from dgemma_ros.journal.store import Limits, Store
from dgemma_ros.journal.writer import GATHER, Writer
from tests.desk import frame

PATIENCE = 30.0


class HeldStore(Store):
    """Says when it is asked to write, and waits until it may."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, "a model", None, Limits(), {})
        self.asked, self.go, self.told = threading.Semaphore(0), threading.Semaphore(0), list[list[Entry]]()

    def write(self, entries: Iterable[Entry]) -> None:
        self.told.append(list(entries))
        self.asked.release()
        assert self.go.acquire(timeout=PATIENCE)
        super().write(self.told[-1])


class Journal:
    """A writer, its clock and its store."""

    def __init__(self, file: Path) -> None:
        self.now, self.store, self.troubles = 0.0, HeldStore(file), list[str]()
        self.writer = Writer(self.store, self.troubles.append, lambda: self.now)

    def put(self, number: int) -> Arrived:
        entry = Arrived(number, 0, "note", {"text": str(number)})
        self.writer.put(entry)
        return entry


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "memory.db")
    try:
        yield made
    finally:
        made.store.go.release(9)
        made.writer.close()
    assert made.troubles == []


def test_what_comes_soon_after_one_another_is_written_together(journal: Journal) -> None:
    one = journal.put(1)
    journal.now = 0.9 * GATHER
    two = journal.put(2)
    assert not journal.store.asked.acquire(timeout=0.05)
    journal.now = 1.1 * GATHER
    assert journal.store.asked.acquire(timeout=PATIENCE)
    assert journal.store.told == [[one, two]]


def test_what_waited_while_a_commit_was_made_is_written_right_behind_it(journal: Journal) -> None:
    one = journal.put(1)
    journal.now = GATHER
    assert journal.store.asked.acquire(timeout=PATIENCE)
    two = journal.put(2)
    journal.now = 2 * GATHER
    three = journal.put(3)
    journal.store.go.release()
    assert journal.store.asked.acquire(timeout=PATIENCE)  # and the clock stands still
    assert journal.store.told == [[one], [two, three]]


def test_who_waits_for_the_disk_waits_for_no_others(journal: Journal) -> None:
    one = journal.put(1)
    journal.store.go.release()
    assert journal.writer.flush(PATIENCE)
    assert journal.store.told == [[one]] and journal.writer.figures().commits == 1


def test_what_belongs_together_is_written_together_however_long_it_takes(journal: Journal) -> None:
    arrivals = Arrivals(journal.writer)
    with arrivals.together():
        arrivals.note("one")
        journal.now = 2 * GATHER
        assert not journal.store.asked.acquire(timeout=0.05)
        arrivals.note("two")
    journal.now = 4 * GATHER
    assert journal.store.asked.acquire(timeout=PATIENCE)
    assert [len(entries) for entries in journal.store.told] == [2]


def test_without_a_journal_nothing_has_a_number() -> None:
    arrivals, picture = Arrivals(), frame(1, 1.0)
    with arrivals.together():
        assert arrivals.note("one") == 0
        assert arrivals.numbered(picture) is picture
        arrivals.frame(picture)
        arrivals.gone(0)
