"""The kernels that turn the KV cache's keys where they lie, loaded when they are first needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ctypes import c_int, c_void_p
from typing import Any, Final

import numpy as np

from dgemma_ros.checkpoint.config import LayerConfig
from dgemma_ros.runtime.contract import Array, Floats
from dgemma_ros.trt import kernels
from dgemma_ros.trt.device import Argument, Device

THREADS: Final = 256
_SUFFIX: Final = {"float32": "f32", "float16": "f16", "bfloat16": "bf16"}


class KeyKernels:
    """A session's; everything is enqueued on ``stream``, and the host waits for it.

    ``key_norms``: see :func:`dgemma_ros.runtime.keys.full_key_norms`. The first call raises :class:`BackendError` where
    neither NVRTC nor nvcc is there to compile the source.
    """

    def __init__(self, device: Device, stream: int, dtype: np.dtype[Any], key_norms: Mapping[int, Floats]) -> None:
        self._device, self._stream = device, stream
        self._suffix = _SUFFIX[dtype.name]
        self._key_norms = key_norms
        self._loaded: dict[str, int] = {}

    def rotate(self, layers: Mapping[int, LayerConfig], capacity: int, count: int, cos: Floats, sin: Floats) -> None:
        """Turns ``count`` rows of each layer by ``cos`` and ``sin`` [P]; ``layers`` by the address of the first key."""
        with self._uploaded(cos, sin) as tables:
            for key, layer in layers.items():
                sizes = (layer.kv_heads, capacity, count, layer.head_dim, len(cos))
                self._launch("rotate", layer.kv_heads * count * len(cos), (key, *tables), sizes)

    def rebuild(self, layers: Mapping[tuple[int, int], LayerConfig], capacity: int, cos: Floats, sin: Floats) -> None:
        """Makes keys of values; ``layers`` by the addresses of the first key and value, tables [count, D/2]."""
        norms = [self._key_norms[layer.index] for layer in layers.values()]
        with self._uploaded(cos, sin, *norms) as (cosine, sine, *weights):
            for ((key, value), layer), weight in zip(layers.items(), weights, strict=True):
                sizes = (layer.kv_heads, capacity, len(cos), layer.head_dim)
                self._launch("rebuild", layer.kv_heads * cos.size, (key, value, weight, cosine, sine), sizes)

    @contextmanager
    def _uploaded(self, *arrays: Array) -> Iterator[list[int]]:
        """Device copies of float32 arrays, until what was enqueued meanwhile is done."""
        addresses: list[int] = []
        try:
            for array in map(np.ascontiguousarray, arrays):
                addresses.append(self._device.allocate(array.nbytes, "tables for turning keys"))
                self._device.upload(addresses[-1], array, self._stream)
            yield addresses
        finally:
            self._device.wait(self._stream)
            for address in addresses:
                self._device.release(address)

    def _launch(self, what: str, pairs: int, addresses: tuple[int, ...], sizes: tuple[int, ...]) -> None:
        if not pairs:
            return
        entry = f"dgemma_turn_keys_{what}_{self._suffix}"
        if entry not in self._loaded:
            ptx = kernels.ptx(kernels.TURN_KEYS, self._device.info.architecture)
            self._loaded[entry] = self._device.kernel(ptx, entry)
        arguments: list[Argument] = [*map(c_void_p, addresses), *map(c_int, sizes)]
        self._device.launch(self._loaded[entry], -(-pairs // THREADS), THREADS, arguments, self._stream)
