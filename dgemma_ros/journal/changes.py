"""What the planner's threads tell the journal's: small frozen records, with arrays that nobody writes to any more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgemma_ros.context.segments import FrameSegment, Segment
from dgemma_ros.runtime.rows import Layout, Rows, Window

Span = tuple[int, int, int]
"""A record of rows, the first of them that is meant, and how many."""
WindowSpan = tuple[int, int, int]
"""A record of a window, the order of its first row, and of the row behind its last."""


@dataclass(frozen=True)
class Placed:
    """Where a segment's rows lie: :class:`~dgemma_ros.context.mirror.Place`, and its rows in the journal."""

    id: int
    tokens: int
    prefix: int | None
    carry: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, eq=False)
class RowsRecord:
    """Rows of the full layers that follow one another, of one segment."""

    id: int
    segment: int
    rows: Rows


@dataclass(frozen=True, eq=False)
class WindowRecord:
    """The last rows of the sliding layers."""

    id: int
    rows: Window

    @property
    def first(self) -> int:
        """The order of the first of them."""
        return self.rows.order - len(self.rows)


@dataclass(frozen=True)
class Numbers:
    """Of the next row, and of the last shift so far; where rows lie in the cache's buffers."""

    order: int
    position: int
    shift: int
    layout: Layout

    @property
    def told(self) -> list[int]:
        """As JSON values."""
        return [self.order, self.position, self.shift, self.layout.full, self.layout.sliding, self.layout.slot]


@dataclass(frozen=True, eq=False)
class Change:
    """What became of the log and of the cache."""

    numbers: Numbers
    system: str
    """Digest of the system turn's ids."""
    evicted: tuple[int, ...] = ()
    rows: tuple[RowsRecord, ...] = ()
    windows: tuple[WindowRecord, ...] = ()
    placed: tuple[Placed, ...] = ()
    """Segments whose rows lie elsewhere than before."""
    shifts: tuple[tuple[tuple[int, int], ...], ...] = ()
    """New ones, see :attr:`~dgemma_ros.runtime.sequence.Sequence.shifts`."""
    retired: tuple[int, ...] = ()
    """Records of rows that are no longer in the cache."""
    left: tuple[int, ...] = ()
    """Records of windows that have slid out of it."""
    fresh: bool = False
    """All rows that were in the cache before are void: it was read again."""
    alive: tuple[int, ...] = ()
    """Where fresh: the segments that are remembered, read or not; all others are forgotten."""

    @property
    def nbytes(self) -> int:
        """About what it takes in memory."""
        arrays = [*(record.rows.nbytes for record in self.rows), *(record.rows.nbytes for record in self.windows)]
        return sum(arrays) + 1024 * len(self.placed)


@dataclass(frozen=True, eq=False)
class Taken:
    """Segments that stand in the log. That they have been read, and where, is told by a :class:`Change`."""

    segments: tuple[Segment, ...]

    @property
    def nbytes(self) -> int:
        """About what they take in memory."""
        soft = sum(segment.soft.nbytes for segment in self.segments if isinstance(segment, FrameSegment))
        return soft + 1024 * len(self.segments)


@dataclass(frozen=True, eq=False)
class Remembered:
    """What is remembered while the cache is read anew: all else is forgotten, though rows lie as they were told last.

    Until a :class:`Change` says where they are, those rows are not to be used where something of theirs is forgotten.
    """

    ids: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """About what they take in memory."""
        return 64 * len(self.ids)


@dataclass(frozen=True, eq=False)
class Arrived:
    """What has come for the context and waits to be read. ``content``: JSON values; ``rgb``: of a frame."""

    number: int
    arrived_ns: int
    kind: str
    content: Mapping[str, Any]
    rgb: NDArray[np.uint8] | None = None

    @property
    def nbytes(self) -> int:
        """About what it takes in memory."""
        return 1024 + (0 if self.rgb is None else int(self.rgb.nbytes))


@dataclass(frozen=True)
class Gone:
    """That waits no more: it has been read, or nobody will read it."""

    number: int | None
    """None for all that came so far: nobody knows what became of it while nothing could be written."""
    nbytes: int = 64


@dataclass(frozen=True)
class Cleared:
    """Somebody asked for all up to the segment of that id to be forgotten: it is not to be recalled either."""

    last: int
    nbytes: int = 64


@dataclass(frozen=True, eq=False)
class Picture:
    """A frame as the camera gave it: ``rgb`` uint8 [H, W, 3]."""

    segment: int
    rgb: NDArray[np.uint8]

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        return int(self.rgb.nbytes)


@dataclass(frozen=True, eq=False)
class Basis:
    """What a plan rests on, told before or after the plan itself. ``content``: JSON values."""

    plan_id: str
    content: Mapping[str, Any]
    skills: tuple[str, str]
    """Digest and JSON text of the catalogue."""
    rows: tuple[int, ...] = ()
    windows: tuple[int, ...] = ()
    """Records without which it could not be made again."""
    nbytes: int = 4096


@dataclass(frozen=True, eq=False)
class Made:
    """A plan as it was published. ``content``: JSON values."""

    plan_id: str
    made_ns: int
    content: Mapping[str, Any]
    nbytes: int = field(default=4096)


Entry = Taken | Remembered | Change | Cleared | Arrived | Gone | Picture | Basis | Made
