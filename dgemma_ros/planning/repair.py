"""Mending an answer that is done and not valid: only the offending tokens are noised again, all others are pinned.

Where the catalogue says what may stand there, nothing else can be drawn; elsewhere a token that was wrong may not come
again at the same place first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dgemma_ros.planning.answer import Outcome
from dgemma_ros.planning.pins import PinnedCanvas, Pinner
from dgemma_ros.planning.plan_check import Problem
from dgemma_ros.planning.skills import SkillCatalogue
from dgemma_ros.planning.types import ErrorCode
from dgemma_ros.runtime.canvas_loop import Pins
from dgemma_ros.runtime.contract import Bools

ATTEMPTS = 8
"""Of one plan. A model that is wrong so often will not be right the next time either."""


@dataclass(frozen=True)
class Repairer:
    """``allowed`` [1, V]: what may be drawn at all."""

    pinner: Pinner
    allowed: Bools

    def canvas(
        self, outcome: Outcome, problems: Sequence[Problem], skills: SkillCatalogue, pinned: PinnedCanvas | None
    ) -> PinnedCanvas | None:
        """The last canvas with the problems' tokens free; None where changing tokens cannot help.

        What a template pinned stays pinned, and its slots keep what they allow.
        """
        if not len(outcome.canvas):
            return None
        length = len(outcome.canvas)
        rows: list[Bools] = list(self.allowed if pinned is None else pinned.allowed)
        row = np.zeros(length, np.int64) if pinned is None else pinned.allowed_row.copy()
        free = np.zeros(length, np.bool_)
        for problem in problems:
            places = self._places(outcome, problem, length)
            if places is None:
                return None
            free[places] = True
            if pinned is None:
                for position, allowed in zip(places, self._narrowed(problem, len(places), skills), strict=False):
                    row[position] = len(rows)
                    rows.append(allowed)
        fixed = np.zeros(length, np.bool_) if pinned is None else pinned.pins.mask
        free &= ~fixed
        if not free.any():
            return None
        slots = () if pinned is None else pinned.slots
        if pinned is None:
            slots = tuple((int(p[0]), int(p[-1]) + 1) for problem in problems if problem.argument
                          and (p := self._places(outcome, problem, length)) is not None and len(p))
        ids = outcome.canvas.copy()
        return PinnedCanvas(Pins(~free, ids), np.stack(rows), row, slots)

    @staticmethod
    def _places(outcome: Outcome, problem: Problem, length: int) -> range | None:
        """The problem's positions in the last canvas; a cut or missing answer is free to the canvas's end."""
        if problem.span is None:
            return None
        start, stop = problem.span
        if problem.code is ErrorCode.NO_CALLS:
            return None if (outcome.place < 0).any() else range(length)
        places = outcome.place[start:stop]
        if not len(places) or (places < 0).any():
            return None
        end = length if problem.code is ErrorCode.TRUNCATED else int(places[-1]) + 1
        return range(int(places[0]), end)

    def _narrowed(self, problem: Problem, count: int, skills: SkillCatalogue) -> list[Bools]:
        skill = skills.skills.get(problem.skill)
        argument = skill.argument(problem.argument) if skill and problem.argument else None
        return [] if argument is None else self.pinner.choices(argument, count)
