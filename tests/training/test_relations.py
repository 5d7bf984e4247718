"""Marks say of a cell what the scene says of its object."""

from __future__ import annotations

import numpy as np

from dgemma_ros.tabletop.scenes import Object, Scene
from training.relations import MARKS, marks

RED, BLUE = Object("red", "ball", "left side", 0.2, 0.3), Object("blue", "ball", "middle", 0.5, 0.4)
MOVED = Object("red", "ball", "right tray", 0.8, 0.84)


def told(scene: Scene, cell: dict[tuple[int, str], int], number: int = 1) -> list[set[str]]:
    return [{MARKS[i] for i in np.flatnonzero(row)} for row in marks(scene, number, cell, 3)]


def test_an_object_among_the_others() -> None:
    first, second, empty = told(Scene(((RED, BLUE),)), {(0, "red ball"): 0, (0, "blue ball"): 1}, 0)
    both = {"2 of its shape", "1 of its colour", "2 objects"}
    assert first == both | {"leftmost", "farthest"}
    assert second == both | {"rightmost", "nearest"}
    assert empty == set()


def test_what_was_moved_and_from_where() -> None:
    cell = {(0, "red ball"): 0, (0, "blue ball"): 1, (1, "blue ball"): 1, (1, "red ball"): 2}
    old, stayed, new = told(Scene(((RED, BLUE), (MOVED, BLUE)), "moved", "red ball", "left side"), cell)
    assert old == {"left", "was red ball"}
    assert "was at middle" in stayed and "moved" not in stayed
    assert {"moved", "was at left side"} <= new and "leftmost" not in new  # in a tray, not on the table


def test_what_came_and_what_went() -> None:
    cell = {(0, "red ball"): 0, (1, "blue ball"): 1}
    gone, come, _ = told(Scene(((RED,), (BLUE,))), cell)
    assert gone == {"gone", "was red ball"}
    assert "new" in come and not any(mark.startswith("was at") for mark in come)
