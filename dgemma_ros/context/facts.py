"""What other threads may know of a context: taken whenever it changes, and put into words when somebody asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import MappingProxyType

from dgemma_ros.context.retention import Retention
from dgemma_ros.context.segments import SUMMARY, FrameSegment, Segment, TurnSegment
from dgemma_ros.context.types import CameraInfo, ContextInfo, SegmentInfo


@dataclass(frozen=True)
class Facts:
    """``segments`` and ``tokens`` go together; after the taking nothing of it changes."""

    segments: tuple[Segment, ...]
    tokens: tuple[int, ...]
    pinned: frozenset[int]
    info: ContextInfo
    """Without segments but the system turn; its ``newest_age`` is the moment when the newest frame arrived."""
    answer_length: Callable[[TurnSegment], int]
    """Tokens of a turn's answer. Called by whoever asks."""

    def told(self, now: float) -> ContextInfo:
        """All of it, at that moment of the context's clock. Safe from any thread."""
        each = zip(self.segments, self.tokens, strict=False)
        infos = (one for segment, tokens in each for one in self._infos_of(segment, tokens))
        age = None if self.info.newest_age is None else now - self.info.newest_age
        return replace(self.info, segments=(*self.info.segments, *infos), newest_age=age)

    def _infos_of(self, segment: Segment, tokens: int) -> list[SegmentInfo]:
        """For people a turn is two: the task and the plan."""
        if isinstance(segment, TurnSegment):
            answer = self.answer_length(segment)
            task = SegmentInfo("task", tokens - answer, None, segment.summary, segment.id)
            return [task, SegmentInfo("plan", answer, None, segment.plan[:SUMMARY], segment.id)]
        info = SegmentInfo(segment.kinds[0], tokens, None, segment.summary, segment.id, segment.id in self.pinned)
        if isinstance(segment, FrameSegment):
            frame = segment.frame
            info = replace(info, stamp_ns=frame.stamp_ns, camera=frame.camera)
            info = replace(info, seconds=segment.seconds, reason=segment.kept)
        return [info]


def cameras_of(retention: Retention) -> tuple[CameraInfo, ...]:
    """Each camera's counts, in the order of their names."""
    return tuple(
        CameraInfo(
            camera=camera,
            kept=record.kept,
            keyframes=record.keyframes,
            pinned=retention.pinned_of(camera),
            forgotten=MappingProxyType({str(reason): count for reason, count in record.forgotten.items()}),
        )
        for camera, record in sorted(retention.cameras.items())
    )
