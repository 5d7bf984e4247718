"""What decides whether a first build starts, ends and is right, looked at before an hour is spent on it.

Each check says what it found and how to fix it. ``dgemma build`` runs them all, tells warnings, and stops at the first
finding that is wrong; ``dgemma doctor`` runs :func:`of_machine`, which needs neither a model nor a target.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from onnx import ModelProto

from dgemma_ros.checkpoint.weights import Weights
from dgemma_ros.errors import BackendError
from dgemma_ros.finding import Finding, State
from dgemma_ros.graphs.builder import FLOAT
from dgemma_ros.trt import builder_flags, kernels, machine
from dgemma_ros.trt.device import DeviceInfo
from dgemma_ros.trt.engine import import_tensorrt
from dgemma_ros.trt.targets import Target

_JETPACK: Final = "10.16"
_ROUTER: Final = ".router.proj.weight"


def of_machine(root: Path = machine.ROOT) -> Iterator[Callable[[], Finding]]:
    """The checks that need nothing but this machine."""
    yield lambda: bindings(root)
    yield kernel_compiler
    yield environment


def refuse(findings: Iterable[Finding], on_warning: Callable[[Finding], None] = lambda finding: None) -> None:
    """Raises :class:`BackendError` for the first finding that is wrong; hands warnings on."""
    for finding in findings:
        if finding.state is State.WRONG:
            raise BackendError(str(finding))
        if finding.state is State.WARNING:
            on_warning(finding)


def bindings(root: Path = machine.ROOT, load: Callable[[], Any] = import_tensorrt) -> Finding:
    """TensorRT's Python bindings: here, supported, and on a Jetson those that JetPack brought."""
    name, system = "TensorRT", machine.system_bindings(root)
    try:
        module = load()
    except BackendError as error:
        if machine.is_jetson(root) and system is not None:
            detail = f"the system has it ({system}), but this Python does not see it ({error})"
            return Finding(name, State.WRONG, detail, machine.install_tensorrt(root))
        return Finding(name, State.WRONG, str(error))
    version, place = str(module.__version__), Path(str(getattr(module, "__file__", ""))).parent
    if machine.is_jetson(root) and builder_flags.release(version)[0] != int(_JETPACK.split(".")[0]):
        detail = f"{version} ({place}), but JetPack's libraries are {_JETPACK}.x: pip has brought another major version"
        return Finding(name, State.WARNING, detail, f"pip uninstall tensorrt; {machine.install_tensorrt(root)}")
    return Finding(name, State.OK, f"{version} ({place})")


def kernel_compiler() -> Finding:
    """What compiles our plugins' kernels. Without it a build would end at its first plugin."""
    if kernels.nvrtc() is not None:
        return Finding("kernel compiler", State.OK, "NVRTC")
    if (nvcc := kernels.find_nvcc()) is not None:
        return Finding("kernel compiler", State.OK, nvcc)
    fix = "pip install nvidia-cuda-nvrtc==13.0.*, or install the CUDA toolkit"
    return Finding(
        "kernel compiler", State.WRONG, "neither NVRTC nor nvcc is here to compile the plugins' kernels", fix
    )


def environment() -> Finding:
    """Whether the caller's environment already steers TensorRT's compiler, which a build respects."""
    value = os.environ.get(builder_flags.VARIABLE, "")
    if not value:
        return Finding("builder flags", State.OK, f"{builder_flags.VARIABLE} is not set; a build sets what it needs")
    detail = f"{builder_flags.VARIABLE} is set to {value!r}, and a build keeps what it says"
    return Finding("builder flags", State.WARNING, detail, f"unset {builder_flags.VARIABLE} unless you mean it")


def flags(value: str, version: str, architecture: int) -> Finding:
    """The builder's flags as they will be: whether one that is known to be needed is missing, or set otherwise."""
    if lacking := builder_flags.missing(value, version, architecture):
        detail = (
            f"TensorRT {version} builds without {', '.join(lacking)}; engines of this model family built so were seen "
            "to compute garbage in silence"
        )
        fix = f"set builder_flags: [{builder_flags.AUTO}] in the recipe, and unset {builder_flags.VARIABLE}"
        return Finding("builder flags", State.WARNING, detail, fix)
    return Finding("builder flags", State.OK, value or f"TensorRT {version} needs none")


def device(target: Target, info: DeviceInfo) -> Finding:
    """Whether this GPU is the target's."""
    if info.architecture != target.architecture:
        detail = (
            f"target {target.name} is sm_{target.architecture} ({target.device}), but this machine has {info.name} "
            f"(sm_{info.architecture})"
        )
        return Finding("device", State.WRONG, detail, "engines are built on the machine that runs them")
    if not any(text.lower() in info.name.lower() for text in target.device_names):
        detail = f"target {target.name} is for {target.device}, but this machine has {info.name}"
        fix = "choose its own target, or copy the recipe and put the GPU's name into device_names"
        return Finding("device", State.WRONG, detail, fix)
    return Finding("device", State.OK, f"{info.name}, sm_{info.architecture}")


def tensorrt(target: Target, version: str, root: Path = machine.ROOT) -> Finding:
    """Whether this TensorRT is among the releases that the target takes."""
    found = builder_flags.release(version)
    if any(found[0] == oldest[0] and found >= oldest for oldest in target.tensorrt):
        return Finding("TensorRT", State.OK, version)
    releases = " or ".join(f"{major}.{minor} and later {major}.x" for major, minor in target.tensorrt)
    detail = f"target {target.name} takes TensorRT {releases}, but this machine has {version}"
    return Finding("TensorRT", State.WRONG, detail, machine.install_tensorrt(root))


def memory(free: int, needed: float, what: str, info: DeviceInfo) -> Finding:
    """Whether ``needed`` bytes are free. On a GPU that shares the CPU's memory, page cache counts as free."""
    kind = "memory (shared with the CPU; page cache counted as free)" if info.integrated else "GPU memory"
    if free < needed:
        detail = f"{what} needs {needed / 1e9:.1f} GB of free {kind}, but {free / 1e9:.1f} GB are free"
        return Finding("memory", State.WRONG, detail, "stop what else uses it")
    return Finding("memory", State.OK, f"{what} needs {needed / 1e9:.1f} GB; {free / 1e9:.1f} GB of {kind} are free")


def disk(out: Path, needed: float) -> Finding:
    """Whether the engines have room where they will lie."""
    there = next(parent for parent in (out.absolute(), *out.absolute().parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        detail = f"{out}: the engines take about {needed / 1e9:.1f} GB, but {free / 1e9:.1f} GB are free there"
        return Finding("disk", State.WRONG, detail, "choose another --out")
    return Finding("disk", State.OK, f"{free / 1e9:.1f} GB are free for about {needed / 1e9:.1f} GB")


def scales(weights: Weights) -> Finding:
    """Whether NVFP4 experts have scales that mean something: one that is not a number makes a whole layer so.

    Reads all of them, 1.4 GB of the released model. A scale of zero is a block of zeros, and kept as it is.
    """
    packed = [name for name in weights.shapes if weights.is_packed(name)]
    for name in packed:
        stack = weights.packed(name)
        bits = stack.block_scale.view(np.uint8) & 0x7F
        if (bits == 0x7F).any() or not np.isfinite(stack.global_scale).all():
            detail = f"{weights.tensors.folder}: {name} has a scale that is not a number"
            return Finding("scales", State.WRONG, detail, "download the checkpoint again")
        if (stack.block_scale.view(np.uint8) & 0x80).any() or (stack.global_scale < 0).any():
            detail = f"{weights.tensors.folder}: {name} has a negative scale, which ModelOpt does not write"
            return Finding("scales", State.WARNING, detail, "`dgemma verify` tells whether the model is right")
    detail = f"those of {len(packed)} stacks of NVFP4 experts are numbers" if packed else "the checkpoint has none"
    return Finding("scales", State.OK, detail)


def precision(model: ModelProto) -> Finding:
    """Whether a rewritten graph multiplies what must not be rounded in float32: the routers' scores, before the top-k.

    A product in a half type is rounded before it is cast, so a cast behind it repairs nothing.
    """
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    routers = [name for name in types if name.endswith(_ROUTER)]
    if rounded := [name for name in routers if types[name] != FLOAT]:
        detail = f"graph {model.graph.name}: {rounded[0]} is multiplied in a half type ({len(rounded)} in all)"
        return Finding("precision", State.WRONG, detail, "export the checkpoint again with this version")
    return Finding("precision", State.OK, f"graph {model.graph.name}: {len(routers)} routers in float32")


def fusion(model: ModelProto) -> Finding:
    """Whether products that read the same rows are one product, so that TensorRT has nothing to fuse horizontally."""
    weights, readers = {tensor.name for tensor in model.graph.initializer}, Counter[str]()
    for node in model.graph.node:
        if node.op_type == "Gemm" and node.input[1] in weights:
            readers[node.input[0]] += 1
    if several := [rows for rows, count in readers.items() if count > 1]:
        detail = f"graph {model.graph.name}: {readers[several[0]]} products read {several[0]}"
        return Finding("fusion", State.WARNING, detail, "report it: the rewriting should have made them one")
    return Finding("fusion", State.OK, f"graph {model.graph.name}: no two products read the same rows")
