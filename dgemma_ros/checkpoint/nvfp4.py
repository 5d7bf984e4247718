"""Experts in NVFP4, as NVIDIA's ModelOpt writes them.

Every expert has its own gate_proj, up_proj and down_proj, each as four tensors: ``weight`` U8 [out, in/2], two E2M1
numbers a byte, the even column in the low nibble; ``weight_scale`` F8_E4M3 [out, in/16], one a block of 16 columns;
``weight_scale_2`` F32, one a matrix; ``input_scale``, which only matters to engines that also quantise activations.
A weight is the product ``e2m1 · weight_scale · weight_scale_2``. The first product is exact in float32, so the whole
is rounded once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dgemma_ros.checkpoint.tensors import TensorEntry, Tensors
from dgemma_ros.errors import CheckpointError

BLOCK: Final = 16
E2M1: Final = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6], np.float32)
"""The sixteen values of a nibble: sign, two bits of exponent, one of mantissa."""


@dataclass(frozen=True)
class PackedExperts:
    """One projection of all experts of a layer, stacked but still packed.

    ``parts`` matrices are stacked in a row dimension (gate, then up: 2; down: 1), each with its own global scale.
    """

    weight: npt.NDArray[np.uint8]
    """[experts, out, in/2]"""
    block_scale: npt.NDArray[Any]
    """float8_e4m3fn [experts, out, in/16]"""
    global_scale: npt.NDArray[np.float32]
    """[experts, parts]"""

    def dequantised(self) -> npt.NDArray[np.float32]:
        """The weights, float32 [experts, out, in]."""
        experts, rows, half = self.weight.shape
        parts = self.global_scale.shape[1]
        result = np.empty((experts, rows, 2 * half), np.float32)
        for expert in range(experts):
            scales = np.repeat(self.global_scale[expert], rows // parts)
            result[expert] = dequantise(self.weight[expert], self.block_scale[expert], scales[:, None])
        return result


def dequantise(
    weight: npt.NDArray[np.uint8], block_scale: npt.NDArray[Any], global_scale: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """float32 [out, in] from [out, in/2], [out, in/16] and a global scale that broadcasts to [out, in/16]."""
    rows, half = weight.shape
    values = np.empty((rows, half, 2), np.float32)
    values[..., 0] = E2M1[weight & 0x0F]
    values[..., 1] = E2M1[weight >> 4]
    blocks = values.reshape(rows, -1, BLOCK)
    blocks *= block_scale.astype(np.float32)[..., None]
    blocks *= np.broadcast_to(global_scale, block_scale.shape)[..., None]
    return blocks.reshape(rows, 2 * half)


def is_packed(tensors: Tensors, prefix: str) -> bool:
    """Whether the experts under ``prefix`` (``….layers.N.experts``) are stored one by one in NVFP4."""
    return f"{prefix}.0.down_proj.weight_scale_2" in tensors


def check_packed(tensors: Tensors, prefix: str, projections: tuple[str, ...], shape: tuple[int, ...]) -> None:
    """Raise :class:`CheckpointError` unless all parts of a stack of ``shape`` [experts, out, in] are there."""
    experts, rows, columns = shape
    if columns % BLOCK:
        raise CheckpointError(f"{tensors.folder}: {prefix}: rows of {columns} weights do not divide into NVFP4 blocks")
    out = rows // len(projections)
    for expert in range(experts):
        for projection in projections:
            name = f"{prefix}.{expert}.{projection}"
            _expect(tensors.entry(f"{name}.weight"), "U8", (out, columns // 2))
            _expect(tensors.entry(f"{name}.weight_scale"), "F8_E4M3", (out, columns // BLOCK))
            scale = tensors.entry(f"{name}.weight_scale_2")
            _expect(scale, "F32", (1,) if scale.shape == (1,) else ())


def _expect(entry: TensorEntry, dtype: str, shape: tuple[int, ...]) -> None:
    if (entry.dtype, entry.shape) != (dtype, shape):
        raise CheckpointError(
            f"{entry.file}: {entry.name} is {entry.dtype} {list(entry.shape)}, "
            f"but NVFP4 experts of this model need {dtype} {list(shape)}"
        )


def stack(tensors: Tensors, prefix: str, projections: tuple[str, ...], experts: int) -> PackedExperts:
    """Copy one projection of all experts (checked before by :func:`check_packed`) into contiguous stacks."""

    def parts(suffix: str) -> list[list[npt.NDArray[Any]]]:
        return [
            [tensors.array(f"{prefix}.{expert}.{projection}.{suffix}") for projection in projections]
            for expert in range(experts)
        ]

    return PackedExperts(
        weight=np.stack([np.concatenate(matrices) for matrices in parts("weight")]),
        block_scale=np.stack([np.concatenate(matrices) for matrices in parts("weight_scale")]),
        global_scale=np.array([[scale.item() for scale in scales] for scales in parts("weight_scale_2")], np.float32),
    )
