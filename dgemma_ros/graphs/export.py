"""A checkpoint written as an exported folder: graphs, a manifest of its weights, and copies of its small files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import onnx
from onnx import ModelProto

from dgemma_ros.checkpoint.config import ModelConfig, load_config
from dgemma_ros.checkpoint.weights import Weights
from dgemma_ros.errors import ExportError
from dgemma_ros.graphs import manifest
from dgemma_ros.graphs.backbone import backbone
from dgemma_ros.graphs.builder import BFLOAT16, FLOAT, FLOAT16
from dgemma_ros.graphs.embed import embed
from dgemma_ros.graphs.head import head
from dgemma_ros.graphs.vision import vision
from dgemma_ros.output import whole_folder

GRAPHS_FORMAT = 2
"""Raised when the graphs' inputs, outputs or their meaning change, so that an old export is not run by new code."""
DTYPES = {"float32": FLOAT, "float16": FLOAT16, "bfloat16": BFLOAT16}
COPIED = (
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
    "special_tokens_map.json", "preprocessor_config.json", "processor_config.json", "skills.yaml",
)  # fmt: skip
SETTINGS = ("generation_config.json", "skills.yaml")
"""Of these, what may be changed in an exported folder: nothing in the graphs rests on it."""


def graphs(config: ModelConfig, dtype: int = FLOAT) -> Iterator[tuple[str, ModelProto]]:
    """Every graph of a model by its name, made one at a time."""
    if config.vision is not None:
        yield "vision", vision(config, dtype)
    yield "embed", embed(config, dtype)
    yield "backbone", backbone(config, dtype)
    yield "head", head(config, dtype)
    yield "head_with_logits", head(config, dtype, with_logits=True)


def first_layers(config: ModelConfig, layers: int) -> ModelConfig:
    """The same model with only its first ``layers`` text layers."""
    text = config.text
    kept = text.layers[:layers]
    rope = MappingProxyType({kind: text.rope[kind] for kind in text.rope if any(layer.kind is kind for layer in kept)})
    return replace(config, text=replace(text, layers=kept, rope=rope))


def export(
    checkpoint: Path,
    out: Path,
    dtype: str = "float32",
    on_progress: Callable[[str], None] | None = None,
    layers: int | None = None,
) -> Path:
    """Writes ``out`` from ``checkpoint``; weights stay where they are, so it takes seconds and kilobytes.

    ``dtype``: the type in which the graphs bind weights and multiply matrices (float32, float16, bfloat16).
    ``on_progress(name)`` is called as each file is begun. ``layers``: only the first so many text layers,
    which is no model any more, but computes enough to compare two devices. ``out`` is written whole or not at all.
    Raises :class:`CheckpointError`, or :class:`ExportError` where ``out`` exists or cannot be written.
    """
    if dtype not in DTYPES:
        raise ExportError(f"dtype {dtype!r} is none of {', '.join(DTYPES)}")
    config = load_config(checkpoint)
    settings: dict[str, str | int] = {"dtype": dtype, "graphs": GRAPHS_FORMAT}
    if layers is not None:
        config = first_layers(config, layers)
        settings["layers"] = layers
    weights = Weights.open(checkpoint, config)
    with whole_folder(out) as folder:
        for name, model in graphs(config, DTYPES[dtype]):
            if on_progress:
                on_progress(f"{name}.onnx")
            onnx.save(model, folder / f"{name}.onnx")
        for name in COPIED:
            if (checkpoint / name).is_file():
                shutil.copyfile(checkpoint / name, folder / name)
        if (checkpoint / "golden").is_dir():
            shutil.copytree(checkpoint / "golden", folder / "golden")
        if on_progress:
            on_progress(manifest.MANIFEST_FILE)
        entries = {name: weights.tensors.entry(name) for name in weights.tensors.names()}
        kept = manifest.hashes(folder, [name for name in COPIED if name not in SETTINGS])
        manifest.write(folder, replace(manifest.describe(checkpoint, entries, settings), files=kept))
    return out
