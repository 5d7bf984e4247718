"""The diffusion step in numpy: what a reader reads, and what graphs and kernels are held to."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dgemma_ros.graphs.diffusion import MASKED, cdf_blocks

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class RowStats(NamedTuple):
    """Of each row: likeliest and drawn token, entropy in nats, [C]; largest scaled logit and Σ exp over it, [C, 1]."""

    argmax: Ints
    drawn: Ints
    entropy: Floats
    largest: Floats
    total: Floats


class CanvasUpdate(NamedTuple):
    """What one step makes of the canvas; arrays [C], ``mean_entropy`` in nats."""

    next_canvas: Ints
    argmax: Ints
    drawn: Ints
    entropy: Floats
    accepted: Bools
    mean_entropy: float


def row_stats(
    over_cap: Floats, temperature: float, uniform: Floats, allowed: Bools, allowed_row: Ints, softcap: float
) -> RowStats:
    """See :func:`dgemma_ros.graphs.diffusion.row_stats`; ``over_cap`` [C, V], logits divided by the softcap."""
    gain = np.float32(softcap) / np.float32(temperature)
    scaled = np.tanh(over_cap) * gain + np.where(allowed, np.float32(0), MASKED)[allowed_row]
    largest = scaled.max(-1, keepdims=True)
    centred = scaled - largest
    weight = np.exp(centred)
    total = weight.sum(-1, keepdims=True)
    entropy = np.log(total) - (weight * centred).sum(-1, keepdims=True) / total
    return RowStats(scaled.argmax(-1), _draw(weight, uniform), entropy[:, 0], largest, total)


def _draw(weight: Floats, uniform: Floats) -> Ints:
    """Inverts each row's CDF at its uniform number: first the block of tokens, then the token inside the block."""
    rows, vocab = weight.shape
    count, size = cdf_blocks(vocab)
    blocks = np.pad(weight, ((0, 0), (0, count * size - vocab))).reshape(rows, count, size)
    sums = blocks.sum(-1).astype(np.float64)
    cdf = sums.cumsum(-1)
    target = uniform.astype(np.float64) * cdf[:, -1]
    block = (cdf <= target[:, None]).sum(-1)
    row = np.arange(rows)
    inside = blocks[row, block].astype(np.float64).cumsum(-1)
    before = cdf[row, block] - sums[row, block]
    # Whatever rounding did to the block's sum: not before the first token of any weight, and not past the last one.
    local = np.maximum(target - before, 0.0)[:, None]
    return np.asarray(block * size + ((inside <= local) & (inside < inside[:, -1:])).sum(-1), np.int64)


def canvas_update(
    argmax: Ints,
    drawn: Ints,
    entropy: Floats,
    random_tokens: Ints,
    entropy_bound: float,
    pin: Bools,
    pin_ids: Ints,
) -> CanvasUpdate:
    """See :func:`dgemma_ros.graphs.diffusion.canvas_update`; all arrays [C]."""
    argmax, drawn = np.where(pin, pin_ids, argmax), np.where(pin, pin_ids, drawn)
    entropy = np.where(pin, np.float32(0), entropy)
    order = np.argsort(entropy, kind="stable")
    ascending = entropy[order]
    before = ascending.cumsum(dtype=np.float64).astype(np.float32) - ascending
    accepted = pin.copy()
    accepted[order] |= before <= np.float32(entropy_bound)
    next_canvas = np.where(accepted, drawn, random_tokens)
    return CanvasUpdate(next_canvas, argmax, drawn, entropy, accepted, float(entropy.mean()))
