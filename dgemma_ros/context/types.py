"""What goes into a context, what bounds it, and what can be told of it. Frozen, shared between threads freely."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dgemma_ros.context.difference import Small
from dgemma_ros.images.preparation import PreparedImage


class Bounds(Protocol):
    """How much is remembered; the planner's settings of these names."""

    @property
    def max_frames(self) -> int:
        """Frames kept; 0 for as many as the model was found good with, or as fit."""

    @property
    def frame_ladder(self) -> tuple[str, ...]:
        """How frames that are no keyframes thin out with age, see :class:`~dgemma_ros.context.ladder.Ladder`."""

    @property
    def max_frame_age(self) -> float:
        """Seconds after which a keyframe goes, too; 0 keeps it."""

    @property
    def keyframe_change(self) -> float:
        """The difference, 0 … 1, from its camera's last keyframe that makes a frame one; 0 makes one of each."""

    @property
    def max_turns(self) -> int:
        """Earlier tasks with their plans kept."""

    @property
    def max_notes(self) -> int:
        """Notes kept."""

    @property
    def max_note_age(self) -> float:
        """Seconds after which a note goes that is not pinned; 0 keeps it."""

    @property
    def context_tokens(self) -> int:
        """Tokens that may be remembered; 0 for as many as the model's positions and the machine's memory allow."""

    @property
    def context_bytes(self) -> int:
        """Bytes of keys and values that may be remembered; 0 leaves it to ``context_tokens``."""

    @property
    def recall(self) -> int:
        """Frames that may be brought back for one answer after they were forgotten; 0 for none."""

    @property
    def image_tokens(self) -> int:
        """Soft tokens that a frame may take; 0 for the checkpoint's own."""

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
    arrival: int = 0
    """Under which the journal keeps it until it is in the context; 0 where none does."""
    prepared: PreparedImage | None = None
    """What the vision tower reads of it, where that was worked out before its turn."""
    small: Small | None = None
    """What tells whether it changed, likewise."""


@dataclass(frozen=True)
class SegmentInfo:
    """One entry of the context's log, for people."""

    kind: str
    tokens: int
    stamp_ns: int | None
    summary: str
    id: int = 0
    """In the log; 0 for the system turn."""
    pinned: bool = False
    """Whether it stays while others go."""
    reason: str = ""
    """Of a frame: why it is a keyframe; empty where it thins out with age."""
    camera: str = ""
    """Of a frame."""
    seconds: float = 0.0
    """Of a frame: those that the model reads."""

    @property
    def line(self) -> str:
        """The summary, of a frame with its camera, and why it is kept."""
        named = not self.camera or self.summary.endswith(f" {self.camera}")
        summary = self.summary if named else f"{self.summary} {self.camera}"
        return ", ".join(filter(None, (summary, self.reason, "pinned" if self.pinned else "")))


@dataclass(frozen=True)
class CameraInfo:
    """What is remembered of one camera, and how many of its frames were forgotten."""

    camera: str
    kept: int
    keyframes: int
    """Of those kept, where the picture changed."""
    pinned: int
    """Of those kept, which a plan rests on that is being carried out."""
    forgotten: Mapping[str, int]
    """By reason: ``thinned``, ``aged``, ``number``, ``room``, ``asked``."""


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

    cameras: tuple[CameraInfo, ...] = ()
    behind: int = 0
    """Tokens that are remembered and have not been read into the cache yet."""

    @property
    def frames(self) -> int:
        """Frames in the context now."""
        return sum(segment.kind == "frame" for segment in self.segments)
