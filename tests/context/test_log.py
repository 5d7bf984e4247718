"""The log: ids, stamps, one way in and one way out, and listeners that hear of both."""

from __future__ import annotations

import pytest

from dgemma_ros.context.log import Log
from dgemma_ros.context.segments import NoteSegment, Segment, TurnSegment


class Heard:
    def __init__(self, refuses: str = "") -> None:
        self.words: list[str] = []
        self.refuses = refuses

    def appended(self, segment: Segment) -> None:
        if segment.summary == self.refuses:
            raise RuntimeError("no room")
        self.words.append(f"+{segment.id} {segment.summary}")

    def evicted(self, segments: tuple[Segment, ...]) -> None:
        self.words.append("-" + ",".join(str(segment.id) for segment in segments))


def test_segments_get_ids_and_stamps_and_listeners_hear_of_them() -> None:
    ticks = iter(range(100, 200))
    log, heard = Log(lambda: next(ticks)), Heard()
    log.listen(heard)
    one, two, three = (log.append(NoteSegment(text=text)) for text in ("a", "b", "c"))
    assert [(s.id, s.appended_ns) for s in (one, two, three)] == [(1, 100), (2, 101), (3, 102)]
    assert log.segments == (one, two, three)
    assert log.evict({1, 3, 99}) == (one, three) and log.segments == (two,)
    assert log.evict({1}) == () and log.append(NoteSegment(text="d")).id == 4
    assert heard.words == ["+1 a", "+2 b", "+3 c", "-1,3", "+4 d"]


def test_what_a_listener_refuses_is_not_in_the_log_and_others_hear_so() -> None:
    log, first, second, third = Log(), Heard(), Heard(refuses="b"), Heard()
    for listener in (first, second, third):
        log.listen(listener)
    log.append(NoteSegment(text="a"))
    with pytest.raises(RuntimeError, match="no room"):
        log.append(NoteSegment(text="b"))
    assert [segment.summary for segment in log.segments] == ["a"]
    assert (first.words, second.words, third.words) == (["+1 a", "+2 b", "-2"], ["+1 a"], ["+1 a"])
    assert log.append(NoteSegment(text="c")).id == 3  # ids are never used again


def test_a_turn_is_found_by_its_plan() -> None:
    log = Log()
    turn = log.append(TurnSegment(task="do  it\nnow", plan_id="p-1"))
    assert log.turn("p-1") is turn and turn.summary == "do it now"
    log.append(TurnSegment(task="again"))
    assert log.turn("p-2") is None and log.turn("") is None
