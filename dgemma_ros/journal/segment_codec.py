"""Segments as JSON text and soft tokens as bytes, and back; what comes back is checked, as files are not trusted."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, NoReturn, TypeVar

import ml_dtypes
import numpy as np

from dgemma_ros.checkpoint.untrusted import MAX_TEXT
from dgemma_ros.context.results import ResultStatus, SkillResult
from dgemma_ros.context.segments import FrameSegment, NoteSegment, Reply, ResultSegment, Segment, TurnSegment
from dgemma_ros.context.types import Frame
from dgemma_ros.journal.errors import DamageError
from dgemma_ros.runtime.contract import Floats

MAX_JSON: Final = 64 << 20
"""Characters; a plan's basis names each segment of hours."""
MAX_SOFT: Final = 1 << 16
"""Soft tokens of one picture."""
MAX_NAME: Final = 4096
_T = TypeVar("_T")
_HALF: Final = np.dtype(ml_dtypes.bfloat16)


def kind_of(segment: Segment) -> str:
    """The name of a segment's kind in the journal."""
    return {FrameSegment: "frame", NoteSegment: "note", TurnSegment: "turn", ResultSegment: "result"}[type(segment)]


def content_of(segment: Segment) -> dict[str, Any]:
    """All of a segment but its id, stamp and soft tokens, as JSON values."""
    match segment:
        case FrameSegment(frame=frame, label=label):
            stamps = {"stamp_ns": frame.stamp_ns, "camera": frame.camera, "frame_id": frame.frame_id}
            kept = {"seconds": segment.seconds, "number": segment.number, "kept": segment.kept}
            return {"label": label} | stamps | kept
        case NoteSegment(text=text, pinned=pinned):
            return {"text": text, "pinned": pinned, "seconds": segment.seconds}
        case TurnSegment(task=task, reply=reply, plan_id=plan_id, plan=plan):
            ids = None if reply.ids is None else reply.ids.tolist()
            calls = [[name, dict(arguments)] for name, arguments in reply.calls]
            told = {"calls": calls, "text": reply.text, "ids": ids}
            return {"task": task, "reply": told, "plan_id": plan_id, "plan": plan, "frame_id": segment.frame_id}
        case ResultSegment(plan_id=plan_id, step=step, result=result):
            told = {"skill": result.skill, "arguments": dict(result.arguments)}
            told |= {"status": str(result.status), "reason": result.reason}
            return {"plan_id": plan_id, "step": step, "result": told}
    raise TypeError(f"{type(segment).__name__} is no segment that is kept")


def segment_of(
    kind: str, content: Mapping[str, Any], segment_id: int, appended_ns: int, soft: Floats | None, received: float
) -> Segment:
    """A segment that was kept; ``received``: see :class:`Frame`. Raises :class:`DamageError`."""
    common = {"id": segment_id, "appended_ns": appended_ns}
    where = f"segment {segment_id}"
    try:
        match kind:
            case "frame":
                if soft is None:
                    _wrong(where)
                names = (text_of(content["camera"], MAX_NAME), text_of(content["frame_id"], MAX_NAME))
                nothing = np.empty((0, 0, 3), np.uint8)
                frame = Frame(nothing, whole(content["stamp_ns"], -(2**63), 2**63), *names, received)
                label = text_of(content["label"], MAX_NAME)
                number, kept = whole(content["number"], 0, 2**63), text_of(content["kept"], MAX_NAME)
                shown = FrameSegment(frame=frame, label=label, soft=soft, id=segment_id, appended_ns=appended_ns)
                return replace(shown, seconds=_seconds(content["seconds"]), number=number, kept=kept)
            case "note":
                pinned, seconds = typed(content["pinned"], bool), _seconds(content.get("seconds", 0.0))
                return NoteSegment(text=text_of(content["text"]), pinned=pinned, seconds=seconds, **common)
            case "turn":
                task, plan_id, plan = (text_of(content[key]) for key in ("task", "plan_id", "plan"))
                frame_id = whole(content["frame_id"], 0, 2**63)
                reply = _reply(content["reply"])
                return TurnSegment(task=task, reply=reply, plan_id=plan_id, plan=plan, frame_id=frame_id, **common)
            case "result":
                told = content["result"]
                result = SkillResult(
                    text_of(told["skill"]),
                    typed(told["arguments"], dict),
                    ResultStatus(told["status"]),
                    text_of(told["reason"]),
                )
                step = whole(content["step"], 0, 1 << 31)
                return ResultSegment(plan_id=text_of(content["plan_id"]), step=step, result=result, **common)
    except (KeyError, TypeError, ValueError, OverflowError):
        _wrong(where)
    raise DamageError(f"{where} is of a kind that is not known")


def _reply(told: Mapping[str, Any]) -> Reply:
    ids = told["ids"]
    if ids is not None:
        ids = np.array([whole(number, 0, 1 << 31) for number in typed(ids, list)], np.int64)
    calls = tuple((text_of(name), typed(arguments, dict)) for name, arguments in told["calls"])
    return Reply(calls, text_of(told["text"]), ids)


def typed(value: Any, kind: type[_T]) -> _T:
    """Raises :class:`TypeError` for a value of another type."""
    if not isinstance(value, kind):
        raise TypeError
    return value


def text_of(value: Any, limit: int = 4 * MAX_TEXT) -> str:
    """Raises :class:`TypeError` or :class:`ValueError` for what is no text of at most so many characters."""
    if len(typed(value, str)) > limit:
        raise ValueError
    return str(value)


def whole(value: Any, low: int, high: int) -> int:
    """Raises :class:`TypeError` or :class:`ValueError` for what is no whole number of ``low`` … ``high`` - 1."""
    if isinstance(value, bool) or not low <= typed(value, int) < high:
        raise ValueError
    return int(value)


def _seconds(value: Any) -> float:
    if not isinstance(value, int | float) or not 0.0 <= value < 1e12:
        raise ValueError
    return float(value)


def _wrong(where: str) -> NoReturn:
    raise DamageError(f"{where} is not what a journal holds")


# -- soft tokens --------------------------------------------------------------------------------------------------


def soft_bytes(soft: Floats) -> bytes:
    """[n, H] float32 as bytes: in half the room where that loses nothing, as of a model that computes in bfloat16."""
    half = soft.astype(_HALF)
    stored = half if np.array_equal(half.astype(np.float32), soft) else np.ascontiguousarray(soft, np.float32)
    return stored.tobytes()


def soft_of(stored: bytes, count: int, width: int) -> Floats:
    """Raises :class:`DamageError` for bytes that are not of ``count`` soft tokens."""
    values = count * width
    for dtype in (np.dtype(np.float32), _HALF):
        if 0 < count <= MAX_SOFT and len(stored) == values * dtype.itemsize:
            return np.frombuffer(stored, dtype).reshape(count, width).astype(np.float32)
    raise DamageError("soft tokens are not as many as they should be")


# -- JSON with a checksum -----------------------------------------------------------------------------------------


def sealed(content: Any) -> str:
    """JSON text behind its checksum."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return f"{zlib.crc32(text.encode('utf-8', 'surrogatepass')):08x}{text}"


def unsealed(text: Any, where: str) -> Any:
    """Raises :class:`DamageError` where text and checksum do not go together."""
    if not isinstance(text, str) or len(text) > MAX_JSON:
        raise DamageError(f"{where} is not what a journal holds")
    seal, content = text[:8], text[8:]
    if seal != f"{zlib.crc32(content.encode('utf-8', 'surrogatepass')):08x}":
        raise DamageError(f"{where} is damaged: its checksum is another")
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise DamageError(f"{where} is not what a journal holds") from None
