"""Memory that is reserved as addresses, and taken from the machine only as it is written to.

So a buffer may grow to its bound where it lies: nothing is copied to a larger one, and never are two there at once.
"""

from __future__ import annotations

import mmap
from math import prod
from typing import Any, Final

import numpy as np

from dgemma_ros.runtime.contract import Array

_NOT_COUNTED: Final = getattr(mmap, "MAP_NORESERVE", 0x4000)
"""Of Linux: what is reserved counts as used only when it is written to."""


class Reserved:
    """Room for ``elements`` of a type, all zero. Freed when the last array over it is.

    Where the system grants no addresses beyond what it has (``ulimit -v``, strict overcommit), room for ``least``.
    """

    def __init__(self, elements: int, dtype: np.dtype[Any], least: int) -> None:
        for wanted in (elements, least):
            try:
                held = _mapped(max(1, wanted) * dtype.itemsize)
            except (OSError, OverflowError):
                continue
            break
        else:
            raise MemoryError(f"{least * dtype.itemsize} bytes of a cache")
        self._flat: Array = np.frombuffer(held, dtype, max(0, wanted))

    @property
    def elements(self) -> int:
        """For how many there is room."""
        return len(self._flat)

    def array(self, shape: tuple[int, ...]) -> Array:
        """An array over its beginning."""
        return self._flat[: prod(shape)].reshape(shape)

    def spread(self, heads: int, used: int, before: int, after: int) -> None:
        """Moves the first ``used`` elements of each head, where heads lie ``before`` apart, to lie ``after`` apart."""
        order = range(1, heads) if after < before else range(heads - 1, 0, -1)
        for head in order:
            # Of one dimension: there numpy copies parts that overlap without a buffer.
            self._flat[head * after : head * after + used] = self._flat[head * before : head * before + used]


def _mapped(nbytes: int) -> mmap.mmap:
    return mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NOT_COUNTED)
