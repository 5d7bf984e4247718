"""A person who comes to the table, moves something, and goes. While one is there, the arm must not begin anything."""

from __future__ import annotations

from typing import Final

import numpy as np

from dgemma_ros.tabletop.scenes import PLACES
from dgemma_ros.tabletop.world import World, WorldError

STAYS: Final = 1.2
"""Seconds at the table; what is moved is moved in the middle of them."""


def move(world: World, name: str, target: str) -> None:
    """Moves an object at once; an empty ``target`` takes it away. Raises :class:`WorldError` where that does not go."""
    if target and target not in PLACES:
        raise WorldError(f"{target!r} is no place; there are {', '.join(PLACES)}")
    lifted = world.lift(name)
    if target and not world.set_down(lifted, target):
        world.set_down(lifted, lifted.place, (lifted.x, lifted.y))
        raise WorldError(f"there is no room in the {target}")


class Person:
    """Comes ``rate`` times a second on average, drawn from the world's seed, and moves some object to some place."""

    def __init__(self, world: World, rate: float = 0.0) -> None:
        self.world, self.rate = world, rate
        self._rng = np.random.default_rng((world.seed, 13))
        self._acts_at: float | None = None
        self._goes_at = 0.0
        self._wish: tuple[str, str] | None = None
        self.moved: list[tuple[float, str, str]] = []
        """What was moved so far: time, name, place."""

    @property
    def present(self) -> bool:
        """Whether a person is at the table."""
        return self.world.person_since is not None

    def call(self, name: str, target: str) -> None:
        """Has a person come to do just that. Raises :class:`WorldError` where one is there, or nothing of that name."""
        if self.present:
            raise WorldError("a person is at the table already")
        if self.world.find(name) is None or (target and target not in PLACES):
            raise WorldError(f"{name!r} cannot be moved to {target!r}; there are {', '.join(self.world.names)}")
        self._come((name, target))

    def advance(self, seconds: float) -> None:
        """After ``seconds`` have passed in the world, whose clock has been moved already."""
        if not self.present:
            if self.rate > 0 and self._rng.random() < -np.expm1(-self.rate * seconds):
                self._come(None)
            return
        if self._acts_at is not None and self.world.time >= self._acts_at:
            self._acts_at = None
            self._act()
        if self.world.time >= self._goes_at:
            self.world.person_since = None

    def _come(self, wish: tuple[str, str] | None) -> None:
        self._wish, self.world.person_since = wish, self.world.time
        self._acts_at, self._goes_at = self.world.time + STAYS / 2, self.world.time + STAYS

    def _act(self) -> None:
        free = [o.name for o in self.world.objects if not self.world.covered(o.name)]
        if self._wish is None and free:
            name = free[int(self._rng.integers(len(free)))]
            others = [place for place in PLACES if place != self.world.place_of(name)]
            self._wish = name, others[int(self._rng.integers(len(others)))]
        if self._wish is None:
            return
        try:
            move(self.world, *self._wish)
        except WorldError:
            return  # it was lifted meanwhile, or there is no room: the person leaves it
        self.moved.append((self.world.time, *self._wish))
