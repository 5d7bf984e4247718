"""The kinds of task: wording, the right plan, and how an answer is judged.

A task is asked of a `View`: what can be known from the pictures and words that came before it. A plan is a tuple of
calls `(skill, arguments)`; `ordered=False` says that the calls may come in any order. Nothing here knows tokens.

What is right where the plain plan is not: `look` for one thing that is not there; `say` "which one" where two have that
name, "not there" where words name no object at all, "cannot" for what no skill does and for what a note forbids, "not
understood" for words that mean nothing here; `done` where all is as it should be.

Longer than most files: a kind of task is ten lines, and there are 25.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dgemma_ros.context.results import NO_ROOM, NOT_FOUND, NOT_REACHABLE, PERSON, SLIPPED, ResultStatus
from dgemma_ros.tabletop.scenes import COLOURS, PLACES, SHAPES, TRAYS, Object, Scene, sample_scene
from training import words

Call = tuple[str, dict[str, Any]]
Plan = tuple[Call, ...]
Moment = tuple[Object, ...]

# How each kind gets its answer: from the words alone, the newest picture, the earlier ones too, or by changing a plan.
TEXT = ("cannot", "unclear")
PICTURE = (
    "push",
    "fetch",
    "refer",
    "put",
    "pair",
    "stack",
    "extreme",
    "clear",
    "sort",
    "all_of",
    "count",
    "where",
    "which",
)
HISTORY = ("moved", "put_back", "gone", "new")
EDIT = ("edit_target", "edit_object", "edit_drop", "edit_order", "edit_add")
RESULT = ("go_on",)
KINDS = TEXT + PICTURE + HISTORY + EDIT + RESULT
NEEDS_PICTURE = PICTURE + HISTORY
UNORDERED = ("clear", "sort", "all_of")
LONGEST_PLAN = 6
NAMES = tuple(f"{colour} {shape}" for colour in COLOURS for shape in SHAPES)
CANNOT, NOT_UNDERSTOOD, NOT_THERE, WHICH, NOTHING = "cannot", "not understood", "not there", "which one", "nothing"
REFUSALS = (CANNOT, NOT_UNDERSTOOD, NOT_THERE, WHICH)
MOVING = ("pick", "place", "stack", "push")  # skills that need the arm


@dataclass(frozen=True)
class Outcome:
    """What became of one call of the last plan."""

    call: Call
    status: ResultStatus
    reason: str = ""


@dataclass(frozen=True)
class Task:
    """`earlier` is a (task text, plan) that came before in the same talk; only edits and "go on" need it, and `results`
    of its calls only "go on". `optional` calls may stand in a right plan as well: what the words ask for and is so
    already, or what they may be taken to mean. `forbidden`: a note forbids what it asks for."""

    kind: str
    text: str
    plan: Plan
    ordered: bool = True
    earlier: tuple[str, Plan] | None = None
    results: tuple[Outcome, ...] = ()
    optional: Plan = ()
    forbidden: bool = False

    def right(self, calls: list[Call] | Plan) -> bool:
        """Whether `calls` are a right plan: the same calls, in the same order where order counts, and perhaps some of
        the optional ones."""
        given, wanted = [repr(c) for c in calls], [repr(c) for c in self.plan]
        if not self.ordered:
            given, wanted = sorted(given), sorted(wanted)
        return given == wanted or self.needless(calls)

    def needless(self, calls: list[Call] | Plan) -> bool:
        """Whether `calls` are a right plan that does more than it must."""
        left = Counter(map(repr, self.optional))
        wanted = [] if self.plan == (DONE,) else [repr(c) for c in self.plan]
        rest = Counter(wanted)
        kept = []
        for call in map(repr, calls):
            if rest[call]:
                rest[call] -= 1
                kept.append(call)
            elif left[call]:
                left[call] -= 1
            else:
                return False
        same = kept == wanted if self.ordered else sorted(kept) == sorted(wanted)
        return same and len(calls) > len(wanted)


def refuses(calls: list[Call] | Plan) -> bool:
    """Whether a plan does nothing but say why not, or look for what is not there."""
    return bool(calls) and all(s == "look" or (s == "say" and a.get("text") in REFUSALS) for s, a in calls)


@dataclass(frozen=True)
class View:
    """What a task may rest on: the moments seen, oldest first; the plan before, not yet carried out, or what became of
    it; what notes forbid; and what happened without a newer picture is not in it."""

    moments: tuple[Moment, ...]
    earlier: tuple[str, Plan] | None = None
    results: tuple[Outcome, ...] = ()
    broken: bool = False
    hands_off: frozenset[str] = field(default_factory=frozenset)
    closed: frozenset[str] = field(default_factory=frozenset)

    @property
    def now(self) -> Moment:
        return self.moments[-1]

    def named(self, name: str) -> list[Object]:
        return [o for o in self.now if o.name == name]

    @property
    def single(self) -> list[Object]:
        """Those that their name tells from all others."""
        return [o for o in self.now if len(self.named(o.name)) == 1]

    def allows(self, plan: Plan) -> bool:
        """Whether notes forbid nothing of a plan."""
        for skill, arguments in plan:
            if skill in MOVING and (
                self.broken
                or arguments["object"] in self.hands_off
                or arguments.get("target") in self.closed
                or arguments.get("on") in self.hands_off
            ):
                return False
        return True


Maker = Callable[[np.random.Generator, View, words.Source], Task | None]


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


def missing(rng: np.random.Generator, now: Moment, also: tuple[str, ...] = ()) -> str:
    """A name that is not in the picture, often one that differs in one word only, or one of `also`, if it is not."""
    here = {o.name for o in now}
    also = tuple(n for n in also if n not in here)
    if also and rng.random() < 0.3:
        return str(_choose(rng, also))
    while True:
        colour, shape = _choose(rng, COLOURS), _choose(rng, SHAPES)
        if now and (draw := rng.random()) < 0.8:
            near = _choose(rng, now)
            colour, shape = (near.colour, shape) if draw < 0.4 else (colour, near.shape)
        if f"{colour} {shape}" not in here:
            return f"{colour} {shape}"


def _name(rng: np.random.Generator, view: View, absent: float) -> tuple[str, Call | None]:
    """A name, and what has to be said of it where it does not name one object."""
    if not view.single or rng.random() < absent:
        before = tuple(o.name for o in view.moments[0])
        name = missing(rng, view.now, before)
        return name, look(name)
    return _choose(rng, view.single).name, None


def _push(rng: np.random.Generator, view: View, source: words.Source) -> Task:
    name, problem = _name(rng, view, 0.2)
    way, far = _choose(rng, ("left", "right", "away", "closer")), int(rng.integers(1, 31))
    said = {"left": "to the left", "right": "to the right", "away": "away", "closer": "closer"}[way]
    text = words.ask(rng, "push", source, o=words.thing(rng, name), n=str(far), w=said)
    return Task("push", text, (problem or ("push", {"direction": way, "distance": far, "object": name}),))


def _fetch(rng: np.random.Generator, view: View, source: words.Source) -> Task:
    name, problem = _name(rng, view, 0.35)
    return Task("fetch", words.ask(rng, "fetch", source, o=words.thing(rng, name)), (problem or pick(name),))


def _refer(rng: np.random.Generator, view: View, source: words.Source) -> Task:
    """By colour or by shape alone: it says which, or two are meant, or there is none."""
    key = _choose(rng, ("colour", "shape"))
    options = COLOURS if key == "colour" else SHAPES
    by = {w: [o for o in view.now if getattr(o, key) == w] for w in options}
    sure = [w for w in options if len(by[w]) == 1]
    word = _choose(rng, sure if sure and rng.random() < 0.7 else options)
    found = by[word]
    said = words.thing(rng, f"{word} one" if key == "colour" else word)
    problem = say(NOT_THERE) if not found else say(WHICH) if len(found) > 1 else None
    name = found[0].name if found else ""
    if rng.random() < 0.5:
        return Task("refer", words.ask(rng, "fetch", source, o=said), (problem or pick(name),))
    where = _choose(rng, [p for p in PLACES if not found or p != found[0].place])
    text = words.ask(rng, "put", source, o=said, t=words.to(rng, where))
    return Task("refer", text, (problem or place(name, where),))


def _put(rng: np.random.Generator, view: View, source: words.Source) -> Task:
    """To a place: not needed when it is there, not possible when it is missing."""
    name, problem = _name(rng, view, 0.2)
    there = next((o.place for o in view.now if o.name == name), None)
    where = there if there and rng.random() < 0.25 else _choose(rng, PLACES)
    text = words.ask(rng, "put", source, o=words.thing(rng, name), t=words.to(rng, where))
    already = (place(name, where),) if not problem and there == where else ()
    return Task("put", text, (problem or (DONE if already else place(name, where)),), optional=already)


def _pair(rng: np.random.Generator, view: View, source: words.Source) -> Task | None:
    if len(view.single) < 2:
        return None
    one, two = _some(rng, view.single, 2)
    where = _choose(rng, PLACES)
    names = [one.name, two.name]
    calls = [place(o.name, where) for o in (one, two) if o.place != where] or [DONE]
    already = tuple(place(o.name, where) for o in (one, two) if o.place == where)
    if rng.random() < 0.15:
        which = int(rng.integers(2))
        names[which] = missing(rng, view.now)
        calls, already = [look(names[which])], ()
    o, p = (words.thing(rng, n) for n in names)
    text = words.ask(rng, "pair", source, o=o, p=p, t=words.to(rng, where))
    return Task("pair", text, tuple(calls), optional=already)


def _stack(rng: np.random.Generator, view: View, source: words.Source) -> Task | None:
    if len(view.single) < 2:
        return None
    names = [o.name for o in _some(rng, view.single, 2)]
    call: Call = ("stack", {"object": names[0], "on": names[1]})
    if rng.random() < 0.35:
        which = int(rng.integers(2))
        names[which] = missing(rng, view.now)
        call = look(names[which])
    o, p = (words.thing(rng, n) for n in names)
    return Task("stack", words.ask(rng, "stack", source, o=o, p=p), (call,))


EXTREMES: dict[str, Callable[[Object], float]] = {
    "leftmost": lambda o: o.x,
    "rightmost": lambda o: -o.x,
    "nearest": lambda o: -o.y * 0.75,
    "farthest": lambda o: o.y * 0.75,
}


def _extreme(rng: np.random.Generator, view: View, source: words.Source) -> Task | None:
    objects = [o for o in view.now if o.on_table]
    word = _choose(rng, list(EXTREMES))
    ranked = sorted(objects, key=EXTREMES[word])
    if len(ranked) < 2 or EXTREMES[word](ranked[1]) - EXTREMES[word](ranked[0]) < 0.06 or ranked[0] not in view.single:
        return None
    said = f"the {word} {_choose(rng, ('object', 'thing'))} on the table"
    name, where = ranked[0].name, _choose(rng, TRAYS)
    if rng.random() < 0.4:
        return Task("extreme", words.ask(rng, "fetch", source, o=said), (pick(name),))
    return Task("extreme", words.ask(rng, "put", source, o=said, t=words.to(rng, where)), (place(name, where),))


def in_order(objects: list[Object]) -> list[Object]:
    """What is taught where any order is right: a canvas is denoised all at once, and one order is learned sooner. By
    colour and shape, which names alone decide: from the left, two that lie nearly as far left are told twice."""
    return sorted(objects, key=lambda o: (COLOURS.index(o.colour), SHAPES.index(o.shape)))


def _clear(rng: np.random.Generator, view: View, source: words.Source) -> Task | None:
    objects = [o for o in view.now if o.on_table]
    if len(objects) > LONGEST_PLAN:
        return None
    where = _choose(rng, TRAYS)
    text = words.ask(rng, "clear", source, t=words.to(rng, where))
    return Task("clear", text, tuple(place(o.name, where) for o in in_order(objects)) or (DONE,), ordered=False)


def _several(rng: np.random.Generator, key: str, word: str) -> str:
    return (
        _choose(rng, (f"{word} things", f"{word} objects", f"{word} ones")) if key == "colour" else words.PLURALS[word]
    )


def _in_trays(view: View, text: str, proper: dict[str, str], key: str) -> Plan:
    """Calls that bring what lies in a tray already to the tray that the words have for its kind: needless where it is
    there, and right or not where it is in the other one, unless the words speak of the table only."""
    return tuple(
        place(o.name, proper[getattr(o, key)])
        for o in view.now
        if not o.on_table and getattr(o, key) in proper and "on the table" not in text
    )


def _sort(rng: np.random.Generator, view: View, source: words.Source) -> Task | None:
    """Two colours or two shapes, each to its tray, one after the other; what is in a tray already stays."""
    objects = [o for o in view.now if o.on_table]
    if not objects:
        return None
    key = _choose(rng, ("colour", "shape"))
    first = getattr(_choose(rng, objects), key)
    others = [v for v in (COLOURS if key == "colour" else SHAPES) if v != first]
    there = [getattr(o, key) for o in objects if getattr(o, key) != first]
    second = _choose(rng, there) if there and rng.random() < 0.8 else _choose(rng, others)
    trays = _choose(rng, (TRAYS, TRAYS[::-1]))
    calls = [
        place(o.name, tray)
        for value, tray in zip((first, second), trays, strict=True)
        for o in in_order(objects)
        if getattr(o, key) == value
    ]
    if len(calls) > LONGEST_PLAN:
        return None
    a, b = (_several(rng, key, w) for w in (first, second))
    text = words.ask(rng, "sort", source, a=a, b=b, t=words.to(rng, trays[0]), u=words.to(rng, trays[1]))
    optional = _in_trays(view, text, {first: trays[0], second: trays[1]}, key)
    return Task("sort", text, tuple(calls), ordered=False, optional=optional)


def _all_of(rng: np.random.Generator, view: View, source: words.Source) -> Task | None:
    """All of a colour or shape that are on the table; `done` where there are none."""
    key = _choose(rng, ("colour", "shape"))
    word = getattr(_choose(rng, view.now), key) if view.now else _choose(rng, SHAPES if key == "shape" else COLOURS)
    where = _choose(rng, TRAYS)
    objects = [o for o in view.now if o.on_table and getattr(o, key) == word]
    if len(objects) > LONGEST_PLAN:
        return None
    text = words.ask(rng, "all_of", source, a=_several(rng, key, word), t=words.to(rng, where))
    plan = tuple(place(o.name, where) for o in in_order(objects)) or (DONE,)
    return Task("all_of", text, plan, ordered=False, optional=_in_trays(view, text, {word: where}, key))


def _count(rng: np.random.Generator, view: View, source: words.Source) -> Task:
    style = rng.random()
    if style < 0.7:
        key, options = ("shape", SHAPES) if style < 0.35 else ("colour", COLOURS)
        word = getattr(_choose(rng, view.now), key) if view.now and rng.random() < 0.7 else _choose(rng, options)
        number, said = sum(getattr(o, key) == word for o in view.now), _several(rng, key, word)
    elif style < 0.88:
        number, said = len(view.now), _choose(rng, ("objects", "things"))
    else:
        tray = _choose(rng, TRAYS)
        number = sum(o.place == tray for o in view.now)
        return Task("count", words.ask(rng, "count_tray", source, p=tray), (say(str(number)),))
    return Task("count", words.ask(rng, "count", source, a=said), (say(str(number)),))


def _where(rng: np.random.Generator, view: View, source: words.Source) -> Task:
    name, problem = _name(rng, view, 0.2)
    text = words.ask(rng, "where", source, o=words.thing(rng, name))
    return Task("where", text, (problem or say(view.named(name)[0].place),))


def _which(rng: np.random.Generator, view: View, source: words.Source) -> Task | None:
    """About one of two that have the same name."""
    twins = [o for o in view.now if o not in view.single]
    if not twins:
        return None
    o = words.thing(rng, _choose(rng, twins).name)
    kind = _choose(rng, ("fetch", "put", "push", "where"))
    t, w, n = words.to(rng, _choose(rng, PLACES)), "to the left", str(int(rng.integers(1, 31)))
    return Task("which", words.ask(rng, kind, source, o=o, t=t, w=w, n=n), (say(WHICH),))


Change = tuple[str, str, str]  # what happened ("moved", "gone", "new"), to which object, from where


def changes(before: Moment, after: Moment) -> list[Change]:
    """What is different between two moments, by name."""
    old, new = ({o.name: o for o in moment} for moment in (before, after))
    found = [("moved", n, old[n].place) for n in old if n in new and old[n].place != new[n].place]
    return (
        found + [("gone", n, old[n].place) for n in old if n not in new] + [("new", n, "") for n in new if n not in old]
    )


def _last(view: View, what: str) -> Change | bool | None:
    """The latest change of that sort that still holds; None where there was none, False where it cannot be said."""
    if len({o.name for o in view.now}) < len(view.now):
        return False
    later: set[str] = set()
    for before, after in zip(view.moments[-2::-1], view.moments[:0:-1], strict=False):
        if any(len({o.name for o in m}) < len(m) for m in (before, after)):
            return False
        found = changes(before, after)
        of_kind = [c for c in found if c[0] == what]
        if of_kind:
            return of_kind[0] if len(of_kind) == 1 and of_kind[0][1] not in later else False
        later |= {c[1] for c in found}
    return None


def _history(kind: str, what: str) -> Maker:
    def make(rng: np.random.Generator, view: View, source: words.Source) -> Task | None:
        last = _last(view, what)
        if last is False or (last is None and rng.random() < 0.4):
            return None
        text = words.ask(rng, kind, source)
        if isinstance(last, tuple) and kind == "put_back":
            return Task(kind, text, (place(last[1], last[2]),))
        if kind == "put_back":
            return Task(kind, text, (DONE,))
        return Task(kind, text, (say(last[1] if isinstance(last, tuple) else NOTHING),))

    return make


def _moves(plan: Plan) -> list[str]:
    """The objects of a plan that only puts different things to places, in order; else nothing."""
    names = [a["object"] for s, a in plan if s == "place"]
    return names if len(names) == len(plan) and len(set(names)) == len(names) else []


def can_be_done(plan: Plan) -> bool:
    """Whether sessions know what carrying it out does: things put to places, or one thing picked up or stacked."""
    return bool(_moves(plan)) or (len(plan) == 1 and plan[0][0] in ("pick", "stack"))


def _targets(plan: Plan) -> set[str]:
    return {a["target"] for _, a in plan}


def _edit_target(rng: np.random.Generator, view: View, source: words.Source) -> Task | None:
    names = _moves(view.earlier[1]) if view.earlier else []
    if not names or view.earlier is None or len(_targets(view.earlier[1])) > 1:
        return None
    here = {o.place for o in view.now if o.name in names}
    options = [p for p in PLACES if p not in here | _targets(view.earlier[1])]
    if not options:
        return None
    where = _choose(rng, options)
    text = words.ask(rng, "edit_target", source, p=f"the {where}", t=words.to(rng, where))
    return Task("edit_target", text, tuple(place(n, where) for n in names), earlier=view.earlier)


def _edit_object(rng: np.random.Generator, view: View, source: words.Source) -> Task | None:
    if view.earlier is None:
        return None
    plan = view.earlier[1]
    names = [a["object"] for s, a in plan if s in ("pick", "place", "push")]
    if not names or len(names) != len(plan) or len(set(names)) != len(names):
        return None
    old = int(rng.integers(len(names)))
    others = [o for o in view.single if o.name not in names and o.place != plan[old][1].get("target")]
    if not others:
        return None
    new = missing(rng, view.now) if rng.random() < 0.1 else _choose(rng, others).name
    text = words.ask(rng, "edit_object", source, o=words.thing(rng, names[old]), p=words.thing(rng, new))
    if not view.named(new):
        return Task("edit_object", text, (look(new),), earlier=view.earlier)
    edited = tuple((s, {**a, "object": new}) if i == old else (s, a) for i, (s, a) in enumerate(plan))
    return Task("edit_object", text, edited, earlier=view.earlier)


def _edit_drop(rng: np.random.Generator, view: View, source: words.Source) -> Task | None:
    names = _moves(view.earlier[1]) if view.earlier else []
    if len(names) < 2 or view.earlier is None:
        return None
    dropped = int(rng.integers(len(names)))
    text = words.ask(rng, "edit_drop", source, o=words.thing(rng, names[dropped]))
    left = tuple(c for i, c in enumerate(view.earlier[1]) if i != dropped)
    return Task("edit_drop", text, left, earlier=view.earlier)


def _edit_order(rng: np.random.Generator, view: View, source: words.Source) -> Task | None:
    names = _moves(view.earlier[1]) if view.earlier else []
    if view.earlier is None or not 2 <= len(names) <= 3:
        return None
    return Task("edit_order", words.ask(rng, "edit_order", source), view.earlier[1][::-1], earlier=view.earlier)


def _edit_add(rng: np.random.Generator, view: View, source: words.Source) -> Task | None:
    names = _moves(view.earlier[1]) if view.earlier else []
    if not names or view.earlier is None or len(names) > 3 or len(targets := _targets(view.earlier[1])) > 1:
        return None
    (target,) = targets
    others = [o for o in view.single if o.name not in names and o.place != target]
    if not others:
        return None
    new = _choose(rng, others).name
    text = words.ask(rng, "edit_add", source, o=words.thing(rng, new))
    return Task("edit_add", text, (*view.earlier[1], place(new, target)), earlier=view.earlier)


def _cannot(rng: np.random.Generator, view: View, source: words.Source) -> Task:
    named = _choose(rng, view.now).name if view.now else _choose(rng, NAMES)
    shape = named.split()[1]
    listed = source != "known" or rng.random() < 0.6
    said = words.ask(rng, "cannot", source, o=words.thing(rng, named), s=shape) if listed else words.deed(rng, named)
    return Task("cannot", said, (say(CANNOT),))


def _unclear(rng: np.random.Generator, view: View, source: words.Source) -> Task:
    return Task("unclear", words.nonsense(rng, source), (say(NOT_UNDERSTOOD),))


def remaining(view: View) -> Plan | None:
    """What is still to be done of the plan before, given its `results`; None where that cannot be said.

    Done calls are left out. A call that slipped, was cancelled or timed out comes again, unless the newest picture
    shows that it is done. What cannot be reached is left out; where nothing else is left, "cannot" is said. For what
    was not found `look` comes first and alone. What has no room in one tray goes to the other.
    """
    if view.earlier is None:
        return None
    left: list[Call] = []
    unreachable = False
    full: set[str] = set()
    told = list(view.results)
    for number, call in enumerate(view.earlier[1]):
        skill, arguments = call
        outcome = told[number] if number < len(told) else None
        if outcome is not None and outcome.status is ResultStatus.SUCCEEDED:
            continue
        if outcome is not None and outcome.reason == NOT_FOUND:
            return (look(arguments["object"]),)
        if outcome is not None and outcome.reason == NOT_REACHABLE:
            unreachable = True
            continue
        if outcome is not None and outcome.reason == NO_ROOM:
            full.add(arguments["target"])
        there = view.named(arguments.get("object", ""))
        if skill == "place" and there and all(o.place == arguments["target"] for o in there):
            continue
        if skill == "place" and arguments["target"] in full and arguments["target"] in TRAYS:
            other = TRAYS[1 - TRAYS.index(arguments["target"])]
            call = place(arguments["object"], other)
        left.append(call)
    return tuple(left) or ((say(CANNOT),) if unreachable else (DONE,))


def _go_on(rng: np.random.Generator, view: View, source: words.Source) -> Task | None:
    plan = remaining(view) if view.results else None
    if plan is None:
        return None
    return Task("go_on", words.ask(rng, "go_on", source), plan, earlier=view.earlier, results=view.results)


FAILURES = (SLIPPED, NOT_REACHABLE, NOT_FOUND, NO_ROOM, PERSON)
_MAKERS: dict[str, Maker] = {
    **{kind: globals()[f"_{kind}"] for kind in KINDS if kind not in HISTORY},
    "moved": _history("moved", "moved"),
    "put_back": _history("put_back", "moved"),
    "gone": _history("gone", "gone"),
    "new": _history("new", "new"),
}


def make(rng: np.random.Generator, view: View, kind: str, source: words.Source = "known") -> Task | None:
    """A task of that kind about the view, or None when the view does not allow it. `source`: in whose words."""
    task = _MAKERS[kind](rng, view, source)
    return None if task is None else heeding(task, view)


def heeding(task: Task, view: View) -> Task:
    """The task with what is right under the notes of the view: to say so, where they forbid it."""
    if not view.allows(task.plan):
        return replace(task, plan=(say(CANNOT),), ordered=True, optional=(), forbidden=True)
    return replace(task, optional=tuple(c for c in task.optional if view.allows((c,))))


def spoiled(rng: np.random.Generator, plan: Plan, names: list[str]) -> Plan:
    """A plan with a mistake or two of the sort that is made: a call twice, in place of another or besides; one too few;
    two exchanged; another thing, of `names`; another place; another answer."""
    calls = list(plan)
    for _ in range(1 if rng.random() < 0.7 else 2):
        at, draw = int(rng.integers(len(calls))), rng.random()
        skill, arguments = calls[at]
        other = int(rng.integers(len(calls)))
        if len(calls) > 1 and draw < 0.3:
            calls[at] = calls[other]
        elif skill in MOVING and draw < 0.5 and len(calls) < LONGEST_PLAN:
            twice = {**arguments, "object": _choose(rng, names)} if names and rng.random() < 0.4 else arguments
            calls.insert(int(rng.integers(len(calls) + 1)), (skill, twice))
        elif len(calls) > 1 and draw < 0.6:
            del calls[at]
        elif len(calls) > 1 and draw < 0.7:
            calls[at], calls[other] = calls[other], calls[at]
        elif "target" in arguments and draw > 0.85:
            calls[at] = skill, {**arguments, "target": _choose(rng, PLACES)}
        elif "object" in arguments and names:
            calls[at] = skill, {**arguments, "object": _choose(rng, names)}
        elif skill == "say":
            calls[at] = say(_choose(rng, (*REFUSALS, NOTHING, *names)))
    return tuple(calls)


def sample_task(rng: np.random.Generator, scene: Scene, kind: str, source: words.Source = "known") -> Task | None:
    """A task of that kind about a scene, or None; edits and "go on" come with an earlier turn of their own."""
    view = View(scene.moments)
    if kind in EDIT + RESULT:
        before = _choose(rng, ("put", "pair", "pair", "all_of"))
        first = make(rng, view, before)
        if first is None:
            return None
        view = replace(view, earlier=(first.text, first.plan))
        if kind in RESULT:
            if first.plan[0][0] != "place":
                return None
            view = replace(view, results=some_results(rng, view, first.plan, unseen=True))
    return make(rng, view, kind, source)


def some_results(rng: np.random.Generator, view: View, plan: Plan, unseen: bool = False) -> tuple[Outcome, ...]:
    """Outcomes of a plan's calls up to a first failure, or of all. `unseen`: no picture of it will follow, so that only
    failures that leave everything where it was, and plans without a success, are told."""
    fails = int(rng.integers(len(plan))) if rng.random() < 0.7 else len(plan)
    if unseen:
        fails = 0
    told = [Outcome(call, ResultStatus.SUCCEEDED) for call in plan[:fails]]
    if fails < len(plan):
        tray = plan[fails][1].get("target") in TRAYS and plan[fails][0] == "place"
        options = [SLIPPED, SLIPPED, NOT_REACHABLE, NOT_FOUND, *([NO_ROOM] if tray else [])]
        reason = _choose(rng, [*options, PERSON, "", ""] if not unseen else options)
        status = (
            ResultStatus.FAILED
            if reason
            else _choose(rng, (ResultStatus.CANCELLED, ResultStatus.TIMED_OUT, ResultStatus.UNKNOWN))
        )
        told.append(Outcome(plan[fails], status, reason))
    return tuple(told)


def wants(rng: np.random.Generator, kind: str) -> tuple[int, str | None]:
    """Frames and event (see `sample_scene`) that suit a scene for this kind."""
    if kind not in HISTORY:
        return int(rng.integers(1, 4)), None
    event = {"moved": "moved", "put_back": "moved", "gone": "gone", "new": "new"}[kind]
    return int(rng.integers(2, 4)), event if rng.random() < 0.75 else None


def fresh(rng: np.random.Generator, kind: str, source: words.Source = "known") -> tuple[Scene, Task]:
    """A fresh scene with a task of that kind."""
    while True:
        frames, event = wants(rng, kind)
        scene = sample_scene(rng, frames, event, twins=kind == "which")
        task = sample_task(rng, scene, kind, source)
        if task is not None:
            return scene, task
