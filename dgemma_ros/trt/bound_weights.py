"""Weights that are inputs of the engines: named in the graphs, uploaded once, bound by every context.

TensorRT's engines cannot share what lies inside them, and building one takes a multiple of what it holds. So the
embedding table, which three engines need, and the experts, nine tenths of the model, stay outside. They are the
checkpoint's own bytes: bfloat16 as it stands, NVFP4 as four-bit numbers and their scales, four bytes to an int32.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from dgemma_ros.checkpoint.weights import EMBEDDING, Weights
from dgemma_ros.runtime.contract import Array
from dgemma_ros.trt.buffers import NUMPY
from dgemma_ros.trt.device import Device
from dgemma_ros.trt.engine_manifest import TensorSpec

PACKED, SCALE, GLOBAL = "/packed", "/scale", "/global"
"""What an NVFP4 weight's three parts are called behind its name: numbers, a scale a block of 16, one a matrix."""
_PIECE: Final = 256 << 20


def is_weight(name: str) -> bool:
    """Whether an engine's input is a weight: no input of the graphs has a name with a dot."""
    return "." in name


def is_bound(name: str, experts: bool) -> bool:
    """Whether a weight of a graph becomes an input; ``experts``: those too."""
    return name == EMBEDDING or (experts and ".experts." in name)


class BoundWeights:
    """The weights on one device. Whoever closes the device frees them."""

    def __init__(self, device: Device, stream: int, weights: Weights) -> None:
        self._device = device
        self._stream = stream
        self._weights = weights
        self.addresses: dict[str, int] = {}
        self.nbytes = 0

    def upload(self, inputs: Mapping[str, TensorSpec]) -> None:
        """Brings those of an engine's inputs that are weights and not there yet. Raises :class:`DeviceMemoryError`.

        Allocates all before anything is read, so that what does not fit is told at once.
        """
        new = {name: spec for name, spec in inputs.items() if is_weight(name) and name not in self.addresses}
        for name, spec in new.items():
            size = int(np.prod([int(dim) for dim in spec.shape])) * NUMPY[spec.dtype].itemsize
            what = "the embedding table" if name == EMBEDDING else name
            self.addresses[name] = self._device.allocate(size, f"{what}, {size / 1e9:.2f} GB of weights")
            self.nbytes += size
        for whole in dict.fromkeys(name.partition("/")[0] for name in new):
            for name, array in self._arrays(whole, new):
                self._copy(self.addresses[name], array)

    def _arrays(self, whole: str, specs: Mapping[str, TensorSpec]) -> Iterator[tuple[str, Array]]:
        """One tensor of the checkpoint as the inputs that it becomes, or in pieces of what it becomes."""
        if whole in specs:
            yield whole, self._weights.array(whole, NUMPY[specs[whole].dtype])
            return
        stack = self._weights.packed(whole)
        yield whole + PACKED, stack.weight.view(np.int32)
        yield whole + SCALE, stack.block_scale.view(np.int32)
        yield whole + GLOBAL, stack.global_scale

    def _copy(self, address: int, array: Array) -> None:
        """In pieces: a copy from memory that is not pinned may stage a whole tensor."""
        flat = np.ascontiguousarray(array).reshape(-1)
        step = _PIECE // flat.itemsize
        for start in range(0, flat.size, step):
            self._device.upload(address + start * flat.itemsize, flat[start : start + step], self._stream)
        self._device.wait(self._stream)
