"""The KV cache in device memory, in capacities for which the engines have kernels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from math import prod
from typing import Any, Final

import numpy as np

from dgemma_ros.checkpoint.config import LayerConfig, LayerKind, ModelConfig
from dgemma_ros.errors import ContextError
from dgemma_ros.runtime.contract import Array, Floats, SavedRows
from dgemma_ros.trt.device import Device
from dgemma_ros.trt.key_kernels import KeyKernels

_VERSIONS = count()
"""Not id(): an address of a cache that is gone may come again, and with it a graph over freed memory."""
STAGING: Final = 16 << 20
"""Bytes through which rows are moved: enough that copies run at full speed, and little beside a cache."""


class TrtSavedRows:
    """See :class:`dgemma_ros.runtime.contract.SavedRows`: in the device's memory."""

    def __init__(self, device: Device, count: int) -> None:
        self._device = device
        self.count = count
        self.nbytes = 0
        self.addresses: list[int] = []

    def allocate(self, size: int) -> int:
        """Room for the rows of one more buffer. Raises :class:`DeviceMemoryError`."""
        self.addresses.append(self._device.allocate(size, "a copy of the KV cache's window"))
        self.nbytes += size
        return self.addresses[-1]

    def __del__(self) -> None:
        with suppress(Exception):  # the device may be closed, and all that was allocated with it
            for address in self.addresses:
                self._device.release(address)


class TrtCache:
    """See :class:`dgemma_ros.runtime.contract.CacheBuffers`.

    A capacity that is asked for is rounded up to the next bucket, so that the addresses and shapes that a CUDA graph
    was captured with hold until a bucket is full. ``version`` is another after each change of an address, and no other
    cache ever has the same.

    Two events order the streams over it, so that nothing rests on when the host waits for what: ``written``, which a
    canvas waits for, and ``denoised``, which all that is done on ``stream`` waits for.
    """

    def __init__(
        self,
        device: Device,
        stream: int,
        config: ModelConfig,
        dtype: np.dtype[Any],
        buckets: dict[LayerKind, tuple[int, ...]],
        key_kernels: KeyKernels,
    ) -> None:
        self._device = device
        self._stream = stream
        self._layers = config.text.layers
        self.dtype = dtype
        self._key_kernels = key_kernels
        self._buckets = buckets
        self._capacities = dict.fromkeys(buckets, 0)
        self._addresses: dict[str, int] = {}
        self.version = next(_VERSIONS)
        self.revision = 0
        self.written, self.denoised = device.event(), device.event()

    @property
    def nbytes(self) -> int:
        """See the contract."""
        rows = {layer.index: 2 * layer.kv_heads * self._row(layer) for layer in self._layers}
        return sum(self._capacities[layer.kind] * rows[layer.index] for layer in self._layers)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """What is enqueued inside, on the cache's stream, comes after the last canvas's steps and before the next's."""
        self.revision += 1
        self._device.wait_event(self._stream, self.denoised)
        yield
        self._device.record(self.written, self._stream)

    @property
    def addresses(self) -> dict[str, int]:
        """Where each input and, at the same place, each output of the backbone lies: written in place."""
        return {name + suffix: address for name, address in self._addresses.items() for suffix in ("", "_out")}

    @property
    def capacities(self) -> dict[str, int]:
        """The capacities by the names of the graphs' symbols."""
        return {f"{kind}_capacity": capacity for kind, capacity in self._capacities.items()}

    def capacity(self, kind: LayerKind) -> int:
        """See the contract."""
        return self._capacities.get(kind, 0)

    def resize(self, kind: LayerKind, capacity: int, used: int) -> None:
        """See the contract. Raises :class:`ContextError` beyond the largest bucket, with nothing changed."""
        self.revision += 1
        bucket = next((bucket for bucket in self._buckets[kind] if bucket >= capacity), None)
        if bucket is None:
            raise ContextError(
                f"{capacity} rows of {kind} layers are more than the engines were built for ({self._buckets[kind][-1]})"
            )
        if bucket == self._capacities[kind]:
            return
        fresh = self._allocated(kind, bucket)
        with self.writing():
            for layer in self._of(kind):
                old, new = (rows * self._row(layer) for rows in (self._capacities[kind], bucket))
                for name in layer.cache_names:
                    width = used * self._row(layer)
                    if width:
                        source = self._addresses[name]
                        self._device.copy_rows(fresh[name], new, source, old, width, layer.kv_heads, self._stream)
        self._device.wait(self._stream)
        for name, address in fresh.items():
            if name in self._addresses:
                self._device.release(self._addresses[name])
            self._addresses[name] = address
        self._capacities[kind] = bucket
        self.version = next(_VERSIONS)

    def _allocated(self, kind: LayerKind, bucket: int) -> dict[str, int]:
        """New buffers for all layers of a kind, or none of them."""
        fresh: dict[str, int] = {}
        try:
            for layer in self._of(kind):
                for name in layer.cache_names:
                    size = layer.kv_heads * bucket * self._row(layer)
                    fresh[name] = self._device.allocate(size, f"{size / 1e9:.2f} GB of KV cache ({name})")
        except BaseException:
            for address in fresh.values():
                self._device.release(address)
            raise
        return fresh

    def move(self, kind: LayerKind, source: int, target: int, count: int) -> None:
        """See the contract."""
        with self.writing():
            for layer in self._of(kind) if count and source != target else ():
                self._move(layer, source, target, count)

    def _move(self, layer: LayerConfig, source: int, target: int, count: int) -> None:
        """Block by block from the end that is free, each through a buffer, as the two places may overlap."""
        row, heads = self._row(layer), layer.kv_heads
        pitch, most = self._capacities[layer.kind] * row, max(1, STAGING // (heads * row))
        between = self._device.allocate(heads * min(most, count) * row, "moving the KV cache")
        firsts = range(0, count, most)
        try:
            for name in layer.cache_names:
                at = self._addresses[name]
                for first in firsts if target < source else reversed(firsts):
                    width = min(most, count - first) * row
                    old, new = (at + (slot + first) * row for slot in (source, target))
                    self._device.copy_rows(between, width, old, pitch, width, heads, self._stream)
                    self._device.copy_rows(new, pitch, between, width, width, heads, self._stream)
            self._device.wait(self._stream)
        finally:
            self._device.release(between)

    def rotate(self, kind: LayerKind, start: int, count: int, cos: Floats, sin: Floats) -> None:
        """See the contract. Raises :class:`BackendError` where the kernel cannot be compiled."""
        layers = {self._at(layer, start)[0]: layer for layer in self._of(kind)}
        with self.writing():
            self._key_kernels.rotate(layers, self._capacities[kind], count, cos, sin)

    def rebuild_keys(self, start: int, cos: Floats, sin: Floats) -> None:
        """See the contract. Raises :class:`BackendError` where the kernel cannot be compiled."""
        layers = {self._at(layer, start): layer for layer in self._of(LayerKind.FULL)}
        with self.writing():
            self._key_kernels.rebuild(layers, self._capacities[LayerKind.FULL], cos, sin)

    def _at(self, layer: LayerConfig, slot: int) -> tuple[int, int]:
        """The addresses of a slot's key and value, of the first head."""
        key, value = (self._addresses[name] + slot * self._row(layer) for name in layer.cache_names)
        return key, value

    def save(self, kind: LayerKind, start: int, count: int) -> SavedRows:
        """See the contract. Raises :class:`DeviceMemoryError`."""
        saved = TrtSavedRows(self._device, count)
        for layer in self._of(kind) if count else ():
            row = self._row(layer)
            pitch, width = self._capacities[kind] * row, count * row
            for address in self._at(layer, start):
                to = saved.allocate(layer.kv_heads * width)
                self._device.copy_rows(to, width, address, pitch, width, layer.kv_heads, self._stream)
        return saved

    def load(self, kind: LayerKind, start: int, saved: SavedRows) -> None:
        """See the contract."""
        assert isinstance(saved, TrtSavedRows)
        addresses = iter(saved.addresses)
        with self.writing():
            for layer in self._of(kind) if saved.count else ():
                row = self._row(layer)
                pitch, width = self._capacities[kind] * row, saved.count * row
                for to in self._at(layer, start):
                    self._device.copy_rows(to, pitch, next(addresses), width, width, layer.kv_heads, self._stream)

    def fetch(self, layer: int, start: int, count: int) -> tuple[Array, Array]:
        """See the contract."""
        key, value = (self._fetch(self._layers[layer], name, start, count) for name in self._layers[layer].cache_names)
        return key, value

    def put(self, layer: int, start: int, keys: Array | None, values: Array) -> None:
        """See the contract."""
        config = self._layers[layer]
        row, width = self._row(config), values.shape[1] * self._row(config)
        for address, rows in zip(self._at(config, start), (keys, values), strict=True):
            if rows is None or not rows.size:
                continue
            between = self._device.allocate(rows.nbytes, "restoring the KV cache")
            try:
                with self.writing():
                    self._device.upload(between, np.ascontiguousarray(rows, self.dtype), self._stream)
                    pitch = self._capacities[config.kind] * row
                    self._device.copy_rows(address, pitch, between, width, width, config.kv_heads, self._stream)
                self._device.wait(self._stream)
            finally:
                self._device.release(between)

    def __del__(self) -> None:
        # A sequence has no end that its cache is told of. CUDA waits for what still reads the memory.
        with suppress(Exception):
            self.close()

    def close(self) -> None:
        """Frees the buffers; idempotent."""
        for address in self._addresses.values():
            self._device.release(address)
        for event in (self.written, self.denoised):
            self._device.release_event(event)
        self._addresses.clear()
        self._capacities = dict.fromkeys(self._capacities, 0)
        self.version = next(_VERSIONS)

    def _fetch(self, layer: LayerConfig, name: str, start: int, count: int) -> Array:
        """A host copy of slots, [kv, count, D]."""
        row = self._row(layer)
        rows: Array = np.empty((layer.kv_heads, count, layer.head_dim), self.dtype)
        if not prod(rows.shape):
            return rows
        between = self._device.allocate(rows.nbytes, "reading the KV cache")
        try:
            pitch = self._capacities[layer.kind] * row
            at = self._addresses[name] + start * row
            self._device.copy_rows(between, count * row, at, pitch, count * row, layer.kv_heads, self._stream)
            self._device.download(rows, between, self._stream)
            self._device.wait(self._stream)
        finally:
            self._device.release(between)
        return rows

    def _of(self, kind: LayerKind) -> list[LayerConfig]:
        return [layer for layer in self._layers if layer.kind is kind]

    def _row(self, layer: LayerConfig) -> int:
        return layer.head_dim * self.dtype.itemsize
