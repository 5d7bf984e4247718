"""Image preparation against the live reference: photographs, every budget, every size."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers.models.gemma4.image_processing_pil_gemma4 import Gemma4ImageProcessorPil

from dgemma_ros.errors import ImageError
from dgemma_ros.images.preparation import ImagePreparation, to_rgb
from dgemma_ros.images.resample import resample
from tests.oracle.golden_images import reference
from tests.photographs import NAMES, view

BUDGETS = (70, 140, 280, 560, 1120)
SIDES = st.one_of(st.integers(1, 40), st.integers(1, 700), st.sampled_from([1, 47, 48, 49, 336, 480, 640, 1200]))


def compare(picture: np.ndarray, budget: int) -> None:
    patches, positions, soft_tokens = reference(picture, budget)
    preparation = ImagePreparation(soft_tokens=budget)
    exact = preparation.prepare(picture, exact=True)
    assert np.array_equal(exact.patches, patches)
    assert np.array_equal(exact.positions, positions)
    assert exact.soft_tokens == soft_tokens
    assert np.abs(preparation.prepare(picture).patches - patches).max() * 255 <= 2.001


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("size", ["whole", "VGA", "HD"])
def test_photographs(size: str, budget: int) -> None:
    for name in NAMES:
        compare(view(name, size), budget)


@settings(max_examples=60, deadline=None)
@given(SIDES, SIDES, st.sampled_from(BUDGETS), st.integers(0, 2**32 - 1))
def test_any_size_equals_or_is_refused_like_the_reference(height: int, width: int, budget: int, seed: int) -> None:
    picture = np.random.default_rng(seed).choice(np.array([0, 1, 128, 254, 255], np.uint8), (height, width, 3))
    preparation = ImagePreparation(soft_tokens=budget)
    try:
        expected = reference(picture, budget)[2]
    except ValueError:
        with pytest.raises(ImageError):
            preparation.target_size(height, width)
        return
    assert expected == preparation.prepare(picture).soft_tokens
    compare(picture, budget)


@settings(max_examples=150, deadline=None)
@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 2**32 - 1))
@example(130, 100, 10, 20, 0)  # 120 rows and 80 columns are lost: between once and twice as many, columns go first
@example(250, 100, 10, 20, 0)  # 240 and 80: rows go first
def test_resample_is_pillows(height: int, width: int, high: int, wide: int, seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 2, (height, width, 3), dtype=np.uint8) * 255
    expected = np.asarray(Image.fromarray(picture).resize((wide, high), Image.Resampling.BICUBIC))
    assert np.array_equal(resample(picture, high, wide, exact=True), expected)
    difference = resample(picture, high, wide).astype(int) - expected
    assert np.abs(difference).max() <= 2


def test_transparency_and_grey_are_converted_like_the_reference() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (60, 80, 4), dtype=np.uint8)
    batch = Gemma4ImageProcessorPil(max_soft_tokens=70)(picture, return_tensors="np", input_data_format="channels_last")
    prepared = ImagePreparation(soft_tokens=70).prepare(picture, exact=True)
    assert np.array_equal(batch["pixel_values"][0][: len(prepared.patches)], prepared.patches)
    grey = Image.fromarray(picture[:, :, 0])
    assert np.array_equal(np.asarray(grey.convert("RGB")), to_rgb(picture[:, :, 0]))


def test_saved_processor_is_read_back(tmp_path) -> None:
    Gemma4ImageProcessorPil(max_soft_tokens=140).save_pretrained(tmp_path)
    expected = dataclasses.replace(ImagePreparation(), soft_tokens=140)
    assert ImagePreparation.load(tmp_path) == expected
