"""After a kill everything is as it was: log, places, keys and values, bit by bit, and what comes next as well."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dgemma_ros.context.restoring import Pace
from dgemma_ros.errors import ContextFullError
from dgemma_ros.journal.errors import JournalError
from dgemma_ros.model import Model, open_model
from dgemma_ros.planning import Settings, SkillCatalogue
from tests.desk import write_model
from tests.journal.kept import SETTINGS, Kept, assert_equal, keep, keeping, killed
from tests.runtime.alike import CLOSE

PACE = Pace(at_once=200, slice=150)
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("see"), st.sampled_from([3, 60, 130])),
        st.tuples(st.sampled_from(["note", "pin", "turn", "abandon", "result", "reset", "skills"]), st.just(0)),
    ),
    max_size=16,
)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model whose positions run out."""
    return open_model(write_model(tmp_path_factory.mktemp("short") / "tiny", positions=1300), threads=1)


def do(kept: Kept, skills: SkillCatalogue, number: int, name: str, size: int = 0, bounds: Settings = SETTINGS) -> None:
    match name:
        case "see":
            kept.see(number, size)
        case "note":
            kept.note(number)
        case "pin":
            with suppress(ContextFullError):
                kept.context.add_note(f"pin: {number}")
        case "turn":
            kept.turn(number)
        case "abandon":
            kept.turn(number, kept=False)
        case "result":
            kept.result(number - 1)
        case "reset":
            kept.context.reset()
        case "skills":
            kept.context.declare(skills.without(["turn"] if number % 2 else []), bounds)
            kept.recorder.sync()


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(operations=OPERATIONS, whole=st.booleans(), narrow=st.booleans())
def test_a_restart_changes_nothing(
    model: Model,
    short: Model,
    skills: SkillCatalogue,
    tmp_path_factory: pytest.TempPathFactory,
    operations: list[tuple[str, int]],
    whole: bool,
    narrow: bool,
) -> None:
    folder = tmp_path_factory.mktemp("kept")
    used = short if narrow else model
    bounds = replace(SETTINGS, context_tokens=1000) if narrow else SETTINGS
    with keeping(folder / "memory.db", used, skills, bounds) as live:
        for number, (name, size) in enumerate(operations):
            do(live, skills, number, name, size, bounds)
        copy = killed(live, folder / "copy")
        now = live.context.restoring is None
        assert now
        usable = skills.without(["turn"]) if live.context._skills.off else skills
        with keeping(copy, used, usable, bounds, pace=None if whole else PACE) as again:
            assert not again.journal.warnings
            again.restore_all()
            assert_equal(again.context, live.context)
            exact = live.context.sequence.layout == again.context.sequence.layout  # not after a task that was abandoned
            for kept in (live, again):
                do(kept, usable, 1000, "see", 40), do(kept, usable, 1001, "turn")
            assert [s.id for s in live.context.log.segments] == [s.id for s in again.context.log.segments]
            for one, two in zip(live.context.sequence.rows(2), again.context.sequence.rows(2), strict=True):
                np.testing.assert_allclose(one, two, rtol=0, atol=0 if exact else CLOSE)
            second = killed(again, folder / "second")
            with keeping(second, used, usable, bounds) as third:
                third.restore_all()
                assert not third.journal.warnings
                assert_equal(third.context, again.context)


def test_the_newest_is_there_at_once_and_the_rest_comes_in_slices(
    model: Model, skills: SkillCatalogue, tmp_path: Path
) -> None:
    with keeping(tmp_path / "memory.db", model, skills) as live:
        for number in range(6):
            live.see(number)
            live.note(number) if number < 4 else None
        copy = killed(live, tmp_path / "copy")
    with keeping(copy, model, skills, pace=PACE) as again:
        restoring = again.context.restoring
        assert restoring is not None and again.context.log.segments[-1].id == live.context.log.segments[-1].id
        figures = again.journal.figures()
        assert figures is not None and figures.restoring == restoring.left > 0
        before = len(again.context.log.segments)
        again.turn(50)  # planning is possible meanwhile
        again.see(51, 20)
        slices = 0
        while again.context.restoring is not None:
            again.context.restore_slice()
            slices += 1
        assert slices > 2 and len(again.context.log.segments) > before + 2
        assert again.context.sequence.length == again.context.info.tokens
        third = killed(again, tmp_path / "third")
    with keeping(third, model, skills) as last:
        last.restore_all()
        assert_equal(last.context, again.context)


def test_other_skills_are_told_and_all_is_read_again(model: Model, skills: SkillCatalogue, tmp_path: Path) -> None:
    with keeping(tmp_path / "memory.db", model, skills) as live:
        live.see(1), live.note(2), live.turn(3)
    with keeping(tmp_path / "memory.db", model, skills.without(["turn"])) as again:
        assert [s.id for s in again.context.log.segments] == [s.id for s in live.context.log.segments]
        assert len(again.journal.warnings) == 1 and "read again: the skills are others" in again.journal.warnings[0]
        again.note(4)
        copy = killed(again, tmp_path / "copy")
        with keeping(copy, model, skills.without(["turn"])) as third:
            assert not third.journal.warnings
            assert_equal(third.context, again.context)


def test_time_goes_on(model: Model, skills: SkillCatalogue, tmp_path: Path) -> None:
    with keeping(tmp_path / "memory.db", model, skills) as live:
        live.see(10), live.see(75)
    with keeping(tmp_path / "memory.db", model, skills) as again:
        again.see(80)
        assert [s.summary for s in again.context.log.segments] == ["00:00", "01:05", "01:10"]
        newest = again.context.newest
        assert newest is not None and again.context.info.newest_age is not None


def test_smaller_bounds_hold_at_once(model: Model, skills: SkillCatalogue, tmp_path: Path) -> None:
    with keeping(tmp_path / "memory.db", model, skills) as live:
        for number in range(6):
            live.see(number)
    small = Settings(max_frames=2, context_tokens=2000)
    with keeping(tmp_path / "memory.db", model, skills, small, pace=PACE) as again:
        again.restore_all()
        assert [s.id for s in again.context.log.segments] == [5, 6]
    fewer = Settings(max_frames=9, context_tokens=len(live.context.pieces.system) + 64 + 250)
    with keeping(tmp_path / "memory.db", model, skills, fewer, pace=PACE) as third:
        third.restore_all()
        assert third.context.info.tokens + 64 <= third.context.limit
        assert third.context.log.segments[-1].id == 6


def test_a_reset_forgets_what_was_still_away(model: Model, skills: SkillCatalogue, tmp_path: Path) -> None:
    with keeping(tmp_path / "memory.db", model, skills) as live:
        for number in range(6):
            live.see(number)
    with keeping(tmp_path / "memory.db", model, skills, pace=PACE) as again:
        assert again.context.restoring is not None
        again.context.reset()
        again.note(1)
    with keeping(tmp_path / "memory.db", model, skills) as third:
        assert [s.summary for s in third.context.log.segments] == ["note 1"]


def test_a_kill_while_it_comes_back_loses_nothing(model: Model, skills: SkillCatalogue, tmp_path: Path) -> None:
    with keeping(tmp_path / "memory.db", model, skills) as live:
        for number in range(6):
            live.see(number)
        first = killed(live, tmp_path / "first")
    with keeping(first, model, skills, pace=PACE) as again:
        again.context.restore_slice()
        assert again.context.restoring is not None
        second = killed(again, tmp_path / "second")
    with keeping(second, model, skills) as third:
        third.restore_all()
        assert_equal(third.context, live.context)


def test_what_had_not_been_read_is_back_too(model: Model, skills: SkillCatalogue, tmp_path: Path) -> None:
    """The model is busy for seconds, and what comes in meanwhile is told at once."""
    with keeping(tmp_path / "memory.db", model, skills, later=True) as live:
        live.see(1)
        live.context.read()
        live.recorder.sync()
        live.see(2), live.note(3)
        copy = killed(live, tmp_path / "copy")
        with keeping(copy, model, skills, later=True) as again:
            assert [segment.id for segment in again.context.log.segments] == [1, 2, 3]
            assert not again.journal.warnings and again.context.behind == live.context.behind > 0
            for kept in (again, live):
                kept.context.read()
                kept.recorder.sync()
            assert_equal(again.context, live.context)
            third = killed(again, tmp_path / "third")
        with keeping(third, model, skills, later=True) as last:
            last.restore_all()
            assert last.context.behind == 0
            assert_equal(last.context, live.context)


def test_what_is_pinned_is_there_at_once(model: Model, skills: SkillCatalogue, tmp_path: Path) -> None:
    with keeping(tmp_path / "memory.db", model, skills) as live:
        live.see(0), live.note(1)
        live.context.add_note("pin: the dog bites")
        for number in range(2, 6):
            live.see(number)
        copy = killed(live, tmp_path / "copy")
    with keeping(copy, model, skills, pace=PACE) as again:
        assert again.context.log.segments[0].summary == "the dog bites"
        assert again.context.restoring is not None and again.context.restoring.left > 200
        again.restore_all()
        assert_equal(again.context, live.context)


def test_two_planners_never_share_one(model: Model, skills: SkillCatalogue, tmp_path: Path) -> None:
    with keeping(tmp_path / "memory.db", model, skills), pytest.raises(JournalError, match="another planner keeps it"):
        keep(tmp_path / "memory.db", model, skills)
    with keeping(tmp_path / "memory.db", model, skills):
        pass


def test_positions_that_were_made_free_between_rows_come_back_bit_by_bit(
    skills: SkillCatalogue, tmp_path: Path
) -> None:
    short = open_model(write_model(tmp_path / "tiny", positions=2200), threads=1)
    bounds = replace(SETTINGS, max_frames=99, max_notes=99, context_tokens=0, keyframe_change=0.07)
    with keeping(tmp_path / "memory.db", short, skills, bounds) as live:
        for number in range(70):  # every second is a keyframe, so that what goes stood between what stays
            live.see(number // 2, 40)
            if live.context.cramped:
                live.context.shift()
            if number % 10 == 5:
                live.turn(number)
        shifts = [one for one in live.context.sequence.shifts if len(one) > 1]
        assert shifts and live.context.info.rebuilds == 0
        live.see(41, 40)
        file = killed(live, tmp_path / "killed")
        with keeping(file, short, skills, bounds) as back:
            back.restore_all()
            assert_equal(live.context, back.context)
