"""The reference in docs/ros.md of names and parameters, from the tables: ``python -m dgemma_ros.nodes.reference``."""

from __future__ import annotations

import re
from pathlib import Path

from dgemma_ros.nodes import parameter_table, topics

PAGE = Path(__file__).resolve().parents[2] / "docs" / "ros.md"
TABLES = {
    "planner names": topics.reference(topics.PLANNER),
    "planner parameters": parameter_table.reference(parameter_table.PLANNER),
    "camera names": topics.reference(topics.CAMERA),
    "camera parameters": parameter_table.reference(parameter_table.CAMERA),
    "executor names": topics.reference(topics.EXECUTOR),
    "executor parameters": parameter_table.reference(parameter_table.EXECUTOR),
    "tabletop names": topics.reference(topics.TABLETOP),
    "tabletop parameters": parameter_table.reference(parameter_table.TABLETOP),
}


def filled(text: str) -> str:
    """The text with every table between its marks as the code has it now."""
    for name, table in TABLES.items():
        marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if len(marks.findall(text)) != 1:
            raise ValueError(f"docs/ros.md has no place for the table '{name}'")
        before, after = marks.findall(text)[0]
        text = marks.sub((before + table + after).replace("\\", r"\\"), text)
    return text


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
