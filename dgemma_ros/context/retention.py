"""Which segments are forgotten when the context holds more than it may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dgemma_ros.context.segments import FrameSegment, NoteSegment, ResultSegment, Segment, TurnSegment
from dgemma_ros.context.types import Bounds


def to_evict(
    segments: Sequence[Segment], tokens: Mapping[int, int], bounds: Bounds, free: int, frames: int = 0, notes: int = 0
) -> set[int]:
    """The ids of the oldest frames, notes and turns, so that ``frames`` and ``notes`` more may come.

    ``tokens``: of each id; ``free``: how many all of them may have. What became of a plan goes with its turn, and
    counts as a note without one. No more goes than must: what it costs to forget does not hang on how often.
    """
    gone: set[int] = set()
    turns = [segment for segment in segments if isinstance(segment, TurnSegment)]
    for turn in turns[: max(0, len(turns) - bounds.max_turns)]:
        gone |= _with_results(turn, segments)
    plans = {turn.plan_id for turn in turns if turn.plan_id}
    shown = [segment.id for segment in segments if isinstance(segment, FrameSegment)]
    noted = [
        segment.id
        for segment in segments
        if isinstance(segment, NoteSegment) or (isinstance(segment, ResultSegment) and segment.plan_id not in plans)
    ]
    for ids, most, more in ((shown, bounds.max_frames, frames), (noted, bounds.max_notes, notes)):
        gone.update(ids[: max(0, len(ids) + more - most)])
    left = [segment for segment in segments if segment.id not in gone]
    while left and sum(tokens.get(segment.id, 0) for segment in left) > free:
        gone |= _with_results(left[0], segments)
        left = [segment for segment in left if segment.id not in gone]
    return gone


def _with_results(segment: Segment, segments: Sequence[Segment]) -> set[int]:
    if not isinstance(segment, TurnSegment) or not segment.plan_id:
        return {segment.id}
    results = (other for other in segments if isinstance(other, ResultSegment))
    return {segment.id} | {other.id for other in results if other.plan_id == segment.plan_id}
