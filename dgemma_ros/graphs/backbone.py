"""The backbone: one stack of layers that encodes and denoises; only ``layer_scalar`` and the host's integers differ."""

from __future__ import annotations

from onnx import ModelProto

from dgemma_ros.checkpoint.config import LayerConfig, LayerKind, ModelConfig, TextConfig
from dgemma_ros.graphs.attention import KindInputs, attention, declare_cache, declare_cache_outputs, declare_kind
from dgemma_ros.graphs.builder import FLOAT, GraphBuilder
from dgemma_ros.graphs.experts import experts, router
from dgemma_ros.graphs.layers import gated_mlp, rms_norm

DECODER = "model.decoder"


def _layer(
    b: GraphBuilder,
    x: str,
    layer: LayerConfig,
    config: TextConfig,
    shared: KindInputs,
    cache: tuple[str, str],
    scalar: str,
) -> tuple[str, tuple[str, str]]:
    """One layer on rows [S, H]: its output and its updated cache."""
    prefix = f"{DECODER}.layers.{layer.index}"

    def norm(value: str, which: str) -> str:
        return rms_norm(b, value, config.hidden_size, config.rms_norm_eps, which, f"{prefix}.{which}.weight")

    with b.scope("attention"):
        attended, key, value = attention(
            b, norm(x, "input_layernorm"), layer, config, shared, cache, f"{prefix}.self_attn"
        )
        residual = b.add("Add", x, norm(attended, "post_attention_layernorm"), name="residual")
    with b.scope("mlp"):
        dense = gated_mlp(
            b,
            norm(residual, "pre_feedforward_layernorm"),
            config.hidden_size,
            config.intermediate_size,
            f"{prefix}.mlp",
        )
        dense = norm(dense, "post_feedforward_layernorm_1")
    with b.scope("experts"):
        weights, index = router(b, residual, config, f"{prefix}.router")
        mixed = experts(b, norm(residual, "pre_feedforward_layernorm_2"), weights, index, config, f"{prefix}.experts")
        mixed = norm(mixed, "post_feedforward_layernorm_2")
    both = norm(b.add("Add", dense, mixed, name="feedforward"), "post_feedforward_layernorm")
    total = b.add("Add", residual, both, name="sum")
    return b.add("Mul", total, scalar, name="out"), (key, value)


def backbone(config: ModelConfig, dtype: int = FLOAT) -> ModelProto:
    """Rows in, rows out, with the cache updated in place; the final norm belongs to the head.

    Inputs: ``inputs_embeds`` [1, S, H]; ``layer_scalars`` [L]; ``cos_*``/``sin_*`` [1, S, D/2], ``write_*`` [1],
    ``last_*`` [S] for each kind of layer and ``first_sliding`` [S] (see :mod:`dgemma_ros.graphs.attention`);
    ``key_N``/``value_N`` [1, kv, T, D].
    Outputs: ``hidden`` [1, S, H]; ``key_N_out``/``value_N_out``, to be bound to the inputs' buffers.
    """
    text = config.text
    b = GraphBuilder("backbone", dtype)
    embeds = b.input("inputs_embeds", dtype, (1, "rows", text.hidden_size))
    scalars = b.input("layer_scalars", FLOAT, (len(text.layers),))
    caches = {layer.index: declare_cache(b, layer) for layer in text.layers}
    shared: dict[LayerKind, KindInputs] = {}
    for layer in text.layers:
        if layer.kind not in shared:
            shared[layer.kind] = declare_kind(b, layer.kind, text, caches[layer.index][0])
    split = b.add("Split", scalars, name="scalars", outputs=len(text.layers), num_outputs=len(text.layers))
    split = (split,) if isinstance(split, str) else split

    x = b.reshape(embeds, (-1, text.hidden_size), "rows")
    updated: dict[int, tuple[str, str]] = {}
    for layer in text.layers:
        with b.scope(f"layers.{layer.index}"):
            scalar = b.cast(split[layer.index], dtype, "scalar")
            x, updated[layer.index] = _layer(b, x, layer, text, shared[layer.kind], caches[layer.index], scalar)
    b.output(b.reshape(x, (1, -1, text.hidden_size), "hidden_rows"), "hidden", dtype, (1, "rows", text.hidden_size))
    for layer in text.layers:
        declare_cache_outputs(b, layer, updated[layer.index])
    return b.model()
