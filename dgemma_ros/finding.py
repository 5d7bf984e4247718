"""What a check of this machine found: what was looked at, how it ended, and what fixes it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a check ended. A build goes on after a warning."""

    OK = "ok"
    WARNING = "warning"
    """Works without, or not everybody needs it."""
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """One check; ``needed``: whether the commands work at all without it."""

    name: str
    state: State
    detail: str
    fix: str = ""
    """Empty where nothing is to be fixed."""
    needed: bool = False

    def __str__(self) -> str:
        return f"{self.detail}; {self.fix}" if self.fix else self.detail
