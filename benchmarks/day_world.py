"""What a planner sees in a day: a table under two cameras, things that move, and a clock that jumps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from dgemma_ros.tabletop import render
from dgemma_ros.tabletop.scenes import Object, sample_scene

REAR_EVERY = 4
"""Of so many frames one is the rear camera's."""
CHANGE_EVERY = 90.0
"""Seconds between two changes on the table, on average."""
CLEARED_EVERY = 15
"""After so many changes the table is laid anew."""
JUMP_EVERY = 1800.0
"""Seconds between two faults of the sender's clock, on average."""
BEGAN = 1_800_000_000
"""Unix time of the first frame."""
BAD_STAMPS = (0, 5 * 10**9, (2**31 - 1) * 10**9)
"""No stamp, one from 1970, and the last that ROS can say."""
NOTES = ("the gripper is slow today", "the left tray is for blocks", "a person is near", "be careful with the ball")


@dataclass(frozen=True)
class Shot:
    """One frame, and the truth of it."""

    picture: np.ndarray
    camera: str
    stamp_ns: int
    objects: tuple[Object, ...]
    changed: bool
    """Whether the table is another than in the shot before."""


class World:
    """Shots, one a second, the same from the same seed."""

    def __init__(self, seed: int, hurry: float = 1.0) -> None:
        self._hurry = hurry
        self._rng = np.random.default_rng((seed, 86400))
        self._left: list[tuple[Object, ...]] = []
        self._pictures: dict[str, list[np.ndarray]] = {}
        self._offset, self._bad = 0, 0

    def shots(self, seconds: int) -> Iterator[Shot]:
        """So many."""
        rng, objects = self._rng, self._lay()
        for second in range(seconds):
            changed = second > 0 and rng.random() < self._hurry / CHANGE_EVERY
            if changed:
                objects = self._left.pop(0) if self._left else self._lay()
                self._pictures = {}
            camera = "rear" if second % REAR_EVERY == REAR_EVERY - 1 else "front"
            yield Shot(self._picture(objects, camera), camera, self._stamp(second), objects, changed)

    def _lay(self) -> tuple[Object, ...]:
        """A new table, with what will happen on it."""
        rng = self._rng
        self._look = render.Look.draw(int(rng.integers(2**31)))
        self._left = []
        first = sample_scene(rng, count=int(rng.integers(3, 6))).now
        objects = first
        for _ in range(CLEARED_EVERY):
            event = str(rng.choice(["moved", "moved", "gone", "new"]))
            objects = _after(rng, objects, event)
            self._left.append(objects)
        self._pictures = {}
        return first

    def _picture(self, objects: tuple[Object, ...], camera: str) -> np.ndarray:
        """One of a few with the camera's noise, drawn when the table changes: drawing costs more than reading does."""
        if camera not in self._pictures:
            side = render.REAR if camera == "rear" else render.FRONT
            self._pictures[camera] = [render.draw_moment(objects, self._look, self._rng, camera=side) for _ in range(3)]
        return self._pictures[camera][int(self._rng.integers(3))]

    def _stamp(self, second: int) -> int:
        rng = self._rng
        if rng.random() < self._hurry / JUMP_EVERY:
            if rng.random() < 0.5:
                self._offset += int(rng.choice([-86400, -3600, -60, 60, 3600, 10**8]))
            else:
                self._bad = int(rng.integers(1, 30))
        self._bad = max(0, self._bad - 1)
        if self._bad:
            return int(rng.choice(BAD_STAMPS))
        return (BEGAN + second + self._offset) * 10**9


def _after(rng: np.random.Generator, objects: tuple[Object, ...], event: str) -> tuple[Object, ...]:
    """The table once something has happened; as it was, where that cannot happen."""
    if event == "gone" and len(objects) > 2:
        gone = int(rng.integers(len(objects)))
        return objects[:gone] + objects[gone + 1 :]
    if event == "new" and len(objects) < 6:
        names = {one.name for one in objects}
        for other in sample_scene(rng, count=6).now:
            if other.name not in names and all(abs(one.x - other.x) + abs(one.y - other.y) > 0.2 for one in objects):
                return (*objects, other)
        return objects
    moved = int(rng.integers(len(objects)))
    for other in sample_scene(rng, count=6).now:
        rest = objects[:moved] + objects[moved + 1 :]
        if other.place != objects[moved].place and all(abs(o.x - other.x) + abs(o.y - other.y) > 0.2 for o in rest):
            there = replace(objects[moved], place=other.place, x=other.x, y=other.y)
            return (*objects[:moved], there, *objects[moved + 1 :])
    return objects
