"""An arm that carries out the skills of ``engines/nano/skills.yaml`` in a :class:`~dgemma_ros.tabletop.world.World`.

A skill takes its time in phases; it fails where the world lets it fail, and says why. One skill at a time. Cancelling
ends it soon: what was lifted goes back to where it was. For the world's thread.

A little longer than most files: the skills' phases share the arm's state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from dgemma_ros.tabletop.scenes import ASPECT, PLACES, Object
from dgemma_ros.tabletop.world import (
    COVERED,
    FULL,
    NO_ROOM,
    NOT_FOUND,
    NOT_REACHABLE,
    PERSON,
    SELF,
    SLIPPED,
    UNCLEAR,
    World,
    WorldError,
)

TABLE_WIDTH_CM: Final = 100.0
DIRECTIONS: Final = {"left": (-1.0, 0.0), "right": (1.0, 0.0), "away": (0.0, -1.0), "closer": (0.0, 1.0)}


class Ending(StrEnum):
    """How a skill ended."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True)
class Durations:
    """Seconds of each phase."""

    reach: float = 0.8
    grasp: float = 0.3
    carry: float = 1.0
    release: float = 0.3
    search: float = 1.0
    speak: float = 0.2

    @property
    def longest(self) -> float:
        """Of any skill, with what a cancel adds."""
        return self.reach + self.grasp + 2 * self.carry + 2 * self.release + self.search


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


class _Fails(Exception):  # noqa: N818 - an outcome, not an error
    """The skill fails, for this reason."""


_Phase = tuple[str, float]
_Work = Iterator[_Phase]


class Arm:
    """Carries out one skill at a time: :meth:`begin`, then :meth:`advance` until its act has an ending."""

    def __init__(self, world: World, durations: Durations | None = None) -> None:
        self.world = world
        self.durations = durations or Durations()
        self.act: Act | None = None
        self._work: _Work = iter(())
        self._left = 0.0
        self._total = 1.0
        self._cancelling = False
        self._lifted: tuple[Object, str] | None = None  # what is on its way, and what it lay on
        self._skills: dict[str, Callable[..., _Work]] = {
            "pick": self._pick,
            "place": self._place,
            "stack": self._stack,
            "push": self._push,
            "look": self._look,
            "say": self._say,
            "done": self._done,
        }

    @property
    def busy(self) -> bool:
        """Whether a skill is being carried out."""
        return self.act is not None and self.act.ending is None

    @property
    def carried(self) -> str:
        """The name of what is on its way just now; empty where nothing is."""
        return self._lifted[0].name if self._lifted else ""

    def begin(self, skill: str, arguments: Mapping[str, Any]) -> Act:
        """Starts a skill. Raises :class:`WorldError` where one runs already, or the arm has no such skill."""
        if self.busy:
            raise WorldError(f"the arm is busy with {self.act.skill if self.act else ''}")
        if skill not in self._skills:
            raise WorldError(f"the arm has no skill {skill!r}; there are {', '.join(self._skills)}")
        for name, value in arguments.items():
            if not isinstance(value, int if name == "distance" else str) or isinstance(value, bool):
                raise WorldError(f"{skill}.{name}: {str(value)[:40]!r} is of the wrong type")
        given = {("on_" if name == "on" else name): value for name, value in arguments.items()}
        try:
            work = self._skills[skill](**given)
        except TypeError as error:
            raise WorldError(f"{skill}: {str(error).split('.')[-1]}") from None
        act = self.act = Act(skill, dict(arguments), self.world.time)
        self._work, self._left, self._cancelling, self._lifted = work, 0.0, False, None
        self._next(act)
        return act

    def cancel(self) -> bool:
        """Ends the skill that runs, soon; False where none does."""
        act = self.act
        if act is None or act.ending is not None:
            return False
        if not self._cancelling:
            self._cancelling = True
            if self._lifted is None:
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
                act.progress = min(0.99, act.progress + seconds / max(self._total, 1e-9))
                return
            seconds -= self._left
            act.progress = min(0.99, act.progress + self._left / max(self._total, 1e-9))
            self._left = 0.0
            if self._cancelling:
                self._put_back()
                self._end(act, Ending.CANCELLED, "cancelled")
            else:
                self._next(act)

    def _next(self, act: Act) -> None:
        try:
            act.phase, self._left = next(self._work)
        except StopIteration:
            act.progress = 1.0
            self._end(act, Ending.SUCCEEDED, "")
        except _Fails as failure:
            self._put_back()
            self._end(act, Ending.FAILED, str(failure))

    def _end(self, act: Act, ending: Ending, reason: str) -> None:
        act.ending, act.reason, act.phase = ending, reason, ""
        self._lifted = None

    def _put_back(self) -> None:
        if self._lifted is None:
            return
        obj, base = self._lifted
        if base and self.world.find(base) is not None and not self.world.covered(base):
            self.world.stack(obj, base)
        else:
            self.world.set_down(obj, obj.place, (obj.x, obj.y))

    # -- the skills, as phases ----------------------------------------------------------------------------------------

    def _total_of(self, *phases: float) -> None:
        self._total = sum(phases)

    def _reachable(self, name: str) -> Object:
        found = [o for o in self.world.objects if o.name == name]
        if len(found) > 1:
            raise _Fails(UNCLEAR)
        if not found:
            raise _Fails(NOT_FOUND)
        if name in self.world.unreachable:
            raise _Fails(NOT_REACHABLE)
        if self.world.covered(name):
            raise _Fails(COVERED)
        return found[0]

    def _grasp(self, skill: str, name: str) -> _Work:
        """Reaches for an object and lifts it; what is held already is in hand."""
        if self.world.held is not None and self.world.held.name == name:
            self._lifted, self.world.held = (self.world.held, ""), None
            return
        if self.world.held is not None:
            raise _Fails(FULL)
        seen = self._reachable(name)
        yield "reaching", self.durations.reach
        now = self.world.find(name)
        if now is None or (now.x, now.y) != (seen.x, seen.y) or self.world.covered(name):
            raise _Fails(PERSON)
        self.world.touch(skill, name)
        yield "grasping", self.durations.grasp
        if self.world.find(name) != now or self.world.covered(name):
            raise _Fails(PERSON)
        if self.world.slips():
            raise _Fails(SLIPPED)
        base = self.world.on.get(name, "")
        self._lifted = (self.world.lift(name), base)

    def _pick(self, object: str) -> _Work:
        self._total_of(self.durations.reach, self.durations.grasp)
        yield from self._grasp("pick", object)
        assert self._lifted is not None
        self.world.held, self._lifted = self._lifted[0], None

    def _place(self, object: str, target: str) -> _Work:
        d = self.durations
        self._total_of(d.reach, d.grasp, d.carry, d.release)
        if target not in PLACES:
            raise WorldError(f"{target!r} is no place; there are {', '.join(PLACES)}")
        return self._placing(object, target)

    def _placing(self, name: str, target: str) -> _Work:
        if self.world.place_of(name) == target and name not in self.world.on:
            yield "reaching", self.durations.reach  # it is there already
            return
        yield from self._grasp("place", name)
        yield "carrying", self.durations.carry
        yield "releasing", self.durations.release
        assert self._lifted is not None
        if not self.world.set_down(self._lifted[0], target):
            raise _Fails(NO_ROOM)
        self._lifted = None

    def _stack(self, object: str, on_: str) -> _Work:
        d = self.durations
        self._total_of(d.reach, d.grasp, d.carry, d.release)
        if object == on_:
            raise _Fails(SELF)
        if self.world.on.get(object) == on_:
            yield "reaching", d.reach
            return
        self._reachable(on_)
        yield from self._grasp("stack", object)
        yield "carrying", d.carry
        if self.world.find(on_) is None or self.world.covered(on_):
            raise _Fails(PERSON)
        yield "releasing", d.release
        assert self._lifted is not None
        try:
            self.world.stack(self._lifted[0], on_)
        except WorldError:
            raise _Fails(PERSON) from None
        self._lifted = None

    def _push(self, object: str, direction: str, distance: int) -> _Work:
        d = self.durations
        self._total_of(d.reach, d.carry)
        if direction not in DIRECTIONS:
            raise WorldError(f"{direction!r} is no direction; there are {', '.join(DIRECTIONS)}")
        return self._pushing(object, direction, distance)

    def _pushing(self, name: str, direction: str, distance: int) -> _Work:
        seen = self._reachable(name)
        yield "reaching", self.durations.reach
        if self.world.find(name) != seen:
            raise _Fails(PERSON)
        self.world.touch("push", name)
        yield "pushing", self.durations.carry
        if self.world.find(name) != seen:
            raise _Fails(PERSON)
        dx, dy = (way * distance / TABLE_WIDTH_CM for way in DIRECTIONS[direction])
        self.world.shove(name, dx, dy / ASPECT)

    def _look(self, object: str) -> _Work:
        self._total_of(self.durations.search)
        yield "looking", self.durations.search
        where = self.world.place_of(object)
        if not where:
            raise _Fails(NOT_FOUND)
        if self.act is not None:
            self.act.said = where

    def _say(self, text: str) -> _Work:
        self._total_of(self.durations.speak)
        yield "speaking", self.durations.speak
        if self.act is not None:
            self.act.said = text

    def _done(self) -> _Work:
        return
        yield
