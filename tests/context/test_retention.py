"""What is forgotten first where the context holds more than it may."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dgemma_ros.context.results import ResultStatus, SkillResult
from dgemma_ros.context.retention import to_evict
from dgemma_ros.context.segments import FrameSegment, NoteSegment, Reply, ResultSegment, Segment, TurnSegment
from dgemma_ros.planning import Settings
from tests.desk import frame

FRAME = FrameSegment(frame=frame(1, 1.0), label="00:01", soft=np.zeros((1, 1), np.float32))
NOTE = NoteSegment(text="a note")
TURN = TurnSegment(task="a task", reply=Reply(), plan_id="p")
RESULT = ResultSegment(plan_id="p", step=0, result=SkillResult("stop", {}, ResultStatus.FAILED, "slipped"))


def gone(segments: list[Segment], free: int = 10**6, frames: int = 0, notes: int = 0, **bounds: int) -> set[int]:
    """The ids, from 1, of what is forgotten; every segment takes 10 tokens."""
    logged = [replace(segment, id=number) for number, segment in enumerate(segments, 1)]
    tokens = {segment.id: 10 for segment in logged}
    settings = Settings(**{"max_frames": 9, "max_notes": 9, "max_turns": 9, **bounds})
    return to_evict(logged, tokens, settings, free, frames, notes)


def test_what_is_within_the_bounds_stays() -> None:
    assert gone([FRAME, NOTE, TURN, RESULT], 40, max_frames=1, max_notes=1, max_turns=1) == set()


@pytest.mark.parametrize(("kind", "bound"), [(FRAME, "max_frames"), (NOTE, "max_notes"), (TURN, "max_turns")])
def test_the_oldest_of_a_kind_go_where_there_are_more_than_its_bound(kind: Segment, bound: str) -> None:
    others: list[Segment] = [one for one in (FRAME, NOTE, TURN) if one is not kind]
    segments = [*others, *[replace(kind, **({"plan_id": ""} if kind is TURN else {}))] * 4]
    assert gone(segments, **{bound: 3}) <= {3}
    assert gone(segments, **{bound: 2}) - {1, 2} == {3, 4} - ({1} if kind is TURN else set())


def test_room_is_made_for_as_many_as_come() -> None:
    assert gone([NOTE] * 3, notes=2, max_notes=3) == {1, 2}
    assert gone([FRAME] * 4, frames=3, max_frames=4) == {1, 2, 3}
    assert gone([NOTE] * 2, notes=1, max_notes=3) == set()


def test_a_result_goes_with_its_turn_and_counts_as_a_note_without_one() -> None:
    stray = replace(RESULT, plan_id="forgotten")
    assert gone([stray, TURN, RESULT, RESULT, NOTE], max_notes=2) == set()
    assert gone([stray, TURN, RESULT, RESULT, NOTE], max_notes=1) == {1}
    assert gone([TURN, RESULT, NOTE, RESULT, replace(TURN, plan_id="q")], max_turns=1) == {1, 2, 4}


def test_what_all_of_it_takes_is_bounded_too_and_the_oldest_go_first() -> None:
    segments = [NOTE, TURN, RESULT, FRAME, NOTE]
    assert gone(segments, 50) == set()
    assert gone(segments, 49) == {1} == gone(segments, 40)
    assert gone(segments, 39) == {1, 2, 3} == gone(segments, 20)  # the result with its turn
    assert gone(segments, 0) == {1, 2, 3, 4, 5}
