"""What has come for the context and is not in it yet, in the journal at once: a task may keep the model busy for long.

Words and frames are told when they come, by whoever brings them, and again when they have been read or nobody will read
them. What is read before the journal's thread writes leaves no trace in the file. After a restart, what still waited is
handed in again.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np

from dgemma_ros.checkpoint.untrusted import MAX_TEXT
from dgemma_ros.context.results import ResultStatus
from dgemma_ros.context.types import Frame
from dgemma_ros.errors import ImageError
from dgemma_ros.images.decoding import decode
from dgemma_ros.journal.changes import Arrived, Gone
from dgemma_ros.journal.errors import DamageError
from dgemma_ros.journal.segment_codec import MAX_NAME, text_of, typed, whole
from dgemma_ros.journal.writer import Writer

NOTE, RESULT, FRAME = "note", "result", "frame"


@dataclass(frozen=True)
class Note:
    """Somebody's words."""

    text: str


@dataclass(frozen=True)
class Result:
    """What became of a plan's step."""

    plan_id: str
    step: int
    outcome: ResultStatus
    reason: str
    skill: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Waiting:
    """One that waited when the planner ended."""

    number: int
    content: Note | Result | Frame


class Arrivals:
    """Thread-safe; nothing here waits. Without a ``writer`` nothing is told, and nothing has a number."""

    def __init__(self, writer: Writer | None = None, last: int = 0) -> None:
        self._writer, self._numbers = writer, itertools.count(last + 1)

    def note(self, text: str) -> int:
        """The number under which it is kept until :meth:`gone`; 0 where it is not."""
        return self._told(NOTE, {"text": text})

    def result(self, result: Result) -> int:
        """The same."""
        told = {"plan_id": result.plan_id, "step": result.step, "outcome": str(result.outcome)}
        more = {"reason": result.reason, "skill": result.skill, "arguments": dict(result.arguments)}
        return self._told(RESULT, told | more)

    def numbered(self, frame: Frame) -> Frame:
        """The frame with a number under which it can be kept."""
        return frame if self._writer is None else replace(frame, arrival=next(self._numbers))

    def frame(self, frame: Frame) -> None:
        """It waits from now on, under its number."""
        if self._writer is not None:
            told = {"stamp_ns": frame.stamp_ns, "camera": frame.camera, "frame_id": frame.frame_id}
            self._writer.put(Arrived(frame.arrival, time.time_ns(), FRAME, told, frame.rgb))

    def gone(self, number: int) -> None:
        """It has been read, or nobody will read it."""
        if self._writer is not None and number:
            self._writer.put(Gone(number))

    def together(self) -> AbstractContextManager[None]:
        """What this thread tells the journal within is written together: something read, and that it waits no more."""
        return nullcontext() if self._writer is None else self._writer.together()

    def _told(self, kind: str, content: dict[str, Any]) -> int:
        if self._writer is None:
            return 0
        number = next(self._numbers)
        self._writer.put(Arrived(number, time.time_ns(), kind, content))
        return number


def waiting_of(
    number: int, kind: str, told: Any, picture: bytes | None, arrived: Any, received: Callable[[int], float]
) -> Waiting:
    """One as it was kept; ``received(arrived_ns)``: see :class:`Frame`. Raises :class:`DamageError`."""
    where = f"arrival {number}"
    try:
        match kind:
            case "note":
                return Waiting(number, Note(text_of(told["text"], MAX_TEXT)))
            case "result":
                plan_id, reason, skill = (text_of(told[name]) for name in ("plan_id", "reason", "skill"))
                step, outcome = whole(told["step"], -(1 << 31), 1 << 31), ResultStatus(told["outcome"])
                return Waiting(number, Result(plan_id, step, outcome, reason, skill, typed(told["arguments"], dict)))
            case "frame":
                names = (text_of(told["camera"], MAX_NAME), text_of(told["frame_id"], MAX_NAME))
                shown = None if picture is None else decode(picture, cv2.IMREAD_COLOR)
                if shown is None:
                    raise ValueError
                rgb = np.ascontiguousarray(shown[..., ::-1])
                stamp = whole(told["stamp_ns"], -(2**63), 2**63)
                return Waiting(number, Frame(rgb, stamp, *names, received(whole(arrived, 0, 2**63)), arrival=number))
    except (KeyError, TypeError, ValueError, OverflowError, ImageError):
        raise DamageError(f"{where} is not what a journal holds") from None
    raise DamageError(f"{where} is of a kind that is not known")
