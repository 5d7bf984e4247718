"""The log of what the model is to know: segments with ids and wall-clock stamps, one way in and one way out.

The log is the truth. What follows it (the KV cache, a journal, messages for another server) listens.
"""

from __future__ import annotations

import contextlib
import time
from bisect import bisect_left
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Protocol, TypeVar

from dgemma_ros.context.segments import Segment, TurnSegment

AnySegment = TypeVar("AnySegment", bound=Segment)


class LogListener(Protocol):
    """Follows a log, in the thread that changes it."""

    def appended(self, segment: Segment) -> None:
        """The segment is about to stand behind all others. An error keeps it out of the log."""

    def evicted(self, segments: tuple[Segment, ...]) -> None:
        """Those segments are no longer in the log. Where this raises, they are gone all the same."""


class Log:
    """Segments in the order in which they came. For one thread; :attr:`segments` may be read from any."""

    def __init__(self, wall_clock: Callable[[], int] = time.time_ns) -> None:
        self.segments: tuple[Segment, ...] = ()
        """Replaced as a whole, so that a reader always sees a whole one."""
        self._listeners: list[LogListener] = []
        self._wall_clock = wall_clock
        self._last_id = 0

    def listen(self, listener: LogListener) -> None:
        """From now on it is told."""
        self._listeners.append(listener)

    def append(self, segment: AnySegment) -> AnySegment:
        """The segment as it stands in the log, with its id and stamp.

        Where a listener raises, the log stays as it was: those that were told before hear that it was evicted.
        """
        self._last_id += 1
        segment = replace(segment, id=self._last_id, appended_ns=self._wall_clock())
        for number, listener in enumerate(self._listeners):
            try:
                listener.appended(segment)
            except BaseException:
                for told in self._listeners[:number]:
                    with contextlib.suppress(Exception):
                        told.evicted((segment,))
                raise
        self.segments = (*self.segments, segment)
        return segment

    def put_back(self, segments: Collection[Segment], last_id: int = 0) -> None:
        """Segments that were in the log before a restart stand at their places again, which their ids say.

        No listener is told. ``last_id``: of the last one that was ever given, so that none is used again.
        """
        self.segments = tuple(sorted((*self.segments, *segments), key=lambda segment: segment.id))
        self._last_id = max(self._last_id, last_id, *(segment.id for segment in segments))

    def evict(self, ids: Collection[int]) -> tuple[Segment, ...]:
        """Forgets those segments, all at once; which they were. Unknown ids are passed over."""
        segments, found = list(self.segments), []
        for index in sorted({index for number in ids if (index := self._index(number)) is not None}, reverse=True):
            found.append(segments.pop(index))
        gone = tuple(reversed(found))
        if gone:
            self.segments = tuple(segments)
            for listener in self._listeners:
                listener.evicted(gone)
        return gone

    def find(self, number: int) -> Segment | None:
        """The segment of that id, where it is there."""
        index = self._index(number)
        return None if index is None else self.segments[index]

    def _index(self, number: int) -> int | None:
        """By halves: ids rise."""
        index = bisect_left(self.segments, number, key=lambda segment: segment.id)
        return index if index < len(self.segments) and self.segments[index].id == number else None

    def turn(self, plan_id: str) -> TurnSegment | None:
        """The turn of that plan, where it is remembered."""
        turns = (segment for segment in self.segments if isinstance(segment, TurnSegment))
        return next((turn for turn in turns if plan_id and turn.plan_id == plan_id), None)
