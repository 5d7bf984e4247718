"""The reference's rotary frequencies, bit for bit.

At position 100000 one unit in the last place of a frequency near 1 turns an angle by 0.008 radians, which moves
logits visibly. So the float32 power must round as the reference's does.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def inverse_powers(theta: float, denominator: int, count: int) -> npt.NDArray[np.float32]:
    """``1 / theta ** (2 i / denominator)`` in float32 for i = 0 … count-1, shape [count]."""
    exponents = np.arange(0, 2 * count, 2).astype(np.float32) / np.float32(denominator)
    powers = np.power(np.float64(theta), exponents.astype(np.float64)).astype(np.float32)
    return np.float32(1.0) / powers
