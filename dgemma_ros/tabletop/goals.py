"""What a task wants of the world, as a predicate on it: judged by truth, never by what a planner says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from dgemma_ros.tabletop.scenes import PLACES, TRAYS
from dgemma_ros.tabletop.world import World

KINDS: Final = ("put", "clear", "stack", "pick")
GRACE: Final = 0.3
"""Seconds that a word may be on its way: an arm that grasps so soon after a person came could not have known."""


@dataclass(frozen=True)
class Goal:
    """``task`` in words that the nano checkpoint knows. ``where``: what shall be at which place, ``gripper`` among
    them; ``on``: what shall lie on what. ``touchable``: what the arm may take hold of for that."""

    kind: str
    task: str
    where: tuple[tuple[str, str], ...] = ()
    on: tuple[tuple[str, str], ...] = ()
    touchable: frozenset[str] = frozenset()

    def reached(self, world: World) -> bool:
        """Whether the world is as the task wants it."""
        return self.reached_in(world.truth())

    def reached_in(self, truth: dict[str, Any]) -> bool:
        """The same of a world's truth."""
        places = {o["name"]: o["place"] for o in truth["objects"]} | {truth["held"]: "gripper"}
        lies = {o["name"]: o["on"] for o in truth["objects"]}
        there = all(places.get(name) == place and not lies.get(name) for name, place in self.where)
        return there and all(lies.get(top) == base for top, base in self.on)

    def possible(self, world: World) -> bool:
        """Whether the arm can bring it about now, without luck."""
        moved = {n for n, place in self.where if world.place_of(n) != place}
        moved |= {top for top, base in self.on if world.on.get(top) != base}
        needed = moved | {base for top, base in self.on if top in moved}
        return all(world.place_of(n) and n not in world.unreachable for n in needed)

    def wrong_touches(self, touches: Iterable[dict[str, Any]]) -> list[str]:
        """What the arm took hold of that the task does not speak of."""
        return [touch["name"] for touch in touches if touch["name"] not in self.touchable]


_WORDS: Final = (
    (re.compile(r"(?:put|place|move) the (\w+ \w+) (?:into|to) the (.+)"), "put"),
    (re.compile(r"(?:stack the (\w+ \w+) on|put the (\w+ \w+) on top of) the (\w+ \w+)"), "stack"),
    (re.compile(r"(?:pick up|get|take|please grab) the (\w+ \w+)"), "pick"),
    (re.compile(r"clear the table, everything goes into the (.+)"), "clear"),
)


def reached_by_rule(task: str, world: World) -> bool | None:
    """Whether the world is as a task in these plain words wants it; None for other words."""
    words = " ".join(task.lower().split()).rstrip(".")
    for pattern, kind in _WORDS:
        found = pattern.fullmatch(words)
        if found is None:
            continue
        parts = [part for part in found.groups() if part]
        if kind == "clear":
            return None if parts[0] not in TRAYS else not any(o.on_table for o in world.objects)
        if kind == "put" and parts[1] not in PLACES:
            return None
        if kind == "stack":
            return world.on.get(parts[0]) == parts[1]
        wanted = "gripper" if kind == "pick" else parts[1]
        return world.place_of(parts[0]) == wanted and parts[0] not in world.on
    return None


def under_a_hand(touches: Iterable[dict[str, Any]]) -> list[str]:
    """What the arm took hold of while a person had been at the table for longer than :data:`GRACE`."""
    return [t["name"] for t in touches if t["person_for"] is not None and t["person_for"] > GRACE]


def _into(place: str) -> str:
    return f"into the {place}" if place in TRAYS else f"to the {place}"


def sample_goal(world: World, rng: np.random.Generator, kinds: Iterable[str] = KINDS) -> Goal:
    """A goal that is not reached yet, of one of the kinds that the table allows."""
    makers = {"put": _put, "clear": _clear, "stack": _stack, "pick": _pick}
    for kind in rng.permutation(sorted(kinds)).tolist():
        goal = makers[kind](world, rng)
        if goal is not None and not goal.reached(world):
            return goal
    return _pick_any(world, rng)


def _one(rng: np.random.Generator, options: list[str]) -> str:
    return options[int(rng.integers(len(options)))]


def _put(world: World, rng: np.random.Generator) -> Goal | None:
    name = _one(rng, world.names)
    place = _one(rng, [p for p in ("left side", "middle", "right side", *TRAYS) if p != world.place_of(name)])
    return Goal("put", f"put the {name} {_into(place)}", ((name, place),), touchable=frozenset({name}))


def _clear(world: World, rng: np.random.Generator) -> Goal | None:
    names = [o.name for o in world.objects if o.on_table]
    if not 1 <= len(names) <= 3:
        return None
    tray = _one(rng, list(TRAYS))
    task = f"clear the table, everything goes {_into(tray)}"
    return Goal("clear", task, tuple((name, tray) for name in names), touchable=frozenset(names))


def _stack(world: World, rng: np.random.Generator) -> Goal | None:
    names = [str(name) for name in rng.permutation([o.name for o in world.objects])]
    if len(names) < 2:
        return None
    top, base = names[:2]
    return Goal("stack", f"stack the {top} on the {base}", on=((top, base),), touchable=frozenset({top}))


def _pick(world: World, rng: np.random.Generator) -> Goal | None:
    return _pick_any(world, rng) if world.held is None else None


def _pick_any(world: World, rng: np.random.Generator) -> Goal:
    name = _one(rng, world.names)
    return Goal("pick", f"pick up the {name}", ((name, "gripper"),), touchable=frozenset({name}))
