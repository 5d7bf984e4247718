"""Prompts for sequences, and sequences held to one another: keys, values and logits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from dgemma_ros.model import Model
from dgemma_ros.runtime.sequence import Sequence
from tests.tiny import Noise

CLOSE = 5e-5  # float32, summed in another order
CLOSE_LOGITS = 2e-4  # which the self-conditioning amplifies
# Always the same examples: where two experts are equally likely but for rounding, a row may go to either.
FIXED = settings(max_examples=30, deadline=None, derandomize=True)
NAMES = st.sampled_from(["small_window", "odd_pattern", "all_full", "images"])


class Prompt(NamedTuple):
    ids: np.ndarray
    types: np.ndarray
    soft: np.ndarray | None


def prompt_of(model: Model, types: np.ndarray, seed: int = 0) -> Prompt:
    noise, text = Noise("prompt", seed), model.config.text
    soft = noise.normal((int(types.sum()), text.hidden_size)).astype(np.float32)
    return Prompt(noise.integers(0, text.vocab_size, types.shape), types, soft if len(soft) else None)


def text_of(model: Model, length: int, seed: int = 0) -> np.ndarray:
    return prompt_of(model, np.zeros(length, np.int64), seed).ids


def rows(sequence: Sequence) -> list[np.ndarray]:
    return [array for layer in sequence.config.text.layers for array in sequence.rows(layer.index)]


def logits(sequence: Sequence) -> np.ndarray:
    """Of two denoising steps, the second with self-conditioning."""
    noise, config = Noise("canvas"), sequence.config
    canvas = sequence.open_canvas({}, with_logits=True)
    tokens = noise.integers(0, config.text.vocab_size, (2, config.canvas_length))
    steps = [canvas.step({"canvas": row, "temperature": np.array([0.7], np.float32)}) for row in tokens]
    return np.stack([step.logits for step in steps])


def assert_same(ours: Sequence, other: Sequence) -> None:
    assert ours.length == other.length
    for left, right in zip(rows(ours), rows(other), strict=True):
        assert left.shape == right.shape
        assert np.abs(left - right).max(initial=0) < CLOSE
    assert np.abs(logits(ours) - logits(other)).max() < CLOSE_LOGITS
