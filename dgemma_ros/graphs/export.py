"""A checkpoint written as an exported folder: graphs, a manifest of its weights, and copies of its small files."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
from onnx import ModelProto

from dgemma_ros.checkpoint import manifest
from dgemma_ros.checkpoint.config import ModelConfig, load_config
from dgemma_ros.checkpoint.weights import Weights
from dgemma_ros.errors import ExportError
from dgemma_ros.graphs.backbone import backbone
from dgemma_ros.graphs.builder import BFLOAT16, FLOAT, FLOAT16
from dgemma_ros.graphs.embed import embed
from dgemma_ros.graphs.head import head
from dgemma_ros.graphs.vision import vision

GRAPHS_FORMAT = 1
"""Raised when the graphs' inputs, outputs or their meaning change, so that an old export is not run by new code."""
DTYPES = {"float32": FLOAT, "float16": FLOAT16, "bfloat16": BFLOAT16}
COPIED = (
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
    "special_tokens_map.json", "preprocessor_config.json", "processor_config.json", "skills.yaml",
)  # fmt: skip


def graphs(config: ModelConfig, dtype: int = FLOAT) -> Iterator[tuple[str, ModelProto]]:
    """Every graph of a model by its name, made one at a time."""
    if config.vision is not None:
        yield "vision", vision(config, dtype)
    yield "embed", embed(config, dtype)
    yield "backbone", backbone(config, dtype)
    yield "head", head(config, dtype)
    yield "head_with_logits", head(config, dtype, with_logits=True)


def export(
    checkpoint: Path, out: Path, dtype: str = "float32", on_progress: Callable[[str], None] | None = None
) -> Path:
    """Writes ``out`` from ``checkpoint``; weights stay where they are, so it takes seconds and kilobytes.

    ``dtype``: the type in which the graphs bind weights and multiply matrices (float32, float16, bfloat16).
    ``on_progress(name)`` is called as each file is begun. Written beside and renamed: ``out`` is there whole or not.
    Raises :class:`CheckpointError`, or :class:`ExportError` where ``out`` exists or cannot be written.
    """
    if dtype not in DTYPES:
        raise ExportError(f"dtype {dtype!r} is none of {', '.join(DTYPES)}")
    config = load_config(checkpoint)
    weights = Weights.open(checkpoint, config)
    with _beside(out) as folder:
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
        manifest.write(folder, manifest.describe(checkpoint, entries, {"dtype": dtype, "graphs": GRAPHS_FORMAT}))
    return out


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """A folder beside ``out`` that becomes ``out`` when all went well, and is removed when not."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ExportError(f"{out}: exists already; choose another folder, or remove it first")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise ExportError(f"{out}: cannot be created ({error.strerror or error})") from error
    try:
        yield folder
        folder.chmod(0o777 & ~_umask())
        folder.replace(out)
    except OSError as error:
        raise ExportError(f"{out}: cannot be written ({error.strerror or error}); nothing was left behind") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
