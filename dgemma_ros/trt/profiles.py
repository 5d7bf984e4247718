"""Which sizes the engines of a model are made for on a target: optimisation profiles, buckets and bytes."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from onnx import ModelProto, TensorProto

from dgemma_ros.checkpoint.config import ModelConfig
from dgemma_ros.checkpoint.weights import expected_shapes
from dgemma_ros.trt.engine_manifest import CANVAS, IMAGE, PREFILL, STEP, EngineSpec, ProfileSpec, Shape, TensorSpec
from dgemma_ros.trt.targets import Target

ITEMSIZE = {"float": 4, "float16": 2, "bfloat16": 2, "int64": 8, "int32": 4, "bool": 1}


def buckets(config: ModelConfig, target: Target) -> tuple[int, ...]:
    """Capacities of the full layers' cache, none beyond what the model can use."""
    limit = config.text.max_positions
    return tuple(sorted({min(bucket, limit) for bucket in target.context_buckets}))


def profiles(graph: str, config: ModelConfig, target: Target) -> tuple[ProfileSpec, ...]:
    """The optimisation profiles of one graph; the backbone has two for each bucket of its context."""
    length = config.canvas_length
    if graph == "vision":
        assert config.vision is not None
        cell = config.vision.pooling**2
        usual, most = target.image_tokens
        return (ProfileSpec(IMAGE, {"patches": (cell, usual * cell, most * cell)}),)
    if graph != "backbone":
        fixed = {"canvas_length": (length, length, length), "rows_or_one": (length, length, length)}
        return (ProfileSpec(STEP, {**fixed, "allowed_sets": (1, 1, target.allowed_sets)}),)
    windows = (target.window_buckets[0], target.window_buckets[0], target.window_buckets[-1])
    usual, most = target.prefill_rows
    rows = {CANVAS: (length, length, length), PREFILL: (1, usual, max(most, length))}
    made = []
    for use in (CANVAS, PREFILL):
        for bucket in buckets(
            config, target
        ):  # a capacity is a bucket, nothing between, so each has kernels of its own
            full = (bucket, bucket, bucket)
            made.append(ProfileSpec(use, {"rows": rows[use], "full_capacity": full, "sliding_capacity": windows}))
    return tuple(made)


def tensor_specs(model: ModelProto) -> tuple[dict[str, TensorSpec], dict[str, TensorSpec]]:
    """A graph's inputs and outputs."""
    initialised = {tensor.name for tensor in model.graph.initializer}
    return (
        {value.name: _spec(value) for value in model.graph.input if value.name not in initialised},
        {value.name: _spec(value) for value in model.graph.output},
    )


def _spec(value: object) -> TensorSpec:
    tensor = value.type.tensor_type  # type: ignore[attr-defined]
    shape = tuple(dim.dim_param or int(dim.dim_value) for dim in tensor.shape.dim)
    return TensorSpec(TensorProto.DataType.Name(tensor.elem_type).lower(), shape)


def resolved(shape: Shape, dims: dict[str, int]) -> tuple[int, ...]:
    """A shape with its symbols replaced. Raises KeyError for one that ``dims`` lacks."""
    return tuple(dims[dim] if isinstance(dim, str) else dim for dim in shape)


def nbytes(spec: TensorSpec, dims: dict[str, int]) -> int:
    """Bytes of a tensor of these sizes."""
    return prod(resolved(spec.shape, dims)) * ITEMSIZE[spec.dtype]


def input_ranges(spec: TensorSpec, profile: ProfileSpec) -> tuple[tuple[int, ...], ...] | None:
    """Smallest, usual and largest shape of an input under a profile; None for one whose shape is fixed."""
    if not any(isinstance(dim, str) for dim in spec.shape):
        return None
    return tuple(resolved(spec.shape, {name: dims[i] for name, dims in profile.dims.items()}) for i in range(3))


def find_profile(engine: EngineSpec, use: str, dims: dict[str, int]) -> int | None:
    """The first profile for ``use`` that these sizes are within."""
    for index, profile in enumerate(engine.profiles):
        if profile.use == use and all(
            low <= dims[name] <= high for name, (low, _, high) in profile.dims.items() if name in dims
        ):
            return index
    return None


def weight_bytes(config: ModelConfig, itemsize: int = 2, packed: bool = False) -> int:
    """What all of a model's weights take on the device, in one copy each; ``packed``: experts in NVFP4.

    A packed weight has half a byte of its own and one byte of scale with fifteen others.
    """
    sizes = {name: prod(shape) for name, shape in expected_shapes(config).items()}
    experts = sum(size for name, size in sizes.items() if ".experts." in name) if packed else 0
    return itemsize * (sum(sizes.values()) - experts) + 9 * experts // 16


def cache_bytes(config: ModelConfig, context: int, window: int, itemsize: int = 2) -> int:
    """What a cache of these capacities takes."""
    capacity = {"full": context, "sliding": window}
    return sum(
        2 * layer.kv_heads * layer.head_dim * capacity[str(layer.kind)] * itemsize for layer in config.text.layers
    )


def graphs_of(config: ModelConfig) -> Iterator[str]:
    """The graphs that become engines, in the order of building."""
    if config.vision is not None:
        yield "vision"
    yield from ("embed", "backbone", "head", "head_with_logits")
