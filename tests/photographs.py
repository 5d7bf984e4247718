"""Photographs that ship inside scikit-image's wheel, read without importing it, and views of them in camera sizes."""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path

import numpy as np

from dgemma_ros.images.preparation import Pixels, read_image

NAMES = ("astronaut", "chelsea", "coffee", "motorcycle_left", "ihc")
SIZES = {"VGA": (480, 640), "HD": (1080, 1920), "tall": (640, 360), "thin": (24, 500), "small": (37, 61)}


@lru_cache(maxsize=8)
def photograph(name: str) -> Pixels:
    """The whole picture, uint8 [H, W, 3]; PNG only, whose decoding cannot differ between libraries."""
    spec = importlib.util.find_spec("skimage")
    assert spec is not None and spec.origin is not None, "scikit-image is missing: make test installs it"
    return read_image(Path(spec.origin).parent / "data" / f"{name}.png")


def view(name: str, size: str) -> Pixels:
    """The photograph mirrored into a seamless tile, cut to one of ``SIZES``, or whole for ``size`` "whole"."""
    picture = photograph(name)
    if size == "whole":
        return picture
    height, width = SIZES[size]
    tile = np.concatenate([picture, picture[::-1]])
    tile = np.concatenate([tile, tile[:, ::-1]], axis=1)
    repeats = -(-height // tile.shape[0]), -(-width // tile.shape[1]), 1
    return np.ascontiguousarray(np.tile(tile, repeats)[:height, :width])
