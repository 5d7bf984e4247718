"""A journal too large to be looked through when it is opened is looked through meanwhile."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest

from dgemma_ros.journal import schema
from dgemma_ros.journal.inspection import Inspection
from dgemma_ros.model import Model
from dgemma_ros.planning import SkillCatalogue
from tests.journal.kept import keep, keeping


@pytest.fixture
def journal(model: Model, skills: SkillCatalogue, tmp_path: Path) -> Path:
    file = tmp_path / "memory.db"
    with keeping(file, model, skills) as live:
        for number in range(4):
            live.see(number)
    return file


def damaged(file: Path) -> Path:
    """An index that does not say what its table holds, which no checksum of ours sees."""
    with closing(schema.connect(file)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET rootpage = 1 WHERE name = 'rows_of'")
    return file


def test_a_sound_one_is_not_spoken_of(journal: Path) -> None:
    said: list[str] = []
    inspection = Inspection(journal, said.append)
    assert inspection.join(30) and said == []
    inspection.close()


def test_damage_is_said_in_a_line(journal: Path) -> None:
    said: list[str] = []
    assert Inspection(damaged(journal), said.append).join(30)
    assert len(said) == 1 and "\n" not in said[0] and f"{journal}: is damaged (" in said[0]


def test_it_ends_with_the_journal_and_says_nothing_then(journal: Path) -> None:
    said: list[str] = []
    for _ in range(20):
        inspection = Inspection(journal, said.append)
        inspection.close()
        inspection.close()
        assert inspection.join(0)
    assert said == []


def test_a_large_journal_is_opened_at_once_and_looked_through_behind_that(
    journal: Path, model: Model, skills: SkillCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "CHECKED_BYTES", 1000)
    kept = keep(damaged(journal), model, skills)
    try:
        end = time.monotonic() + 30
        while not kept.troubles and time.monotonic() < end:
            time.sleep(0.01)
        assert "is damaged" in kept.troubles[0]
        kept.note(1)  # and the planner goes on
    finally:
        kept.journal.close()
