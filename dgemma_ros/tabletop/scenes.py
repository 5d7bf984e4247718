"""What lies on the table: objects, trays, and what happens to them between two frames.

A scene is a list of *moments*, oldest first; each moment is the list of objects then visible. The renderer
(`render.py`) turns moments into pictures and the tasks (`tasks.py`) ask about them, so both see the same truth. Table
coordinates: x in [0, 1] from left to right, y in [0, 1] from far to near. All randomness comes from the generator that
is passed in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")
SHAPES = ("block", "ball", "bar", "ring")
SIDES = ("left side", "middle", "right side")
TRAYS = ("left tray", "right tray")
PLACES = SIDES + TRAYS

# Three bands of the table with gaps between them, so that an object is never on the border of two.
_BANDS = {"left side": (0.09, 0.29), "middle": (0.39, 0.61), "right side": (0.71, 0.91)}
_TABLE_Y = (0.13, 0.60)
TRAY_CENTRES = {"left tray": (0.26, 0.84), "right tray": (0.74, 0.84)}
TRAY_SIZE = (0.36, 0.22)
_TRAY_SLOTS = (-0.085, 0.085)
_GAP = 0.22  # least distance of two objects on the table, in table widths: rarely two in a cell of the picture
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


def _spot(rng: np.random.Generator, others: list[Object], place: str) -> tuple[float, float] | None:
    """A free spot at a place, or None when it is full."""
    if place in TRAYS:
        cx, cy = TRAY_CENTRES[place]
        slots = [s for s in _TRAY_SLOTS if all(_distance(cx + s, cy, o.x, o.y) > 0.1 for o in others)]
        if not slots:
            return None
        slot = slots[int(rng.integers(len(slots)))]
        return cx + slot + float(rng.uniform(-0.015, 0.015)), cy + float(rng.uniform(-0.02, 0.02))
    low, high = _BANDS[place]
    for _ in range(40):
        x, y = float(rng.uniform(low, high)), float(rng.uniform(*_TABLE_Y))
        if all(_distance(x, y, o.x, o.y) > _GAP for o in others):
            return x, y
    return None


def put(rng: np.random.Generator, others: list[Object], obj: Object, place: str) -> Object | None:
    """`obj` set down at `place` beside the others, or None when there is no room."""
    spot = _spot(rng, others, place)
    if spot is None:
        return None
    upright = place in TRAYS and obj.shape == "bar"
    angle = float(rng.uniform(1.3, 1.85)) if upright else obj.angle
    return replace(obj, place=place, x=spot[0], y=spot[1], angle=angle)


def _objects(rng: np.random.Generator, count: int, tray_rate: float) -> list[Object]:
    """`count` objects of different names; colours and shapes repeat now and then, so that a name needs both words."""
    objects: list[Object] = []
    while len(objects) < count:
        if objects and rng.random() < 0.3:
            colour = objects[int(rng.integers(len(objects)))].colour
        else:
            colour = str(rng.choice(COLOURS))
        obj = Object(
            colour,
            str(rng.choice(SHAPES)),
            "middle",
            0.0,
            0.0,
            float(rng.uniform(0, 2 * np.pi)),
            float(rng.uniform(0.9, 1.08)),
        )
        if any(o.name == obj.name for o in objects):
            continue
        places = TRAYS if rng.random() < tray_rate else SIDES
        laid = put(rng, objects, obj, str(rng.choice(places)))
        if laid is not None:
            objects.append(laid)
    return objects


def sample_scene(rng: np.random.Generator, frames: int = 1, event: str | None = None) -> Scene:
    """A random scene of 2 to 4 objects over `frames` moments with at most one event between two of them.

    `event` forces "moved", "gone", "new" or "" (nothing); None draws one when there are at least two frames.
    """
    if frames > 1 and event is None:
        event = str(rng.choice(["moved", "gone", "new", ""], p=[0.5, 0.2, 0.1, 0.2]))
    count = int(rng.choice([2, 3, 4], p=[0.25, 0.4, 0.35]))
    if event == "gone":
        count = max(count, 3)  # two are always left, for tasks that need two
    objects = _objects(rng, count, float(rng.choice([0.0, 0.25, 0.5])))
    look = int(rng.integers(2**31))
    if frames < 2:
        return Scene((tuple(objects),), seed=look)
    when = int(rng.integers(1, frames))
    who = int(rng.integers(len(objects)))
    subject, rest = objects[who], [o for i, o in enumerate(objects) if i != who]
    before, after, origin = list(objects), list(objects), ""
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
    return Scene(moments, event or "", subject.name if event else "", origin, look)


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
