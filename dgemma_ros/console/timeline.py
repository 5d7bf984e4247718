"""What a planner remembers as a timeline on a terminal: a row for each camera and for words, on one axis of age."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from dgemma_ros.console.age_axis import AgeAxis, age_text
from dgemma_ros.console.plan_view import bar
from dgemma_ros.console.remembered import WORDS, Entry, Remembered

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text

MARKS: Final = {"note": "▪", "task": "▼", "plan": "▼", "result": "•"}
KEYFRAME, PINNED = "◆", "▲"
_LEVELS: Final = " ▁▂▃▄▅▆▇█"
_ROWS: Final = {"notes": ("note",), "tasks": ("task",), "results": ("result",)}
"""Rows of words; a plan lies where its task does."""
_REASONS: Final = {
    "thinned": "thinned out",
    "aged": "too old",
    "number": "beyond max_frames",
    "room": "for room",
    "asked": "on request",
}
"""Why frames went, for people."""
_LABEL, _LEAST = 14, 20
"""Columns of a row's name, and of the axis at least."""
_SHOWN: Final = 10
"""Words that are shown in full, the newest."""


def picture(remembered: Remembered, width: int = 80) -> Group:
    """All there is to say, in ``width`` columns."""
    from rich.console import Group
    from rich.text import Text

    columns, axis = max(_LEAST, width - _LABEL - 1), AgeAxis(remembered.oldest)
    parts = [*_head(remembered), Text("")]
    for camera in remembered.cameras:
        frames = [entry for entry in remembered.frames if entry.camera == camera]
        parts += _camera(camera, frames, axis, columns)
    for name, kinds in _ROWS.items():
        entries = [entry for entry in remembered.entries if entry.kind in kinds]
        if entries and remembered.frames:
            parts.append(_row(name, _words(entries, axis, columns)))
    if remembered.frames:
        parts.append(_row("age", _axis(axis, columns)))
        legend = f"{KEYFRAME} keyframe  {PINNED} pinned  {MARKS['note']} note  {MARKS['task']} task and plan  "
        parts.append(_row("", Text(legend + f"{MARKS['result']} result", "dim")))
    else:
        parts.append(Text("no frame is remembered"))
    parts += _in_full(remembered)
    parts += [Text(""), *_gone(remembered)]
    return Group(*parts)


def counted(entries: Iterable[Entry]) -> str:
    """``42 frames, 5 keyframes, 1 pinned`` of a camera."""
    frames = list(entries)
    keyframes, pinned = sum(bool(one.reason) for one in frames), sum(one.pinned for one in frames)
    return f"{number(len(frames), 'frame')}, {number(keyframes, 'keyframe')}, {pinned} pinned"


def sizes(remembered: Remembered) -> str:
    """Tokens of each kind, bytes, and how often all was read again, in a line."""
    told = [f"{kind} {tokens}" for kind, tokens in remembered.tokens_by_kind().items()]
    if remembered.nbytes is not None:
        told.append(f"{remembered.nbytes / 1e6:.1f} MB of keys and values")
    return ", ".join([*told, f"read again {number(remembered.rebuilds, 'time')}"])


def forgotten(remembered: Remembered) -> list[tuple[str, str]]:
    """Rows: whose, and how many by reason or kind."""
    rows = [
        (camera_name(camera), ", ".join(f"{count} {_REASONS.get(why, why)}" for why, count in sorted(counts.items())))
        for camera, counts in sorted(remembered.forgotten.items())
    ]
    words = [number(remembered.dropped[kind], kind) for kind in WORDS if remembered.dropped.get(kind)]
    return [*rows, ("words", ", ".join(words))] if words else rows


def age_of(entry: Entry) -> str:
    """Of words, what it is at most: frames between may have been forgotten."""
    if entry.age is None:
        return ""
    return age_text(entry.age) if entry.kind == "frame" else f"≤ {age_text(entry.age)}"


def number(count: int, what: str) -> str:
    """``1 frame``, ``2 frames``."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def camera_name(camera: str) -> str:
    """For people."""
    return camera or "camera"


def _head(remembered: Remembered) -> list[Text]:
    from rich.text import Text

    said = f"{remembered.name} remembers {remembered.tokens} of {remembered.limit} tokens  "
    return [Text(said) + bar(remembered.tokens / max(remembered.limit, 1), 20), Text(sizes(remembered), "dim")]


def _camera(camera: str, frames: list[Entry], axis: AgeAxis, columns: int) -> list[Text]:
    """How many frames there are of each age, with the keyframes and pinned ones below."""
    from rich.text import Text

    density, marks = [0] * columns, [" "] * columns
    for frame in frames:
        cell = _cell(frame, axis, columns)
        density[cell] += 1
        if frame.pinned:
            marks[cell] = PINNED
        elif frame.reason and marks[cell] != PINNED:
            marks[cell] = KEYFRAME
    full = max([len(_LEVELS) - 1, *density])
    bars = "".join(_LEVELS[math.ceil((len(_LEVELS) - 1) * count / full)] for count in density)
    return [
        _row(camera_name(camera), Text(counted(frames), "dim")),
        _row("", Text(bars, "cyan")),
        *([_row("", _coloured(marks, "green"))] if any(mark != " " for mark in marks) else []),
    ]


def _words(entries: list[Entry], axis: AgeAxis, columns: int) -> Text:
    marks = [" "] * columns
    for entry in entries:
        cell = _cell(entry, axis, columns)
        marks[cell] = PINNED if entry.pinned or marks[cell] == PINNED else MARKS[entry.kind]
    return _coloured(marks, "yellow")


def _coloured(marks: list[str], colour: str) -> Text:
    from rich.text import Text

    text = Text()
    for mark in marks:
        text.append(mark, "magenta" if mark == PINNED else colour)
    return text


def _axis(axis: AgeAxis, columns: int) -> Text:
    """The ages, each where it lies, as far as they do not touch."""
    from rich.text import Text

    line = ["─"] * columns
    for place, words in axis.ticks(14 / columns):
        begin = min(max(0, round(place * (columns - 1)) - len(words) // 2), columns - len(words))
        line[begin : begin + len(words)] = words
    return Text("".join(line), "dim")


def _cell(entry: Entry, axis: AgeAxis, columns: int) -> int:
    return round(axis.at(entry.age or 0.0) * (columns - 1))


def _row(name: str, text: Text) -> Text:
    from rich.text import Text

    shown = name if len(name) <= _LABEL else f"{name[: _LABEL - 1]}…"
    row = Text(f"{shown:<{_LABEL}} ", no_wrap=True, overflow="crop")
    return row.append_text(text)


def _in_full(remembered: Remembered) -> list[Text]:
    """The newest words, with all that are pinned."""
    from rich.text import Text

    words = [entry for entry in remembered.entries if entry.kind in WORDS]
    shown = [entry for number, entry in enumerate(words) if entry.pinned or number >= len(words) - _SHOWN]
    lines = [Text("")] if words else []
    if len(shown) < len(words):
        lines.append(Text(f"… and {len(words) - len(shown)} before these", "dim"))
    for entry in shown:
        line = Text(f"{age_of(entry):<{_LABEL}} ", no_wrap=True, overflow="ellipsis").append(
            f"{entry.kind:<7}", "yellow"
        )
        lines.append(line.append(entry.text).append("  pinned" if entry.pinned else "", "magenta"))
    return lines


def _gone(remembered: Remembered) -> list[Text]:
    from rich.text import Text

    rows = [_row(whose, Text(counts)) for whose, counts in forgotten(remembered)]
    return [Text("forgotten so far"), *rows] if rows else [Text("nothing was forgotten so far")]
