"""Files are not trusted: cut, overwritten, another's, or no journal at all; a planner starts all the same."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dgemma_ros.context.segments import FrameSegment, NoteSegment, TurnSegment
from dgemma_ros.errors import DgemmaError
from dgemma_ros.journal.archive import Archive
from dgemma_ros.journal.errors import JournalError
from dgemma_ros.journal.journal import Journal
from dgemma_ros.journal.schema import FORMAT
from dgemma_ros.model import Model
from dgemma_ros.planning import SkillCatalogue
from tests.conftest import Models
from tests.journal.kept import Kept, assert_equal, content, keep, keeping, killed


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, model: Model, skills: SkillCatalogue) -> tuple[Path, Kept]:
    """A journal as a kill left it, half of it in the write-ahead log; and what it is of."""
    folder = tmp_path_factory.mktemp("written")
    with keeping(folder / "memory.db", model, skills) as live:
        for number in range(3):
            live.see(number), live.note(number), live.turn(number)
        file = killed(live, folder / "copy")
        assert file.with_name(file.name + "-wal").stat().st_size > 10_000
    return file, live


def copied(written: tuple[Path, Kept], to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(written[0].parent, to)
    return to / written[0].name


def is_a_part(ours: Kept, live: Kept) -> bool:
    """Whether all that came back is what was written, and none of it more than once."""
    told = {segment.id: content(segment) for segment in live.context.log.segments}
    found = ours.context.log.segments
    return all(told.get(own.id) == content(own) for own in found) and len({own.id for own in found}) == len(found)


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(["", "-wal"]), st.floats(0, 1, exclude_max=True), st.booleans(), st.integers(0, 255))
def test_cut_or_overwritten_anywhere(
    written: tuple[Path, Kept],
    model: Model,
    skills: SkillCatalogue,
    tmp_path_factory: pytest.TempPathFactory,
    part: str,
    place: float,
    cut: bool,
    value: int,
) -> None:
    """Nothing false comes back, a planner can begin, and a person is told at most once."""
    file = copied(written, tmp_path_factory.mktemp("cut") / "copy")
    target = file.with_name(file.name + part)
    data = bytearray(target.read_bytes())
    at = int(place * len(data))
    if cut:
        del data[at:]
    else:
        data[at : at + 700] = bytes([value]) * len(data[at : at + 700])
    target.write_bytes(data)
    with suppress(JournalError), keeping(file, model, skills) as again:
        again.restore_all()
        assert is_a_part(again, written[1])
        assert len(again.journal.warnings) <= 2, again.journal.warnings
        again.note(77)
        third = killed(again, file.parent / "third")
        with keeping(third, model, skills) as last:
            last.restore_all()
            assert any(isinstance(s, NoteSegment) and s.text == "note 77" for s in last.context.log.segments)


def test_a_wal_that_a_kill_cut_costs_its_tail_only(
    written: tuple[Path, Kept], model: Model, skills: SkillCatalogue, tmp_path: Path
) -> None:
    file = copied(written, tmp_path / "copy")
    wal = file.with_name(file.name + "-wal")
    wal.write_bytes(wal.read_bytes()[:-100])
    with keeping(file, model, skills) as again:
        assert not again.journal.warnings and is_a_part(again, written[1])


def test_a_damaged_row_is_not_put_back(
    written: tuple[Path, Kept], model: Model, skills: SkillCatalogue, tmp_path: Path
) -> None:
    file = copied(written, tmp_path / "copy")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE rows SET contents = zeroblob(length(contents)) WHERE segment = 1")
    with keeping(file, model, skills) as again:
        again.restore_all()
        assert is_a_part(again, written[1]) and len(again.context.log.segments) == len(written[1].context.log.segments)
        assert len(again.journal.warnings) == 1 and "read again" in again.journal.warnings[0]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE segments SET content = substr(content, 1, 20)",
        "UPDATE segments SET content = '00000000{}'",
        "UPDATE segments SET place = '[]'",
        "UPDATE segments SET kind = 'song'",
        "UPDATE segments SET soft = NULL",
        "UPDATE segments SET soft_count = 1 << 40",
        "UPDATE segments SET appended_ns = 'yesterday'",
        "UPDATE rows SET count = 1 << 40",
        "UPDATE rows SET position = -5",
        "UPDATE rows SET first = 'x'",
        "UPDATE rows SET keys = contents",
        "UPDATE windows SET contents = x'00'",
        "UPDATE windows SET first = first + 1",
        "DELETE FROM windows",
        "DELETE FROM rows",
        "UPDATE meta SET value = '[1, 2]' WHERE key = 'numbers'",
        "UPDATE meta SET value = 'x' WHERE key = 'numbers'",
        "UPDATE meta SET value = '[1, 2, 3, 1099511627775, 9, 9]' WHERE key = 'numbers'",
        "INSERT INTO shifts (first, delta) VALUES (0, -100000)",
        "INSERT INTO shifts (first, delta) VALUES ('x', 'y')",
    ],
)
def test_content_that_nobody_wrote(
    written: tuple[Path, Kept], model: Model, skills: SkillCatalogue, tmp_path: Path, statement: str
) -> None:
    file = copied(written, tmp_path / "copy")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement)
    with keeping(file, model, skills) as again:
        again.restore_all()
        assert is_a_part(again, written[1])
        assert len(again.journal.warnings) <= 2
        again.note(5)


def test_another_models_is_set_aside_under_a_telling_name(
    written: tuple[Path, Kept], opened: Models, tmp_path: Path, model: Model, skills: SkillCatalogue
) -> None:
    file = copied(written, tmp_path / "copy")
    journal = Journal(file, opened("images"))
    (warning,) = journal.warnings
    journal.close()
    (aside,) = file.parent.glob("memory.model-*.db")
    assert "of another model" in warning and aside.name in warning
    with closing(Archive(aside)) as archive:
        assert len(archive.segments()) == 9
    aside.replace(file)  # whoever wants it back puts it back
    for name in ("-wal", "-shm"):
        file.with_name(file.name + name).unlink(missing_ok=True)
    with keeping(file, model, skills) as again:
        again.restore_all()
        assert_equal(again.context, written[1].context)


def test_another_version_is_set_aside(
    written: tuple[Path, Kept], model: Model, skills: SkillCatalogue, tmp_path: Path
) -> None:
    file = copied(written, tmp_path / "copy")
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    with pytest.raises(JournalError, match=f"of format {FORMAT + 1}"):
        Archive(file)
    with keeping(file, model, skills) as again:
        assert not again.context.log.segments
        assert f"of format {FORMAT + 1}" in again.journal.warnings[0]
    assert list(file.parent.glob(f"memory.format-{FORMAT + 1}.*.db"))


@pytest.mark.parametrize("made", ["text", "database", "folder", "link", "beneath a file"])
def test_what_is_no_journal_is_never_touched(model: Model, skills: SkillCatalogue, tmp_path: Path, made: str) -> None:
    file = tmp_path / "photos.db"
    match made:
        case "text":
            file.write_text("dear diary")
        case "database":
            with closing(sqlite3.connect(file)) as connection, connection:
                connection.execute("CREATE TABLE photos (name TEXT)")
        case "folder":
            file.mkdir()
        case "link":
            (tmp_path / "elsewhere").write_text("dear diary")
            file.symlink_to(tmp_path / "elsewhere")
        case "beneath a file":
            file.write_text("dear diary")
            file = file / "memory.db"
    before = file.read_bytes() if file.is_file() else None
    with pytest.raises(DgemmaError, match="the parameter journal"):
        keep(file, model, skills)
    assert (file.read_bytes() if file.is_file() else None) == before
    assert not list(tmp_path.glob("*damaged*"))


def test_segments_come_back_with_all_their_fields(written: tuple[Path, Kept], model: Model) -> None:
    """Also fields that somebody adds to a segment: what is not kept would be lost at a restart."""
    with closing(Archive(written[0])) as archive:
        for own in written[1].context.log.segments:
            back = archive.segment(own.id, model.config.text.hidden_size, lambda stamp: 0.0)
            assert content(back) == content(own)
            assert type(back) in (FrameSegment, NoteSegment, TurnSegment)


def test_soft_tokens_of_a_half_model_take_half_the_room(model: Model) -> None:
    import ml_dtypes

    from dgemma_ros.journal.segment_codec import soft_bytes, soft_of

    exact = np.random.default_rng(1).standard_normal((3, 48)).astype(np.float32)
    half: Any = exact.astype(ml_dtypes.bfloat16).astype(np.float32)
    assert len(soft_bytes(half)) * 2 == len(soft_bytes(exact))
    for soft in (exact, half):
        np.testing.assert_array_equal(soft_of(soft_bytes(soft), 3, 48), soft)
