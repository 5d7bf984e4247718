"""Background work in units, none longer than a step but what cannot be cut: after each a waiting task goes first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgemma_ros.checkpoint.config import LayerKind
from dgemma_ros.context.context import Context
from dgemma_ros.context.segments import FrameSegment, NoteSegment, Reply
from dgemma_ros.model import Model
from dgemma_ros.planning import Settings, SkillCatalogue
from dgemma_ros.planning.budget import StepTimes
from dgemma_ros.planning.settings import Preemption
from dgemma_ros.planning.worker import SLICE
from tests.desk import Desk, Later, frame
from tests.scripted import Says, call, scripted

TOKEN, STEP = 0.01, 0.5
"""Seconds of a token that is read, and of a denoising step: a step is as long as 50 tokens."""
SETTINGS = Settings(max_notes=99, max_frames=99, frame_rate=1000.0, keyframe_change=0, preemption=Preemption.QUEUE)
STOP = Reply((("stop", {}),))


class Slow:
    """A session whose tokens take their time by a clock; ``then`` is called after each run."""

    def __init__(self, session: Any, clock: Later) -> None:
        self._session, self._clock = session, clock
        self.read: list[int] = []
        self.then: Callable[[], None] = lambda: None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def encode(self, cache: Any, rows: Any, feeds: Any) -> None:
        self._session.encode(cache, rows, feeds)
        self._clock.ahead += TOKEN * len(rows)
        self.read.append(len(rows))
        self.then()


def slow_desk(model: Model, skills: SkillCatalogue, clock: Later) -> tuple[Desk, Slow, Says]:
    says, times = Says(model, call("stop{}")), StepTimes(clock)
    mind = scripted(model, says)
    session = Slow(mind.session, clock)
    desk = Desk(replace(mind, session=session), skills, SETTINGS, times=times, clock=clock)  # type: ignore[arg-type]
    times.record(100, STEP)
    return desk, session, says


def test_what_is_read_anew_is_read_in_slices_no_longer_than_a_step_and_tasks_go_first(
    model: Model, skills: SkillCatalogue
) -> None:
    clock = Later()
    desk, session, says = slow_desk(model, skills, clock)
    for number in range(40):
        desk.planner.add_note(f"note {number} of a long history, which has to be read again")
    desk.planner.set_skill_enabled("turn", False)  # another system turn: all of it is read again
    asked = 0

    def ask_meanwhile() -> None:
        nonlocal asked
        if asked < 3 and len(session.read) % 4 == 3:
            asked += 1
            desk.submit("what now", received=clock(), budget=20.0)

    session.read.clear()
    session.then = ask_meanwhile
    try:
        desk.planner.start()
        desk.seen.wait(lambda: len(desk.seen.plans) >= 3 and not desk.planner.context_info().behind)
        units = desk.planner.statistics().unit_time
        assert desk.planner.stop(30)
    finally:
        desk.planner.close()
    # The first slices are longer, as nobody knows yet how long they take; the others are fitted to the step.
    assert units.count > 5 and units.p50 <= STEP + 0.1
    assert all(plan.valid for plan in desk.seen.plans[:3]), [plan.status for plan in desk.seen.plans]
    whole = says.read(-1)
    assert "note 39" in whole  # the newest, if not all before it


@pytest.fixture(scope="module")
def mind(model: Model) -> Model:
    return scripted(model, lambda asked: ([], 0.0))


def ids(context: Context) -> list[int]:
    cache: Any = context.sequence.cache
    return cache.rows[LayerKind.FULL][: context.sequence.length].astype(int).tolist()


def see(context: Context, number: int) -> None:
    context.add_frame(frame(number, number), np.full((6, 1), 1.0, np.float32))


@given(
    st.lists(
        st.one_of(
            st.sampled_from(["frame", "note", "turn", "task", "long", "skills"]),
            st.integers(1, 80),
            st.tuples(st.just("tail"), st.integers(0, 60)),
        ),
        max_size=25,
    )
)
def test_read_in_slices_it_is_as_if_it_had_been_read_at_once(
    mind: Model, skills: SkillCatalogue, steps: list[Any]
) -> None:
    """With evictions, tasks and other skills in between; and a task is read behind what there is and the newest."""
    bounds = replace(SETTINGS, max_frames=3, max_notes=4, max_turns=2)
    late, once = Context(mind, skills, bounds, later=True), Context(mind, skills, bounds)
    for number, step in enumerate(steps):
        if isinstance(step, int):
            before = late.behind
            count = late.read(step)
            assert late.behind == before - count and count <= max(step, 20)  # a picture is not cut
            continue
        if isinstance(step, tuple):
            late.catch_up = step[1]
            late.begin("a task that is called off")
            skipped = late.mirror.skipped
            assert len(skipped) == 0 or sum(late.mirror.places.tokens[skipped.stop :]) <= step[1]
            seen = [s for i, s in enumerate(late.log.segments) if i not in skipped and isinstance(s, FrameSegment)]
            assert late.seen is (seen[-1].frame if seen else None)
            late.abandon()
            continue
        late.catch_up = None if number % 2 else 20
        for context in (late, once):
            match step:
                case "frame":
                    see(context, number)
                case "note" | "long":
                    context.add_note(f"note {number} " * (30 if step == "long" else 1))
                case "turn" | "task":
                    context.begin(f"task {number}")
                    context.commit(f"task {number}", STOP) if step == "turn" else context.abandon()
                case "skills":
                    context.declare(skills.without(["turn"] if number % 2 else []), bounds)
        assert late.info.tokens == once.info.tokens
    assert [type(s) for s in late.log.segments] == [type(s) for s in once.log.segments]
    assert late.info.behind == late.behind
    assert ids(late) == ids(once) and late.behind == 0 and late.mirror.tokens == once.mirror.tokens


def test_a_task_is_read_behind_the_newest_that_there_is_time_for(mind: Model, skills: SkillCatalogue) -> None:
    context = Context(mind, skills, SETTINGS, later=True)
    see(context, 1)
    for number in range(20):
        context.add_note(f"note {number}")
    see(context, 2)
    context.read(40)
    context.catch_up = 60
    context.begin("go")
    text = mind.chat.tokenizer.decode(ids(context))
    assert "note 19" in text and "note 10\n" not in text
    assert context.seen is not None and context.seen.stamp_ns == 2 * 10**9
    context.commit("go", STOP)
    assert context.behind and context.log.segments[-1].frame_id == context.log.segments[-2].id  # type: ignore[attr-defined]
    context.catch_up = 0
    context.begin("again")
    assert context.seen is not None and context.seen.stamp_ns == 10**9  # of the newest one nothing was read
    context.abandon()
    while context.read(SLICE):
        pass
    assert context.behind == 0


def test_pinned_notes_stay_until_they_are_unpinned(mind: Model, skills: SkillCatalogue) -> None:
    context = Context(mind, skills, replace(SETTINGS, max_notes=3))
    context.add_note("Pin: the left tray is closed")
    for number in range(5):
        context.add_note(f"note {number}")
    infos = context.info.segments[1:]
    assert [(one.summary, one.pinned) for one in infos] == [
        ("the left tray is closed", True),
        ("note 3", False),
        ("note 4", False),
    ]
    context.add_note("pin: the right one, too")
    with pytest.raises(Exception, match="2 notes are pinned, and one more would leave too little room"):
        context.add_note("pin: and all others")
    context.add_note("unpin: the LEFT")
    assert [note.text for note in context.log.segments if isinstance(note, NoteSegment) and note.pinned] == [
        "the right one, too"
    ]
    context.add_note("unpin:")
    assert not any(one.pinned for one in context.info.segments)


def test_a_frame_costs_the_same_after_hours_as_after_minutes(mind: Model, skills: SkillCatalogue) -> None:
    """Counted in calls of the interpreter, not in time: what the host does for a frame does not grow with the log."""
    import sys

    context = Context(mind, skills, Settings(max_frames=100_000), later=False)

    def calls(first: int) -> int:
        count = 0

        def trace(*_: Any) -> None:
            nonlocal count
            count += 1

        sys.setprofile(trace)
        try:
            for number in range(first, first + 20):
                see(context, number)
        finally:
            sys.setprofile(None)
        return count

    for number in range(400):
        see(context, number)  # the bound is reached
    few = calls(400)
    for number in range(420, 1200):
        see(context, number)
    assert calls(1200) < 1.3 * few
