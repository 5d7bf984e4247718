"""Rotary tables, made on the host in the reference's float32 arithmetic."""

from __future__ import annotations

import numpy as np

from dgemma_ros.checkpoint.config import LayerKind, ModelConfig, VisionConfig
from dgemma_ros.runtime.contract import Array, Floats, Ints


def angles(positions: Ints, inverse_frequencies: Floats) -> tuple[Floats, Floats]:
    """cos and sin, [1, S, D/2], of positions [S].

    The product is rounded to float32 as the reference rounds it: at position 100,000 anything else moves logits by a
    tenth. Of that product the cosine is then taken as exactly as float32 holds it.
    """
    product = positions.astype(np.float32)[:, None] * inverse_frequencies[None, :]
    exact = product.astype(np.float64)
    return np.cos(exact).astype(np.float32)[None], np.sin(exact).astype(np.float32)[None]


def text_tables(config: ModelConfig, positions: Ints) -> dict[str, Array]:
    """The backbone's ``cos_*`` and ``sin_*`` feeds for rows at ``positions`` [S]."""
    feeds: dict[str, Array] = {}
    for kind, rope in config.text.rope.items():
        feeds[f"cos_{kind}"], feeds[f"sin_{kind}"] = angles(positions, rope.inverse_frequencies())
    return feeds


def shift_tables(config: ModelConfig, delta: int) -> dict[LayerKind, tuple[Floats, Floats]]:
    """cos and sin, [P] each, that take a key to the position ``delta`` further on, for each kind of layer.

    Of the first P pairs of a head's dimensions, the only ones that turn. Angles are formed in float64: rotations that
    follow one another would else drift apart by a float32 rounding of the angle each.
    """
    tables = {}
    for kind, rope in config.text.rope.items():
        frequencies = rope.inverse_frequencies().astype(np.float64)
        turn = delta * frequencies[: np.count_nonzero(frequencies)]
        tables[kind] = np.cos(turn).astype(np.float32), np.sin(turn).astype(np.float32)
    return tables


def vision_tables(vision: VisionConfig, positions: Ints) -> dict[str, Array]:
    """The vision tower's rotary feeds for patches at ``positions`` [P, 2] (x, y)."""
    feeds: dict[str, Array] = {}
    for axis, name in enumerate("xy"):
        feeds[f"cos_{name}"], feeds[f"sin_{name}"] = angles(positions[:, axis], vision.inverse_frequencies())
    return feeds
