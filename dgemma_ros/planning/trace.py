"""How far the clock let an answer go, written down, and told again to an answer that is made a second time.

All else of an answer follows from context, task, seed and settings. What does not is how many steps there was time for,
and when it was called off: the answers to three questions that are asked in the same order each time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from dgemma_ros.errors import DgemmaError
from dgemma_ros.generation.contract import StepBudget

MOST = 1_000_000
"""Of questions, in a trace that is read."""


@dataclass
class Trace:
    """A :class:`StepBudget` over another one, and a ``stop``, that write down what they answered."""

    budget: StepBudget
    wanted_no_more: Callable[[], bool]
    _steps: list[int] = field(default_factory=list)
    _allowed: list[bool] = field(default_factory=list)
    _stopped: list[bool] = field(default_factory=list)

    @property
    def remaining(self) -> float:
        """See the contract."""
        return self.budget.remaining

    def clock(self) -> float:
        """See the contract."""
        return self.budget.clock()

    def steps(self, tokens: int, most: int) -> int:
        """See the contract."""
        self._steps.append(self.budget.steps(tokens, most))
        return self._steps[-1]

    def allows(self, tokens: int, first: bool = False) -> bool:
        """See the contract."""
        self._allowed.append(self.budget.allows(tokens, first))
        return self._allowed[-1]

    def record(self, tokens: int, seconds: float) -> None:
        """See the contract."""
        self.budget.record(tokens, seconds)

    def stop(self) -> bool:
        """Whether the answer is no longer wanted."""
        self._stopped.append(self.wanted_no_more())
        return self._stopped[-1]

    @property
    def content(self) -> dict[str, Any]:
        """As JSON values: of yes and no, how many there were, and which were the rarer."""
        refused = [number for number, allowed in enumerate(self._allowed) if not allowed]
        stopped = [number for number, stopped in enumerate(self._stopped) if stopped]
        return {
            "steps": list(self._steps),
            "asked": len(self._allowed),
            "refused": refused,
            "looked": len(self._stopped),
            "stopped": stopped,
        }


class TraceError(DgemmaError):
    """A trace cannot be read, or another answer came of it than it was written for."""


@dataclass
class Retrace:
    """A :class:`StepBudget` and a ``stop`` that answer as a trace says; behind its end there is no more time."""

    given: tuple[int, ...]
    asked: int
    refused: frozenset[int]
    looked: int
    stopped: frozenset[int]
    remaining: float = float("inf")

    def __post_init__(self) -> None:
        self._steps = self._allowed = self._stops = 0

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Self:
        """Raises :class:`TraceError` for what is no trace."""
        try:
            steps, refused, stopped = (
                tuple(int(number) for number in content[name]) for name in ("steps", "refused", "stopped")
            )
            asked, looked = int(content["asked"]), int(content["looked"])
        except (KeyError, TypeError, ValueError):
            raise TraceError("how far that plan's answer went was not written down") from None
        if max(asked, looked, *steps, 0) > MOST or min(asked, looked, *steps, 0) < 0:
            raise TraceError("how far that plan's answer went is no count of steps")
        return cls(steps, asked, frozenset(refused), looked, frozenset(stopped))

    clock = staticmethod(time.monotonic)

    def steps(self, tokens: int, most: int) -> int:
        """See the contract."""
        self._steps += 1
        return min(most, self.given[self._steps - 1]) if self._steps <= len(self.given) else 0

    def allows(self, tokens: int, first: bool = False) -> bool:
        """See the contract."""
        self._allowed += 1
        return self._allowed <= self.asked and self._allowed - 1 not in self.refused

    def record(self, tokens: int, seconds: float) -> None:
        """What it takes now says nothing of then."""

    def stop(self) -> bool:
        """Whether the answer was no longer wanted then."""
        self._stops += 1
        return self._stops > self.looked or self._stops - 1 in self.stopped
