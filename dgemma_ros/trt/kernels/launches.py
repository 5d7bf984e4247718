"""How each kernel is launched where no TensorRT does it: entry point, grid, numbers and outputs for given sizes.

For tests and benchmarks; :mod:`dgemma_ros.trt.plugins` says the same to TensorRT in its own symbols.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from dgemma_ros.trt import kernels

TILE: Final = 64
"""Rows of weights a block of the experts' kernels, queries a block of attention's."""
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Launch:
    """A kernel takes its inputs, the numbers as int32, then its outputs."""

    source: str
    entry: str
    grid: tuple[int, int, int]
    threads: int
    numbers: tuple[int, ...]
    outputs: tuple[tuple[Shape, str], ...]
    """Shape and type of each output: bfloat16, float32, int32 or int64."""


def _blocks(count: int, size: int = TILE) -> int:
    return -(-count // size)


def route(rows: int, top_k: int, experts: int, index: str = "i64") -> Launch:
    """index → offsets [E + 1], pairs [S·k]."""
    pairs = rows * top_k
    outputs = (((experts + 1,), "int32"), ((pairs,), "int32"))
    return Launch(kernels.ROUTE, f"dgemma_route_{index}", (1, 1, 1), 1024, (pairs, experts), outputs)


def up(rows: int, top_k: int, experts: int, hidden: int, inner: int, weights: str) -> Launch:
    """x, offsets, pairs, gate_up (nvfp4: and its scales and globals) → inner [S·k, I]; ``weights``: bf16 or nvfp4."""
    grid, numbers = (_blocks(inner, TILE // 2), experts, 1), (hidden, inner, top_k)
    outputs = (((rows * top_k, inner), "bfloat16"),)
    return Launch(kernels.EXPERTS, f"dgemma_experts_up_{weights}", grid, 128, numbers, outputs)


def down(rows: int, top_k: int, experts: int, hidden: int, inner: int, weights: str) -> Launch:
    """inner, offsets, pairs, down (nvfp4: and its scales and globals) → out [S·k, H]."""
    outputs = (((rows * top_k, hidden), "bfloat16"),)
    grid, numbers = (_blocks(hidden), experts, 1), (hidden, inner)
    return Launch(kernels.EXPERTS, f"dgemma_experts_down_{weights}", grid, 128, numbers, outputs)


def combine(rows: int, top_k: int, hidden: int, weights: str = "f32") -> Launch:
    """out, weights [S, k] → y [S, H]; ``weights``: f32 or bf16."""
    threads = min(512, 32 * _blocks(hidden, 256))
    outputs = (((rows, hidden), "bfloat16"),)
    return Launch(kernels.ROUTE, f"dgemma_combine_{weights}", (rows, 1, 1), threads, (hidden, top_k), outputs)


@dataclass(frozen=True)
class Heads:
    """Sizes of one layer's attention."""

    heads: int
    kv_heads: int
    size: int
    rows: int
    capacity: int

    @property
    def threads(self) -> int:
        """Of a block."""
        return 256 if self.size == 512 else 128

    @property
    def tiles(self) -> int:
        """Blocks that share a head of keys."""
        return _blocks(self.rows * (self.heads // self.kv_heads))


def attention(sizes: Heads, firsts: int) -> Launch:
    """query, keys, values, first, last → y [1, heads, S, D]; ``firsts``: how many numbers ``first`` has."""
    numbers = (sizes.heads, sizes.kv_heads, sizes.rows, sizes.capacity, firsts)
    outputs = (((1, sizes.heads, sizes.rows, sizes.size), "bfloat16"),)
    grid = (sizes.tiles, sizes.kv_heads, 1)
    return Launch(kernels.ATTENTION, f"dgemma_attention_{sizes.size}", grid, sizes.threads, numbers, outputs)


def attention_split(sizes: Heads, firsts: int, splits: int, enough: int) -> Launch:
    """As :func:`attention` → partial [splits, heads, S, D], stats [splits, heads, S, 2].

    ``enough``: from so many blocks on, one split does all.
    """
    whole = attention(sizes, firsts)
    shape = (splits, sizes.heads, sizes.rows)
    outputs = (((*shape, sizes.size), "float32"), ((*shape, 2), "float32"))
    grid = (sizes.tiles, sizes.kv_heads, splits)
    entry = f"dgemma_attention_split_{sizes.size}"
    return Launch(kernels.ATTENTION, entry, grid, sizes.threads, (*whole.numbers, enough), outputs)


def attention_merge(sizes: Heads, splits: int) -> Launch:
    """partial, stats → y [1, heads, S, D]."""
    queries = sizes.heads * sizes.rows
    outputs = (((1, sizes.heads, sizes.rows, sizes.size), "bfloat16"),)
    numbers = (queries, sizes.size, splits)
    return Launch(kernels.ATTENTION, "dgemma_attention_merge", (_blocks(queries, 4), 1, 1), 128, numbers, outputs)


def row_stats(rows: int, vocab: int, sets: int, softcap: float, logits: str, threads: int = 512) -> Launch:
    """over_cap, temperature, uniform, allowed, allowed_row → argmax, drawn, entropy, largest, total.

    ``sets``: how many numbers ``allowed_row`` has; ``logits``: f32, f16 or bf16.
    """
    numbers = (vocab, *kernels.cdf_blocks(vocab), sets, kernels.float_bits(softcap))
    kinds = (
        ((rows,), "int64"),
        ((rows,), "int64"),
        ((rows,), "float32"),
        ((rows, 1), "float32"),
        ((rows, 1), "float32"),
    )
    return Launch(kernels.ROW_STATS, f"dgemma_row_stats_{logits}", (rows, 1, 1), threads, numbers, kinds)


def canvas_update(count: int) -> Launch:
    """As :mod:`dgemma_ros.graphs.diffusion` says; arrays [C]."""
    kinds: list[tuple[Any, str]] = [((count,), kind) for kind in ("int64", "int64", "int64", "float32", "bool")]
    outputs = (*kinds, ((1,), "float32"))
    return Launch(kernels.CANVAS_UPDATE, "dgemma_canvas_update", (1, 1, 1), 32 * _blocks(count, 32), (count,), outputs)
