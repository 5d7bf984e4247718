"""Tensors as a checkpoint stores them: safetensors, whole or in shards, and NVFP4."""

from __future__ import annotations

import json
from pathlib import Path

import ml_dtypes
import numpy as np
from safetensors.numpy import save_file


def write_shards(folder: Path, stored: dict[str, np.ndarray], shards: int = 1) -> None:
    """One model.safetensors, or so many shards with their index."""
    if shards == 1:
        write_safetensors(folder / "model.safetensors", stored)
        return
    names = list(stored)
    index: dict[str, str] = {}
    for i in range(shards):
        file = f"model-{i + 1:05d}-of-{shards:05d}.safetensors"
        part = {name: stored[name] for name in names[i::shards]}
        write_safetensors(folder / file, part)
        index |= dict.fromkeys(part, file)
    total = sum(value.nbytes for value in stored.values())
    content = {"metadata": {"total_size": total}, "weight_map": index}
    (folder / "model.safetensors.index.json").write_text(json.dumps(content, indent=2))


def write_safetensors(file: Path, stored: dict[str, np.ndarray]) -> None:
    """With the official package, so that our reader is held to the format and not to itself."""
    save_file(
        {name: np.ascontiguousarray(value).reshape(value.shape) for name, value in stored.items()},
        file,
        {"format": "pt"},
    )


def packed(name: str, fused: np.ndarray) -> dict[str, np.ndarray]:
    """Fused experts [E, out, in] as ModelOpt's NVFP4 tensors, one set an expert and projection."""
    prefix, _, projection = name.rpartition(".")
    parts = ("gate_proj", "up_proj") if projection == "gate_up_proj" else (projection,)
    result: dict[str, np.ndarray] = {}
    for expert, matrix in enumerate(fused):
        for part, rows in zip(parts, np.split(matrix, len(parts)), strict=True):
            result |= {f"{prefix}.{expert}.{part}.{key}": value for key, value in quantised(rows).items()}
    return result


def quantised(matrix: np.ndarray) -> dict[str, np.ndarray]:
    """One matrix in NVFP4: nearest value, scales from the largest magnitude."""
    levels = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6], np.float32)
    blocks = matrix.reshape(matrix.shape[0], -1, 16)
    peak = np.abs(blocks).max(-1)
    tensor_scale = np.float32(peak.max() / np.float32(6 * 448))
    block_scale = (peak / np.float32(6) / tensor_scale).astype(ml_dtypes.float8_e4m3fn)
    scaled = blocks / np.maximum(block_scale.astype(np.float32) * tensor_scale, np.float32(1e-30))[..., None]
    codes = np.abs(np.abs(scaled)[..., None] - levels).argmin(-1).astype(np.uint8)
    codes |= (scaled < 0).astype(np.uint8) << 3
    codes = codes.reshape(matrix.shape)
    return {
        "weight": codes[:, 0::2] | codes[:, 1::2] << 4,
        "weight_scale": block_scale,
        "weight_scale_2": tensor_scale.reshape(()),
        "input_scale": np.float32(1.0).reshape(()),
    }
