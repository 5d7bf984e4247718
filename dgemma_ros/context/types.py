"""What goes into a context, what bounds it, and what can be told of it. Frozen, shared between threads freely."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Bounds(Protocol):
    """How much is remembered; the planner's settings of these names."""

    @property
    def max_frames(self) -> int:
        """Frames kept."""

    @property
    def max_turns(self) -> int:
        """Earlier tasks with their plans kept."""

    @property
    def max_notes(self) -> int:
        """Notes kept."""

    @property
    def context_tokens(self) -> int:
        """Tokens that may be remembered."""

    @property
    def context_bytes(self) -> int:
        """Bytes of keys and values that may be remembered; 0 leaves it to ``context_tokens``."""

    @property
    def thinking(self) -> bool:
        """Whether the system turn asks for thoughts."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a camera. ``rgb`` uint8 [H, W, 3] must not be written to any more."""

    rgb: NDArray[np.uint8]
    stamp_ns: int
    """When it was taken, in the sender's time."""
    camera: str
    frame_id: str
    received: float
    """``time.monotonic()`` when it arrived."""


@dataclass(frozen=True)
class SegmentInfo:
    """One entry of the context's log, for people."""

    kind: str
    tokens: int
    stamp_ns: int | None
    summary: str
    id: int = 0
    """In the log; 0 for the system turn."""


@dataclass(frozen=True)
class ContextInfo:
    """What the planner remembers."""

    tokens: int
    limit: int
    """Of tokens, as the bounds in tokens and in bytes have it."""
    segments: tuple[SegmentInfo, ...]
    dropped: Mapping[str, int]
    """How many segments were forgotten so far, by kind."""
    rebuilds: int
    newest_stamp_ns: int | None
    newest_age: float | None
    """Seconds since the newest frame arrived."""
    bytes: int = 0
    """Of keys and values in the KV cache."""
    shifts: int = 0
    """How often positions ran out and were shifted down."""
    replaced_stamps: int = 0
    """Frames whose stamp cannot be meant, so that the time of their arrival was taken."""

    @property
    def frames(self) -> int:
        """Frames in the context now."""
        return sum(segment.kind == "frame" for segment in self.segments)
