"""How many bytes a denoising step must read, from the configuration alone: the bound that no engine beats.

Every weight of the text model is read once a step, and the embedding table twice: by the head, and by the soft
embedding that conditions the next step. Of the experts, as many as the canvas can be routed to: all, in any model whose
canvas has as many tokens as it has experts over experts a token (256 tokens of 8 experts each reach 128 of them).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from dgemma_ros.checkpoint.architecture import LayerKind, ModelConfig
from dgemma_ros.checkpoint.weights import DECODER, EMBEDDING, expected_shapes

BITS = {"float32": 32.0, "bfloat16": 16.0, "float16": 16.0, "nvfp4": 4.5}
"""A value's bits; NVFP4 has an eight-bit scale for every 16 values of four bits."""


@dataclass(frozen=True)
class StepTraffic:
    """Bytes read by one denoising step."""

    experts: float
    dense: float
    """Attention, the dense MLPs, routers, norms and self-conditioning."""
    embedding: float
    cache: float
    conditioning: float = 0.0
    """Of ``dense``: the self-conditioning, which is not the backbone's."""

    @property
    def total(self) -> float:
        """All of it."""
        return self.experts + self.dense + self.embedding + self.cache

    @property
    def parts(self) -> dict[str, float]:
        """All of it by the graph that reads it. Of the table, embed reads a canvas's rows, which are not counted."""
        backbone = self.experts + self.dense - self.conditioning + self.cache
        return {"embed": self.conditioning, "backbone": backbone, "head": self.embedding}


def step_traffic(
    config: ModelConfig, context: int = 0, dtype: str = "bfloat16", experts: str | None = None, cache: str = "bfloat16"
) -> StepTraffic:
    """The bytes that a step reads behind ``context`` cached tokens; types are keys of ``BITS``."""
    sizes = {name: prod(shape) for name, shape in expected_shapes(config).items() if name.startswith(DECODER)}
    routed = sum(size for name, size in sizes.items() if ".experts." in name)
    table = sizes[EMBEDDING]
    dense = sum(sizes.values()) - routed - table
    conditioning = sum(size for name, size in sizes.items() if ".self_conditioning." in name)
    reached = min(1.0, config.canvas_length * config.text.top_k / config.text.experts)
    kept = {LayerKind.FULL: context, LayerKind.SLIDING: min(context, config.text.sliding_window - 1)}
    rows = sum(2 * layer.kv_heads * layer.head_dim * kept[layer.kind] for layer in config.text.layers)
    return StepTraffic(
        experts=reached * routed * BITS[experts or dtype] / 8,
        dense=dense * BITS[dtype] / 8,
        embedding=2 * table * BITS[dtype] / 8,
        cache=rows * BITS[cache] / 8,
        conditioning=conditioning * BITS[dtype] / 8,
    )


def vision_traffic(config: ModelConfig, dtype: str = "bfloat16") -> float:
    """The bytes of weights that one picture reads; 0 without a vision tower."""
    sizes = {name: prod(shape) for name, shape in expected_shapes(config).items()}
    return sum(size for name, size in sizes.items() if "vision" in name) * BITS[dtype] / 8
