"""A kill while all is read anew, slice by slice: what came in and what was forgotten meanwhile is known."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from dgemma_ros.journal.archive import Archive
from dgemma_ros.model import Model
from dgemma_ros.planning import SkillCatalogue
from tests.journal.kept import SETTINGS, Kept, content, keeping, killed

SLICE = 150


def read_slice(kept: Kept, tokens: int = SLICE) -> None:
    kept.context.read(tokens)
    kept.recorder.sync()


def begin(kept: Kept, skills: SkillCatalogue) -> None:
    """Frames and notes that are read and told, and then, with other skills, a rebuild that is not done."""
    for number in range(1, 4):
        kept.see(number), kept.note(number)
    kept.context.read()
    kept.recorder.sync()
    kept.context.declare(skills, SETTINGS)
    read_slice(kept)
    assert kept.context.behind > SLICE


def assert_remembered(again: Kept, live: Kept) -> None:
    assert [content(s) for s in again.context.log.segments] == [content(s) for s in live.context.log.segments]
    while again.context.behind:
        read_slice(again)
    assert again.context.sequence.length == again.context.info.tokens == live.context.info.tokens


@pytest.fixture
def fewer(skills: SkillCatalogue) -> SkillCatalogue:
    return skills.without(["turn"])


def test_what_comes_in_is_told_at_once(
    model: Model, skills: SkillCatalogue, fewer: SkillCatalogue, tmp_path: Path
) -> None:
    with keeping(tmp_path / "memory.db", model, skills, later=True) as live:
        begin(live, fewer)
        live.see(4), live.note(4)
        read_slice(live, 30)
        live.see(5), live.note(5)
        assert live.context.behind
        copy = killed(live, tmp_path / "copy")
        with closing(Archive(copy)) as archive:
            frames = [entry.id for entry in archive.segments() if entry.kind == "frame"]
            assert [number for number, _ in archive.pictures()] == frames and len(frames) == 5
        with keeping(copy, model, fewer, later=True) as again:
            assert_remembered(again, live)


def test_a_kill_while_it_is_read_again_after_a_kill(
    model: Model, skills: SkillCatalogue, fewer: SkillCatalogue, tmp_path: Path
) -> None:
    with keeping(tmp_path / "memory.db", model, skills, later=True) as live:
        live.context.add_note("pin: the dog bites")
        begin(live, fewer)
        copy = killed(live, tmp_path / "copy")
    with keeping(copy, model, fewer, later=True) as again:
        read_slice(again)
        again.see(4), again.note(4)
        again.context.add_note("unpin: the dog")
        third = killed(again, tmp_path / "third")
        with keeping(third, model, fewer, later=True) as last:
            assert 1 not in [segment.id for segment in last.context.log.segments]
            assert_remembered(last, again)


@pytest.mark.parametrize("back", [False, True])
def test_what_is_forgotten_does_not_come_back(
    model: Model, skills: SkillCatalogue, fewer: SkillCatalogue, tmp_path: Path, back: bool
) -> None:
    """Nor where the restart has the skills of before, so that the rows would fit."""
    with keeping(tmp_path / "memory.db", model, skills, later=True) as live:
        live.context.add_note("pin: the dog bites")
        begin(live, fewer)
        live.context.add_note("unpin: the dog")
        copy = killed(live, tmp_path / "copy")
        with closing(Archive(copy)) as archive:  # it is kept all the same
            assert [entry.id for entry in archive.segments()] == list(range(1, 8))
        with keeping(copy, model, skills if back else fewer, later=True) as again:
            assert len(again.journal.warnings) == 1 and "gone" not in again.journal.warnings[0]
            assert 1 not in [segment.id for segment in again.context.log.segments]
            if back:
                live.context.declare(skills, SETTINGS)
            assert_remembered(again, live)
            fourth = killed(again, tmp_path / "fourth")
        with keeping(fourth, model, skills if back else fewer, later=True) as last:
            last.restore_all()
            assert not last.journal.warnings
            assert_remembered(last, live)


def test_what_came_before_anything_was_read(model: Model, skills: SkillCatalogue, tmp_path: Path) -> None:
    with keeping(tmp_path / "memory.db", model, skills, later=True) as live:
        live.see(1), live.note(2)
        copy = killed(live, tmp_path / "copy")
        with keeping(copy, model, skills, later=True) as again:
            assert not again.journal.warnings
            assert_remembered(again, live)


FULL = """
import resource, signal, sys, time
from pathlib import Path
from dgemma_ros.model import open_model
from dgemma_ros.planning import SkillCatalogue
from tests.desk import SKILLS
from tests.journal.kept import keep
from tests.journal.test_rebuild import begin
skills = SkillCatalogue.of(SKILLS)
kept = keep(Path(sys.argv[2]), open_model(Path(sys.argv[1]), threads=1), skills, later=True)
begin(kept, skills.without(["turn"]))
assert kept.journal.flush()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
kept.note(4)
assert not kept.journal.flush()
kept.note(5)
kept.context.log.evict([1])
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
end = time.monotonic() + 30
while kept.journal.figures().failing and time.monotonic() < end:
    time.sleep(0.05)
kept.note(6)
assert kept.journal.flush() and kept.context.behind and not kept.errors, kept.errors
print(*[segment.id for segment in kept.context.log.segments], flush=True)
signal.raise_signal(signal.SIGKILL)
"""


def test_a_disk_that_has_room_again_is_told_before_the_rebuild_is_done(
    model: Model, fewer: SkillCatalogue, tmp_path: Path
) -> None:
    script = [sys.executable, "-c", FULL, str(model.folder), str(tmp_path / "memory.db")]
    done = subprocess.run(script, capture_output=True, text=True, timeout=120, env=os.environ)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with keeping(tmp_path / "memory.db", model, fewer, later=True) as again:
        assert [segment.id for segment in again.context.log.segments] == list(map(int, done.stdout.split()))
