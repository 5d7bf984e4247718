"""How the two costly parts of the backbone, experts and attention, are computed on one target.

A recipe asks for kernels of our own or for TensorRT's layers. Kernels are made for the sizes and the type of real
models; for one that they do not take, the nano checkpoint among them, TensorRT's layers are used all the same, and the
reason is told and kept in ``engine.json``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dgemma_ros.checkpoint.config import ModelConfig
from dgemma_ros.trt import plugin_contracts
from dgemma_ros.trt.targets import Target


@dataclass(frozen=True)
class Forms:
    """What was chosen."""

    experts: str
    """``plugins`` or ``dense``, as in a recipe."""
    attention: str
    """``plugin`` or ``tensorrt``, as in a recipe."""
    packed: bool
    """Whether the experts' weights are the checkpoint's NVFP4 bytes."""
    reasons: tuple[str, ...] = field(default=())
    """Why something is not as the recipe asks, a line each."""


Refusals = Callable[[ModelConfig, str, bool], tuple[str | None, str | None]]
"""Why a compiler's plugins cannot take a model's experts, and its attention, in a type (packed or not); None each."""


def plugin_refusals(config: ModelConfig, dtype: str, packed: bool) -> tuple[str | None, str | None]:
    """What our CUDA kernels do not take. See :data:`Refusals`."""
    text = config.text
    if dtype != "bfloat16":
        reason = f"the kernels are for bfloat16, not {dtype}"
        return reason, reason
    experts = plugin_contracts.refused_experts(
        text.hidden_size, text.expert_intermediate_size, text.experts, text.top_k, packed
    )
    heads = (plugin_contracts.refused_attention(text.heads, layer.kv_heads, layer.head_dim) for layer in text.layers)
    return experts, next((reason for reason in heads if reason), None)


def choose(target: Target, config: ModelConfig, packed: bool, refusals: Refusals = plugin_refusals) -> Forms:
    """The forms for a model on a target; ``packed``: the checkpoint's experts are NVFP4."""
    experts, attention, reasons = target.experts, target.attention, []
    no_experts, no_attention = refusals(config, target.dtype, packed)
    if experts == "plugins" and no_experts:
        experts = "dense"
        reasons.append(f"experts are dense: {no_experts}")
    if attention == "plugin" and no_attention:
        attention = "tensorrt"
        reasons.append(f"attention is TensorRT's: {no_attention}")
    return Forms(experts, attention, packed and experts == "plugins", tuple(reasons))
