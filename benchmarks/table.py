"""What a benchmark returns: rows of figures, with the conditions they were measured under."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Table:
    """One benchmark's result. ``rows`` hold strings and numbers, one for each of ``columns``."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[object, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def markdown(columns: Sequence[object], rows: Iterable[Sequence[object]], notes: Sequence[str] = ()) -> str:
    """Rows as a Markdown table, and notes under it."""
    lines = [columns, ["---"] * len(columns), *rows]
    text = "".join(f"| {' | '.join(map(str, cells))} |\n" for cells in lines)
    return text + "".join(f"\n{note}\n" for note in notes)


def fill(file: Path, name: str, text: str) -> None:
    """Puts text between ``<!-- name -->`` and ``<!-- end -->`` in a file; ValueError where it has no such place."""
    whole = file.read_text()
    parts = re.split(rf"(?<=<!-- {re.escape(name)} -->\n)(?:.*?)(?=<!-- end -->)", whole, maxsplit=1, flags=re.DOTALL)
    if len(parts) != 2:
        raise ValueError(f"{file}: no place for '{name}'")
    file.write_text(text.join(parts))
