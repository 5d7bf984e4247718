"""Checkpoints of any size that take no disk: real headers over sparse files full of zeros."""

from __future__ import annotations

import json
import shutil
from math import prod
from pathlib import Path

from dgemma_ros.checkpoint.config import load_config
from dgemma_ros.checkpoint.tensors import DTYPES
from dgemma_ros.checkpoint.weights import expected_shapes

Layout = dict[str, tuple[str, tuple[int, ...]]]
RELEASED = Path(__file__).parent / "data" / "config-26b.json"


def make_released(folder: Path, nvfp4: bool = False, shards: int = 2) -> Path:
    """The released 26B checkpoint as a folder, in bfloat16 or with NVFP4 experts; all weights are zero."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(RELEASED, folder / "config.json")
    layout: Layout = {}
    for name, shape in expected_shapes(load_config(folder)).items():
        if nvfp4 and ".experts." in name:
            layout |= packed(name, shape)
        else:
            layout[name] = ("BF16", shape)
    names, index = list(layout), {}
    for i in range(shards):
        file = f"model-{i + 1:05d}-of-{shards:05d}.safetensors"
        part = names[i * len(names) // shards : (i + 1) * len(names) // shards]
        write(folder / file, {name: layout[name] for name in part})
        index |= dict.fromkeys(part, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    return folder


def packed(name: str, shape: tuple[int, ...]) -> Layout:
    """The tensors behind one fused projection, as ModelOpt lays them out."""
    prefix, _, projection = name.rpartition(".")
    experts, rows, columns = shape
    parts = ("gate_proj", "up_proj") if projection == "gate_up_proj" else (projection,)
    out, layout = rows // len(parts), {}
    for expert in range(experts):
        for part in parts:
            layout |= {
                f"{prefix}.{expert}.{part}.weight": ("U8", (out, columns // 2)),
                f"{prefix}.{expert}.{part}.weight_scale": ("F8_E4M3", (out, columns // 16)),
                f"{prefix}.{expert}.{part}.weight_scale_2": ("F32", ()),
                f"{prefix}.{expert}.{part}.input_scale": ("F32", ()),
            }
    return layout


def write(file: Path, layout: Layout) -> None:
    """A safetensors file with this header, and a hole for the data."""
    header, end = {}, 0
    for name, (dtype, shape) in layout.items():
        start, end = end, end + prod(shape) * DTYPES[dtype].itemsize
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with file.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        stream.truncate(8 + len(text) + end)
