"""Frames on their way into the context: which are taken, how they become soft tokens, and what time they say.

Of each camera the newest frame waits and replaces the one before it; the rate says how often one is taken.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from dgemma_ros.context.difference import small
from dgemma_ros.context.types import Frame
from dgemma_ros.errors import DgemmaError, ImageError
from dgemma_ros.model import Model
from dgemma_ros.runtime.contract import Floats

MAX_SIDE = 16384
MOST_AHEAD: Final = 3600.0
"""Seconds that stamps may run ahead of arrivals from one frame to the next: bags are played faster than real time."""
_NO_STAMP: Final = (2**31 - 1) * 10**9


class FrameGate:
    """Frames that wait to be encoded. Not thread-safe: the planner calls it under its lock.

    A frame that comes too soon for the rate is kept aside, one for each camera, for a task that needs a fresh one.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, on_unread: Callable[[Frame], None] = lambda frame: None
    ) -> None:
        """``on_unread`` is told of each frame that was taken and will not be encoded after all."""
        self._clock, self._on_unread = clock, on_unread
        self.dropped: Counter[str] = Counter()
        self.taken = 0
        self._due: dict[str, float] = {}
        self._last: dict[str, float] = {}
        self._waiting: dict[str, Frame] = {}
        self._aside: dict[str, Frame] = {}

    def due(self, camera: str, rate: float, oldest: float) -> float:
        """When the next frame of a camera is wanted, by the clock.

        Earlier than :meth:`offer` takes one where a task may ask for a frame of at most ``oldest`` seconds (0: none).
        """
        if rate <= 0.0:
            return np.inf
        due = self._due.get(camera, -np.inf)
        return min(due, self._last.get(camera, -np.inf) + oldest / 2) if oldest > 0.0 else due

    def offer(self, frame: Frame, rate: float) -> bool:
        """Whether the frame will be encoded, unless a newer one comes first."""
        if not _usable(frame):
            self.dropped["invalid"] += 1
            return False
        self._last[frame.camera] = frame.received
        if rate <= 0.0 or frame.received < self._due.get(frame.camera, -np.inf):
            if rate > 0.0:
                self._aside[frame.camera] = frame
            self.dropped["rate"] += 1
            return False
        due = self._due.get(frame.camera, frame.received) + 1.0 / rate
        # Kept to the grid of the rate, so that jitter does not slow it down, but never more than one ahead of now.
        self._due[frame.camera] = due if due > frame.received else frame.received + 1.0 / rate
        self._aside.pop(frame.camera, None)
        if frame.camera in self._waiting:
            self.dropped["replaced"] += 1
            self.taken -= 1
            self._on_unread(self._waiting[frame.camera])
        self._waiting[frame.camera] = frame
        self.taken += 1
        return True

    def next(self) -> Frame | None:
        """The waiting frame that has waited longest."""
        if not self._waiting:
            return None
        camera = min(self._waiting, key=lambda name: self._waiting[name].received)
        return self._waiting.pop(camera)

    @property
    def waiting(self) -> bool:
        """Whether there is a frame to encode."""
        return bool(self._waiting)

    def before_a_task(self, newest: Frame | None, oldest: float, room: int) -> list[Frame]:
        """Frames that a task should see and that are not encoded yet, at most ``room``, the newest last.

        Those that wait, and where ``newest``, which is, has come more than ``oldest`` seconds ago (0: no matter), and
        none waits, one that was kept aside.
        """
        found: list[Frame] = []
        while len(found) < room and (frame := self.next()) is not None:
            found.append(frame)
        stale = oldest > 0 and (newest is None or self._clock() - newest.received > oldest)
        if stale and not found and room and (aside := self.freshest(newest.received if newest else 0.0)):
            found.append(aside)
        return found

    def freshest(self, newer_than: float) -> Frame | None:
        """The newest frame kept aside, if it arrived after ``newer_than``; it is taken."""
        frame = max(self._aside.values(), key=lambda frame: frame.received, default=None)
        if frame is None or frame.received <= newer_than:
            return None
        del self._aside[frame.camera]
        self.dropped["rate"] -= 1
        self.taken += 1
        return frame

    def clear(self) -> None:
        """Forgets the frames that wait, and when the next are due."""
        for frame in self._waiting.values():
            self._on_unread(frame)
        self._waiting.clear()
        self._aside.clear()
        self._due.clear()
        self._last.clear()


class FrameEncoder:
    """Pictures to soft tokens [n, H], with the model's vision tower."""

    def __init__(self, model: Model, image_tokens: int = 0) -> None:
        self._model = model
        self._preparation = model.images if model.config.vision is not None else None
        if self._preparation is not None and image_tokens:
            self._preparation = replace(self._preparation, soft_tokens=image_tokens)

    @property
    def sees(self) -> bool:
        """Whether the model takes pictures at all."""
        return self._preparation is not None

    def prepared(self, frame: Frame) -> Frame:
        """With all that its picture says before the model has it: half a second's work, of 64 million pixels.

        For any thread but the model's. A picture that does not fit comes back as it is; :meth:`encode` will say so.
        """
        if self._preparation is None or not _usable(frame):
            return frame
        try:
            return replace(frame, prepared=self._preparation.prepare(frame.rgb), small=small(frame.rgb))
        except ImageError:
            return frame

    def encode(self, frame: Frame) -> Floats:
        """For the thread that has the model. Raises :class:`ImageError` for a picture that does not fit,
        :class:`BackendError` where the tower fails.
        """
        if self._preparation is None:
            raise DgemmaError("this model takes no pictures")
        prepared = frame.prepared
        if prepared is None or prepared.soft_tokens > self._preparation.soft_tokens:  # which may have been set since
            prepared = self._preparation.prepare(frame.rgb)
        return self._model.soft_tokens(prepared.patches, prepared.positions)


class FrameClock:
    """The seconds that a frame's ``MM:SS`` says: since the first one that is remembered, never running backwards.

    Stamps say how far frames lie apart, unless they cannot be meant: none (0), beyond what ROS can say, or further
    from the one before than a clock's pace explains, as where it was set, a bag loops or a simulation begins anew. Then
    the frames' arrivals say it. Small stamps are no fault: so simulated time begins. Not thread-safe.
    """

    def __init__(self) -> None:
        self.replaced = 0
        """Frames whose arrival was taken instead of their stamp."""
        self.restart()

    def restart(self) -> None:
        """The next frame is the first."""
        self._seconds = 0.0
        self._before: tuple[int, bool, float] | None = None  # stamp, whether it can be meant, arrival

    def resume(self, seconds: float, stamp_ns: int, received: float) -> None:
        """Goes on behind a frame that was remembered before a restart, and was so many seconds behind the first."""
        self._seconds = seconds
        self._before = stamp_ns, 0 <= stamp_ns < _NO_STAMP, received

    def seconds(self, stamp_ns: int, received: float) -> float:
        """Seconds since the first frame; ``received`` in seconds of a clock that never jumps."""
        if self._before is None:
            told, usable = 0 <= stamp_ns < _NO_STAMP, True  # a simulation's first frame may well be of 0
        else:
            stamp, before_told, arrival = self._before
            elapsed = max(0.0, received - arrival)
            step = (stamp_ns - stamp) / 1e9
            told = 0 < stamp_ns < _NO_STAMP
            usable = told and before_told and 0.0 <= step <= elapsed + MOST_AHEAD
            self._seconds += step if usable else elapsed
        self.replaced += not usable
        self._before = stamp_ns, told, received
        return self._seconds


def clock_text(seconds: float) -> str:
    """``MM:SS``, as the model saw it in training; minutes go beyond 99."""
    whole = int(seconds)
    return f"{whole // 60:02d}:{whole % 60:02d}"


def _usable(frame: Frame) -> bool:
    rgb = frame.rgb
    if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        return False
    return all(1 <= side <= MAX_SIDE for side in rgb.shape[:2])
