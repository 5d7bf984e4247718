"""How near each choice of a denoising step was to another one, told from its logits in float64."""

from __future__ import annotations

from typing import Final

import numpy as np

from dgemma_ros.runtime.contract import Array
from dgemma_ros.verification.case import Case

_ROWS: Final = 16  # of the canvas at a time: a row of the real vocabulary takes 2 MB in float64


def margins(case: Case, logits: Array, confidence: float) -> dict[str, Array]:
    """Of ``logits`` [T, C, V], softcapped and before temperature, as ``OUT.npz`` has them.

    ``argmax_margin`` [T, C]: between the two largest processed logits; ``draw_margin`` [T, C]: of the uniform
    number from a boundary of the CDF; ``bound_margin`` [T, C]: of each position's acceptance from the entropy bound;
    ``stop_margin`` [T]: of the mean entropy from ``confidence``. Pinned positions have no alternative: infinity.
    """
    steps, length = case["canvas"].shape
    gap, draw, entropy = (np.empty((steps, length)) for _ in range(3))
    for step in range(steps):
        for start in range(0, length, _ROWS):
            rows = slice(start, start + _ROWS)
            processed = logits[step, rows].astype(np.float64) / case["temperature"][step]
            if "disallowed_ids" in case:
                processed[:, case["disallowed_ids"]] = -np.inf
            uniform = case["uniform"][step, rows].astype(np.float64)
            gap[step, rows], draw[step, rows], entropy[step, rows] = _of_rows(processed, uniform)
    if "pin" in case:
        gap[:, case["pin"]] = draw[:, case["pin"]] = np.inf
        entropy[:, case["pin"]] = 0.0
    order = np.argsort(entropy, axis=-1, kind="stable")
    ascending = np.take_along_axis(entropy, order, -1)
    bound = np.empty_like(entropy)
    np.put_along_axis(bound, order, np.abs(ascending.cumsum(-1) - ascending - float(case["entropy_bound"])), -1)
    stop = np.abs(entropy.mean(-1) - confidence)
    return {"argmax_margin": gap, "draw_margin": draw, "bound_margin": bound, "stop_margin": stop}


def _of_rows(processed: Array, uniform: Array) -> tuple[Array, Array, Array]:
    """Gap of the two largest, distance of the uniform number from the CDF's nearest boundary, entropy; rows [n, V]."""
    largest = np.partition(processed, -2, axis=-1)[:, -2:]
    weight = np.exp(processed - largest[:, 1:])
    total = weight.sum(-1, keepdims=True)
    boundaries = (weight.cumsum(-1) / total)[:, :-1]
    draw = np.abs(boundaries - uniform[:, None]).min(-1)
    logarithm = np.where(weight > 0, processed - largest[:, 1:], 0.0)
    entropy = np.log(total[:, 0]) - (weight * logarithm).sum(-1) / total[:, 0]
    return largest[:, 1] - largest[:, 0], draw, entropy
