"""Marks say of a cell what the scene says of its object."""

from __future__ import annotations

from dgemma_ros.tabletop.scenes import Object
from training.relations import MARKS, changed, standing

RED, BLUE = Object("red", "ball", "left side", 0.2, 0.3), Object("blue", "ball", "middle", 0.5, 0.4)
MOVED = Object("red", "ball", "right tray", 0.8, 0.84)


def names(bits: int) -> set[str]:
    return {mark for number, mark in enumerate(MARKS) if bits >> number & 1}


def test_an_object_among_the_others() -> None:
    first, second = map(names, standing((RED, BLUE)))
    both = {"2 of its shape", "1 of its colour", "2 objects"}
    assert first == both | {"leftmost", "farthest", "1 of those on the table"}
    assert second == both | {"rightmost", "nearest", "2 of those on the table"}
    assert standing(()) == []
    assert "leftmost" not in names(standing((MOVED,))[0])  # in a tray, not on the table


def test_what_was_moved_and_from_where() -> None:
    here, left = changed(((RED, BLUE), (MOVED, BLUE), (MOVED, BLUE)))
    assert {name: names(bits) for name, bits in here.items()} == {"red ball": {"moved", "was at left side"}}
    ((x, y, bits),) = left
    assert (x, y) == (RED.x, RED.y) and names(bits) == {"left", "was red", "was ball"}


def test_what_came_and_what_went() -> None:
    here, left = changed(((RED,), (BLUE,)))
    assert {name: names(bits) for name, bits in here.items()} == {"blue ball": {"new"}}
    assert names(left[0][2]) == {"gone", "was red", "was ball"}
    assert changed(((RED,),)) == ({}, []) and changed(((RED,), (RED,))) == ({}, [])
