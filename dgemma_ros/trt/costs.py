"""What a model costs on a target, told before anything is built: from the configuration and the recipe alone.

Bytes are counted; times are those bytes over the maker's bandwidth, a bound that no engine beats and no measurement.
The peak of a build is an estimate: builds of other models took three to four times what their engines held
(TensorRT-Edge-LLM issue 30).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from dgemma_ros.checkpoint.config import ModelConfig
from dgemma_ros.checkpoint.traffic import step_traffic, vision_traffic
from dgemma_ros.graphs.export import DTYPES, graphs
from dgemma_ros.trt import profiles, rewrite
from dgemma_ros.trt.bound_weights import is_weight
from dgemma_ros.trt.forms import Forms
from dgemma_ros.trt.targets import Target

BUILD_FACTOR: Final = 4
"""Bytes that a build takes for one byte of weights inside an engine."""
CONTEXT: Final = 8192
"""Cached tokens behind which a step's bound is told."""


@dataclass(frozen=True)
class Cache:
    """The KV cache at one capacity."""

    context: int
    """Rows of the full layers: the tokens that a context can hold."""
    nbytes: int
    fits: bool
    """Whether it fits beside the weights."""


@dataclass(frozen=True)
class Costs:
    """Bytes and milliseconds."""

    target: str
    experts: str
    attention: str
    weight_types: Mapping[str, str]
    """Of the experts, and of all else."""
    engines: Mapping[str, int]
    """Bytes of weights inside each engine."""
    bound: int
    """Bytes of weights that the engines are given: the embedding table, and the experts where plugins read them."""
    weights: int
    """Bytes of weights on the device while a session runs, each engine's own and those bound."""
    build_peak: int
    caches: tuple[Cache, ...]
    memory_limit: float
    step_bytes: Mapping[str, float]
    """What a step must read, by what it is."""
    step_ms: Mapping[str, float]
    """The least time of each part of a step behind ``context`` cached tokens."""
    picture_ms: float
    """The least time of the vision tower's weights for one picture."""
    context: int
    dense_extra_ms: float
    """What the dense experts' intermediates add, written and read; 0 with plugins."""

    @property
    def in_engines(self) -> int:
        """Bytes of weights in all engines: about what they take on the disk."""
        return sum(self.engines.values())

    @property
    def smallest(self) -> int:
        """Bytes that a session with the smallest context takes."""
        return self.weights + self.caches[0].nbytes

    @property
    def fits(self) -> bool:
        """Whether the smallest context fits."""
        return self.caches[0].fits

    @property
    def least_ms(self) -> float:
        """The least time of a step."""
        return sum(self.step_ms.values()) + self.dense_extra_ms


@dataclass(frozen=True)
class Weighed:
    """Bytes of weights inside each engine, and of each that is an input."""

    engines: Mapping[str, int]
    bound: Mapping[str, int]


def weigh(config: ModelConfig, dtype: str, forms: Forms) -> Weighed:
    """Writes the model's graphs in memory to count what lies where, half a second for the released one."""
    engines: dict[str, int] = {}
    bound: dict[str, int] = {}
    for name, model in graphs(config, DTYPES[dtype]):
        rewritten = rewrite.for_tensorrt(model, forms)
        engines[name] = rewrite.weight_bytes(rewritten)
        inputs, _ = profiles.tensor_specs(rewritten)
        bound |= {name: profiles.nbytes(spec, {}) for name, spec in inputs.items() if is_weight(name)}
    return Weighed(engines, bound)


def of(config: ModelConfig, target: Target, forms: Forms, weighed: Weighed | None = None) -> Costs:
    """The costs; ``weighed``: what :func:`weigh` gives, where it is known already."""
    weighed = weighed or weigh(config, target.dtype, forms)
    outside = sum(weighed.bound.values())
    weights = sum(weighed.engines.values()) + outside
    itemsize = profiles.ITEMSIZE[target.dtype.replace("float32", "float")]
    window = target.window_buckets[0]
    caches = [(rows, profiles.cache_bytes(config, rows, window, itemsize)) for rows in profiles.buckets(config, target)]
    experts = "nvfp4" if forms.packed else target.dtype
    context = min(CONTEXT, config.text.max_positions)
    traffic = step_traffic(config, context, target.dtype, experts, cache=target.dtype)
    extra = 0.0 if forms.experts == "plugins" else 2e3 * dense_intermediates(config, itemsize) / target.bandwidth
    peak = BUILD_FACTOR * max(weighed.engines.values()) + min(target.workspace, BUILD_FACTOR * weights)
    return Costs(
        target=target.name,
        experts=forms.experts,
        attention=forms.attention,
        weight_types={"experts": experts, "other": target.dtype},
        engines=weighed.engines,
        bound=outside,
        weights=weights,
        build_peak=peak + max(weighed.bound.values()),
        caches=tuple(Cache(rows, size, weights + size <= target.memory_limit) for rows, size in caches),
        memory_limit=target.memory_limit,
        step_bytes={name: getattr(traffic, name) for name in ("experts", "dense", "embedding", "cache")},
        step_ms={part: 1e3 * size / target.bandwidth for part, size in traffic.parts.items()},
        picture_ms=1e3 * vision_traffic(config, target.dtype) / target.bandwidth,
        context=context,
        dense_extra_ms=extra,
    )


def dense_intermediates(config: ModelConfig, itemsize: int) -> int:
    """Bytes that the dense expert bodies write in a step, and as many that they read: gate and up, product, output."""
    text = config.text
    width = 3 * text.expert_intermediate_size + text.hidden_size
    return len(text.layers) * text.experts * config.canvas_length * width * itemsize
