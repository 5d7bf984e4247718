"""The kernels as TensorRT plugins: quickly deployable, with ahead-of-time PTX.

A built engine carries the PTX and needs neither this module nor Python. The parser finds a plugin by the name, the
namespace and the version that the graphs' calls carry (:mod:`dgemma_ros.trt.plugin_contracts`). TensorRT hands a kernel
its inputs, then some int32 numbers, then its outputs: the numbers are dimensions and the model's own constants, so that
the nodes need no attribute of ours. Grids and numbers are those of :mod:`dgemma_ros.trt.kernels.launches`; a test holds
the two equal.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Tuple, Union  # noqa: UP035 (tensorrt.plugin compares with these)

from dgemma_ros.checkpoint.config import ModelConfig
from dgemma_ros.errors import BackendError
from dgemma_ros.graphs.builder import DOMAIN
from dgemma_ros.graphs.diffusion import cdf_blocks
from dgemma_ros.trt import kernels, plugin_contracts
from dgemma_ros.trt.kernels.launches import TILE

SUFFIXES: Final = {"FLOAT": "f32", "HALF": "f16", "BF16": "bf16", "INT64": "i64", "INT32": "i32"}
"""TensorRT's type → how entry points are named for it."""


@dataclass(frozen=True)
class Sizes:
    """A model's constants that its kernels are launched with, and how many parts attention is split into.

    Raises :class:`BackendError` where one is too large for RowStats or CanvasUpdate.
    """

    vocab: int
    softcap: float
    canvas_length: int
    experts: int = 1
    top_k: int = 1
    splits: int = 1
    """Blocks that share a tile of queries' interval, in DGemmaAttentionSplit."""
    multiprocessors: int = 1
    """Of the device; a launch with as many blocks is not split."""

    def __post_init__(self) -> None:
        blocks, _ = cdf_blocks(self.vocab)
        if blocks > kernels.MAX_BLOCKS:
            raise BackendError(f"a vocabulary of {self.vocab} has {blocks} blocks; RowStats takes {kernels.MAX_BLOCKS}")
        if self.canvas_length > kernels.MAX_CANVAS:
            raise BackendError(f"a canvas of {self.canvas_length} is too long; CanvasUpdate takes {kernels.MAX_CANVAS}")

    @classmethod
    def of(cls, config: ModelConfig, splits: int = 1, multiprocessors: int = 1) -> Sizes:
        """Those of a model."""
        text = config.text
        return cls(
            text.vocab_size, text.softcap, config.canvas_length, text.experts, text.top_k, splits, multiprocessors
        )


@dataclass(frozen=True)
class Call:
    """How a plugin's kernel is launched; grid and numbers hold TensorRT's symbols."""

    source: str
    entry: str
    grid: tuple[Any, ...]
    threads: int
    numbers: tuple[Any, ...]


@dataclass
class _Registered:
    """What the plugins are compiled for. TensorRT registers a name once a process, and calls back for each build."""

    sizes: Sizes
    ptx: Callable[[str], bytes]


_registered: _Registered | None = None


def register(sizes: Sizes, architecture: int) -> None:
    """Makes all plugins known to TensorRT, for the next builds in this process. Not thread-safe."""
    global _registered
    known = _registered is not None
    _registered = _Registered(sizes, lambda name: kernels.ptx(name, architecture))
    if not known:
        for name in plugin_contracts.NAMES:
            _define(name)


def _current() -> _Registered:
    assert _registered is not None
    return _registered


def _define(name: str) -> None:
    """One plugin. TensorRT reads names and types off a function's signature, which is made of the contract here."""
    import tensorrt.plugin as trtp

    inputs, count = plugin_contracts.INPUTS[name], len(plugin_contracts.OUTPUTS[name])

    def describe(*given: Any) -> Any:
        made = _outputs(name, dict(zip(inputs, given, strict=True)))
        return made if count > 1 else made[0]

    def launch(*given: Any) -> Any:
        *tensors, _, _ = given
        call = _call(name, dict(zip(inputs, tensors, strict=True)))
        grid = dict(zip(("grid_x", "grid_y", "grid_z"), call.grid, strict=False))
        numbers = trtp.SymIntExprs.from_tuple(tuple(trtp.SymInt32(number) for number in call.numbers))
        parameters = trtp.KernelLaunchParams(**grid, block_x=call.threads)
        return call.entry, _current().ptx(call.source), parameters, numbers

    tensor, several = trtp.TensorDesc, inspect.Parameter.POSITIONAL_OR_KEYWORD
    named = [inspect.Parameter(each, several, annotation=tensor) for each in inputs]
    result = Tuple[(tensor,) * count] if count > 1 else tensor  # noqa: UP006
    more = [inspect.Parameter(each, several) for each in ("outputs", "tactic")]
    text = Union[str, bytes]  # noqa: UP007
    returned = Tuple[text, text, trtp.KernelLaunchParams, trtp.SymIntExprs]  # noqa: UP006
    describe.__signature__ = inspect.Signature(named, return_annotation=result)  # type: ignore[attr-defined]
    launch.__signature__ = inspect.Signature([*named, *more], return_annotation=returned)  # type: ignore[attr-defined]
    trtp.register(f"{DOMAIN}::{name}")(describe)
    trtp.aot_impl(f"{DOMAIN}::{name}")(launch)


def _outputs(name: str, given: Mapping[str, Any]) -> tuple[Any, ...]:
    """Descriptions of a plugin's outputs."""
    import tensorrt as trt
    import tensorrt.plugin as trtp

    c, types, sizes = plugin_contracts, trt.DataType, _current().sizes

    def dims(tensor: str) -> Any:
        return given[tensor].shape_expr

    def tensor(dtype: Any, *shape: Any) -> Any:
        return trtp.from_shape_expr(trtp.ShapeExprs.from_tuple(shape), dtype=dtype)

    if name == c.ROW_STATS:
        rows = dims("over_cap")[0]
        tokens, columns = tensor(types.INT64, rows), tensor(types.FLOAT, rows, 1)
        return tokens, tensor(types.INT64, rows), tensor(types.FLOAT, rows), columns, tensor(types.FLOAT, rows, 1)
    if name == c.CANVAS_UPDATE:
        kinds = {"entropy_out": types.FLOAT, "accepted": types.BOOL, "mean_entropy": types.FLOAT}
        rows = dims("argmax")[0]
        return tuple(
            tensor(kinds.get(each, types.INT64), 1 if each == "mean_entropy" else rows) for each in c.OUTPUTS[name]
        )
    if name == c.ROUTE:
        rows, chosen = dims("index")
        return tensor(types.INT32, sizes.experts + 1), tensor(types.INT32, rows * chosen)
    if name in (c.UP, c.UP_NVFP4):
        return (tensor(types.BF16, dims("pairs")[0], _halved(dims("gate_up")[1])),)
    if name in (c.DOWN, c.DOWN_NVFP4):
        return (tensor(types.BF16, dims("pairs")[0], dims("down")[1]),)
    if name == c.COMBINE:
        return (tensor(types.BF16, dims("weights")[0], dims("out")[1]),)
    if name == c.ATTENTION:
        return (tensor(types.BF16, *dims("query")),)
    if name == c.ATTENTION_SPLIT:
        shape = (sizes.splits, *dims("query")[1:3])
        return tensor(types.FLOAT, *shape, dims("query")[3]), tensor(types.FLOAT, *shape, 2)
    assert name == c.ATTENTION_MERGE
    return (tensor(types.BF16, 1, *dims("partial")[1:]),)


def _halved(dim: Any) -> Any:
    return dim // 2


def _call(name: str, given: Mapping[str, Any]) -> Call:
    """A plugin's launch, in TensorRT's symbols."""
    import tensorrt.plugin as trtp

    c, sizes = plugin_contracts, _current().sizes
    grid: tuple[Any, ...]
    numbers: tuple[Any, ...]

    def dims(tensor: str) -> Any:
        return given[tensor].shape_expr

    def suffix(tensor: str, *taken: str) -> str:
        if (found := given[tensor].dtype.name) not in taken:
            raise BackendError(f"{name} takes {tensor} in {', '.join(taken)}, not {found}")
        return SUFFIXES[found]

    if name == c.ROW_STATS:
        numbers = (sizes.vocab, *cdf_blocks(sizes.vocab), dims("allowed_row")[0], kernels.float_bits(sizes.softcap))
        entry = f"dgemma_row_stats_{suffix('over_cap', 'FLOAT', 'HALF', 'BF16')}"
        return Call(kernels.ROW_STATS, entry, (dims("over_cap")[0],), 512, numbers)
    if name == c.CANVAS_UPDATE:
        length = sizes.canvas_length
        return Call(kernels.CANVAS_UPDATE, "dgemma_canvas_update", (1,), -(-length // 32) * 32, (length,))
    if name == c.ROUTE:
        rows, chosen = dims("index")
        entry = f"dgemma_route_{suffix('index', 'INT64', 'INT32')}"
        return Call(kernels.ROUTE, entry, (1,), 1024, (rows * chosen, sizes.experts))
    if name in (c.UP, c.UP_NVFP4):
        suffix("x", "BF16")
        kind, inner = "bf16" if name == c.UP else "nvfp4", _halved(dims("gate_up")[1])
        grid, numbers = (trtp.cdiv(inner, TILE // 2), sizes.experts), (dims("x")[1], inner, sizes.top_k)
        return Call(kernels.EXPERTS, f"dgemma_experts_up_{kind}", grid, 128, numbers)
    if name in (c.DOWN, c.DOWN_NVFP4):
        suffix("inner", "BF16")
        kind, hidden = "bf16" if name == c.DOWN else "nvfp4", dims("down")[1]
        grid = (trtp.cdiv(hidden, TILE), sizes.experts)
        return Call(kernels.EXPERTS, f"dgemma_experts_down_{kind}", grid, 128, (hidden, dims("inner")[1]))
    if name == c.COMBINE:
        entry = f"dgemma_combine_{suffix('weights', 'FLOAT', 'BF16')}"
        rows, chosen = dims("weights")
        return Call(kernels.ROUTE, entry, (rows,), 352, (dims("out")[1], chosen))
    if name == c.ATTENTION_MERGE:
        splits, heads, rows, size = dims("partial")
        queries = heads * rows
        return Call(kernels.ATTENTION, "dgemma_attention_merge", (trtp.cdiv(queries, 4),), 128, (queries, size, splits))
    assert name in (c.ATTENTION, c.ATTENTION_SPLIT)
    suffix("query", "BF16")
    (_, heads, rows, _), (_, kv_heads, capacity, size) = dims("query"), dims("keys")
    head_size = size.constant_value()
    tiles = trtp.cdiv(rows * (heads // kv_heads), TILE)
    numbers = (heads, kv_heads, rows, capacity, dims("first")[0])
    threads = 256 if head_size == 512 else 128
    if name == c.ATTENTION:
        return Call(kernels.ATTENTION, f"dgemma_attention_{head_size}", (tiles, kv_heads), threads, numbers)
    grid = (tiles, kv_heads, sizes.splits)
    entry = f"dgemma_attention_split_{head_size}"
    return Call(kernels.ATTENTION, entry, grid, threads, (*numbers, sizes.multiprocessors))
