"""The tabletop as a world: what lies where now, what is held, who is at the table, and a time that goes on.

Everything follows from the seed and from what is done at which time, so a world can be lived through again. The arm
(`arm.py`) and a person (`person.py`) change it; a camera renders :attr:`World.moment`; goals (`goals.py`) judge it. For
one thread. Times are seconds of the world's own time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from dgemma_ros.tabletop.scenes import ASPECT, MOST, PLACES, TRAY_CENTRES, TRAY_SIZE, TRAYS, Object, put, sample_scene

SLIPPED: Final = "slipped"
NOT_REACHABLE: Final = "not reachable"
NOT_FOUND: Final = "not found"
NO_ROOM: Final = "no room"
PERSON: Final = "a person moved it"
COVERED: Final = "something lies on it"
FULL: Final = "the gripper is full"
UNCLEAR: Final = "there are several"
SELF: Final = "not on itself"
REASONS: Final = (SLIPPED, NOT_REACHABLE, NOT_FOUND, NO_ROOM, PERSON, COVERED, FULL, UNCLEAR, SELF)
"""Why a skill fails, as the arm says it."""

_CLOSE: Final = 0.06
"""Least table widths between two objects that are set down in a crowded place."""
_MIDDLES: Final = {"left side": 0.19, "middle": 0.5, "right side": 0.81}


class WorldError(ValueError):
    """Something was asked of the world that it has not; the text says what it has."""


@dataclass
class Dynamics:
    """What can go wrong. Rates are probabilities, drawn from the world's seed."""

    slip_rate: float = 0.0
    """Of a grasp."""
    unreachable_rate: float = 0.0
    """Of an object, when the table is laid."""
    slips_due: int = 0
    """So many of the next grasps slip for certain."""


@dataclass(frozen=True)
class Touch:
    """The arm closed its gripper on something, or pushed it. ``person_for``: seconds a person had been at the table."""

    time: float
    skill: str
    name: str
    person_for: float | None


@dataclass
class World:
    """The table now. Change it through the arm, a person, or :meth:`lay`."""

    seed: int
    dynamics: Dynamics = field(default_factory=Dynamics)
    time: float = 0.0
    objects: list[Object] = field(default_factory=list)
    """On table and trays, and what the gripper holds is not among them."""
    held: Object | None = None
    on: dict[str, str] = field(default_factory=dict)
    """What lies on what, by name."""
    unreachable: set[str] = field(default_factory=set)
    person_since: float | None = None
    """When the person who is at the table came; None where nobody is."""
    touches: list[Touch] = field(default_factory=list)
    look: int = 0
    """Seed of light, table and camera, as :class:`dgemma_ros.tabletop.render.Look` takes it."""

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng((self.seed, 11))
        self._slips = np.random.default_rng((self.seed, 12))

    @classmethod
    def lay(cls, seed: int, dynamics: Dynamics | None = None, count: int = 0) -> World:
        """A table laid from a seed, with ``count`` objects of different names, at most 8; 0 draws two to four."""
        if not 0 <= count <= MOST:
            raise WorldError(f"no table was laid with {count} objects; give 1 to {MOST}, or 0 for as many as come")
        world = cls(seed, dynamics or Dynamics())
        rng = np.random.default_rng((seed, 10))
        scene = sample_scene(rng, count=count or int(rng.integers(2, 5)))
        world.objects, world.look = list(scene.now), scene.seed
        world.unreachable = {o.name for o in world.objects if rng.random() < world.dynamics.unreachable_rate}
        return world

    # -- what is there ------------------------------------------------------------------------------------------------

    @property
    def names(self) -> list[str]:
        """Of everything, what is held included."""
        return [o.name for o in self.objects] + ([self.held.name] if self.held else [])

    @property
    def moment(self) -> tuple[Object, ...]:
        """What a camera sees, in the order of drawing: what lies on something comes after it."""
        return tuple(sorted(self.objects, key=lambda o: self.height(o.name)))

    def find(self, name: str) -> Object | None:
        """The object of that name on table or trays; None where there is none, or are several."""
        found = [o for o in self.objects if o.name == name]
        return found[0] if len(found) == 1 else None

    def place_of(self, name: str) -> str:
        """One of PLACES, ``gripper``, or empty where it is nowhere."""
        if self.held is not None and self.held.name == name:
            return "gripper"
        found = self.find(name)
        return found.place if found else ""

    def height(self, name: str) -> int:
        """How many things lie under it."""
        levels = 0
        while name in self.on and levels <= len(self.on):
            name, levels = self.on[name], levels + 1
        return levels

    def covered(self, name: str) -> bool:
        """Whether something lies on it."""
        return name in self.on.values()

    def truth(self) -> dict[str, Any]:
        """Everything there is to know, as JSON values."""
        return {
            "time": round(self.time, 6),
            "seed": self.seed,
            "objects": [
                {
                    "name": o.name,
                    "place": o.place,
                    "x": round(o.x, 4),
                    "y": round(o.y, 4),
                    "on": self.on.get(o.name, ""),
                }
                for o in self.objects
            ],
            "held": self.held.name if self.held else "",
            "unreachable": sorted(self.unreachable),
            "person": self.person_since is not None,
            "touches": [
                {"time": round(t.time, 6), "skill": t.skill, "name": t.name, "person_for": t.person_for}
                for t in self.touches
            ],
        }

    # -- how it changes -----------------------------------------------------------------------------------------------

    def slips(self) -> bool:
        """Whether the grasp that is made now slips."""
        drawn = bool(self._slips.random() < self.dynamics.slip_rate)  # always drawn: a forced slip shifts no later one
        if self.dynamics.slips_due > 0:
            self.dynamics.slips_due -= 1
            return True
        return drawn

    def touch(self, skill: str, name: str) -> None:
        """Notes that the arm takes hold of something."""
        since = None if self.person_since is None else self.time - self.person_since
        self.touches.append(Touch(self.time, skill, name, since))

    def lift(self, name: str) -> Object:
        """Takes an object off the table. Raises :class:`WorldError` where it is not there, or covered."""
        found = self.find(name)
        if found is None or self.covered(name):
            raise WorldError(f"{name!r} cannot be lifted; there are {', '.join(self.names) or 'no objects'}")
        self.objects.remove(found)
        self.on.pop(name, None)
        return found

    def set_down(self, obj: Object, place: str, spot: tuple[float, float] | None = None) -> bool:
        """Lays a lifted object at a place, at that spot or wherever there is room; False where there is none."""
        if place not in PLACES:
            raise WorldError(f"{place!r} is no place; there are {', '.join(PLACES)}")
        laid = replace(obj, place=place, x=spot[0], y=spot[1]) if spot else put(self.rng, self.objects, obj, place)
        if laid is None and (free := self._squeeze(place)) is not None:
            laid = replace(obj, place=place, x=free[0], y=free[1])
        if laid is None:
            return False
        self.objects.append(laid)
        return True

    def stack(self, obj: Object, base: str) -> None:
        """Lays an object that was lifted on another. Raises :class:`WorldError` where that is not free."""
        below = self.find(base)
        if below is None or self.covered(base):
            raise WorldError(f"nothing can be laid on {base!r}")
        self.objects.append(replace(obj, place=below.place, x=below.x, y=below.y))
        self.on[obj.name] = base

    def shove(self, name: str, dx: float, dy: float) -> None:
        """Moves an object, and what lies on it, along the table; it stays on it, and its place is where it ends."""
        riders = {name} | {top for top in self.on if self._rests_on(top, name)}
        for index, obj in enumerate(self.objects):
            if obj.name in riders:
                x, y = float(np.clip(obj.x + dx, 0.05, 0.95)), float(np.clip(obj.y + dy, 0.08, 0.9))
                self.objects[index] = replace(obj, x=x, y=y, place=place_at(x, y))

    def _rests_on(self, top: str, base: str) -> bool:
        for _ in range(len(self.on)):
            if top not in self.on:
                return False
            top = self.on[top]
            if top == base:
                return True
        return False

    def _squeeze(self, place: str) -> tuple[float, float] | None:
        """The spot of a crowded place that is farthest from everything; None where even that is too close."""
        if place in TRAYS:
            (cx, cy), wide, deep = TRAY_CENTRES[place], 0.14, 0.06
        else:
            (cx, cy), wide, deep = (_MIDDLES[place], 0.36), 0.09, 0.22
        spots = [(cx + wide * i / 6, cy + deep * j / 4) for i in range(-6, 7) for j in range(-4, 5)]

        def room(spot: tuple[float, float]) -> float:
            return min((np.hypot(spot[0] - o.x, (spot[1] - o.y) * ASPECT) for o in self.objects), default=1.0)

        best = max(spots, key=room)
        return best if room(best) >= _CLOSE else None


def place_at(x: float, y: float) -> str:
    """The place that a point of the table belongs to."""
    for tray, (cx, cy) in TRAY_CENTRES.items():
        if abs(x - cx) <= TRAY_SIZE[0] / 2 and abs(y - cy) <= TRAY_SIZE[1] / 2:
            return tray
    return "left side" if x < 1 / 3 else "middle" if x < 2 / 3 else "right side"


def same(first: World, second: World, but: Iterable[str] = ()) -> bool:
    """Whether two worlds hold the same, truth for truth; ``but`` names what may differ."""
    one, two = first.truth(), second.truth()
    return all(one[key] == two[key] for key in one if key not in set(but))
