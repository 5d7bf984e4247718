"""What a benchmark returns: rows of figures, with the conditions they were measured under."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Table:
    """One benchmark's result. ``rows`` hold strings and numbers, one for each of ``columns``."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[object, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def markdown(table: Table) -> str:
    """The rows as a Markdown table, and the notes under it."""
    lines = [table.columns, ["---"] * len(table.columns), *table.rows]
    text = "".join(f"| {' | '.join(map(str, cells))} |\n" for cells in lines)
    return text + "".join(f"\n{note}\n" for note in table.notes)
