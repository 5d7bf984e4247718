"""The KV cache's buffers for ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnxruntime as ort

from dgemma_ros.checkpoint.config import LayerConfig, LayerKind, ModelConfig
from dgemma_ros.runtime.contract import Array, Floats


class OrtCache:
    """See :class:`dgemma_ros.runtime.contract.CacheBuffers`.

    On the CPU the bound values stand over numpy arrays, and rows are moved in place. On another device an array is
    fetched, changed and sent back, which costs when rows are moved, never when they are appended.
    """

    def __init__(self, config: ModelConfig, dtype: type, device: str) -> None:
        self._layers = config.text.layers
        self._dtype = dtype
        self._device = device
        self._arrays: dict[str, Array] = {}
        self._values: dict[str, Any] = {}
        self.revision = 0
        for kind in {layer.kind for layer in self._layers}:
            self.resize(kind, 0, 0)

    @property
    def nbytes(self) -> int:
        """See the contract."""
        size = np.dtype(self._dtype).itemsize
        return sum(size * int(np.prod(value.shape())) for value in self._values.values())

    def capacity(self, kind: LayerKind) -> int:
        """See the contract."""
        return next((self._shape(layer)[2] for layer in self._of(kind)), 0)

    def resize(self, kind: LayerKind, capacity: int, used: int) -> None:
        """See the contract."""
        self.revision += 1
        for layer in self._of(kind):
            for name in _names(layer):
                # Zeros, not what memory held: a masked slot has weight 0, but 0 times NaN is NaN.
                array: Array = np.zeros((1, layer.kv_heads, capacity, layer.head_dim), self._dtype)
                if used:
                    array[:, :, :used] = self._read(name)[:, :, :used]
                self._values[name] = ort.OrtValue.ortvalue_from_numpy(array, self._device, 0)
                if self._device == "cpu":
                    self._arrays[name] = array  # the value shares its memory

    def move(self, kind: LayerKind, source: int, target: int, count: int) -> None:
        """See the contract."""
        self.revision += 1
        for name in self._names(kind):
            with self._edit(name) as array:
                # One head at a time, so that numpy's buffer for overlapping ranges stays small.
                for head in array[0]:
                    head[target : target + count] = head[source : source + count]

    def save(self, kind: LayerKind, start: int, count: int) -> list[Array]:
        """See the contract."""
        return [self._read(name)[:, :, start : start + count].copy() for name in self._names(kind)]

    def load(self, kind: LayerKind, start: int, saved: list[Array]) -> None:
        """See the contract."""
        self.revision += 1
        for name, rows in zip(self._names(kind), saved, strict=True):
            with self._edit(name) as array:
                array[:, :, start : start + rows.shape[2]] = rows

    def read(self, layer: int, start: int, count: int) -> tuple[Floats, Floats]:
        """See the contract."""
        key, value = (
            self._read(name)[0, :, start : start + count].astype(np.float32) for name in _names(self._layers[layer])
        )
        return key, value

    def bind(self, binding: Any) -> None:
        """Binds every buffer as input and as output, so that the graph writes in place."""
        for name, value in self._values.items():
            binding.bind_ortvalue_input(name, value)
            binding.bind_ortvalue_output(f"{name}_out", value)

    def _of(self, kind: LayerKind) -> list[LayerConfig]:
        return [layer for layer in self._layers if layer.kind is kind]

    def _names(self, kind: LayerKind) -> list[str]:
        return [name for layer in self._of(kind) for name in _names(layer)]

    def _shape(self, layer: LayerConfig) -> list[int]:
        return list(self._values[_names(layer)[0]].shape())

    def _read(self, name: str) -> Array:
        return self._arrays[name] if self._device == "cpu" else self._values[name].numpy()

    @contextmanager
    def _edit(self, name: str) -> Iterator[Array]:
        array = self._read(name)
        yield array
        if self._device != "cpu":
            self._values[name].update_inplace(array)


def _names(layer: LayerConfig) -> tuple[str, str]:
    return f"key_{layer.index}", f"value_{layer.index}"
