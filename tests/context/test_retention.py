"""What is forgotten: by age, and first where the context holds more than it may."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgemma_ros.context.ladder import Ladder, LadderError
from dgemma_ros.context.results import ResultStatus, SkillResult
from dgemma_ros.context.retention import Coming, Limits, Reason, Retention
from dgemma_ros.context.segments import FrameSegment, NoteSegment, Reply, ResultSegment, Segment, TurnSegment
from tests.desk import frame

FRAME = FrameSegment(frame=frame(1, 1.0), label="00:01", soft=np.zeros((1, 1), np.float32))
KEYFRAME = replace(FRAME, kept="first")
NOTE = NoteSegment(text="a note")
PINNED = NoteSegment(text="a note", pinned=True)
TURN = TurnSegment(task="a task", reply=Reply((("stop", {}), ("stop", {}))), plan_id="p")
RESULT = ResultSegment(plan_id="p", step=0, result=SkillResult("stop", {}, ResultStatus.SUCCEEDED))
FAILED = replace(RESULT, result=SkillResult("stop", {}, ResultStatus.FAILED, "slipped"))
LIMITS = Limits(9, 9, 9, 10**6, Ladder(), float("inf"))
TOKENS = 10


def held(segments: list[Segment]) -> Retention:
    """Of segments whose ids count from 1; each takes 10 tokens."""
    retention = Retention(lambda number: TOKENS)
    for number, segment in enumerate(segments, 1):
        retention.appended(replace(segment, id=number))
    return retention


def gone(segments: list[Segment], coming: Coming | None = None, **limits: Any) -> set[int]:
    return set(held(segments).to_forget(replace(LIMITS, **limits), TOKENS * len(segments), coming))


def test_what_is_within_the_bounds_stays() -> None:
    assert gone([FRAME, NOTE, TURN, RESULT], tokens=40, frames=1, notes=1, turns=1) == set()


@pytest.mark.parametrize(("kind", "bound"), [(FRAME, "frames"), (KEYFRAME, "frames"), (NOTE, "notes"), (TURN, "turns")])
def test_the_oldest_of_a_kind_go_where_there_are_more_than_its_bound(kind: Segment, bound: str) -> None:
    others: list[Segment] = [one for one in (NOTE, TURN) if type(one) is not type(kind)]
    segments = [*others, *[replace(kind, **({"plan_id": ""} if kind is TURN else {}))] * 4]
    first = len(others) + 1
    assert gone(segments, **{bound: 3}) == {first} and gone(segments, **{bound: 2}) == {first, first + 1}


def test_room_is_made_for_what_comes() -> None:
    assert gone([NOTE] * 3, Coming(notes=2), notes=3) == {1, 2}
    assert gone([FRAME] * 4, Coming("front"), frames=4) == {1}
    assert gone([NOTE] * 2, Coming(notes=1), notes=3) == set()


def test_a_result_goes_with_its_turn_and_counts_as_a_note_without_one() -> None:
    stray = replace(RESULT, plan_id="forgotten")
    assert gone([stray, TURN, RESULT, RESULT, NOTE], notes=2) == set()
    assert gone([stray, TURN, RESULT, RESULT, NOTE], notes=1) == {1}
    assert gone([TURN, RESULT, NOTE, RESULT, replace(TURN, plan_id="q")], turns=1) == {1, 2, 4}


def test_where_tokens_are_short_frames_that_are_no_keyframes_go_first_and_the_newest_frame_late() -> None:
    segments = [KEYFRAME, FRAME, NOTE, TURN, RESULT, FRAME, FRAME]
    order = [{2}, {6}, {1}, {3}, {4, 5}, {7}]
    expected: set[int] = set()
    for victims in order:
        expected |= victims
        assert gone(segments, tokens=70 - TOKENS * len(expected)) == expected
    assert gone([PINNED, KEYFRAME, NOTE], tokens=10) == {2, 3}  # pins go where nothing else is left
    assert gone([PINNED, KEYFRAME, NOTE], tokens=0) == {1, 2, 3}


def test_keyframes_stay_where_others_go() -> None:
    assert gone([KEYFRAME, FRAME, KEYFRAME, FRAME], Coming("front"), frames=4) == {2}
    assert gone([KEYFRAME, FRAME, KEYFRAME, FRAME], Coming("front"), frames=3) == {2, 4}
    assert gone([KEYFRAME, FRAME, KEYFRAME, FRAME], Coming("front"), frames=2) == {1, 2, 4}
    assert gone([KEYFRAME, FRAME, FRAME, FRAME], frames=2) == {2, 3}  # the newest is not the next to go
    rear = replace(FRAME, frame=frame(1, 1.0, "rear"))
    assert gone([FRAME, rear, KEYFRAME], Coming("rear"), frames=3) == {1}


@pytest.mark.parametrize(
    ("results", "stays"),
    [([], True), ([RESULT], True), ([RESULT, replace(RESULT, step=1)], False), ([FAILED], False)],
)
def test_the_frame_that_a_plan_rests_on_stays_while_it_is_carried_out(results: list[Segment], stays: bool) -> None:
    segments = [FRAME, replace(TURN, frame_id=1), *results, *[FRAME] * 4]
    retention = held(segments)
    assert retention.pinned == ({1} if stays else set()) and retention.pinned_of("front") == int(stays)
    assert (1 not in gone(segments, frames=2)) is stays
    assert 1 in gone([*segments[:-4], FRAME], Coming("front"), frames=1)  # the bound holds all the same


def aged(ages: list[float], ladder: Ladder, kept: list[bool] | None = None) -> list[float]:
    """The ages of the frames that stay, where each is forgotten as the next ones come; newest last."""
    retention, seconds = Retention(lambda number: TOKENS), sorted(max(ages) - age for age in ages)
    segments: dict[int, FrameSegment] = {}
    for number, at in enumerate(seconds, 1):
        limits = replace(LIMITS, frames=10**6, ladder=ladder)
        forgotten = retention.to_forget(limits, 0, Coming("front", at))
        assert set(forgotten.values()) <= {Reason.THINNED}
        retention.evicted(tuple(segments.pop(number) for number in forgotten))
        own = replace(KEYFRAME if kept and kept[number - 1] else FRAME, id=number, number=number - 1, seconds=at)
        segments[number] = own
        retention.appended(own)
    return [seconds[-1] - segment.seconds for segment in segments.values()]


LADDER = Ladder.of(["60:1", "600:2", "3600:8"])


def test_frames_thin_out_with_age() -> None:
    """A frame a second for two hours."""
    ages = aged([float(age) for age in range(7200)], LADDER)
    assert [age for age in ages if age < 60] == list(range(59, -1, -1))
    assert np.diff([-age for age in ages if 60 <= age < 600]).tolist() == [2.0] * 269
    assert np.diff([-age for age in ages if age >= 600]).tolist() == [8.0] * 374
    assert max(ages) < 3600


@given(
    st.lists(st.floats(0, 5000), min_size=1, max_size=60),
    st.lists(st.booleans(), min_size=60, max_size=60),
    st.sampled_from(["60:1 600:2 3600:8", "10:1", "5:2 50:4 500:4", ""]),
)
def test_a_frame_stays_exactly_for_its_lifetime(ages: list[float], kept: list[bool], rungs: str) -> None:
    ladder = Ladder.of(rungs.split())
    seconds = sorted(max(ages) - age for age in ages)
    expected = [
        seconds[-1] - at
        for number, at in enumerate(seconds)
        if kept[number] or number == len(seconds) - 1 or at + ladder.lifetime(number) > seconds[-1]
    ]
    assert aged(ages, ladder, kept) == expected


@given(st.lists(st.tuples(st.sampled_from("fkntprx"), st.integers(0, 40)), max_size=40), st.data())
def test_all_bounds_hold_whatever_comes_in_whatever_order(steps: list[tuple[str, int]], data: st.DataObject) -> None:
    """And counts are those of what is there."""
    kinds: dict[str, Segment] = dict(zip("fkntprx", (FRAME, KEYFRAME, NOTE, TURN, PINNED, RESULT, FAILED), strict=True))
    retention, log, total = Retention(lambda number: TOKENS), {}, 0
    for number, (kind, seconds) in enumerate(steps, 1):
        segment = replace(kinds[kind], id=number)
        coming = Coming(notes=1) if kind in "np" else Coming()
        if isinstance(segment, FrameSegment):
            camera = data.draw(st.sampled_from(["front", "rear"]))
            segment = replace(segment, frame=frame(1, 1.0, camera), seconds=float(number + seconds), number=number)
            coming = Coming(camera, segment.seconds)
        limits = data.draw(
            st.builds(Limits, *[st.integers(1, 6)] * 3, st.integers(0, 80), st.just(LADDER), st.just(99))
        )
        forgotten = retention.to_forget(limits, total, coming)
        assert set(forgotten) <= set(log)
        parted = tuple(log.pop(other) for other in sorted(forgotten))
        retention.count(parted, forgotten)
        retention.evicted(parted)
        assert TOKENS * len(log) <= limits.tokens
        log[number] = segment
        retention.appended(segment)
        total = TOKENS * len(log)
        counts = Counter(type(one) for one in log.values())
        assert counts[FrameSegment] <= limits.frames and counts[NoteSegment] <= limits.notes
        assert counts[TurnSegment] <= limits.turns + (kind == "t")
        assert retention.frames == counts[FrameSegment] and retention.pinned <= set(log)
        for camera, record in retention.cameras.items():
            own = [one for one in log.values() if isinstance(one, FrameSegment) and one.frame.camera == camera]
            assert record.kept == len(own) and record.keyframes == sum(bool(one.kept) for one in own)
            assert record.newest is (own[-1] if own else None)
        again = Retention(lambda number: TOKENS)
        again.rebuild(list(log.values()))
        assert again.to_forget(limits, total) == retention.to_forget(limits, total)


@pytest.mark.parametrize("rungs", ["60", "60:x", "60:0", "-1:1", "nan:1", "inf:1", "60:1 60:2", "60:2 600:3"])
def test_a_ladder_that_cannot_be_climbed_is_said(rungs: str) -> None:
    with pytest.raises(LadderError, match=r"60|1"):
        Ladder.of(rungs.split())
    with pytest.raises(LadderError, match="no list of texts"):
        Ladder.of([60])  # type: ignore[list-item]


def test_notes_go_with_age_unless_they_are_pinned() -> None:
    notes = [replace(NOTE, seconds=seconds) for seconds in (0.0, 50.0, 99.0)]
    segments = [*notes, replace(PINNED, seconds=0.0), replace(FRAME, seconds=100.0)]
    assert gone(segments) == set()
    assert gone(segments, note_age=60.0) == {1}
    assert gone(segments, Coming("front", seconds=111.0), note_age=60.0) == {1, 2}
    assert gone(segments, note_age=60.0, notes=3) == {1}  # which is enough
    assert gone(segments, note_age=60.0, notes=2) == {1, 2}
    assert gone([replace(NOTE, seconds=5.0)], note_age=1.0) == set()  # no frame says that time went by
