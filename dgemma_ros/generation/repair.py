"""Repair of an answer that is done and not valid: only the wrong tokens are noised again, all others are pinned.

Where the catalogue says what may stand there, nothing else can be sampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dgemma_ros.errors import ErrorCode
from dgemma_ros.generation.canvas_loop import LogitsMask, Pins
from dgemma_ros.generation.generate import Generation
from dgemma_ros.generation.pins import PinnedCanvas, Pinner
from dgemma_ros.runtime.contract import Bools
from dgemma_ros.skills.catalogue import SkillCatalogue
from dgemma_ros.skills.validation import Problem

ATTEMPTS = 8
"""Of one plan. A model that is wrong so often will not be right the next time either."""


@dataclass(frozen=True)
class Repairer:
    """``allowed`` [1, V]: what may be sampled at all."""

    pinner: Pinner
    allowed: Bools

    def canvas(
        self, answer: Generation, problems: Sequence[Problem], skills: SkillCatalogue, pinned: PinnedCanvas | None
    ) -> PinnedCanvas | None:
        """The last canvas with the problems' tokens free; None where changing tokens cannot help.

        What a template pinned stays pinned, and its slots keep what they allow.
        """
        if (draft := answer.draft) is None:
            return None
        canvas, length = draft.argmax, len(draft.argmax)
        slots = () if pinned is None else pinned.slots
        sets: list[Bools] = list(self.allowed if pinned is None else pinned.mask.sets)
        set_of = np.zeros(length, np.int64)
        if pinned is not None and pinned.mask.set_of is not None:
            set_of = pinned.mask.set_of.copy()
        free = np.zeros(length, np.bool_)
        for problem in problems:
            places = self._places(answer, problem, length)
            if places is None:
                return None
            inside = [slot for slot in slots if slot[0] <= places.start < slot[1]]
            if inside and problem.argument:
                places = range(*inside[0])
            free[places] = True
            narrowed = self._narrowed(problem, canvas[places].tolist(), skills)
            for position, allowed in zip(places, narrowed, strict=False):
                set_of[position] = len(sets)
                sets.append(allowed)
            if narrowed and not inside:
                slots = (*slots, (places.start, places.stop))
        if pinned is not None:
            free &= ~pinned.pins.mask
        if not free.any():
            return None
        values = () if pinned is None else pinned.values
        return PinnedCanvas(Pins(~free, canvas.copy()), LogitsMask(np.stack(sets), set_of), slots, values)

    @staticmethod
    def _places(answer: Generation, problem: Problem, length: int) -> range | None:
        """The problem's positions in the last canvas; a cut or missing answer is free to the canvas's end."""
        if problem.span is None:
            return None
        start, stop = problem.span
        if problem.code is ErrorCode.NO_CALLS:
            return None if (answer.positions < 0).any() else range(length)
        places = answer.positions[start:stop]
        if not len(places) or (places < 0).any():
            return None
        end = length if problem.code is ErrorCode.TRUNCATED else int(places[-1]) + 1
        return range(int(places[0]), end)

    def _narrowed(self, problem: Problem, wrong: list[int], skills: SkillCatalogue) -> list[Bools]:
        """What may stand at the places of a wrong value; nothing where its tokens hold more than the value."""
        skill = skills.skills.get(problem.skill)
        argument = skill.argument(problem.argument) if skill and problem.argument else None
        if argument is None or (argument.type != "string" and self.pinner.holds_syntax(wrong)):
            return []
        return self.pinner.choices(argument, wrong)
