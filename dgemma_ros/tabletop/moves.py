"""What each skill of the arm is: phases that take their time, and what they do to the world.

Each skill is a generator of phases with their seconds; the world changes between them. One that goes wrong raises
:class:`Fails`. Whoever advances them is :class:`dgemma_ros.tabletop.arm.Arm`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

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

Phase = tuple[str, float]
"""What the arm does, and for how many seconds."""
Work = Iterator[Phase]


class Fails(Exception):  # noqa: N818 - an outcome, not an error
    """The skill fails, for this reason."""


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


class Moves:
    """The skills of one arm, by name in :attr:`skills`, which take the calls' arguments by keyword (``on`` as
    ``on_``). A skill that is not called as it wants raises :class:`WorldError` or TypeError at once."""

    def __init__(self, world: World, durations: Durations) -> None:
        self.world, self.durations = world, durations
        self.lifted: tuple[Object, str] | None = None
        """What is on its way, and what it lay on."""
        self.total = 1.0
        """Seconds that the skill takes which was called last."""
        self.said = ""
        """What it said aloud, or found."""
        self.skills: dict[str, Callable[..., Work]] = {
            "pick": self._pick,
            "place": self._place,
            "stack": self._stack,
            "push": self._push,
            "look": self._look,
            "say": self._say,
            "done": self._done,
        }

    def put_back(self) -> None:
        """What is on its way goes back to where it was."""
        if self.lifted is None:
            return
        obj, base = self.lifted
        if base and self.world.find(base) is not None and not self.world.covered(base):
            self.world.stack(obj, base)
        else:
            self.world.set_down(obj, obj.place, (obj.x, obj.y))

    def _reachable(self, name: str) -> Object:
        found = [o for o in self.world.objects if o.name == name]
        if len(found) > 1:
            raise Fails(UNCLEAR)
        if not found:
            raise Fails(NOT_FOUND)
        if name in self.world.unreachable:
            raise Fails(NOT_REACHABLE)
        if self.world.covered(name):
            raise Fails(COVERED)
        return found[0]

    def _grasp(self, skill: str, name: str) -> Work:
        """Reaches for an object and lifts it; what is held already is in hand."""
        if self.world.held is not None and self.world.held.name == name:
            self.lifted, self.world.held = (self.world.held, ""), None
            return
        if self.world.held is not None:
            raise Fails(FULL)
        seen = self._reachable(name)
        yield "reaching", self.durations.reach
        now = self.world.find(name)
        if now is None or (now.x, now.y) != (seen.x, seen.y) or self.world.covered(name):
            raise Fails(PERSON)
        self.world.touch(skill, name)
        yield "grasping", self.durations.grasp
        if self.world.find(name) != now or self.world.covered(name):
            raise Fails(PERSON)
        if self.world.slips():
            raise Fails(SLIPPED)
        base = self.world.on.get(name, "")
        self.lifted = (self.world.lift(name), base)

    def _pick(self, object: str) -> Work:
        self.total = self.durations.reach + self.durations.grasp
        yield from self._grasp("pick", object)
        assert self.lifted is not None
        self.world.held, self.lifted = self.lifted[0], None

    def _place(self, object: str, target: str) -> Work:
        d = self.durations
        self.total = d.reach + d.grasp + d.carry + d.release
        if target not in PLACES:
            raise WorldError(f"{target!r} is no place; there are {', '.join(PLACES)}")
        return self._placing(object, target)

    def _placing(self, name: str, target: str) -> Work:
        if self.world.place_of(name) == target and name not in self.world.on:
            yield "reaching", self.durations.reach  # it is there already
            return
        yield from self._grasp("place", name)
        yield "carrying", self.durations.carry
        yield "releasing", self.durations.release
        assert self.lifted is not None
        if not self.world.set_down(self.lifted[0], target):
            raise Fails(NO_ROOM)
        self.lifted = None

    def _stack(self, object: str, on_: str) -> Work:
        d = self.durations
        self.total = d.reach + d.grasp + d.carry + d.release
        if object == on_:
            raise Fails(SELF)
        if self.world.on.get(object) == on_:
            yield "reaching", d.reach
            return
        self._reachable(on_)
        yield from self._grasp("stack", object)
        yield "carrying", d.carry
        if self.world.find(on_) is None or self.world.covered(on_):
            raise Fails(PERSON)
        yield "releasing", d.release
        assert self.lifted is not None
        try:
            self.world.stack(self.lifted[0], on_)
        except WorldError:
            raise Fails(PERSON) from None
        self.lifted = None

    def _push(self, object: str, direction: str, distance: int) -> Work:
        d = self.durations
        self.total = d.reach + d.carry
        if direction not in DIRECTIONS:
            raise WorldError(f"{direction!r} is no direction; there are {', '.join(DIRECTIONS)}")
        return self._pushing(object, direction, distance)

    def _pushing(self, name: str, direction: str, distance: int) -> Work:
        seen = self._reachable(name)
        yield "reaching", self.durations.reach
        if self.world.find(name) != seen:
            raise Fails(PERSON)
        self.world.touch("push", name)
        yield "pushing", self.durations.carry
        if self.world.find(name) != seen:
            raise Fails(PERSON)
        dx, dy = (way * distance / TABLE_WIDTH_CM for way in DIRECTIONS[direction])
        self.world.shove(name, dx, dy / ASPECT)

    def _look(self, object: str) -> Work:
        self.total = self.durations.search
        yield "looking", self.durations.search
        where = self.world.place_of(object)
        if not where:
            raise Fails(NOT_FOUND)
        self.said = where

    def _say(self, text: str) -> Work:
        self.total = self.durations.speak
        yield "speaking", self.durations.speak
        self.said = text

    def _done(self) -> Work:
        return
        yield
