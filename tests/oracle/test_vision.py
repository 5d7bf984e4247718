"""The vision tower against the reference: soft tokens of pictures of many shapes, and of a photograph."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dgemma_ros.images.preparation import ImagePreparation
from tests.conftest import Folders, Models
from tests.oracle import reference
from tests.photographs import NAMES, view
from tests.tiny import TINIES, Noise, Tiny, TinyVision

CASES = {name: tiny for name, tiny in TINIES.items() if tiny.vision is not None} | {
    "one_kv_head": Tiny(layers="SF", vision=TinyVision(heads=4, kv_heads=1, head_dim=16)),
    "deep": Tiny(layers="SF", vision=TinyVision(layers=5, standardize=False, rope_type="axial")),
    "wide_cells": Tiny(layers="SF", vision=TinyVision(pooling=5, positions=40)),
    "bfloat16": Tiny(layers="SF", dtype="bfloat16"),
}
SHAPES = [(1, 1), (2, 1), (1, 4), (3, 2), (4, 4)]
"""Width and height in pooling cells."""


def picture(vision: TinyVision, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Patches and positions, without padding."""
    across, down = width * vision.pooling, height * vision.pooling
    patches = Noise("picture", width, height).uniform((across * down, 3 * vision.patch**2))
    return patches, np.array([(x, y) for y in range(down) for x in range(across)], np.int64)


def padded(patches: np.ndarray, positions: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    more = length - len(patches)
    return np.pad(patches, ((0, more), (0, 0))), np.pad(positions, ((0, more), (0, 0)), constant_values=-1)


def judged(model: reference.Model, pictures: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """The reference's soft tokens of several pictures, padded to one batch."""
    longest = max(len(patches) for patches, _ in pictures)
    batch = [padded(*one, longest) for one in pictures]
    with torch.no_grad():
        features = model.model.encoder.get_image_features(
            torch.from_numpy(np.stack([patches for patches, _ in batch])),
            torch.from_numpy(np.stack([positions for _, positions in batch])),
        )
    return np.asarray(features.pooler_output)


def assert_near(ours: np.ndarray, theirs: np.ndarray) -> None:
    assert ours.shape == theirs.shape and ours.dtype == np.float32
    assert np.abs(ours - theirs).max() < 1e-4


@pytest.mark.parametrize("name", CASES)
def test_pictures_of_every_shape(name: str, opened: Models, checkpoint: Folders) -> None:
    """The reference reads them padded in one batch, ours reads each without padding."""
    tiny = CASES[name]
    assert tiny.vision is not None
    ours, theirs = opened(tiny), reference.load(checkpoint(tiny))
    pictures = [picture(tiny.vision, *shape) for shape in SHAPES]
    expected = np.split(judged(theirs, pictures), np.cumsum([w * h for w, h in SHAPES])[:-1])
    for one, (width, height), soft in zip(pictures, SHAPES, expected, strict=True):
        assert_near(ours.soft_tokens(*one), soft)
        assert len(soft) == width * height
        assert_near(judged(theirs, [one]), soft)  # padding is nothing to the reference either
        assert_near(ours.soft_tokens(*padded(*one, len(one[0]) + 7)), soft)


def test_the_order_of_patches_is_of_no_account(opened: Models) -> None:
    vision = TINIES["images"].vision
    assert vision is not None
    patches, positions = picture(vision, 3, 2)
    order = Noise("order").uniform((len(patches),)).argsort()
    ours = opened("images")
    assert_near(ours.soft_tokens(patches[order], positions[order]), ours.soft_tokens(patches, positions))


@pytest.mark.parametrize("size", ["VGA", "HD"])
def test_a_photograph(size: str, opened: Models, checkpoint: Folders) -> None:
    """Prepared as a checkpoint of the released patch size wants it: about 70 soft tokens."""
    tiny = Tiny(layers="SF", vision=TinyVision(patch=16, positions=64))
    prepared = ImagePreparation(soft_tokens=70).prepare(view(NAMES[0], size))
    theirs = judged(reference.load(checkpoint(tiny)), [(prepared.patches, prepared.positions)])
    assert len(theirs) == prepared.soft_tokens
    assert_near(opened(tiny).soft_tokens(prepared.patches, prepared.positions), theirs)
