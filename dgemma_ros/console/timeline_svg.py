"""The timeline of what a planner remembers as SVG, with nothing but text. Words are shown where the pointer rests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from xml.sax.saxutils import escape

from dgemma_ros.console.age_axis import AgeAxis
from dgemma_ros.console.remembered import WORDS, Entry, Remembered
from dgemma_ros.console.timeline import age_of, camera_name, counted, forgotten, sizes

WIDTH, LEFT, MARGIN, ROW, LINE = 820, 120, 24, 52, 18
FRAME, KEY, PIN, GREY = "#93c5fd", "#059669", "#c026d3", "#6b7280"
COLOURS: Final = {"note": "#d97706", "task": "#2563eb", "plan": "#2563eb", "result": "#6b7280"}
_LABEL: Final = 15
"""Characters of a row's name."""


def picture(remembered: Remembered) -> str:
    """The whole document."""
    axis = AgeAxis(remembered.oldest)
    parts, y = _head(remembered)
    top = y
    for camera in remembered.cameras:
        frames = [entry for entry in remembered.frames if entry.camera == camera]
        parts += _label(camera_name(camera), y)
        parts.append(_text(LEFT, y + 2, counted(frames), GREY, size=10))
        ordered = sorted(frames, key=lambda one: (one.pinned, bool(one.reason)))  # what matters most is on top
        parts += [_titled(_frame(one, _x(one, axis), y), one) for one in ordered]
        y += ROW
    for kind in WORDS:
        entries = remembered.of(kind)
        if entries and kind != "plan":  # which lies where its task does
            parts += _label(f"{kind}s", y)
            plans = {id(task): plan for task, plan in zip(entries, remembered.of("plan"), strict=False)}
            for one in entries:
                also = f" → {plans[id(one)].text}" if kind == "task" and id(one) in plans else ""
                parts.append(_titled(_mark(one, _x(one, axis), y), one, also))
            y += ROW // 2 + 6
    parts = [*_grid(axis, top, y), *parts] if remembered.frames else [*parts, _text(LEFT, y, "no frame is remembered")]
    y += 2 * LINE + 8
    parts += _legend(y)
    y += 2 * LINE
    gone = forgotten(remembered)
    parts.append(_text(MARGIN, y, "forgotten so far" if gone else "nothing was forgotten so far", GREY))
    for whose, counts in gone:
        y += LINE
        parts += [_text(MARGIN, y, whose), _text(LEFT, y, counts)]
    height = y + LINE
    begin = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + MARGIN} {height}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
    )
    return "\n".join([begin, *parts, "</svg>\n"])


def _head(remembered: Remembered) -> tuple[list[str], int]:
    part = min(1.0, remembered.tokens / max(remembered.limit, 1))
    said = f"{remembered.name} remembers {remembered.tokens} of {remembered.limit} tokens ({part:.0%})"
    return [
        _text(MARGIN, 28, said, size=15),
        f'<rect x="{MARGIN}" y="38" width="{LEFT + WIDTH - MARGIN}" height="6" fill="#e5e7eb"/>',
        f'<rect x="{MARGIN}" y="38" width="{part * (LEFT + WIDTH - MARGIN):.1f}" height="6" fill="{KEY}"/>',
        _text(MARGIN, 62, sizes(remembered), GREY),
    ], 92


def _grid(axis: AgeAxis, top: int, bottom: int) -> list[str]:
    parts = []
    for place, words in axis.ticks(0.09):
        x = LEFT + place * WIDTH
        anchor = "start" if place == 0 else "end" if place == 1 else "middle"
        parts.append(f'<path d="M{x:.1f} {top - 8}V{bottom}" stroke="#e5e7eb"/>')
        parts.append(_text(x, bottom + 14, words, GREY, anchor=anchor))
    return parts


def _label(name: str, y: int) -> list[str]:
    return [_text(LEFT - 12, y + 22, name if len(name) <= _LABEL else f"{name[: _LABEL - 1]}…", anchor="end")]


def _frame(entry: Entry, x: float, y: int) -> str:
    """A line, taller with a diamond for a keyframe, and with a triangle where it is pinned."""
    if not entry.reason and not entry.pinned:
        return f'<path d="M{x:.1f} {y + 12}v16" stroke="{FRAME}" stroke-width="1.5"/>'
    colour = PIN if entry.pinned else KEY
    drawn = f'<path d="M{x:.1f} {y + 8}v22" stroke="{colour}" stroke-width="1.5"/>'
    return drawn + (_triangle(x, y + 34, PIN) if entry.pinned else _diamond(x, y + 32, KEY))


def _mark(entry: Entry, x: float, y: int) -> str:
    if entry.pinned:
        return _triangle(x, y + 18, PIN)
    colour = COLOURS[entry.kind]
    if entry.kind == "note":
        return f'<rect x="{x - 4:.1f}" y="{y + 14}" width="8" height="8" fill="{colour}"/>'
    if entry.kind == "task":
        return f'<path d="M{x - 5:.1f} {y + 13}h10l-5 10z" fill="{colour}"/>'
    return f'<circle cx="{x:.1f}" cy="{y + 18}" r="4" fill="{colour}"/>'


def _triangle(x: float, y: float, colour: str) -> str:
    return f'<path d="M{x - 5:.1f} {y + 5}h10l-5 -10z" fill="{colour}"/>'


def _diamond(x: float, y: float, colour: str) -> str:
    return f'<path d="M{x:.1f} {y - 5}l4 5l-4 5l-4 -5z" fill="{colour}"/>'


def _legend(y: int) -> list[str]:
    marks: tuple[tuple[str, Callable[[float], str]], ...] = (
        ("frame", lambda x: f'<path d="M{x:.1f} {y - 12}v16" stroke="{FRAME}" stroke-width="1.5"/>'),
        ("keyframe", lambda x: _diamond(x, y - 4, KEY)),
        ("pinned", lambda x: _triangle(x, y - 4, PIN)),
        *((kind, _of_kind(kind, y)) for kind in ("note", "task", "result")),
    )
    parts = []
    for number, (name, draw) in enumerate(marks):
        x = LEFT + 8.0 + 130 * number
        parts += [draw(x), _text(x + 12, y, "task with its plan" if name == "task" else name, GREY)]
    return parts


def _of_kind(kind: str, y: int) -> Callable[[float], str]:
    return lambda x: _mark(Entry(kind, 0, "", None), x, y - 22)


def _titled(drawn: str, entry: Entry, also: str = "") -> str:
    age = f"{age_of(entry)} ago: " if entry.age is not None else ""
    why = ", ".join(filter(None, (entry.reason, "pinned" if entry.pinned else "")))
    words = entry.text if not entry.pinned or entry.kind == "frame" else f"{entry.text} ({why})"
    return f"<g><title>{escape(f'{age}{entry.kind} {words}{also}, {entry.tokens} tokens')}</title>{drawn}</g>"


def _text(x: float, y: float, words: str, colour: str = "black", size: int = 12, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y}" fill="{colour}" font-size="{size}" text-anchor="{anchor}">{escape(words)}</text>'


def _x(entry: Entry, axis: AgeAxis) -> float:
    return LEFT + axis.at(entry.age or 0.0) * WIDTH
