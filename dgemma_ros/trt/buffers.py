"""Named device buffers of fixed size with a pinned host copy of the small ones: what a step's tensors live in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod

import ml_dtypes
import numpy as np

from dgemma_ros.errors import BackendError
from dgemma_ros.runtime.contract import Array
from dgemma_ros.trt import profiles
from dgemma_ros.trt.device import Device
from dgemma_ros.trt.engine_manifest import TensorSpec

NUMPY = {
    "float": np.dtype(np.float32),
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "int32": np.dtype(np.int32),
    "int64": np.dtype(np.int64),
    "bool": np.dtype(np.bool_),
}


class Buffers:
    """Buffers by the names of the engines' inputs and outputs; what several engines name alike is one buffer.

    Each is as large as the largest sizes need and allocated when first asked for. Addresses never change.
    """

    def __init__(self, device: Device, stream: int, dims: Mapping[str, int]) -> None:
        self._device = device
        self._stream = stream
        self._dims = dict(dims)
        self._specs: dict[str, TensorSpec] = {}
        self._addresses: dict[str, int] = {}
        self._staging: dict[str, Array] = {}

    def declare(self, specs: Mapping[str, TensorSpec]) -> None:
        """Makes names known. Raises :class:`BackendError` where two engines disagree about one."""
        for name, spec in specs.items():
            if self._specs.setdefault(name, spec).dtype != spec.dtype:
                raise BackendError(f"the engines disagree about the type of {name}; build them again")

    def addresses(self, names: Iterable[str]) -> dict[str, int]:
        """Where the named tensors lie. Raises :class:`DeviceMemoryError`."""
        return {name: self._address(name) for name in names}

    def write(self, name: str, value: Array) -> tuple[int, ...]:
        """Enqueues the upload of ``value``, cast to the tensor's type; the shape that it has.

        The host copy is free again once the stream was waited for. Raises :class:`BackendError` for a value that is
        larger than the engines were built for.
        """
        address, staging = self._address(name), self._host(name)
        if value.size > staging.size:
            raise BackendError(f"{name}: {list(value.shape)} is more than the engines were built for")
        part = staging[: value.size]
        part[...] = value.reshape(-1)
        self._device.upload(address, part, self._stream)
        return tuple(value.shape)

    def clear(self, name: str) -> None:
        """Enqueues zeros."""
        self._device.clear(self._address(name), profiles.nbytes(self._specs[name], self._dims), self._stream)

    def enqueue_read(self, name: str) -> None:
        """Enqueues the download into the tensor's host copy."""
        self._device.download(self._host(name), self._address(name), self._stream)

    def read(self, name: str, shape: tuple[int, ...]) -> Array:
        """A copy of what :meth:`enqueue_read` fetched, once the stream was waited for."""
        return self._host(name)[: prod(shape)].reshape(shape).copy()

    def close(self) -> None:
        """Frees the device's part; idempotent."""
        for address in self._addresses.values():
            self._device.release(address)
        self._addresses.clear()

    def _address(self, name: str) -> int:
        if name not in self._addresses:
            self._addresses[name] = self._device.allocate(profiles.nbytes(self._specs[name], self._dims), name)
        return self._addresses[name]

    def _host(self, name: str) -> Array:
        if name not in self._staging:
            spec = self._specs[name]
            size = profiles.nbytes(spec, self._dims) // profiles.ITEMSIZE[spec.dtype]
            self._staging[name] = self._device.pinned((size,), NUMPY[spec.dtype])
        return self._staging[name]
