"""All randomness of a generation, drawn on the host: a plan can be made again from its seed, on any backend."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dgemma_ros.runtime.contract import Floats, Ints

_INITIAL = 2**32 - 1  # the "step" from which the first canvas is drawn


class Noise:
    """Philox keyed by the seed, its counter set by canvas and step; every step can be drawn without those before it.

    Only raw 64-bit words are taken from numpy, whose bit streams never change between versions, unlike the methods
    of its generators. Immutable and thread-safe.
    """

    def __init__(self, seed: int, canvas_length: int, vocab_size: int) -> None:
        if not 0 <= seed < 2**64:
            raise ValueError(f"seed {seed} is not in 0 … 2**64 - 1")
        self.seed = seed
        self._length = canvas_length
        self._vocab = np.uint64(vocab_size)

    def canvas(self, canvas: int) -> Ints:
        """The random tokens that canvas number ``canvas`` starts from, [C]."""
        return self._tokens(self._words(canvas, _INITIAL))

    def step(self, canvas: int, step: int) -> tuple[Floats, Ints]:
        """The numbers of one step: uniform float32 [C] in [0, 1), and random tokens [C] for what is not accepted."""
        words = self._words(canvas, step)
        uniform = (words[: self._length] >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
        return uniform, self._tokens(words[self._length :])

    def _words(self, canvas: int, step: int) -> NDArray[np.uint64]:
        generator = np.random.Philox(key=self.seed, counter=[0, 0, step, canvas])
        return np.asarray(generator.random_raw(2 * self._length), np.uint64)

    def _tokens(self, words: NDArray[np.uint64]) -> Ints:
        high = words[: self._length] >> np.uint64(32)
        return ((high * self._vocab) >> np.uint64(32)).astype(np.int64)
