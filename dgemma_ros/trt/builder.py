"""A checkpoint compiled into a folder of TensorRT engines, on the machine that will run them.

The folder is an exported one (graphs, manifest, tokenizer and so on, in the target's type) with the engines and
engine.json beside: whoever opens it finds the weights' places, and the settings, where every export has them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper

from dgemma_ros.checkpoint.config import ModelConfig, load_config
from dgemma_ros.checkpoint.weights import Weights
from dgemma_ros.errors import BackendError
from dgemma_ros.finding import Finding, State
from dgemma_ros.graphs import manifest
from dgemma_ros.graphs.export import export, first_layers
from dgemma_ros.output import whole_folder
from dgemma_ros.runtime.contract import Array
from dgemma_ros.trt import builder_flags, costs, engine_manifest, forms, fusing, operators, preflight, profiles, rewrite
from dgemma_ros.trt.costs import Costs
from dgemma_ros.trt.device import DeviceInfo
from dgemma_ros.trt.engine_manifest import EngineManifest, EngineSpec, ProfileSpec, TensorSpec
from dgemma_ros.trt.forms import Forms
from dgemma_ros.trt.targets import Target

Progress = Callable[[str, int, int], None]
"""Called with what is being done, the steps that are done and their number (0 where that is not known)."""


@dataclass(frozen=True)
class EngineSource:
    """What one engine is made of."""

    model: ModelProto
    """The rewritten graph."""
    weights: Mapping[str, Array]
    inputs: Mapping[str, TensorSpec]
    profiles: tuple[ProfileSpec, ...]


class Compiler(Protocol):
    """What makes an engine of a graph."""

    version: str
    info: DeviceInfo

    def free_memory(self) -> int:
        """Bytes that are free on the device."""

    def refusals(self, config: ModelConfig, dtype: str, packed: bool) -> tuple[str | None, str | None]:
        """Why the plugins cannot take a model. See :data:`dgemma_ros.trt.forms.Refusals`."""

    def compile(self, source: EngineSource, out: Path, on_progress: Progress) -> None:
        """Writes the engine to ``out``. Raises :class:`BackendError`."""


def build(
    source: Path,
    out: Path,
    target: Target,
    make_compiler: Callable[[Target, ModelConfig], Compiler],
    on_progress: Progress = lambda what, done, total: None,
    layers: int | None = None,
    on_warning: Callable[[Finding], None] = lambda finding: None,
) -> Path:
    """Compiles ``source``, a checkpoint or an export of one, into ``out``, which is written whole or not at all.

    ``layers``: only the first so many text layers, which is no model, but what `dgemma verify` compares with.
    ``on_warning``: called with what is doubtful, while the build goes on.
    Raises :class:`BackendError` where the machine does not fit the target or TensorRT refuses a graph,
    :class:`CheckpointError` and :class:`ExportError` as an export does.
    """
    checkpoint = manifest.load(source).checkpoint if (source / manifest.MANIFEST_FILE).exists() else source
    config = load_config(checkpoint)
    if layers is not None:
        config = first_layers(config, layers)
    compiler = make_compiler(target, config)
    flags = builder_flags.chosen(
        target.builder_flags, compiler.version, compiler.info.architecture, os.environ.get(builder_flags.VARIABLE, "")
    )
    weights = Weights.open(checkpoint, config)
    packed = any(map(weights.is_packed, weights.shapes))
    chosen = forms.choose(target, config, packed, compiler.refusals)
    preflight.refuse(_findings(target, compiler, flags, weights, chosen), on_warning)
    check_memory(costs.of(config, target, chosen), compiler.info, compiler.free_memory(), out)
    with whole_folder(out) as folder, builder_flags.applied(flags):
        export(checkpoint, folder, target.dtype, lambda name: on_progress(name, 0, 0), layers)
        engines = {}
        for name in profiles.graphs_of(config):
            on_progress(name, 0, 0)
            engines[name] = _build_one(name, folder, config, target, weights, chosen, compiler, on_progress, on_warning)
        written = EngineManifest(
            compiler.version,
            compiler.info,
            asdict(target),
            engine_manifest.sha256(folder / manifest.MANIFEST_FILE),
            engines,
            flags,
            chosen,
        )
        engine_manifest.write(folder, written)
    return out


def _findings(target: Target, compiler: Compiler, flags: str, weights: Weights, chosen: Forms) -> Iterator[Finding]:
    yield preflight.device(target, compiler.info)
    yield preflight.tensorrt(target, compiler.version)
    yield preflight.kernel_compiler()
    yield preflight.flags(flags, compiler.version, compiler.info.architecture)
    yield preflight.scales(weights)
    for reason in chosen.reasons:
        yield Finding("plugins", State.WARNING, reason)


def _build_one(
    name: str,
    folder: Path,
    config: ModelConfig,
    target: Target,
    weights: Weights,
    chosen: Forms,
    compiler: Compiler,
    on_progress: Progress,
    on_warning: Callable[[Finding], None],
) -> EngineSpec:
    model = rewrite.for_tensorrt(onnx.load(folder / f"{name}.onnx", load_external_data=False), chosen)
    preflight.refuse((preflight.precision(model), preflight.fusion(model)), on_warning)
    if refused := operators.problems(model):
        raise BackendError(f"graph {name}: TensorRT's parser would refuse {refused[0]} ({len(refused)} in all)")
    inputs, outputs = profiles.tensor_specs(model)
    made_for = profiles.profiles(name, config, target)
    file = folder / f"{name}.engine"
    compiler.compile(EngineSource(model, external_weights(model, weights), inputs, made_for), file, on_progress)
    if not file.is_file() or not (size := file.stat().st_size):
        raise BackendError(f"graph {name}: TensorRT wrote no engine")
    return EngineSpec(file.name, size, engine_manifest.sha256(file), inputs, outputs, made_for)


def external_weights(model: ModelProto, weights: Weights) -> dict[str, Array]:
    """The weights that a graph names, in its types: over the mapped files where they are stored so, else copies."""
    arrays: dict[str, Array] = {}
    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL and tensor.name not in arrays:
            dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
            stored = [weights.array(part, dtype) for part in fusing.parts(tensor.name)]
            array = stored[0] if len(stored) == 1 else np.concatenate(stored)
            arrays[tensor.name] = np.require(array, requirements=["C"])
    return arrays


def check_memory(cost: Costs, info: DeviceInfo, free: int, out: Path) -> None:
    """Raises :class:`BackendError` where the model cannot fit, or cannot be built here now."""
    if not cost.fits:
        raise BackendError(
            f"the model takes {cost.weights / 1e9:.1f} GB of weights and {cost.caches[0].nbytes / 1e9:.1f} GB of "
            f"cache at its smallest, but target {cost.target} allows {cost.memory_limit / 1e9:.1f} GB (memory_limit)"
        )
    preflight.refuse(
        [
            preflight.memory(free, max(cost.build_peak, cost.smallest), "building and verifying", info),
            preflight.disk(out, cost.in_engines),
        ]
    )


def default_out(source: Path, target: Target) -> Path:
    """Where engines go when no place is named: the user's cache."""
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
        "builder_flags": written.builder_flags,
        "experts": written.forms.experts,
        "attention": written.forms.attention,
        "engines": {name: spec.size for name, spec in written.engines.items()},
    }
