"""A frame as the log takes it: what time and camera the model reads, and whether its picture changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from dgemma_ros.context.difference import Changes
from dgemma_ros.context.frames import FrameClock, clock_text
from dgemma_ros.context.retention import CameraRecord
from dgemma_ros.context.segments import FrameSegment
from dgemma_ros.context.types import Frame
from dgemma_ros.runtime.contract import Floats


class FrameSegments:
    """Makes them in the order in which frames come. For the thread that has the model."""

    def __init__(self) -> None:
        self._clock, self._changes = FrameClock(), Changes()

    @property
    def replaced_stamps(self) -> int:
        """Frames whose arrival was taken instead of their stamp."""
        return self._clock.replaced

    def restart(self) -> None:
        """The next frame is the first one: its seconds are 0."""
        self._clock.restart()

    def resume(self, last: FrameSegment) -> None:
        """Goes on behind a frame that was remembered before a restart."""
        self._clock.resume(last.seconds, last.frame.stamp_ns, last.frame.received)

    def clear(self) -> None:
        """Each camera's next frame is a keyframe, its first."""
        self._changes.clear()

    @contextmanager
    def taking(
        self, frame: Frame, soft: Floats, cameras: Mapping[str, CameraRecord], least_change: float
    ) -> Iterator[FrameSegment]:
        """A frame's segment, without its pixels; later ones are compared with it where no error keeps it out.

        ``cameras``: what is remembered of each. ``least_change``: see :attr:`Bounds.keyframe_change`.
        """
        seconds = self._clock.seconds(frame.stamp_ns, frame.received)
        label = clock_text(seconds)
        if {camera for camera, record in cameras.items() if record.kept} - {frame.camera}:
            label += f" {frame.camera}"
        change = self._changes.of(frame.camera, frame.rgb, frame.small)
        segment = FrameSegment(
            frame=replace(frame, rgb=np.empty((0, 0, 3), np.uint8), prepared=None, small=None, arrival=0),
            label=label,
            soft=soft,
            seconds=seconds,
            number=cameras[frame.camera].count if frame.camera in cameras else 0,
            kept=change.reason(least_change),
        )
        yield segment
        if segment.kept:
            self._changes.keep(frame.camera, change)
