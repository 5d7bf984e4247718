"""What an encoder should find out while it reads pictures: how each object stands to the others and what has changed.

A linear map of the encoder's middle layer is trained to tell these marks of each cell, and thrown away. What many tasks
need is so taught where it is seen, in every cell, instead of by an answer now and then.
"""

from __future__ import annotations

from dgemma_ros.tabletop.scenes import COLOURS, MOST, PLACES, SHAPES
from training import tasks
from training.tasks import Moment

MARKS = [
    *tasks.EXTREMES,  # among what lies on the table
    *(f"{count} {of}" for of in ("of its colour", "of its shape") for count in (1, 2, 3, 4)),
    *(f"{count} objects" for count in range(1, MOST + 1)),
    *(f"{number} of those on the table" for number in range(1, MOST + 1)),  # in the order of tasks.in_order
    *("moved", "new", *(f"was at {place}" for place in PLACES)),  # by the latest change
    *("left", "gone", *(f"was {word}" for word in COLOURS + SHAPES)),  # what was here before the latest change
]
_INDEX = {mark: number for number, mark in enumerate(MARKS)}
assert len(MARKS) < 63


def bits(marks: list[str]) -> int:
    """Marks as one number."""
    return sum(1 << _INDEX[mark] for mark in set(marks))


def standing(moment: Moment) -> list[int]:
    """For each object its marks among the others."""
    table = [o for o in moment if o.on_table]
    order = [id(o) for o in tasks.in_order(table)]
    ends = {word: min(map(key, table)) for word, key in tasks.EXTREMES.items()} if table else {}
    found = []
    for obj in moment:
        own = [word for word, key in tasks.EXTREMES.items() if obj.on_table and key(obj) == ends[word]]
        own.append(f"{min(4, sum(o.colour == obj.colour for o in moment))} of its colour")
        own.append(f"{min(4, sum(o.shape == obj.shape for o in moment))} of its shape")
        own.append(f"{min(MOST, len(moment))} objects")
        if obj.on_table:
            own.append(f"{order.index(id(obj)) + 1} of those on the table")
        found.append(bits(own))
    return found


def changed(history: tuple[Moment, ...]) -> tuple[dict[str, int], list[tuple[float, float, int]]]:
    """The latest change: marks by name of what is here, and (x, y, marks) of the places that were left."""
    for before, after in zip(history[-2::-1], history[:0:-1], strict=False):
        found = tasks.changes(before, after)
        if not found:
            continue
        old = {o.name: o for o in before}
        here = {
            n: bits([what, f"was at {place}"] if what == "moved" else [what])
            for what, n, place in found
            if what != "gone"
        }
        left = [
            (o.x, o.y, bits(["left" if what == "moved" else "gone", f"was {o.colour}", f"was {o.shape}"]))
            for what, n, _ in found
            if what != "new" and (o := old[n])
        ]
        return here, left
    return {}, []
