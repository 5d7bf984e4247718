"""The KV cache's buffers for ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime as ort

from dgemma_ros.checkpoint.config import LayerConfig, LayerKind, ModelConfig
from dgemma_ros.runtime import keys
from dgemma_ros.runtime.contract import Array, Floats, SavedRows
from dgemma_ros.runtime.reserved import Reserved


@dataclass(frozen=True)
class OrtSavedRows:
    """See :class:`dgemma_ros.runtime.contract.SavedRows`: in the host's memory, [1, kv, count, D] each."""

    arrays: tuple[Array, ...]

    @property
    def nbytes(self) -> int:
        """See the contract."""
        return sum(array.nbytes for array in self.arrays)


class OrtCache:
    """See :class:`dgemma_ros.runtime.contract.CacheBuffers`.

    On the CPU the bound values stand over numpy arrays, and rows are moved in place. Those of the full layers grow
    where they lie, up to ``max_rows``: addresses are reserved for so many, memory is taken as rows come. On another
    device an array is fetched, changed and sent back, which costs when rows are moved, never when they are appended.

    ``key_norms``: see :func:`dgemma_ros.runtime.keys.full_key_norms`.
    """

    def __init__(
        self, config: ModelConfig, dtype: type, device: str, key_norms: Mapping[int, Floats], max_rows: int = 0
    ) -> None:
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self._layers = config.text.layers
        self._device = device
        self._key_norms = key_norms
        self._max_rows = max_rows
        self._reserved: dict[str, Reserved] = {}
        self._arrays: dict[str, Array] = {}
        self._values: dict[str, Any] = {}
        self.revision = 0
        for kind in {layer.kind for layer in self._layers}:
            self.resize(kind, 0, 0)

    @property
    def nbytes(self) -> int:
        """See the contract."""
        return sum(self.dtype.itemsize * int(np.prod(value.shape())) for value in self._values.values())

    def capacity(self, kind: LayerKind) -> int:
        """See the contract."""
        return next((self._shape(layer)[2] for layer in self._of(kind)), 0)

    def resize(self, kind: LayerKind, capacity: int, used: int) -> None:
        """See the contract."""
        self.revision += 1
        for layer in self._of(kind):
            shape = (1, layer.kv_heads, capacity, layer.head_dim)
            for name in layer.cache_names:
                if self._device == "cpu":
                    array = self._arrays[name] = self._grown(name, kind, shape, used)  # the value shares its memory
                else:
                    array = self._copied(name, np.zeros(shape, self.dtype), used)
                self._values[name] = ort.OrtValue.ortvalue_from_numpy(array, self._device, 0)

    def _grown(self, name: str, kind: LayerKind, shape: tuple[int, int, int, int], used: int) -> Array:
        """The buffer in another size, where it lies if there is room reserved for it.

        What no row was ever written to is zero, not what memory held: a masked slot has weight 0, but 0 times NaN is
        NaN.
        """
        _, heads, capacity, width = shape
        here = self._reserved.get(name)
        if used and here is not None and heads * capacity * width <= here.elements:
            before = self._arrays[name].shape[2]
            here.spread(heads, used * width, before * width, capacity * width)
            return here.array(shape)
        rows = max(capacity, self._max_rows if kind is LayerKind.FULL else 0)
        self._reserved[name] = room = Reserved(heads * rows * width, self.dtype, heads * capacity * width)
        return self._copied(name, room.array(shape), used)

    def _copied(self, name: str, array: Array, used: int) -> Array:
        if used:
            array[:, :, :used] = self._read(name)[:, :, :used]
        return array

    def move(self, kind: LayerKind, source: int, target: int, count: int) -> None:
        """See the contract."""
        self.revision += 1
        for layer in self._of(kind):
            to, begin, end = (layer.head_dim * slot for slot in (target, source, source + count))
            for name in layer.cache_names:
                with self._edit(name) as array:
                    for head in array[0]:
                        row = head.reshape(
                            -1
                        )  # of one dimension, whose overlapping parts numpy copies without a buffer
                        row[to : to + end - begin] = row[begin:end]

    def rotate(self, kind: LayerKind, start: int, count: int, cos: Floats, sin: Floats) -> None:
        """See the contract."""
        self.revision += 1
        for layer in self._of(kind):
            with self._edit(layer.cache_names[0]) as array:
                for first in range(start, start + count, keys.BLOCK):
                    keys.rotate(array[0, :, first : min(first + keys.BLOCK, start + count)], cos, sin)

    def rebuild_keys(self, start: int, cos: Floats, sin: Floats) -> None:
        """See the contract."""
        self.revision += 1
        for layer in self._of(LayerKind.FULL):
            key, value = layer.cache_names
            values = self._read(value)[0, :, start : start + len(cos)]
            with self._edit(key) as array:
                array[0, :, start : start + len(cos)] = keys.from_values(values, self._key_norms[layer.index], cos, sin)

    def save(self, kind: LayerKind, start: int, count: int) -> SavedRows:
        """See the contract."""
        return OrtSavedRows(tuple(self._read(name)[:, :, start : start + count].copy() for name in self._names(kind)))

    def load(self, kind: LayerKind, start: int, saved: SavedRows) -> None:
        """See the contract."""
        assert isinstance(saved, OrtSavedRows)
        self.revision += 1
        for name, rows in zip(self._names(kind), saved.arrays, strict=True):
            with self._edit(name) as array:
                array[:, :, start : start + rows.shape[2]] = rows

    def fetch(self, layer: int, start: int, count: int) -> tuple[Array, Array]:
        """See the contract."""
        key, value = (self._read(name)[0, :, start : start + count].copy() for name in self._layers[layer].cache_names)
        return key, value

    def put(self, layer: int, start: int, keys: Array | None, values: Array) -> None:
        """See the contract."""
        self.revision += 1
        for name, rows in zip(self._layers[layer].cache_names, (keys, values), strict=True):
            if rows is not None:
                with self._edit(name) as array:
                    array[0, :, start : start + rows.shape[1]] = rows

    def bind(self, binding: Any) -> None:
        """Binds every buffer as input and as output, so that the graph writes in place."""
        for name, value in self._values.items():
            binding.bind_ortvalue_input(name, value)
            binding.bind_ortvalue_output(f"{name}_out", value)

    def _of(self, kind: LayerKind) -> list[LayerConfig]:
        return [layer for layer in self._layers if layer.kind is kind]

    def _names(self, kind: LayerKind) -> list[str]:
        return [name for layer in self._of(kind) for name in layer.cache_names]

    def _shape(self, layer: LayerConfig) -> list[int]:
        return list(self._values[layer.cache_names[0]].shape())

    def _read(self, name: str) -> Array:
        return self._arrays[name] if self._device == "cpu" else self._values[name].numpy()

    @contextmanager
    def _edit(self, name: str) -> Iterator[Array]:
        array = self._read(name)
        yield array
        if self._device != "cpu":
            self._values[name].update_inplace(array)
