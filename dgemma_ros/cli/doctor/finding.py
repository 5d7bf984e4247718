"""One line of the doctor's: what was looked at, what was found, what fixes it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    """Works without, or not everybody needs it."""
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """``needed``: whether the commands work at all without it."""

    name: str
    state: State
    detail: str
    fix: str = ""
    needed: bool = False
