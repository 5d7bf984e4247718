"""Rotary frequencies: powers in float64, rounded once to float32; the released model's equal torch's bit for bit.

At position 100000 one unit in the last place of a frequency near 1 turns an angle by 0.008 radians, which moves logits
visibly. torch takes these powers in float32 with a vector library whose result may be the other neighbour of the true
value; for which entries depends on the CPU. Of the 192 entries of the released model's two tables those are two, which
are listed here. For other checkpoints a few entries may differ from torch's by one unit in the last place.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]

_ONE_ABOVE: Final = {(10_000.0, 256): 111, (1_000_000.0, 512): 29}
"""By theta and denominator: the entry that torch rounds up to the next float32 where the nearest is below."""


def inverse_powers(theta: float, denominator: int, count: int) -> Floats:
    """``1 / theta ** (2 i / denominator)`` in float32 for i = 0 … count-1, shape [count]."""
    exponents = np.arange(0, 2 * count, 2).astype(np.float32) / np.float32(denominator)
    powers = np.power(np.float64(np.float32(theta)), exponents.astype(np.float64)).astype(np.float32)
    inverse: Floats = np.float32(1.0) / powers
    entry = _ONE_ABOVE.get((theta, denominator))
    if entry is not None and entry < count:
        inverse[entry] = np.nextafter(inverse[entry], np.float32(np.inf))
    return inverse
