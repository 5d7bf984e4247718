"""Forgotten frames out of the journal: which come, that nothing is left of them, and who is not to come any more."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dgemma_ros.context.context import Context
from dgemma_ros.journal import schema
from dgemma_ros.journal.archive import Archive
from dgemma_ros.journal.journal import Limits
from dgemma_ros.model import Model
from dgemma_ros.planning import Plan, SkillCatalogue
from dgemma_ros.planning.replay import Replayer
from tests.desk import frame
from tests.journal.kept import SETTINGS, STOP, Kept, keeping, killed
from tests.journal.test_replay import SETTINGS as PLANNED
from tests.journal.test_replay import kept as planner_of
from tests.runtime.alike import assert_same

RECALLING = replace(SETTINGS, max_frames=2, recall=2, image_tokens=100, keyframe_change=0)


def begun(kept: Kept, text: str = "what was there") -> list[int]:
    """The ids of the frames that are recalled for a task, which stays open; what is remembered is on the disk."""
    assert kept.journal.flush()
    kept.context.begin(text)
    return [frame.segment for frame in kept.context.recalled]


def rows_of(context: Context) -> list[np.ndarray]:
    sequence = context.sequence
    rows = sequence.export_rows(0, sequence.length, with_keys=True)
    window = sequence.export_window()
    return [rows.orders, rows.positions, *rows.values, *(rows.keys or ()), *window.keys, *window.values]


def test_what_is_recalled_leaves_no_trace(model: Model, skills: SkillCatalogue, tmp_path: Path) -> None:
    with keeping(tmp_path / "memory.db", model, skills, RECALLING) as kept:
        for number in range(6):
            kept.see(number)
        before = rows_of(kept.context)
        assert len(begun(kept)) == 2
        held = {segment.id for segment in kept.context.log.segments}
        assert all(one.segment not in held for one in kept.context.recalled)
        assert [one.label for one in kept.context.recalled] == sorted(one.label for one in kept.context.recalled)
        assert kept.context.current.length > kept.context.info.tokens + 2 * 100
        kept.context.abandon()
        assert kept.context.recalled == ()
        for one, two in zip(before, rows_of(kept.context), strict=True):
            np.testing.assert_array_equal(one, two)


def test_a_turn_is_remembered_as_if_nothing_had_been_recalled(
    model: Model, skills: SkillCatalogue, tmp_path: Path
) -> None:
    with (
        keeping(tmp_path / "a.db", model, skills, RECALLING) as recalling,
        keeping(tmp_path / "b.db", model, skills, RECALLING) as other,
    ):
        other.context.recollection = None
        for kept in (recalling, other):
            for number in range(6):
                kept.see(number)
            assert len(begun(kept, "a task")) == (2 if kept is recalling else 0)
            kept.context.commit("a task", STOP, "stop()", "p-1")
            kept.see(7)
        same = {"appended_ns": 0}
        for one, two in zip(recalling.context.log.segments, other.context.log.segments, strict=True):
            assert type(one) is type(two) and replace(one, **same).summary == replace(two, **same).summary
        for one, two in zip(rows_of(recalling.context), rows_of(other.context), strict=True):
            np.testing.assert_allclose(one, two, atol=1e-5)  # the window lies elsewhere in its buffer: other sums


def test_only_keyframes_come_and_only_while_nobody_asked_for_them_to_go(
    model: Model, skills: SkillCatalogue, tmp_path: Path
) -> None:
    bounds = replace(RECALLING, keyframe_change=0.07)
    with keeping(tmp_path / "memory.db", model, skills, bounds) as kept:
        for number in (1, 1, 1, 2, 2, 3, 3, 3):  # pictures: three that differ
            kept.see(number)
        keyframes = {1, 4, 6} - {segment.id for segment in kept.context.log.segments}
        assert keyframes and set(begun(kept)) == keyframes
        kept.context.reset()
        assert begun(kept) == []
        for number in (4, 5, 6, 7):
            kept.see(number)
        assert begun(kept) and min(begun(kept)) > 8
        file = killed(kept, tmp_path / "killed")
        after = begun(kept)
    with keeping(file, model, skills, bounds) as again:
        assert begun(again) == after


def test_after_a_restart_what_was_forgotten_before_is_recalled(
    model: Model, skills: SkillCatalogue, tmp_path: Path
) -> None:
    with keeping(tmp_path / "memory.db", model, skills, RECALLING) as kept:
        for number in range(8):
            kept.see(number)
        before = begun(kept)
        kept.context.abandon()
        file = killed(kept, tmp_path / "killed")
    with keeping(file, model, skills, RECALLING) as again:
        again.restore_all()
        assert begun(again) == before and len(before) == 2


def test_what_is_damaged_or_gone_is_left_out(model: Model, skills: SkillCatalogue, tmp_path: Path) -> None:
    with keeping(tmp_path / "memory.db", model, skills, RECALLING) as kept:
        for number in range(7):
            kept.see(number)
        first = begun(kept)
        kept.context.abandon()
        with closing(schema.connect(tmp_path / "memory.db")) as connection:
            connection.execute("UPDATE rows SET contents = zeroblob(9) WHERE segment = ?", (first[0],))
            connection.execute("DELETE FROM segments WHERE id = ?", (first[1],))
        kept.context.recollection._keys.clear()  # type: ignore[union-attr]
        second = begun(kept)
        assert len(second) == 2 and not set(first) & set(second)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(st.lists(st.sampled_from(["see", "see", "note", "keep", "drop", "reset"]), min_size=4, max_size=24))
def test_bounds_hold_and_the_cache_is_as_without(
    model: Model, skills: SkillCatalogue, tmp_path_factory: Any, steps: list[str]
) -> None:
    bounds = replace(RECALLING, context_tokens=1500)
    file = tmp_path_factory.mktemp("recall") / "memory.db"
    with keeping(file, model, skills, bounds, Limits(1 << 24)) as kept:
        for number, step in enumerate(["see"] * 4 + steps):
            match step:
                case "see":
                    kept.see(number, 100)
                case "note":
                    kept.note(number)
                case "reset":
                    kept.context.reset()
                case _:
                    asked = begun(kept, f"task {number}")
                    assert kept.context.current.length + model.config.canvas_length <= kept.context.limit
                    assert len(asked) <= 2
                    if step == "keep":
                        kept.context.commit(f"task {number}", STOP, "stop()", f"p-{number}")
                    else:
                        kept.context.abandon()
            assert kept.context.info.tokens == kept.context.sequence.length
        fresh = Context(model, skills, bounds)
        for segment in kept.context.log.segments:
            fresh.log.put_back([segment], segment.id)
        fresh.mirror.follow()
        kept.context.mirror.refresh()
        assert_same(kept.context.sequence, fresh.sequence)


def plans(desk: Any, count: int, **task: Any) -> list[Plan]:
    made = []
    for number in range(count):
        desk.planner.read_frame(frame(number, number))
        made.append(desk.ask(f"what was at {number}", **task))
    return made


def test_a_plan_says_what_it_recalled_and_is_made_again_bit_by_bit(
    model: Model, skills: SkillCatalogue, tmp_path: Path
) -> None:
    file, settings = tmp_path / "memory.db", replace(PLANNED, max_frames=1, recall=2, keyframe_change=0)
    with planner_of(file, model, skills, settings) as desk:
        for number in range(5):
            desk.planner.read_frame(frame(number, number))
        assert desk.planner._journal.flush()  # type: ignore[union-attr]
        made = [desk.ask("what was there"), desk.ask("and what else", remember=False)]
    assert all(len(plan.recalled) == 2 for plan in made)
    assert all(one.camera == "front" and one.stamp_ns < 4 * 10**9 for plan in made for one in plan.recalled)
    with closing(Archive(file)) as archive:
        replayer = Replayer(archive, model)
        for plan in made:
            again = replayer.again(plan.plan_id)
            assert again.equal, again.differences
            assert again.made.recalled == plan.recalled and again.made.context_tokens == plan.context_tokens
            less = replayer.anew(plan.plan_id, [plan.recalled[0].segment])
            assert less.made.recalled == plan.recalled[1:]


@pytest.mark.parametrize(("recall", "frames"), [(0, 0), (1, 1)])
def test_off_by_default_and_never_more_than_asked(
    model: Model, skills: SkillCatalogue, tmp_path: Path, recall: int, frames: int
) -> None:
    settings = replace(PLANNED, max_frames=1, keyframe_change=0, **({"recall": recall} if recall else {}))
    with planner_of(tmp_path / "memory.db", model, skills, settings) as desk:
        for number in range(4):
            desk.planner.read_frame(frame(number, number))
        assert desk.planner._journal.flush()  # type: ignore[union-attr]
        assert len(desk.ask("what was there").recalled) == frames


def test_a_task_that_has_no_time_for_it_goes_without(model: Model, skills: SkillCatalogue, tmp_path: Path) -> None:
    settings = replace(PLANNED, max_frames=1, recall=2, keyframe_change=0)
    with planner_of(tmp_path / "memory.db", model, skills, settings) as desk:
        for number in range(4):
            desk.planner.read_frame(frame(number, number))
        recollection = desk.planner._context.recollection
        assert recollection is not None
        recollection.times.append(10.0)  # type: ignore[attr-defined]
        assert desk.ask("at once", budget=30.0).recalled == ()
