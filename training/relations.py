"""What an encoder should find out while it reads pictures: how each object stands to the others and to the first frame.

A linear map of the encoder's middle layer is trained to tell these marks of each cell, and thrown away. What many tasks
need is so taught where it is seen, in every cell, instead of by an answer now and then.
"""

from __future__ import annotations

import numpy as np

from dgemma_ros.tabletop.scenes import COLOURS, PLACES, SHAPES, Object, Scene
from training import tasks

NAMES = [f"{colour} {shape}" for colour in COLOURS for shape in SHAPES]
COUNTS = (1, 2, 3, 4)
MARKS = [
    *tasks.EXTREMES,  # among what lies on the table
    *(f"{count} {of}" for of in ("of its colour", "of its shape", "objects") for count in COUNTS),
    *("moved", "new", *(f"was at {place}" for place in PLACES)),  # the object here, since the first frame
    *("left", "gone", *(f"was {name}" for name in NAMES)),  # what was here in the first frame and is not
]
_INDEX = {mark: number for number, mark in enumerate(MARKS)}


def marks(scene: Scene, number: int, cell: dict[tuple[int, str], int], cells: int) -> np.ndarray:
    """[cells, MARKS] of 0 and 1 for the scene's frame `number`. `cell` tells where (frame, name) lies."""
    found = np.zeros((cells, len(MARKS)), np.float32)
    now, first = ({o.name: o for o in scene.moments[n]} for n in (number, 0))
    for name, obj in now.items():
        for mark in _of(obj, now, first if number else None):
            found[cell[number, name], _INDEX[mark]] = 1
    for name in first:
        here = cell[0, name]
        if name not in now or cell[number, name] != here:
            for mark in (f"was {name}", "left" if name in now else "gone"):
                found[here, _INDEX[mark]] = 1
    return found


def _of(obj: Object, now: dict[str, Object], first: dict[str, Object] | None) -> list[str]:
    others = list(now.values())
    table = [o for o in others if o.on_table]
    found = [
        word for word, key in tasks.EXTREMES.items() if obj.on_table and key(obj) == min(key(other) for other in table)
    ]
    for of, same in (
        ("of its colour", [o for o in others if o.colour == obj.colour]),
        ("of its shape", [o for o in others if o.shape == obj.shape]),
        ("objects", others),
    ):
        found.append(f"{len(same)} {of}")
    if first is not None:
        before = first.get(obj.name)
        if before is None:
            found.append("new")
        else:
            found.append(f"was at {before.place}")
            if before.place != obj.place:
                found.append("moved")
    return found
