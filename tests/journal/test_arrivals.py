"""What waits behind a long task is in the journal within a second, and read after a restart."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from dgemma_ros.context.results import ResultStatus
from dgemma_ros.journal import schema
from dgemma_ros.journal.archive import Archive
from dgemma_ros.journal.arrivals import Note, Result, Waiting
from dgemma_ros.journal.journal import Journal
from dgemma_ros.model import Model
from dgemma_ros.planning import Frame, SkillCatalogue
from tests.desk import Desk, frame
from tests.journal.busy import SETTINGS, BusyDesk


def waiting(file: Path) -> list[Waiting]:
    with closing(Archive(file)) as archive:
        return archive.waiting(lambda _: 0.0)


@contextmanager
def busy(file: Path, model: Model) -> Iterator[BusyDesk]:
    desk = BusyDesk(model, file)
    try:
        yield desk
    finally:
        desk.close()


@contextmanager
def again(file: Path, model: Model, skills: SkillCatalogue) -> Iterator[Desk]:
    """The planner that starts behind a kill."""
    journal = Journal(file, model)
    desk = Desk(model, skills, SETTINGS, journal=journal)
    try:
        yield desk
        assert journal.flush()
    finally:
        desk.planner.close()
        journal.close()


def as_killed(desk: BusyDesk, file: Path) -> Path:
    """The files as a kill would leave them now, when all that was told is on the disk."""
    assert desk.journal.flush()
    (to := file.parent / "killed").mkdir()
    for name in (file.name, f"{file.name}-wal"):
        shutil.copy(file.parent / name, to / name)
    return to / file.name


def remembered(desk: Desk) -> list[str]:
    return [segment.summary for segment in desk.planner.context_info().segments[1:]]


def test_all_that_came_a_second_before_a_kill_is_back(model: Model, skills: SkillCatalogue, tmp_path: Path) -> None:
    chance = random.Random(4)
    for kill in range(3):
        file = tmp_path / f"{kill}.db"
        command = [sys.executable, "-m", "tests.journal.busy", str(model.folder), str(file)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        with process.stdout as said:
            said.readline()
            time.sleep(chance.uniform(1.1, 1.9))
            process.kill()
            killed = time.monotonic()
            lines = said.read().splitlines()
            process.wait()
        told = [json.loads(line) for line in lines if line.endswith("}")]
        old = [line["number"] for line in told if line["at"] < killed - 1.0]
        found = waiting(file)
        assert old and len(found) >= len(old)
        for number, one in enumerate(found, 1):
            match one.content:
                case Note(text):
                    assert number % 3 == 0 and text == f"note {number}"
                case Result() as result:
                    assert number % 3 == 1 and result.step == number and result.arguments == {"object": "cup"}
                case Frame() as seen:
                    assert number % 3 == 2 and seen.camera == f"camera {number}" and seen.rgb.shape == (48, 64, 3)
    with again(file, model, skills) as desk:
        kept = remembered(desk)
        assert {f"note {number}" for number in old if number % 3 == 0} <= set(kept)
        assert any("slipped" in one for one in kept)
        desk.planner.start()
        desk.seen.wait(lambda: desk.planner.context_info().frames == SETTINGS.max_frames)
    assert [one for one in waiting(file) if not isinstance(one.content, Frame)] == []


def test_it_is_there_while_the_task_runs_and_no_longer_when_it_was_read(
    model: Model, skills: SkillCatalogue, tmp_path: Path
) -> None:
    file = tmp_path / "memory.db"
    with busy(file, model) as desk:
        desk.planner.add_note("mind the dog")
        desk.planner.add_result("p-1", 0, ResultStatus.SUCCEEDED, skill="pick", arguments={"object": "cup"})
        slope = np.linspace(0, 255, 48 * 64 * 3).astype(np.uint8).reshape(48, 64, 3)
        assert desk.planner.add_frame(replace(frame(3, 3.0), rgb=slope))
        assert desk.journal.flush()
        note, result, seen = waiting(file)
        assert note.content == Note("mind the dog")
        assert result.content == Result("p-1", 0, ResultStatus.SUCCEEDED, "", "pick", {"object": "cup"})
        assert isinstance(seen.content, Frame) and seen.content.stamp_ns == 3 * 10**9
        assert np.abs(seen.content.rgb.astype(int) - slope).mean() < 3
        left = as_killed(desk, file)
        desk.busy.go.set()
        desk.seen.wait(lambda: desk.planner.context_info().frames == 1)
        desk.planner.stop()
        assert desk.journal.flush() and waiting(file) == []
    for own in (file, left):
        with again(own, model, skills) as restarted:
            assert remembered(restarted).count("mind the dog") == 1
            restarted.planner.start()
            restarted.seen.wait(lambda: restarted.planner.context_info().frames == 1)
    assert waiting(left) == []


def test_what_nobody_will_read_does_not_come_back(model: Model, skills: SkillCatalogue, tmp_path: Path) -> None:
    file = tmp_path / "memory.db"
    with busy(file, model) as desk:
        for number in range(SETTINGS.max_notes + 3):  # the oldest go unread
            desk.planner.add_note(f"note {number}")
        for number in range(3):  # each takes the place of the one before
            assert desk.planner.add_frame(frame(number, number, received=time.monotonic() + number))
        assert desk.journal.flush()
        found = [one.content for one in waiting(file)]
        assert found[:-1] == [Note(f"note {number}") for number in range(3, SETTINGS.max_notes + 3)]
        assert isinstance(found[-1], Frame) and found[-1].stamp_ns == 2 * 10**9
        desk.planner.reset_context()
        assert desk.journal.flush() and waiting(file) == []
        desk.planner.add_note("the last word")
    with again(file, model, skills) as restarted:  # it was closed before that was read
        assert "the last word" in remembered(restarted)


def test_what_does_not_fit_is_told_once(model: Model, skills: SkillCatalogue, tmp_path: Path) -> None:
    file = tmp_path / "memory.db"
    with busy(file, model) as desk:
        desk.planner.add_note("word " * 6000)
        assert desk.journal.flush() and len(waiting(file)) == 1
        desk.busy.go.set()
        desk.seen.wait(lambda: any("does not fit" in event.text for event in desk.seen.events))
        desk.planner.stop()
        assert desk.journal.flush() and waiting(file) == []


def test_a_damaged_one_is_passed_over(model: Model, skills: SkillCatalogue, tmp_path: Path) -> None:
    file = tmp_path / "memory.db"
    with busy(file, model) as desk:
        desk.planner.add_note("one"), desk.planner.add_note("two"), desk.planner.add_frame(frame(1, 1.0))
        left = as_killed(desk, file)
    with closing(schema.connect(left)) as connection:
        connection.execute("UPDATE arrivals SET content = 'nonsense' WHERE number = 1")
        connection.execute("UPDATE arrivals SET picture = zeroblob(50) WHERE kind = 'frame'")
    assert [one.content for one in waiting(left)] == [Note("two")]
    with again(left, model, skills) as desk:
        assert remembered(desk) == ["two"]


def test_a_journal_from_before_has_room_for_them(model: Model, skills: SkillCatalogue, tmp_path: Path) -> None:
    file = tmp_path / "memory.db"
    with again(file, model, skills) as desk:
        desk.planner.add_note("from before")
    with closing(schema.connect(file)) as connection:
        connection.execute("DROP TABLE arrivals")
    with again(file, model, skills) as desk:
        desk.planner.add_note("and now")
        assert remembered(desk) == ["from before", "and now"]
