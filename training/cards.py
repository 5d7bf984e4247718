"""Cards: short questions about a scene with short answers, read by the encoder alone while training.

A card is a task with nothing but its plan's words for an answer (`put the ring away` → ` place red ring left tray`), or
only a name with the place where that object is. A task's canvas teaches one or two decisions at the price of some
eighty tokens; a card teaches as many in ten, and encoder and decoder are the same weights.
"""

from __future__ import annotations

import numpy as np

from dgemma_ros.tabletop.scenes import Scene
from training import tasks

Card = tuple[str, str]  # question, answer
BEFORE, NOTHING, END = " first", " nothing", "<turn|>"


def _objects(rng: np.random.Generator, scene: Scene) -> list[Card]:
    """Where each object is, where it was at first, and two or three that are not there."""
    moments = [("", scene.now)] + ([(BEFORE, scene.moments[0])] if len(scene.moments) > 1 else [])
    names = {o.name for moment in scene.moments for o in moment} | {tasks.missing(rng, scene) for _ in range(3)}
    cards = []
    for when, moment in moments:
        places = {o.name: f" {o.place}" for o in moment}
        cards += [(f"{when} {name}", places.get(name, NOTHING)) for name in sorted(names)]
    return cards


def answer(plan: tasks.Plan) -> str:
    """The plan's words: each call's skill and values."""
    return "".join(f" {skill}" + "".join(f" {a[key]}" for key in sorted(a)) for skill, a in plan) + END


def sample(rng: np.random.Generator, scene: Scene, kinds: list[str]) -> list[Card]:
    """The scene's objects and a task of each of `kinds` that the scene allows."""
    drawn = [tasks.sample_task(rng, scene, kind) for kind in kinds]
    return _objects(rng, scene) + [(task.text, answer(task.plan)) for task in drawn if task is not None]
