"""Rows outside of any cache, in the host's memory: what brings them back without reading their tokens again.

Of the full layers values are enough: a key there is its value by the key norm's weight, rotated to any position.
That is so but for rounding: where every bit counts, keys are taken along. Sliding layers have keys of their own, but
only the last rows that their window reaches.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from dgemma_ros.checkpoint.config import LayerConfig, LayerKind, ModelConfig
from dgemma_ros.errors import ContextError
from dgemma_ros.runtime.contract import Array, CacheBuffers, Ints


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of the full layers, in the order of their slots; may be written to a file and read from one as they are."""

    orders: Ints
    """[n], how many rows had been appended before each, ever."""
    positions: Ints
    """[n], those that their keys were rotated by."""
    values: tuple[Array, ...]
    """Of each full layer, by its index: [kv, n, D], in the cache's type."""
    keys: tuple[Array, ...] | None = None
    """The same of the keys, at those positions; None where they are to be made from the values."""

    def __len__(self) -> int:
        return len(self.orders)

    @property
    def first(self) -> tuple[int, int]:
        """Order and position of the first of them."""
        return int(self.orders[0]), int(self.positions[0])

    @property
    def last(self) -> tuple[int, int]:
        """Order and position of the last of them."""
        return int(self.orders[-1]), int(self.positions[-1])

    @property
    def nbytes(self) -> int:
        """Bytes that they take."""
        return sum(array.nbytes for array in (self.orders, self.positions, *self.values, *(self.keys or ())))

    def part(self, start: int, stop: int) -> Rows:
        """Rows ``start`` … ``stop`` - 1 of these; shares their memory."""
        values = tuple(array[:, start:stop] for array in self.values)
        keys = None if self.keys is None else tuple(array[:, start:stop] for array in self.keys)
        return Rows(self.orders[start:stop], self.positions[start:stop], values, keys)

    def moved(self, delta: int) -> Rows:
        """The same rows ``delta`` positions further on."""
        return replace(self, positions=self.positions + delta, keys=None)

    def check(self, config: ModelConfig) -> None:
        """Raises :class:`ContextError` unless they can be rows of this model."""
        if self.orders.shape != self.positions.shape or self.orders.ndim != 1:
            raise ContextError(f"rows: {self.orders.shape} orders for {self.positions.shape} positions")
        for name, numbers in (("orders", self.orders), ("positions", self.positions)):
            if len(numbers) and (numbers[0] < 0 or (np.diff(numbers) <= 0).any()):
                raise ContextError(f"rows: {name} do not rise from row to row")
        for arrays in (self.values, self.keys):
            if arrays is not None:
                _check_shapes(arrays, layers_of(config, LayerKind.FULL), len(self))


@dataclass(frozen=True)
class Layout:
    """Where rows lie in a cache's buffers. Sums are rounded by it: to compute something again bit by bit needs it."""

    full: int
    """Slots of the full layers."""
    sliding: int
    """Slots of the sliding layers."""
    slot: int
    """The sliding layers' slot that the next row goes to, if there is room."""


@dataclass(frozen=True, eq=False)
class Window:
    """What sliding layers hold for the next row; as :class:`Rows`, but with keys, at their positions."""

    order: int
    """Of the next row."""
    position: int
    """Of the next row."""
    keys: tuple[Array, ...]
    """Of each sliding layer, by its index: [kv, n, D] of the last n rows appended, at most window - 1."""
    values: tuple[Array, ...]

    def __len__(self) -> int:
        return self.keys[0].shape[1] if self.keys else 0

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        return sum(array.nbytes for array in (*self.keys, *self.values))

    def check(self, config: ModelConfig) -> None:
        """Raises :class:`ContextError` unless this model's layers can hold it."""
        layers = layers_of(config, LayerKind.SLIDING)
        if len(self) > min(self.order, config.text.sliding_window - 1):
            raise ContextError(f"window: {len(self)} rows are more than are seen before row {self.order}")
        for arrays in (self.keys, self.values):
            _check_shapes(arrays, layers, len(self))


def layers_of(config: ModelConfig, kind: LayerKind) -> list[LayerConfig]:
    """The layers of a kind, by index."""
    return [layer for layer in config.text.layers if layer.kind is kind]


def fetch(cache: CacheBuffers, layers: Iterable[LayerConfig], start: int, count: int) -> list[tuple[Array, Array]]:
    """Keys and values of each layer."""
    return [cache.fetch(layer.index, start, count) for layer in layers]


def _check_shapes(arrays: tuple[Array, ...], layers: list[LayerConfig], count: int) -> None:
    shapes = [(layer.kv_heads, count, layer.head_dim) for layer in layers]
    if [array.shape for array in arrays] != shapes:
        raise ContextError(f"rows of shapes {[array.shape for array in arrays]} are none of this model's: {shapes}")
