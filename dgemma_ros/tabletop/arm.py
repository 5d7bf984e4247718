"""An arm that carries out the skills of ``engines/nano/skills.yaml`` in a :class:`~dgemma_ros.tabletop.world.World`.

A skill takes its time in phases (`moves.py`); it fails where the world lets it fail, and says why. One skill at a time.
Cancelling ends it soon: what was lifted goes back to where it was. For the world's thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dgemma_ros.tabletop.moves import Durations, Fails, Moves, Work
from dgemma_ros.tabletop.world import World, WorldError


class Ending(StrEnum):
    """How a skill ended."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


@dataclass
class Act:
    """A skill that is being carried out, or was. ``ending`` is None while it goes on."""

    skill: str
    arguments: Mapping[str, Any]
    began: float
    phase: str = ""
    progress: float = 0.0
    ending: Ending | None = None
    reason: str = ""
    said: str = ""
    """What the arm said aloud, or found."""


class Arm:
    """Carries out one skill at a time: :meth:`begin`, then :meth:`advance` until its act has an ending."""

    def __init__(self, world: World, durations: Durations | None = None) -> None:
        self.world = world
        self.durations = durations or Durations()
        self.act: Act | None = None
        self._moves = Moves(world, self.durations)
        self._work: Work = iter(())
        self._left = 0.0
        self._cancelling = False

    @property
    def busy(self) -> bool:
        """Whether a skill is being carried out."""
        return self.act is not None and self.act.ending is None

    @property
    def carried(self) -> str:
        """The name of what is on its way just now; empty where nothing is."""
        return self._moves.lifted[0].name if self._moves.lifted else ""

    def begin(self, skill: str, arguments: Mapping[str, Any]) -> Act:
        """Starts a skill. Raises :class:`WorldError` where one runs already, or the arm has no such skill."""
        if self.busy:
            raise WorldError(f"the arm is busy with {self.act.skill if self.act else ''}")
        moves = Moves(self.world, self.durations)
        if skill not in moves.skills:
            raise WorldError(f"the arm has no skill {skill!r}; there are {', '.join(moves.skills)}")
        for name, value in arguments.items():
            if not isinstance(value, int if name == "distance" else str) or isinstance(value, bool):
                raise WorldError(f"{skill}.{name}: {str(value)[:40]!r} is of the wrong type")
        given = {("on_" if name == "on" else name): value for name, value in arguments.items()}
        try:
            work = moves.skills[skill](**given)
        except TypeError as error:
            raise WorldError(f"{skill}: {str(error).split('.')[-1]}") from None
        act = self.act = Act(skill, dict(arguments), self.world.time)
        self._moves, self._work, self._left, self._cancelling = moves, work, 0.0, False
        self._next(act)
        return act

    def cancel(self) -> bool:
        """Ends the skill that runs, soon; False where none does."""
        act = self.act
        if act is None or act.ending is not None:
            return False
        if not self._cancelling:
            self._cancelling = True
            if self._moves.lifted is None:
                self._end(act, Ending.CANCELLED, "cancelled")
            else:
                act.phase, self._left, self._work = "putting back", self.durations.release, iter(())
        return True

    def advance(self, seconds: float) -> None:
        """Lets time pass. The world's clock is moved by whoever moves it, not here."""
        act = self.act
        while act is not None and act.ending is None:
            if seconds < self._left:
                self._left -= seconds
                act.progress = min(0.99, act.progress + seconds / max(self._moves.total, 1e-9))
                return
            seconds -= self._left
            act.progress = min(0.99, act.progress + self._left / max(self._moves.total, 1e-9))
            self._left = 0.0
            if self._cancelling:
                self._moves.put_back()
                self._end(act, Ending.CANCELLED, "cancelled")
            else:
                self._next(act)

    def _next(self, act: Act) -> None:
        try:
            act.phase, self._left = next(self._work)
        except StopIteration:
            act.progress = 1.0
            self._end(act, Ending.SUCCEEDED, "")
        except Fails as failure:
            self._moves.put_back()
            self._end(act, Ending.FAILED, str(failure))

    def _end(self, act: Act, ending: Ending, reason: str) -> None:
        act.ending, act.reason, act.phase, act.said = ending, reason, "", self._moves.said
        self._moves.lifted = None
