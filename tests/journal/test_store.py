"""Bounds, disks that are full, and what the journal's thread does meanwhile."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from dgemma_ros.context.segments import FrameSegment
from dgemma_ros.journal.archive import Archive
from dgemma_ros.journal.store import Limits
from dgemma_ros.model import Model
from dgemma_ros.planning import SkillCatalogue
from tests.journal.kept import SETTINGS, assert_equal, keep, keeping, killed


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir() if not file.name.endswith(("-shm", ".lock")))


def test_bytes_are_bounded_oldest_first(model: Model, skills: SkillCatalogue, tmp_path: Path) -> None:
    bound = 1_500_000
    with keeping(tmp_path / "memory.db", model, skills, limits=Limits(bound)) as live:
        for number in range(60):
            live.see(number)
            if number % 6 == 0:
                assert live.journal.flush()
                assert size(tmp_path) < 1.3 * bound
        assert live.journal.flush()
        figures = live.journal.figures()
        assert figures is not None and figures.pruned > 0 and figures.bytes <= bound
        copy = killed(live, tmp_path / "copy")
    with keeping(copy, model, skills) as again:
        again.restore_all()
        assert_equal(again.context, live.context)
    with closing(Archive(copy)) as archive:
        ids = [entry.id for entry in archive.segments()]
        assert ids == list(range(ids[0], 61)) and 1 < ids[0] < 50


def test_a_bound_below_what_is_remembered_takes_the_oldest_of_that(
    model: Model, skills: SkillCatalogue, tmp_path: Path
) -> None:
    with keeping(tmp_path / "memory.db", model, skills, limits=Limits(500_000)) as live:
        for number in range(12):
            live.see(number)
        assert live.journal.flush()
        copy = killed(live, tmp_path / "copy")
    assert size(tmp_path / "copy") < 700_000
    with keeping(copy, model, skills) as again:
        again.restore_all()
        kept = [segment.id for segment in again.context.log.segments]
        assert kept == [segment.id for segment in live.context.log.segments][-len(kept) :]


def test_age_is_bounded_but_not_of_what_is_remembered(model: Model, skills: SkillCatalogue, tmp_path: Path) -> None:
    with keeping(tmp_path / "memory.db", model, skills, limits=Limits(max_age=1e-3)) as live:
        for number in range(10):
            live.see(number)
        assert live.journal.flush()
        live.note(1)
        assert live.journal.flush()
        with closing(Archive(tmp_path / "memory.db")) as archive:
            assert [entry.id for entry in archive.segments()] == [own.id for own in live.context.log.segments]


FULL = """
import resource, signal, sys
from pathlib import Path
from dgemma_ros.model import open_model
from dgemma_ros.planning import SkillCatalogue
from tests.desk import SKILLS
from tests.journal.kept import keep
kept = keep(Path(sys.argv[2]), open_model(Path(sys.argv[1]), threads=1), SkillCatalogue.of(SKILLS))
kept.see(0); waits = kept.journal.arrivals.note("read while nothing can be written"); assert kept.journal.flush()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
for number in range(1, 12):
    kept.see(number)
    kept.journal.flush()
figures = kept.journal.figures()
kept.journal.arrivals.gone(waits)
assert figures.failing and figures.dropped > 0, figures
assert len(kept.troubles) == 1 and "cannot be written" in kept.troubles[0], kept.troubles
assert kept.context.begin("a task") > 0
kept.context.abandon()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
import time
end = time.monotonic() + 30
while kept.journal.figures().failing and time.monotonic() < end:
    time.sleep(0.05)
assert len(kept.troubles) == 2 and "can be written again" in kept.troubles[1], kept.troubles
kept.note(1)
assert kept.journal.flush() and not kept.journal.figures().failing and not kept.errors, kept.errors
print(*[segment.id for segment in kept.context.log.segments])
kept.journal.close()
"""


def test_a_full_disk_warns_once_and_all_is_told_when_there_is_room(
    model: Model, skills: SkillCatalogue, tmp_path: Path
) -> None:
    script = [sys.executable, "-c", FULL, str(model.folder), str(tmp_path / "memory.db")]
    done = subprocess.run(script, capture_output=True, text=True, timeout=300, env=os.environ)
    assert done.returncode == 0, done.stderr
    with keeping(tmp_path / "memory.db", model, skills) as again:
        again.restore_all()
        assert not again.journal.warnings
        assert [segment.id for segment in again.context.log.segments] == list(map(int, done.stdout.split()))
        assert again.journal.waiting == ()  # what became of it was not told while the disk was full


def test_pictures_are_kept_as_they_were_seen(model: Model, skills: SkillCatalogue, tmp_path: Path) -> None:
    import cv2
    import numpy as np

    rgb = np.zeros((48, 64, 3), np.uint8)
    rgb[:, 32:] = (250, 20, 20)
    with keeping(tmp_path / "memory.db", model, skills) as live:
        live.see(1)
        live.recorder.picture(live.context.log.segments[-1], rgb)
        assert isinstance(live.context.log.segments[-1], FrameSegment) and live.journal.flush()
    with closing(Archive(tmp_path / "memory.db")) as archive:
        ((number, jpeg),) = archive.pictures()
    shown = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert number == 1 and np.abs(shown.astype(int) - rgb).mean() < 8


def test_nobody_waits_for_the_journal(model: Model, skills: SkillCatalogue, tmp_path: Path) -> None:
    """A reader that holds the file up holds up the journal's thread alone."""
    live = keep(tmp_path / "memory.db", model, skills, SETTINGS)
    try:
        live.see(0)
        assert live.journal.flush()
        with closing(sqlite3.connect(tmp_path / "memory.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            began = time.monotonic()
            live.note(1)
            assert not live.journal.flush(0.5) and time.monotonic() - began < 3
            other.execute("ROLLBACK")
        assert live.journal.flush(30)
    finally:
        live.journal.close()
