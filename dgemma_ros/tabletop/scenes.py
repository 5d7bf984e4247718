"""What lies on the table: objects, trays, and what happens to them between two frames.

A scene is a list of *moments*, oldest first; each moment is the list of objects then visible. The renderer
(`render.py`) turns moments into pictures and the tasks (`tasks.py`) ask about them, so both see the same truth. Table
coordinates: x in [0, 1] from left to right, y in [0, 1] from far to near. All randomness comes from the generator that
is passed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")
SHAPES = ("block", "ball", "bar", "ring")
SIDES = ("left side", "middle", "right side")
TRAYS = ("left tray", "right tray")
PLACES = SIDES + TRAYS

# Three bands of the table with gaps between them, so that an object is never on the border of two.
_BANDS = {"left side": (0.08, 0.30), "middle": (0.39, 0.61), "right side": (0.70, 0.92)}
_TABLE_Y = (0.11, 0.58)
TRAY_CENTRES = {"left tray": (0.26, 0.835), "right tray": (0.74, 0.835)}
TRAY_SIZE = (0.45, 0.28)
_TRAY_SLOTS = tuple((x, y) for y in (-0.066, 0.066) for x in (-0.14, 0.0, 0.14))  # from its centre: six find room
MOST = 8  # objects in a scene
_GAPS = (0.19, 0.15, 0.125)  # distances of two objects on the table, in table widths: as far as there is room for
ASPECT = 0.75  # a table unit of y is this much shorter than one of x


@dataclass(frozen=True)
class Object:
    """`place` is one of PLACES; `x, y` the centre; `angle` in radians; `size` scales the shape, 1 is usual."""

    colour: str
    shape: str
    place: str
    x: float
    y: float
    angle: float = 0.0
    size: float = 1.0

    @property
    def name(self) -> str:
        """Colour and shape, as people say it."""
        return f"{self.colour} {self.shape}"

    @property
    def on_table(self) -> bool:
        """Whether it lies beside the trays."""
        return self.place in SIDES


@dataclass(frozen=True)
class Scene:
    """Moments, oldest first; `event` is what changed: "", "moved", "gone" or "new"; `subject` names the object
    concerned; `origin` is the place from which it was moved."""

    moments: tuple[tuple[Object, ...], ...]
    event: str = ""
    subject: str = ""
    origin: str = ""
    seed: int = 0  # of the look: light, table, camera

    @property
    def now(self) -> tuple[Object, ...]:
        """What is visible now."""
        return self.moments[-1]

    def find(self, name: str) -> Object | None:
        """The visible object of that name."""
        return next((o for o in self.now if o.name == name), None)


def _distance(ax: float, ay: float, bx: float, by: float) -> float:
    return float(np.hypot(ax - bx, (ay - by) * ASPECT))


def _spot(rng: np.random.Generator, others: Sequence[Object], place: str) -> tuple[float, float] | None:
    """A free spot at a place, or None when it is full."""
    if place in TRAYS:
        cx, cy = TRAY_CENTRES[place]
        free = [
            (cx + dx, cy + dy)
            for dx, dy in _TRAY_SLOTS
            if all(_distance(cx + dx, cy + dy, o.x, o.y) > 0.07 for o in others)
        ]
        if not free:
            return None
        x, y = free[int(rng.integers(len(free)))]
        return x + float(rng.uniform(-0.012, 0.012)), y + float(rng.uniform(-0.01, 0.01))
    low, high = _BANDS[place]
    for gap in _GAPS:
        for _ in range(12):
            x, y = float(rng.uniform(low, high)), float(rng.uniform(*_TABLE_Y))
            if all(_distance(x, y, o.x, o.y) > gap for o in others):
                return x, y
    return None


def put(rng: np.random.Generator, others: Sequence[Object], obj: Object, place: str) -> Object | None:
    """`obj` set down at `place` beside the others, or None when there is no room."""
    spot = _spot(rng, others, place)
    if spot is None:
        return None
    lying = place in TRAYS and obj.shape == "bar"
    angle = float(rng.uniform(-0.2, 0.2)) if lying else obj.angle
    return replace(obj, place=place, x=spot[0], y=spot[1], angle=angle)


def sample_objects(rng: np.random.Generator, count: int, tray_rate: float = 0.25, twins: bool = False) -> list[Object]:
    """`count` objects, of different names unless `twins`, which gives two of them the same name. Colours and shapes
    repeat now and then, so that a name needs both words."""
    objects: list[Object] = []
    while len(objects) < count:
        if objects and rng.random() < 0.3:
            colour = objects[int(rng.integers(len(objects)))].colour
        else:
            colour = COLOURS[int(rng.integers(len(COLOURS)))]
        shape = SHAPES[int(rng.integers(len(SHAPES)))]
        if twins and len(objects) == 1:
            colour, shape = objects[0].colour, objects[0].shape
        elif any(o.colour == colour and o.shape == shape for o in objects):
            continue
        obj = Object(colour, shape, "middle", 0.0, 0.0, float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(0.9, 1.08)))
        places = TRAYS if rng.random() < tray_rate else SIDES
        laid = put(rng, objects, obj, places[int(rng.integers(len(places)))])
        if laid is not None:
            objects.append(laid)
    return objects


def sample_count(rng: np.random.Generator) -> int:
    """How many objects a scene has: 0 to MOST, three to five most often."""
    return int(rng.choice(MOST + 1, p=[0.02, 0.06, 0.14, 0.2, 0.2, 0.14, 0.11, 0.07, 0.06]))


def sample_scene(
    rng: np.random.Generator, frames: int = 1, event: str | None = None, count: int | None = None, twins: bool = False
) -> Scene:
    """A random scene over `frames` moments with at most one event between two of them.

    `event` forces "moved", "gone", "new" or "" (nothing); None draws one when there are at least two frames. `count`
    objects, or as many as `sample_count` says; at least as many as event and `twins` need.
    """
    if frames > 1 and event is None:
        event = str(rng.choice(["moved", "gone", "new", ""], p=[0.5, 0.2, 0.1, 0.2]))
    count = sample_count(rng) if count is None else count
    count = max(count, 3 if event in ("gone", "new") else 1 if event else 0, 2 if twins else 0)
    objects = sample_objects(rng, count, float(rng.choice([0.0, 0.25, 0.5])), twins)
    look = int(rng.integers(2**31))
    if frames < 2:
        return Scene((tuple(objects),), seed=look)
    when = int(rng.integers(1, frames))
    before, after, origin, name = list(objects), list(objects), "", ""
    if event:
        alone = [i for i, o in enumerate(objects) if sum(p.name == o.name for p in objects) == 1]
        who = alone[int(rng.integers(len(alone)))] if alone else 0
        subject, rest = objects[who], [o for i, o in enumerate(objects) if i != who]
        name = subject.name
        if event == "moved":
            places = [p for p in PLACES if p != subject.place]
            moved = None
            while moved is None:
                turned = replace(subject, angle=float(rng.uniform(0, 2 * np.pi)))
                moved = put(rng, objects, turned, str(rng.choice(places)))
            after[who], origin = moved, subject.place
        elif event == "gone":
            after = rest
        elif event == "new":
            before = rest
    moments = tuple(tuple(before) if i < when else tuple(after) for i in range(frames))
    return Scene(moments, event or "", name, origin, look)


def glide(scene: Scene, steps: int) -> list[tuple[Object, ...]]:
    """The moments of a clip: between two moments that differ, a moved object glides in `steps` small steps."""
    clip: list[tuple[Object, ...]] = [scene.moments[0]]
    for old, new in zip(scene.moments, scene.moments[1:], strict=False):
        targets = {o.name: o for o in new}
        for k in range(1, steps + 1):
            part = k / steps
            frame = [
                replace(o, x=o.x + (t.x - o.x) * part, y=o.y + (t.y - o.y) * part, place=t.place)
                for o in old
                if (t := targets.get(o.name)) is not None
            ]
            known = {o.name for o in old}
            clip.append(tuple(frame) + tuple(o for o in new if o.name not in known and k == steps))
    return clip
