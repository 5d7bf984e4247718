"""The vision tower: patches of one picture → soft tokens in the language model's space."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto

from dgemma_ros.checkpoint.config import ModelConfig, VisionConfig
from dgemma_ros.graphs.builder import FLOAT, INT64, GraphBuilder
from dgemma_ros.graphs.layers import gated_mlp, heads_first, merge_heads, rms_norm, split_heads

TOWER = "model.encoder.vision_tower"
PROJECTION = "model.encoder.embed_vision.embedding_projection.weight"


def _axial_rope(b: GraphBuilder, x: str, tables: list[str], name: str) -> str:
    """Rotates the first half of each head by x and the second by y; ``x`` is [1, heads, P, D]."""
    cos_x, sin_x, cos_y, sin_y = tables
    by_x, by_y = b.add("Split", x, name=f"{name}/halves", outputs=2, num_outputs=2, axis=-1)
    by_x = b.add("RotaryEmbedding", by_x, cos_x, sin_x, name=f"{name}/rope_x")
    by_y = b.add("RotaryEmbedding", by_y, cos_y, sin_y, name=f"{name}/rope_y")
    return str(b.add("Concat", by_x, by_y, name=f"{name}/rope", axis=-1))


def _attention(b: GraphBuilder, x: str, v: VisionConfig, tables: list[str], prefix: str) -> str:
    def projected(name: str, heads: int, norm_weight: str | None) -> str:
        rows = b.linear(x, f"{prefix}.{name}_proj.linear.weight", heads * v.head_dim, v.hidden_size, f"{name}_proj")
        return rms_norm(
            b, split_heads(b, rows, heads, v.head_dim, name), v.head_dim, v.rms_norm_eps, f"{name}_norm", norm_weight
        )

    query = heads_first(b, projected("q", v.heads, f"{prefix}.q_norm.weight"), "q")
    key = heads_first(b, projected("k", v.kv_heads, f"{prefix}.k_norm.weight"), "k")
    value = heads_first(b, projected("v", v.kv_heads, None), "v")
    query, key = _axial_rope(b, query, tables, "q"), _axial_rope(b, key, tables, "k")
    y = b.add("Attention", query, key, value, name="attend", scale=1.0, softmax_precision=FLOAT)
    y = merge_heads(b, y, v.heads, v.head_dim)
    return b.linear(y, f"{prefix}.o_proj.linear.weight", v.hidden_size, v.heads * v.head_dim, "o_proj")


def vision(config: ModelConfig, dtype: int = FLOAT) -> ModelProto:
    """One picture, unpadded, its patches grouped by pooling cell → ``soft_tokens`` [n, H].

    Inputs: ``patches`` [P, 3·patch²] in 0 … 1, ``positions`` [P, 2] (x, y), and the rotary tables
    ``cos_x``/``sin_x``/``cos_y``/``sin_y`` [1, P, D/4]. Attention does not mind the order of the patches; with the
    pooling² patches of a cell side by side, pooling is a mean over a reshaped axis.
    """
    v = config.vision
    if v is None:
        raise ValueError("this model has no vision tower")
    b = GraphBuilder("vision", dtype)
    patches = b.input("patches", FLOAT, ("patches", v.patch_dim))
    positions = b.input("positions", INT64, ("patches", 2))
    quarter = v.head_dim // 4
    tables = [
        b.cast(b.input(name, FLOAT, (1, "patches", quarter)), dtype, f"{name}_cast")
        for name in ("cos_x", "sin_x", "cos_y", "sin_y")
    ]
    with b.scope("patch_embedder"):
        pixels = b.add("Mul", b.add("Sub", patches, b.constant(0.5), name="centre"), b.constant(2.0), name="pixels")
        pixels = b.cast(pixels, dtype, "pixels_cast")
        x = b.linear(pixels, f"{TOWER}.patch_embedder.input_proj.weight", v.hidden_size, v.patch_dim, "input_proj")
        table = b.weight(f"{TOWER}.patch_embedder.position_embedding_table", (2, v.position_table, v.hidden_size))
        # The two tables as one, rows of y behind rows of x: a reshape is free where a slice would be copied.
        table = b.reshape(table, (2 * v.position_table, v.hidden_size), "table")
        rows = b.add("Add", positions, b.constant(np.array([[0, v.position_table]])), name="table_rows")
        both = b.add("Gather", table, rows, name="position_embeddings")
        x = b.add("Add", x, b.add("ReduceSum", both, b.constant([1]), name="positions", keepdims=0), name="embedded")

    for index in range(v.layers):
        prefix = f"{TOWER}.encoder.layers.{index}"

        def norm(value: str, which: str, prefix: str = prefix) -> str:
            return rms_norm(b, value, v.hidden_size, v.rms_norm_eps, which, f"{prefix}.{which}.weight")

        with b.scope(f"layers.{index}"):
            y = _attention(b, norm(x, "input_layernorm"), v, tables, f"{prefix}.self_attn")
            x = b.add("Add", x, norm(y, "post_attention_layernorm"), name="residual")
            y = norm(x, "pre_feedforward_layernorm")
            y = gated_mlp(b, y, v.hidden_size, v.intermediate_size, f"{prefix}.mlp", "linear.weight")
            x = b.add("Add", x, norm(y, "post_feedforward_layernorm"), name="out")

    with b.scope("pooler"):
        x = b.cast(x, FLOAT, "rows_f32")
        cells = b.reshape(x, (-1, v.pooling**2, v.hidden_size), "cells")
        x = b.add("ReduceMean", cells, b.constant([1]), name="mean", keepdims=0)
        x = b.add("Mul", x, b.constant(v.hidden_size**0.5), name="scale")
        if v.standardize:
            bias, scale = (b.weight(f"{TOWER}.{name}", (v.hidden_size,)) for name in ("std_bias", "std_scale"))
            x = b.add("Sub", x, b.cast(bias, FLOAT, "std_bias_f32"), name="debiased")
            x = b.add("Mul", x, b.cast(scale, FLOAT, "std_scale_f32"), name="standardised")
        x = b.cast(x, dtype, "pooled")
    x = rms_norm(b, x, v.hidden_size, v.rms_norm_eps, "projection_norm")
    x = b.linear(x, PROJECTION, config.text.hidden_size, v.hidden_size, "projection")
    b.output(x, "soft_tokens", dtype, ("soft_tokens", config.text.hidden_size))
    return b.model()
