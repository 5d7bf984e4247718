"""The parts that several graphs are made of: norms, gated MLP, heads."""

from __future__ import annotations

import numpy as np

from dgemma_ros.graphs.builder import FLOAT, GraphBuilder


def rms_norm(
    b: GraphBuilder, x: str, size: int, eps: float, name: str, weight: str | None = None, dtype: int | None = None
) -> str:
    """``x * (mean(x²) + eps)^-½ [* weight]`` over the last axis, computed in float32 whatever the type of ``x``.

    float16 overflows on this family's norm weights, hence ``stash_type``. ``dtype``: of ``x``, else the graph's.
    """
    scale = b.weight(weight, (size,), dtype) if weight else b.constant(np.ones(1), dtype or b.dtype)
    if not weight:
        scale = b.add("Expand", scale, b.constant([size]), name=f"{name}/ones")
    return str(b.add("RMSNormalization", x, scale, name=name, axis=-1, epsilon=eps, stash_type=FLOAT))


def gated_mlp(b: GraphBuilder, x: str, hidden: int, inner: int, prefix: str, suffix: str = "weight") -> str:
    """``down(gelu_tanh(gate(x)) * up(x))`` on rows [S, hidden]."""
    gate = b.linear(x, f"{prefix}.gate_proj.{suffix}", inner, hidden, "gate_proj")
    up = b.linear(x, f"{prefix}.up_proj.{suffix}", inner, hidden, "up_proj")
    act = b.add("Gelu", gate, name="gelu", approximate="tanh")
    product = b.add("Mul", act, up, name="product")
    return b.linear(product, f"{prefix}.down_proj.{suffix}", hidden, inner, "down_proj")


def split_heads(b: GraphBuilder, rows: str, heads: int, dim: int, name: str) -> str:
    """[S, heads·dim] → [1, S, heads, dim], the layout in which heads are normed."""
    return b.reshape(rows, (1, -1, heads, dim), f"{name}/split_heads")


def heads_first(b: GraphBuilder, x: str, name: str) -> str:
    """[1, S, heads, dim] → [1, heads, S, dim], the layout of attention and cache."""
    return str(b.add("Transpose", x, name=f"{name}/heads_first", perm=[0, 2, 1, 3]))


def merge_heads(b: GraphBuilder, x: str, heads: int, dim: int) -> str:
    """[1, heads, S, dim] → [S, heads·dim]."""
    x = b.add("Transpose", x, name="heads_last", perm=[0, 2, 1, 3])
    return b.reshape(x, (-1, heads * dim), "merge_heads")
