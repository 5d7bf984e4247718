"""What an answer comes to: steps that call skills. Frozen, shared between threads freely."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Scalar = str | int | float | bool


@dataclass(frozen=True)
class PlanStep:
    """One call of a skill. ``confidence`` 0 … 1 is that of its least sure token; None where it is not known."""

    skill: str
    arguments: Mapping[str, Scalar]
    confidence: float | None
