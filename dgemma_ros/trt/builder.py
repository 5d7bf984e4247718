"""A checkpoint compiled into a folder of TensorRT engines, on the machine that will run them.

The folder is an exported one (graphs, manifest, tokenizer and so on, in the target's type) with the engines and
engine.json beside: whoever opens it finds the weights' places, and the settings, where every export has them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper

from dgemma_ros.checkpoint.config import ModelConfig, load_config
from dgemma_ros.checkpoint.nvfp4 import PackedExperts
from dgemma_ros.checkpoint.weights import Weights
from dgemma_ros.errors import BackendError
from dgemma_ros.graphs import manifest
from dgemma_ros.graphs.export import export, first_layers
from dgemma_ros.output import whole_folder
from dgemma_ros.runtime.contract import Array
from dgemma_ros.trt import engine_manifest, operators, profiles, rewrite
from dgemma_ros.trt.device import Facts
from dgemma_ros.trt.engine_manifest import EngineManifest, EngineSpec, ProfileSpec, TensorSpec
from dgemma_ros.trt.targets import Target

Progress = Callable[[str, int, int], None]
"""Called with what is being done, the steps that are done and their number (0 where that is not known)."""


@dataclass(frozen=True)
class Source:
    """What one engine is made of."""

    model: ModelProto
    """The rewritten graph."""
    weights: Mapping[str, Array]
    inputs: Mapping[str, TensorSpec]
    profiles: tuple[ProfileSpec, ...]


class Compiler(Protocol):
    """What makes an engine of a graph."""

    version: str
    facts: Facts

    def free_memory(self) -> int:
        """Bytes that are free on the device."""

    def compile(self, source: Source, out: Path, on_progress: Progress) -> None:
        """Writes the engine to ``out``. Raises :class:`BackendError`."""


def build(
    source: Path,
    out: Path,
    target: Target,
    make_compiler: Callable[[Target, ModelConfig], Compiler],
    on_progress: Progress = lambda what, done, total: None,
    layers: int | None = None,
) -> Path:
    """Compiles ``source``, a checkpoint or an export of one, into ``out``, which is written whole or not at all.

    ``layers``: only the first so many text layers, which is no model, but what `dgemma verify` compares with.
    Raises :class:`BackendError` where the machine does not fit the target or TensorRT refuses a graph,
    :class:`CheckpointError` and :class:`ExportError` as an export does.
    """
    checkpoint = manifest.load(source).checkpoint if (source / manifest.MANIFEST_FILE).exists() else source
    config = load_config(checkpoint)
    if layers is not None:
        config = first_layers(config, layers)
    compiler = make_compiler(target, config)
    check_machine(target, compiler.facts, compiler.version)
    weights = Weights.open(checkpoint, config)
    packed = frozenset(name for name in weights.shapes if target.experts == "nvfp4" and weights.is_packed(name))
    check_memory(target, config, compiler.free_memory(), bool(packed))
    with whole_folder(out) as folder:
        export(checkpoint, folder, target.dtype, lambda name: on_progress(name, 0, 0), layers)
        engines = {}
        for name in profiles.graphs_of(config):
            on_progress(name, 0, 0)
            engines[name] = _build_one(name, folder, config, target, weights, packed, compiler, on_progress)
        written = EngineManifest(
            compiler.version,
            compiler.facts,
            asdict(target),
            engine_manifest.sha256(folder / manifest.MANIFEST_FILE),
            engines,
        )
        engine_manifest.write(folder, written)
    return out


def _build_one(
    name: str,
    folder: Path,
    config: ModelConfig,
    target: Target,
    weights: Weights,
    packed: frozenset[str],
    compiler: Compiler,
    on_progress: Progress,
) -> EngineSpec:
    model = rewrite.for_tensorrt(onnx.load(folder / f"{name}.onnx", load_external_data=False), packed)
    if refused := operators.problems(model):
        raise BackendError(f"graph {name}: TensorRT's parser would refuse {refused[0]} ({len(refused)} in all)")
    inputs, outputs = profiles.tensor_specs(model)
    made_for = profiles.profiles(name, config, target)
    file = folder / f"{name}.engine"
    compiler.compile(Source(model, external_weights(model, weights), inputs, made_for), file, on_progress)
    if not file.is_file() or not (size := file.stat().st_size):
        raise BackendError(f"graph {name}: TensorRT wrote no engine")
    return EngineSpec(file.name, size, engine_manifest.sha256(file), inputs, outputs, made_for)


def external_weights(model: ModelProto, weights: Weights) -> dict[str, Array]:
    """The weights that a graph names, in its types: over the mapped files where they are stored so, else cast."""
    arrays: dict[str, Array] = {}
    for tensor in model.graph.initializer:
        name = tensor.name
        if tensor.data_location != TensorProto.EXTERNAL or name in arrays:
            continue
        if name.endswith((rewrite.VALUES, rewrite.SCALES)):
            whole = name.rpartition("/")[0]
            stack = weights.packed(whole)
            arrays[whole + rewrite.VALUES] = stack.weight
            arrays[whole + rewrite.SCALES] = _scales(stack)
        else:
            array = weights.array(name, helper.tensor_dtype_to_np_dtype(tensor.data_type))
            arrays[name] = np.require(array, requirements=["C"])
    return arrays


def _scales(stack: PackedExperts) -> Array:
    """One factor for every 16 weights, float32 [experts, out, in/16]."""
    scales = stack.block_scale.astype(np.float32)
    parts = stack.global_scale.shape[1]
    scales *= np.repeat(stack.global_scale, scales.shape[1] // parts, axis=1)[:, :, None]
    return scales


def check_machine(target: Target, facts: Facts, version: str) -> None:
    """Raises :class:`BackendError` where this machine is not the target's."""
    if facts.architecture != target.architecture:
        raise BackendError(
            f"target {target.name} is sm_{target.architecture} ({target.device}), but this machine has {facts.name} "
            f"(sm_{facts.architecture}); engines are built on the machine that runs them"
        )
    if not any(text.lower() in facts.name.lower() for text in target.device_names):
        raise BackendError(f"target {target.name} is for {target.device}, but this machine has {facts.name}")
    found = tuple(int(part) for part in version.split(".")[:2])
    if found[0] != target.tensorrt[0] or found < target.tensorrt:
        raise BackendError(
            f"target {target.name} needs TensorRT {target.tensorrt[0]}.{target.tensorrt[1]} or a later "
            f"{target.tensorrt[0]}.x, but this machine has {version}"
        )


def check_memory(target: Target, config: ModelConfig, free: int, packed: bool = False) -> None:
    """Raises :class:`BackendError` where the model cannot fit; ``packed``: its experts stay in NVFP4."""
    itemsize = profiles.ITEMSIZE[target.dtype.replace("float32", "float")]
    weights = profiles.weight_bytes(config, itemsize, packed)
    kind = f"{target.dtype} with packed experts" if packed else target.dtype
    smallest = profiles.cache_bytes(config, profiles.buckets(config, target)[0], target.window_buckets[0], itemsize)
    if (needed := weights + smallest) > target.memory_limit:
        raise BackendError(
            f"the model takes {weights / 1e9:.1f} GB in {kind} and {smallest / 1e9:.1f} GB of cache, but "
            f"target {target.name} allows {target.memory_limit / 1e9:.1f} GB (memory_limit)"
        )
    # The recipe's figure is for a model that fills the device; a small one needs no more than TensorRT's second copy.
    wanted = max(needed, min(target.free_memory, 2 * needed))
    if free < wanted:
        raise BackendError(
            f"building needs {wanted / 1e9:.1f} GB of free GPU memory, but {free / 1e9:.1f} GB are free; "
            "stop what else uses the GPU"
        )


def default_out(source: Path, target: Target) -> Path:
    """Where engines go when no place is named: the user's cache."""
    import os

    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dgemma_ros" / "engines"
    return base / f"{source.resolve().name}-{target.name}"


def summary(out: Path) -> dict[str, Any]:
    """What was built, for people and for ``--json``."""
    written = engine_manifest.load(out)
    return {
        "out": str(out),
        "tensorrt": written.tensorrt,
        "gpu": written.gpu.name,
        "target": written.target["name"],
        "engines": {name: spec.size for name, spec in written.engines.items()},
    }
