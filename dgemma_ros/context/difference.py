"""Whether a camera's picture has changed: a cheap difference of small pictures.

What a robot should remember are changes in the scene. Those show as a cell of the picture that takes another colour,
while noise averages out over a cell, blurring takes the edge off a camera that shakes, and light that comes or goes
lifts all cells alike. In colour, because a red block on a brown table may be as bright as the table: of 160 pairs of
pictures of the tabletop's scenes, steady and rough, the difference of colours told all that had changed from those that
had not, that of greys 96 % (``docs/memory.md``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

CELLS: Final = (24, 18)
"""Columns and rows of a small picture."""
BLUR: Final = 1.0
"""Standard deviation, in cells."""

Small = NDArray[np.float32]


def small(rgb: NDArray[np.uint8]) -> Small:
    """float32 [18, 24, 3] in 0 … 1: the colour of each cell of a picture [H, W, 3]."""
    cells = cv2.resize(rgb, CELLS, interpolation=cv2.INTER_AREA).astype(np.float32) / 255.0
    return np.asarray(cv2.GaussianBlur(cells, (0, 0), BLUR), np.float32)


def difference(one: Small, other: Small) -> float:
    """By how much the cell that changed most has changed, in 0 … 1, beyond what the middle one has."""
    change = one - other
    return min(1.0, float(np.abs(change - np.median(change, axis=(0, 1))).max()))


@dataclass(frozen=True, eq=False)
class Change:
    """A picture next to the last keyframe of its camera."""

    picture: Small
    difference: float | None
    """None where there is no keyframe before it."""

    def reason(self, threshold: float) -> str:
        """Why it is a keyframe, for people; empty where it is none. With a threshold of 0 every picture is one."""
        if threshold <= 0.0:
            return "every frame"
        if self.difference is None:
            return "first"
        return f"changed by {self.difference:.2f}" if self.difference >= threshold else ""


@dataclass
class Changes:
    """The last keyframe of each camera. Not thread-safe.

    Later pictures are compared with that, not with the one just before them: a slow change is one, too.
    """

    _kept: dict[str, Small] = field(default_factory=dict)

    def of(self, camera: str, rgb: NDArray[np.uint8], picture: Small | None = None) -> Change:
        """How the camera's picture differs; changes nothing. ``picture``: :func:`small` of it, where known."""
        picture, kept = small(rgb) if picture is None else picture, self._kept.get(camera)
        return Change(picture, None if kept is None else difference(picture, kept))

    def keep(self, camera: str, change: Change) -> None:
        """From now on the camera's pictures are compared with this one."""
        self._kept[camera] = change.picture

    def clear(self) -> None:
        """The next picture of each camera is its first."""
        self._kept.clear()
