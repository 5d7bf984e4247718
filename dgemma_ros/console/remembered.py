"""What a planner remembers, as its service ``~/context_info`` tells it: entries with their ages. Knows no ROS."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from dgemma_ros.console.terminal import clean

WORDS: Final = ("note", "task", "plan", "result")
"""Kinds of entries that are no pictures, in the order in which they are shown."""
_PINNED = ", pinned"
_FRAME = re.compile(r"(?P<minutes>\d+):(?P<seconds>\d\d)(?: (?P<camera>[^,]+))?(?:, (?P<reason>.+))?")
_FORGOTTEN = re.compile(r"frame of (?P<camera>.+), (?P<reason>\w+)")
_UNNAMED = "the camera"


@dataclass(frozen=True)
class Entry:
    """One entry of the context."""

    kind: str
    """``frame`` or one of :data:`WORDS`."""
    tokens: int
    text: str
    """One line for people, safe for a terminal."""
    age: float | None
    """Seconds. Of words the most that it can be, the age of the frame before them; None where there is no frame."""
    camera: str = ""
    """Of a frame."""
    reason: str = ""
    """Of a frame: why it is a keyframe; empty where it is none."""
    pinned: bool = False


@dataclass(frozen=True)
class Remembered:
    """All of it, oldest first."""

    name: str
    """The planner's."""
    tokens: int
    limit: int
    """Of tokens: what ``context_tokens`` and ``context_bytes`` allow."""
    system: int
    """Tokens of the system turn."""
    entries: tuple[Entry, ...]
    forgotten: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Of each camera, how many frames went, by reason."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """How many entries went so far, by kind."""
    rebuilds: int = 0
    nbytes: int | None = None
    """Of keys and values; None where that is not known."""

    @property
    def cameras(self) -> tuple[str, ...]:
        """All of which frames are remembered, or were."""
        return tuple(sorted({entry.camera for entry in self.frames} | set(self.forgotten)))

    @property
    def frames(self) -> tuple[Entry, ...]:
        """The pictures."""
        return self.of("frame")

    @property
    def oldest(self) -> float:
        """Seconds: the greatest age; 0 where no frame is remembered."""
        return max((entry.age for entry in self.entries if entry.age is not None), default=0.0)

    def of(self, kind: str) -> tuple[Entry, ...]:
        """The entries of a kind."""
        return tuple(entry for entry in self.entries if entry.kind == kind)

    def tokens_by_kind(self) -> dict[str, int]:
        """The system turn's first."""
        counts: Counter[str] = Counter()
        for entry in self.entries:
            counts[entry.kind] += entry.tokens
        return {"system": self.system} | {kind: counts[kind] for kind in ("frame", *WORDS) if counts[kind]}


def read(answer: Any, name: str, nbytes: int | None = None) -> Remembered:
    """An answer of ``dgemma_msgs/srv/ContextInfo``, or anything with its fields. Nothing in it is trusted."""
    entries, seconds = [], []
    for segment in answer.segments:
        if segment.kind == "system":
            continue
        entry, at = _entry(segment)
        entries.append(entry)
        seconds.append(at)
    newest_age = float(answer.newest_age.sec) + float(answer.newest_age.nanosec) / 1e9
    forgotten: dict[str, dict[str, int]] = {}
    dropped: dict[str, int] = {}
    for what, count in zip(answer.dropped_kinds, answer.dropped_counts, strict=False):
        if match := _FORGOTTEN.fullmatch(clean(what)):
            camera = "" if match["camera"] == _UNNAMED else match["camera"]
            forgotten.setdefault(camera, {})[match["reason"]] = int(count)
        else:
            dropped[clean(what)] = int(count)
    return Remembered(
        name=name,
        tokens=int(answer.tokens),
        limit=int(answer.token_limit),
        system=sum(int(segment.tokens) for segment in answer.segments if segment.kind == "system"),
        entries=tuple(replace(entry, age=age) for entry, age in zip(entries, _ages(seconds, newest_age), strict=True)),
        forgotten=forgotten,
        dropped=dropped,
        rebuilds=int(answer.rebuilds),
        nbytes=nbytes,
    )


def as_json(remembered: Remembered) -> dict[str, Any]:
    """What ``--json`` prints: ages in seconds."""
    return {
        "planner": remembered.name,
        "tokens": remembered.tokens,
        "token_limit": remembered.limit,
        "tokens_by_kind": remembered.tokens_by_kind(),
        "bytes": remembered.nbytes,
        "rebuilds": remembered.rebuilds,
        "entries": [
            {"kind": entry.kind, "age": None if entry.age is None else round(entry.age, 3)}
            | {"tokens": entry.tokens, "text": entry.text, "pinned": entry.pinned}
            | ({"camera": entry.camera, "keyframe": entry.reason or None} if entry.kind == "frame" else {})
            for entry in remembered.entries
        ],
        "forgotten_frames": {camera: dict(counts) for camera, counts in remembered.forgotten.items()},
        "dropped": dict(remembered.dropped),
    }


def _entry(segment: Any) -> tuple[Entry, float | None]:
    """An entry, and of a frame the seconds that it says."""
    line, kind = " ".join(clean(segment.summary).split()), clean(segment.kind)
    pinned = line.endswith(_PINNED)
    text = line.removesuffix(_PINNED)
    match = _FRAME.fullmatch(text) if kind == "frame" else None
    entry = Entry(kind, int(segment.tokens), text, None, pinned=pinned)
    if match is None:
        return entry, None
    entry = replace(entry, camera=match["camera"] or "", reason=match["reason"] or "")
    return entry, 60.0 * int(match["minutes"]) + int(match["seconds"])


def _ages(seconds: list[float | None], newest_age: float) -> list[float | None]:
    """Frames say seconds; what says none has the age of the frame before it, or else of the first one."""
    said = [at for at in seconds if at is not None]
    if not said:
        return [None] * len(seconds)
    newest, last, ages = max(said), said[0], []
    for at in seconds:
        last = last if at is None else at
        ages.append(max(0.0, newest_age) + newest - last)
    return list(ages)
