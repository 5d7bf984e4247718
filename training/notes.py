"""Notes: what people say beside tasks, and what it changes.

`broken` forbids all that moves the arm until a note `works` comes, `hands_off` one thing, `closed` one tray. `near`
names the arm, a thing or a tray as those do, and forbids nothing; `neutral` speaks of something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dgemma_ros.tabletop.scenes import TRAYS
from training import words
from training.tasks import View


def told(
    rng: np.random.Generator, view: View, kind: str, names: Sequence[str], source: words.Source = "known"
) -> tuple[str, View]:
    """A note of that kind about one of the things of these `names`, and the view behind it."""
    name = words.choose(rng, tuple(names)) if names and kind in ("hands_off", "near") else "red ball"
    tray = words.choose(rng, TRAYS) if kind in ("closed", "near") else TRAYS[0]
    said = name.split()[1] if kind == "near" and rng.random() < 0.4 else name
    text = words.note(rng, kind, source)
    number = int(rng.integers(1, 100)) if kind == "neutral" else 0
    text = words.spoken(rng, text.format(o=f"the {said}", p=f"the {tray}", n=number))
    if kind in ("broken", "works"):
        return text, replace(view, broken=kind == "broken")
    if kind == "hands_off":
        return text, replace(view, hands_off=view.hands_off | {name})
    if kind == "closed":
        return text, replace(view, closed=view.closed | {tray})
    return text, view
