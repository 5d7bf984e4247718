"""Keys of the cache on the host: turned to another position, and made anew from values."""

from __future__ import annotations

import numpy as np

from dgemma_ros.checkpoint.config import LayerKind, ModelConfig
from dgemma_ros.checkpoint.weights import DECODER, Weights
from dgemma_ros.runtime.contract import Array, Floats

BLOCK = 4096
"""Rows worked on at a time, so that float32 copies of them stay small."""


def full_key_norms(weights: Weights, config: ModelConfig) -> dict[int, Floats]:
    """The weights [D] of each full layer's key norm, by the layer's index.

    There ``key = rope(weight * value)``, as both are the same projection, normed.
    """
    return {
        layer.index: weights.array(f"{DECODER}.layers.{layer.index}.self_attn.k_norm.weight", np.float32)
        for layer in config.text.layers
        if layer.kind is LayerKind.FULL
    }


def from_values(values: Array, norm: Floats, cos: Floats, sin: Floats) -> Floats:
    """Keys [kv, n, D] of a full layer as float32: ``values`` by the key norm's weight, at the angles [n, D/2]."""
    made: Floats = values.astype(np.float32) * norm
    rotate(made, cos, sin)
    return made


def rotate(keys: Array, cos: Floats, sin: Floats) -> None:
    """Turns ``keys`` [..., D] in place; ``cos`` and ``sin`` [P] or [rows, P] for the first P pairs (i, i + D/2)."""
    pairs, half = cos.shape[-1], keys.shape[-1] // 2
    first = keys[..., :pairs].astype(np.float32)
    second = keys[..., half : half + pairs].astype(np.float32)
    keys[..., :pairs] = first * cos - second * sin
    keys[..., half : half + pairs] = second * cos + first * sin
