"""Curves as SVG, with nothing but text: share against a limit, the limit on a logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

COLOURS = ("#2563eb", "#dc2626", "#6b7280", "#059669")
WIDTH, HEIGHT, LEFT, TOP = 380, 250, 52, 24


@dataclass(frozen=True)
class Line:
    """Points (limit, share in 0 … 1)."""

    name: str
    points: list[tuple[float, float]]


def picture(panels: Sequence[tuple[str, list[Line]]], label: str) -> str:
    """One panel beside the other, each with a title under its axis."""
    width = sum(WIDTH + LEFT + 24 for _ in panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT + TOP + 60}" font-family="sans-serif" '
        'font-size="12"><rect width="100%" height="100%" fill="white"/>'
    ]
    for number, (title, lines) in enumerate(panels):
        parts.append(f'<g transform="translate({LEFT + number * (WIDTH + LEFT + 24)},{TOP})">')
        parts += _axes(title, lines, label if number == 0 else "")
        for index, line in enumerate(lines):
            parts += _drawn(line, lines, COLOURS[index % len(COLOURS)], index)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>\n"])


def _x(limit: float, lines: list[Line]) -> float:
    limits = [x for line in lines for x, _ in line.points]
    low, high = math.log(min(limits)), math.log(max(limits))
    return WIDTH * (math.log(limit) - low) / max(high - low, 1e-9)


def _axes(title: str, lines: list[Line], label: str) -> list[str]:
    parts = [f'<text x="{WIDTH / 2}" y="{HEIGHT + 44}" text-anchor="middle">{title}</text>']
    parts.append(f'<text x="0" y="-8" text-anchor="start">{label}</text>')
    for tenths in range(0, 11, 2):
        y = HEIGHT * (1 - tenths / 10)
        parts.append(f'<path d="M0 {y}H{WIDTH}" stroke="#e5e7eb"/>')
        parts.append(f'<text x="-6" y="{y + 4}" text-anchor="end">{10 * tenths} %</text>')
    for limit in sorted({x for line in lines for x, _ in line.points}):
        parts.append(f'<text x="{_x(limit, lines):.1f}" y="{HEIGHT + 18}" text-anchor="middle">{limit:g}</text>')
    return parts


def _drawn(line: Line, lines: list[Line], colour: str, index: int) -> list[str]:
    points = [(_x(limit, lines), HEIGHT * (1 - share)) for limit, share in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
    y = HEIGHT - 12 - 18 * index
    key = f'<text x="{WIDTH - 6}" y="{y}" text-anchor="end" fill="{colour}">{line.name}</text>'
    return [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>', *dots, key]
