"""Attention over a cache of fixed capacity that is written in place.

Each layer's cache is [1, kv, T, D]. New rows are scattered in behind the rows that are there; a denoising step
writes its canvas behind the length, where the next write overwrites it, so nothing is committed and nothing copied.

What a query may see is always one interval of cache slots: causal text, a window, an image whose soft tokens see
one another, a canvas that sees everything. So the mask is made from two integers a row, the graph does not know
whether it encodes or denoises, and the two published conventions of the vision mask are the host's business.
"""

from __future__ import annotations

from dataclasses import dataclass

from dgemma_ros.checkpoint.config import LayerConfig, LayerKind, TextConfig
from dgemma_ros.graphs.builder import FLOAT, INT64, GraphBuilder
from dgemma_ros.graphs.layers import heads_first, merge_heads, rms_norm, split_heads


@dataclass(frozen=True)
class KindInputs:
    """The inputs that all layers of one kind share, and the mask made of them."""

    cos: str
    sin: str
    write: str
    mask: str


def declare_cache(b: GraphBuilder, layer: LayerConfig) -> tuple[str, str]:
    """Declares one layer's cache inputs, [1, kv, T, D] with T the capacity of the layer's kind."""
    shape = (1, layer.kv_heads, f"{layer.kind}_capacity", layer.head_dim)
    key, value = layer.cache_names
    return b.input(key, b.dtype, shape), b.input(value, b.dtype, shape)


def declare_kind(b: GraphBuilder, kind: LayerKind, config: TextConfig, a_key: str) -> KindInputs:
    """Declares rotary tables, write position and visible interval of one kind of layer, and builds its mask.

    ``{kind}_first`` and ``{kind}_last`` are the first and last visible cache slot of each row; full layers see
    from slot 0. ``a_key`` is a cache of this kind, whose capacity the mask spans.
    """
    half = config.rope[kind].head_dim // 2
    cos = b.input(f"cos_{kind}", FLOAT, (1, "rows", half))
    sin = b.input(f"sin_{kind}", FLOAT, (1, "rows", half))
    write = b.input(f"write_{kind}", INT64, (1,))
    last = b.input(f"last_{kind}", INT64, ("rows",))
    with b.scope(f"mask_{kind}"):
        capacity = b.add("Shape", a_key, name="capacity", start=2, end=3)
        capacity = b.add("Squeeze", capacity, name="capacity_scalar")
        slots = b.add("Range", b.constant(0), capacity, b.constant(1), name="slots")
        axis = b.constant([1])
        visible = b.add("LessOrEqual", slots, b.add("Unsqueeze", last, axis, name="last"), name="not_after")
        if kind is LayerKind.SLIDING:
            first = b.add("Unsqueeze", b.input(f"first_{kind}", INT64, ("rows",)), axis, name="first")
            visible = b.add("And", visible, b.add("GreaterOrEqual", slots, first, name="not_before"), name="visible")
        mask = b.add("Unsqueeze", visible, b.constant([0, 1]), name="mask")
    return KindInputs(b.cast(cos, b.dtype, f"cos_{kind}_cast"), b.cast(sin, b.dtype, f"sin_{kind}_cast"), write, mask)


def attention(
    b: GraphBuilder,
    x: str,
    layer: LayerConfig,
    config: TextConfig,
    shared: KindInputs,
    cache: tuple[str, str],
    prefix: str,
) -> tuple[str, str, str]:
    """Attention of the normed rows ``x`` [S, H]: the projected output [S, H], and the updated key and value cache.

    On full layers the values are the raw key projection, normed without weight; there is no ``v_proj``.
    """
    dim, kv, eps = layer.head_dim, layer.kv_heads, config.rms_norm_eps

    def rotated(rows: str, heads: int, name: str) -> str:
        normed = rms_norm(
            b, split_heads(b, rows, heads, dim, name), dim, eps, f"{name}_norm", f"{prefix}.{name}_norm.weight"
        )
        return str(b.add("RotaryEmbedding", heads_first(b, normed, name), shared.cos, shared.sin, name=f"{name}_rope"))

    query = rotated(
        b.linear(x, f"{prefix}.q_proj.weight", config.heads * dim, config.hidden_size, "q_proj"), config.heads, "q"
    )
    key_rows = b.linear(x, f"{prefix}.k_proj.weight", kv * dim, config.hidden_size, "k_proj")
    value_rows = key_rows
    if layer.has_v_proj:
        value_rows = b.linear(x, f"{prefix}.v_proj.weight", kv * dim, config.hidden_size, "v_proj")
    key = rotated(key_rows, kv, "k")
    value = heads_first(b, rms_norm(b, split_heads(b, value_rows, kv, dim, "v"), dim, eps, "v_norm"), "v")

    keys = b.add("TensorScatter", cache[0], key, shared.write, name="write_key", axis=-2)
    values = b.add("TensorScatter", cache[1], value, shared.write, name="write_value", axis=-2)
    # The reference's scaling is 1: q_norm and k_norm carry it.
    y = b.add("Attention", query, keys, values, shared.mask, name="attend", scale=1.0, softmax_precision=FLOAT)
    y = merge_heads(b, y, config.heads, dim)
    return b.linear(y, f"{prefix}.o_proj.weight", config.hidden_size, config.heads * dim, "o_proj"), keys, values


def declare_cache_outputs(b: GraphBuilder, layer: LayerConfig, updated: tuple[str, str]) -> None:
    """Declares the updated caches, to be bound to the very buffers of the inputs."""
    shape = (1, layer.kv_heads, f"{layer.kind}_capacity", layer.head_dim)
    for name, value in zip(layer.cache_names, updated, strict=True):
        b.output(value, f"{name}_out", b.dtype, shape)
