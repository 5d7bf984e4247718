"""The commands that a page shows in its blocks without a language, line by line."""

from __future__ import annotations

import shlex
from pathlib import Path

ROOT = Path(__file__).parents[1]


def commands(page: str) -> list[list[str]]:
    """Each line's words, comments left out; joined ones (`&&`, `;`) count as one."""
    found: list[list[str]] = []
    language: str | None = None
    for line in (ROOT / page).read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            language = line[3:] if language is None else None
        elif language == "" and line.strip():
            found.append(shlex.split(line, comments=True))
    return found
