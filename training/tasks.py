"""The kinds of task: varied wording, the right plan, and how an answer is judged.

`sample_task(rng, scene, kind)` gives a `Task` or None when the scene does not allow that kind. A plan is a tuple of
calls `(skill, arguments)`; `ordered=False` says that the calls may come in any order (a set of right answers). Nothing
here knows tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dgemma_ros.tabletop.scenes import COLOURS, PLACES, SHAPES, TRAYS, Object, Scene, sample_scene

Call = tuple[str, dict[str, Any]]
Plan = tuple[Call, ...]

# How each kind gets its answer: from the words alone, the newest picture, the earlier ones too, or by changing a plan.
TEXT = ("push",)
PICTURE = ("fetch", "refer", "put", "stack", "extreme", "clear", "sort", "count", "where")
HISTORY = ("moved", "put_back", "gone")
EDIT = ("edit_target", "edit_object", "edit_drop", "edit_order")
KINDS = TEXT + PICTURE + HISTORY + EDIT
NEEDS_PICTURE = PICTURE + HISTORY
UNORDERED = ("clear", "sort")
LONGEST_PLAN = 3


@dataclass(frozen=True)
class Task:
    """`earlier` is a (task text, plan) that came before in the same talk; only the edit kinds need it."""

    kind: str
    text: str
    plan: Plan
    ordered: bool = True
    earlier: tuple[str, Plan] | None = None

    def right(self, calls: list[Call] | Plan) -> bool:
        """Whether `calls` are a right plan: the same calls, in the same order where order counts."""
        if self.ordered:
            return list(calls) == list(self.plan)
        return sorted(map(repr, calls)) == sorted(map(repr, self.plan))


def pick(obj: str) -> Call:
    return "pick", {"object": obj}


def place(obj: str, target: str) -> Call:
    return "place", {"object": obj, "target": target}


def say(text: str) -> Call:
    return "say", {"text": text}


def look(obj: str) -> Call:
    return "look", {"object": obj}


DONE: Call = ("done", {})


def _choose(rng: np.random.Generator, options: Any) -> Any:
    return options[int(rng.integers(len(options)))]


def _some(rng: np.random.Generator, objects: list[Object], count: int) -> list[Object]:
    return [objects[int(i)] for i in rng.permutation(len(objects))[:count]]


def missing(rng: np.random.Generator, scene: Scene) -> str:
    """A name that is not in the picture, often one that differs in one word only, or that was there before."""
    here = {o.name for o in scene.now}
    while True:
        near = _choose(rng, scene.now)
        name = _choose(
            rng,
            [
                f"{near.colour} {_choose(rng, SHAPES)}",
                f"{_choose(rng, COLOURS)} {near.shape}",
                f"{_choose(rng, COLOURS)} {_choose(rng, SHAPES)}",
                scene.subject or f"{near.colour} {_choose(rng, SHAPES)}",
            ],
        )
        if name not in here:
            return str(name)


def _name(rng: np.random.Generator, scene: Scene, absent: float) -> tuple[str, Object | None]:
    if rng.random() < absent:
        return missing(rng, scene), None
    obj = _choose(rng, scene.now)
    return obj.name, obj


def _push(rng: np.random.Generator, scene: Scene) -> Task:
    obj, way, far = (
        _choose(rng, scene.now).name,
        _choose(rng, ("left", "right", "away", "closer")),
        int(rng.integers(1, 31)),
    )
    words = {"left": "to the left", "right": "to the right", "away": "away", "closer": "closer"}[way]
    text = _choose(
        rng,
        [
            f"push the {obj} {far} cm {words}",
            f"move the {obj} {words} by {far} cm",
            f"shift the {obj} {far} cm {words}",
            f"please push the {obj} {words}, {far} cm",
        ],
    )
    return Task("push", text, (("push", {"direction": way, "distance": far, "object": obj}),))


def _fetch(rng: np.random.Generator, scene: Scene) -> Task:
    name, obj = _name(rng, scene, 0.4)
    text = _choose(
        rng, ["pick up the {}", "get the {}", "please grab the {}", "take the {}", "fetch the {} for me"]
    ).format(name)
    return Task("fetch", text, (pick(name) if obj else look(name),))


def _refer(rng: np.random.Generator, scene: Scene) -> Task | None:
    """By colour or by shape alone, where that says which."""
    words = [
        (o, w)
        for o in scene.now
        for w, key in ((f"{o.colour} one", "colour"), (o.shape, "shape"))
        if sum(getattr(p, key) == getattr(o, key) for p in scene.now) == 1
    ]
    if not words:
        return None
    obj, word = _choose(rng, words)
    if rng.random() < 0.5:
        text = _choose(rng, ["pick up the {}", "get the {}", "please grab the {}", "take the {}"]).format(word)
        return Task("refer", text, (pick(obj.name),))
    where = _choose(rng, [p for p in PLACES if p != obj.place])
    text = _choose(rng, ["put the {} {}", "move the {} {}", "bring the {} {}"]).format(word, _to(where))
    return Task("refer", text, (place(obj.name, where),))


def _to(where: str) -> str:
    return f"into the {where}" if where in TRAYS else f"to the {where}"


def _put(rng: np.random.Generator, scene: Scene) -> Task:
    """To a place: not needed when it is there, not possible when it is missing."""
    name, obj = _name(rng, scene, 0.2)
    where = obj.place if obj and rng.random() < 0.3 else _choose(rng, PLACES)
    text = _choose(rng, ["put the {} {}", "place the {} {}", "move the {} {}", "the {} belongs {}"]).format(
        name, _to(where)
    )
    if obj is None:
        return Task("put", text, (look(name),))
    return Task("put", text, (DONE if obj.place == where else place(name, where),))


def _stack(rng: np.random.Generator, scene: Scene) -> Task:
    top, base = (o.name for o in _some(rng, list(scene.now), 2))
    lost = rng.random()
    if lost < 0.25:
        top = missing(rng, scene)
    elif lost < 0.5:
        base = missing(rng, scene)
    text = _choose(rng, ["stack the {} on the {}", "put the {} on top of the {}", "set the {} on the {}"]).format(
        top, base
    )
    call = look(top) if lost < 0.25 else look(base) if lost < 0.5 else ("stack", {"object": top, "on": base})
    return Task("stack", text, (call,))


EXTREMES: dict[str, Callable[[Object], float]] = {
    "leftmost": lambda o: o.x,
    "rightmost": lambda o: -o.x,
    "nearest": lambda o: -o.y * 0.75,
    "farthest": lambda o: o.y * 0.75,
}


def _extreme(rng: np.random.Generator, scene: Scene) -> Task | None:
    objects = [o for o in scene.now if o.on_table]
    word = _choose(rng, list(EXTREMES))
    ranked = sorted(objects, key=EXTREMES[word])
    if len(ranked) < 2 or EXTREMES[word](ranked[1]) - EXTREMES[word](ranked[0]) < 0.08:
        return None
    thing, where = _choose(rng, ["object", "thing"]), _choose(rng, TRAYS)
    if rng.random() < 0.4:
        text = _choose(rng, ["pick up the {} {} on the table", "get the {} {} on the table"]).format(word, thing)
        return Task("extreme", text, (pick(ranked[0].name),))
    text = _choose(rng, ["put the {} {} on the table {}", "move the {} {} on the table {}"]).format(
        word, thing, _to(where)
    )
    return Task("extreme", text, (place(ranked[0].name, where),))


def from_the_left(objects: list[Object]) -> list[Object]:
    """What is taught where any order is right: a canvas is denoised all at once, and one order is learned sooner."""
    return sorted(objects, key=lambda o: o.x)


def _clear(rng: np.random.Generator, scene: Scene) -> Task | None:
    objects = [o for o in scene.now if o.on_table]
    if len(objects) > LONGEST_PLAN or (not objects and rng.random() < 0.5):
        return None
    where = _choose(rng, TRAYS)
    text = _choose(
        rng,
        [
            "clear the table, everything goes {}",
            "put everything on the table {}",
            "tidy the table up {}",
            "clear the table {} in any order",
        ],
    ).format(_to(where))
    order = _some(rng, objects, len(objects)) if "any order" in text else from_the_left(objects)
    return Task("clear", text, tuple(place(o.name, where) for o in order) or (DONE,), ordered=False)


def _sort(rng: np.random.Generator, scene: Scene) -> Task | None:
    """Two colours or two shapes, each to its tray, from left to right; what is in a tray already stays."""
    objects = [o for o in scene.now if o.on_table]
    if not objects:
        return None
    key = _choose(rng, ("colour", "shape"))
    first = getattr(_choose(rng, objects), key)
    others = [v for v in (COLOURS if key == "colour" else SHAPES) if v != first]
    there = [getattr(o, key) for o in objects if getattr(o, key) != first]
    second = _choose(rng, there) if there and rng.random() < 0.8 else _choose(rng, others)
    words = [f"{w} things" if key == "colour" else f"{w}s" for w in (first, second)]
    trays = _choose(rng, (TRAYS, TRAYS[::-1]))
    calls = [
        place(o.name, trays[0 if getattr(o, key) == first else 1])
        for o in from_the_left(objects)
        if getattr(o, key) in (first, second)
    ]
    if len(calls) > LONGEST_PLAN:
        return None
    text = _choose(rng, ["sort them, {} {}, {} {}", "put the {} {} and the {} {}"]).format(
        words[0], _to(trays[0]), words[1], _to(trays[1])
    )
    return Task("sort", text, tuple(calls), ordered=False)


def _count(rng: np.random.Generator, scene: Scene) -> Task:
    style = rng.random()
    if style < 0.4:
        shape = _choose(rng, (_choose(rng, scene.now).shape, _choose(rng, SHAPES)))
        number, words = sum(o.shape == shape for o in scene.now), f"{shape}s"
    elif style < 0.7:
        colour = _choose(rng, (_choose(rng, scene.now).colour, _choose(rng, COLOURS)))
        number, words = sum(o.colour == colour for o in scene.now), f"{colour} things"
    elif style < 0.85:
        number, words = len(scene.now), "objects"
    else:
        tray = _choose(rng, TRAYS)
        return Task(
            "count", f"how many objects are in the {tray}?", (say(str(sum(o.place == tray for o in scene.now))),)
        )
    text = _choose(rng, ["how many {} are there?", "how many {} can you see?", "count the {}"]).format(words)
    return Task("count", text, (say(str(number)),))


def _where(rng: np.random.Generator, scene: Scene) -> Task:
    name, obj = _name(rng, scene, 0.2)
    text = _choose(rng, ["where is the {}?", "tell me where the {} is", "can you see the {}?"]).format(name)
    return Task("where", text, (say(obj.place) if obj else look(name),))


def _moved(rng: np.random.Generator, scene: Scene) -> Task:
    text = _choose(rng, ["what has been moved?", "which object was moved?", "tell me what has been moved"])
    return Task("moved", text, (say(scene.subject if scene.event == "moved" else "nothing"),))


def _put_back(rng: np.random.Generator, scene: Scene) -> Task:
    text = _choose(rng, ["put back the object that was moved", "put back what has been moved", "undo the last move"])
    return Task("put_back", text, (place(scene.subject, scene.origin) if scene.event == "moved" else DONE,))


def _gone(rng: np.random.Generator, scene: Scene) -> Task:
    text = _choose(rng, ["what is gone?", "what has been taken away?", "is anything missing?"])
    return Task("gone", text, (say(scene.subject if scene.event == "gone" else "nothing"),))


def _earlier(rng: np.random.Generator, scene: Scene, at_least: int = 1) -> tuple[str, Plan]:
    """A plain task of one or two steps with its plan, as it stands in the talk before an edit."""
    count = max(at_least, int(rng.integers(1, 3)))
    names = [o.name for o in _some(rng, list(scene.now), min(count, len(scene.now)))]
    where = _choose(rng, PLACES)
    listed = " and the ".join(names)
    text = _choose(rng, ["put the {} {}", "move the {} {}", "bring the {} {}"]).format(listed, _to(where))
    return text, tuple(place(n, where) for n in names)


def _edit_target(rng: np.random.Generator, scene: Scene) -> Task:
    text, plan = _earlier(rng, scene)
    where = _choose(rng, [p for p in PLACES if p != plan[0][1]["target"]])
    words = _choose(rng, ["no, the {} instead", "use the {} instead", "rather the {}"]).format(where)
    return Task("edit_target", words, tuple(place(a["object"], where) for _, a in plan), earlier=(text, plan))


def _edit_object(rng: np.random.Generator, scene: Scene) -> Task:
    text, plan = _earlier(rng, scene)
    names = [a["object"] for _, a in plan]
    old = int(rng.integers(len(names)))
    new = _choose(rng, [o.name for o in scene.now if o.name not in names] or [missing(rng, scene)])
    words = _choose(
        rng, ["not the {0}, the {1}", "take the {1} instead of the {0}", "no, I meant the {1}, not the {0}"]
    )
    edited = tuple(place(new if i == old else a["object"], a["target"]) for i, (_, a) in enumerate(plan))
    return Task("edit_object", words.format(names[old], new), edited, earlier=(text, plan))


def _edit_drop(rng: np.random.Generator, scene: Scene) -> Task:
    text, plan = _earlier(rng, scene, 2)
    dropped = int(rng.integers(len(plan)))
    name = plan[dropped][1]["object"]
    words = _choose(rng, ["leave the {} where it is", "without the {}", "but not the {}"]).format(name)
    return Task("edit_drop", words, tuple(c for i, c in enumerate(plan) if i != dropped), earlier=(text, plan))


def _edit_order(rng: np.random.Generator, scene: Scene) -> Task:
    text, plan = _earlier(rng, scene, 2)
    words = _choose(rng, ["the other way round", "in the other order please", "start with the last one"])
    return Task("edit_order", words, plan[::-1], earlier=(text, plan))


_MAKERS: dict[str, Callable[[np.random.Generator, Scene], Task | None]] = {
    kind: globals()[f"_{kind}"] for kind in KINDS
}


def sample_task(rng: np.random.Generator, scene: Scene, kind: str) -> Task | None:
    """A task of that kind about the scene, or None when the scene does not allow it. History kinds need two moments."""
    if kind in HISTORY and len(scene.moments) < 2:
        return None
    task = _MAKERS[kind](rng, scene)
    if task is None:
        return None
    earlier = (_spoken(rng, task.earlier[0]), task.earlier[1]) if task.earlier else None
    return replace(task, text=_spoken(rng, task.text), earlier=earlier)


def _spoken(rng: np.random.Generator, text: str) -> str:
    """As people type: with or without a capital and a full stop."""
    if rng.random() < 0.5:
        text = text[0].upper() + text[1:]
    return text + "." if not text.endswith("?") and rng.random() < 0.5 else text


def wants(rng: np.random.Generator, kind: str) -> tuple[int, str | None]:
    """Frames and event (see `sample_scene`) that suit a scene for this kind."""
    if kind not in HISTORY:
        return int(rng.integers(1, 4)), None
    event = {"moved": "moved", "put_back": "moved", "gone": "gone"}[kind]
    return int(rng.integers(2, 4)), event if rng.random() < 0.75 else None


def fresh(rng: np.random.Generator, kind: str) -> tuple[Scene, Task]:
    """A fresh scene with a task of that kind."""
    while True:
        frames, event = wants(rng, kind)
        scene = sample_scene(rng, frames, event)
        task = sample_task(rng, scene, kind)
        if task is not None:
            return scene, task
