"""The entries of the context's log, and which of them are forgotten when it holds more than it may."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dgemma_ros.context.types import Bounds, Frame, SegmentInfo
from dgemma_ros.runtime.contract import Floats, Ints
from dgemma_ros.runtime.sequence import Snapshot

SYSTEM, FRAME, TASK, PLAN, NOTE = "system", "frame", "task", "plan", "note"
SUMMARY = 120
NOTHING = np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Segment:
    """One entry of the log: plain words, then fixed ids.

    ``carry`` is plain text of ours that belongs before the next entry's words: letters are never cut from letters.
    """

    kind: str
    words: str
    ids: Ints
    types: Ints
    carry: str
    summary: str
    tokens: int = 0
    """In all, with the carry of the entry before."""
    frame: Frame | None = None
    """Whose picture it is, without its pixels."""
    soft: Floats | None = None
    turn: int = 0
    """A task and its plan share a number: they are forgotten together."""

    @property
    def info(self) -> SegmentInfo:
        """For people."""
        return SegmentInfo(self.kind, self.tokens, None if self.frame is None else self.frame.stamp_ns, self.summary)


@dataclass(frozen=True, eq=False)
class Reply:
    """What was answered to a task, as it is remembered: without thoughts."""

    calls: tuple[tuple[str, Mapping[str, Any]], ...]
    """Each skill's name and arguments."""
    text: str
    """What was said outside of calls."""
    ids: Ints | None = None
    """All of it in the model's own tokens; None where another one said it: then it is written anew."""


@dataclass(frozen=True, eq=False)
class Turn:
    """A task that has been read and not been committed."""

    task: Segment
    snapshot: Snapshot
    length: int
    """Of the sequence behind the task."""


def kept(log: list[Segment], bounds: Bounds, free: int, frames: int = 0, notes: int = 0) -> list[Segment]:
    """The log without its oldest frames, notes and turns, so that ``frames`` and ``notes`` more may come.

    ``free``: tokens that the log may have. Beyond a bound a quarter goes at once: reading again is dear, so it should
    be rare where there is much to read.
    """
    turns = sorted({segment.turn for segment in log if segment.turn})
    old = set(turns[: max(0, len(turns) - bounds.max_turns)])
    gone: set[int] = set()
    for kind, most, more in ((FRAME, bounds.max_frames, frames), (NOTE, bounds.max_notes, notes)):
        own = [id(segment) for segment in log if segment.kind == kind]
        excess = len(own) + more - most
        gone.update(own[: excess + most // 4] if excess > 0 else ())
    log = [segment for segment in log if id(segment) not in gone and segment.turn not in old]
    if sum(segment.tokens for segment in log) > free:
        free -= free // 4
    while log and sum(segment.tokens for segment in log) > free:
        first = log[0]
        log = [s for s in log if s is not first and not (first.turn and s.turn == first.turn)]
    return log
