"""What each plugin takes and gives: the contract between the rewritten graphs and the kernels.

Every call carries :data:`ATTRIBUTES` and nothing else; the model's constants reach the kernels through
:class:`dgemma_ros.trt.plugins.Sizes`. Weights are inputs, so that engines stay small and all profiles share one copy.

========================  ==========================================================  ==================================
plugin                    inputs                                                      outputs
========================  ==========================================================  ==================================
DGemmaRowStats            over_cap f32|f16|bf16 [C, V], temperature f32 [1],          argmax, drawn int64 [C],
                          uniform f32 [C], allowed bool [G, V],                       entropy f32 [C],
                          allowed_row int64 [C] or [1]                                largest, total f32 [C, 1]
DGemmaCanvasUpdate        argmax, drawn int64 [C], entropy f32 [C],                   next_canvas, argmax_out, drawn_out
                          random_tokens int64 [C], entropy_bound f32 [1],             int64 [C], entropy_out f32 [C],
                          pin bool [C], pin_ids int64 [C]                             accepted bool [C],
                                                                                      mean_entropy f32 [1]
DGemmaRoute               index int64|int32 [S, k]                                    offsets int32 [E + 1],
                                                                                      pairs int32 [S·k]
DGemmaExpertsUp           x bf16 [S, H], offsets, pairs, gate_up bf16 [E, 2I, H]      inner bf16 [S·k, I]
DGemmaExpertsUpNvfp4      x bf16 [S, H], offsets, pairs, gate_up int32 [E, 2I, H/8],  inner bf16 [S·k, I]
                          gate_up_scale int32 [E, 2I, H/64],
                          gate_up_global f32 [E, 2]
DGemmaExpertsDown         inner, offsets, pairs, down bf16 [E, H, I]                  out bf16 [S·k, H]
DGemmaExpertsDownNvfp4    inner, offsets, pairs, down int32 [E, H, I/8],              out bf16 [S·k, H]
                          down_scale int32 [E, H, I/64], down_global f32 [E, 1]
DGemmaExpertsCombine      out bf16 [S·k, H], weights f32|bf16 [S, k]                  y bf16 [S, H]
DGemmaAttention           query bf16 [1, heads, S, D], keys, values bf16              y bf16 [1, heads, S, D]
                          [1, kv, T, D], first int64 [S] or [1], last int64 [S]
DGemmaAttentionSplit      as DGemmaAttention                                          partial f32 [splits, heads, S, D],
                                                                                      stats f32 [splits, heads, S, 2]
DGemmaAttentionMerge      partial, stats                                              y bf16 [1, heads, S, D]
========================  ==========================================================  ==================================

C: canvas length; V: vocabulary; G: sets of allowed tokens; S: rows; k: experts a row; E: experts; H: hidden size; I: an
expert's inner size; T: capacity of the cache; D: head size.

**Experts.** ``index``, ``weights`` and ``x`` are the inputs of the local function DGemmaExperts, ``y`` its output. The
int32 tensors are the checkpoint's own bytes, four to a number: ``weight`` U8 [.., out, in/2] and ``weight_scale``
F8_E4M3 [.., out, in/16] as :class:`dgemma_ros.checkpoint.nvfp4.PackedExperts` stacks them (gate rows, then up rows),
and ``weight_scale_2``. ``pairs`` lists row·k + slot by expert, each expert's in ascending order; ``offsets`` says where
an expert's begin.

**Attention.** Row r sees slots ``first[r] … last[r]``, both ends included, of keys and values *after* TensorScatter; a
``first`` of one number holds for all rows (full layers: 0). Scores are not scaled. The split form is for devices with
more multiprocessors than a canvas has tiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dgemma_ros.graphs.builder import PLUGIN
from dgemma_ros.graphs.diffusion import (
    CANVAS_UPDATE_INPUTS,
    CANVAS_UPDATE_OUTPUTS,
    ROW_STATS_INPUTS,
    ROW_STATS_OUTPUTS,
)

ROW_STATS: Final = "DGemmaRowStats"
CANVAS_UPDATE: Final = "DGemmaCanvasUpdate"
ROUTE: Final = "DGemmaRoute"
UP: Final = "DGemmaExpertsUp"
UP_NVFP4: Final = "DGemmaExpertsUpNvfp4"
DOWN: Final = "DGemmaExpertsDown"
DOWN_NVFP4: Final = "DGemmaExpertsDownNvfp4"
COMBINE: Final = "DGemmaExpertsCombine"
ATTENTION: Final = "DGemmaAttention"
ATTENTION_SPLIT: Final = "DGemmaAttentionSplit"
ATTENTION_MERGE: Final = "DGemmaAttentionMerge"

ATTRIBUTES: Final = {**PLUGIN, "aot": 1}
"""What a node carries that TensorRT's parser shall take as one of these."""

_ROUTED: Final = ("offsets", "pairs")
_VISIBLE: Final = ("query", "keys", "values", "first", "last")
INPUTS: Final[Mapping[str, tuple[str, ...]]] = {
    ROW_STATS: ROW_STATS_INPUTS,
    CANVAS_UPDATE: CANVAS_UPDATE_INPUTS,
    ROUTE: ("index",),
    UP: ("x", *_ROUTED, "gate_up"),
    UP_NVFP4: ("x", *_ROUTED, "gate_up", "gate_up_scale", "gate_up_global"),
    DOWN: ("inner", *_ROUTED, "down"),
    DOWN_NVFP4: ("inner", *_ROUTED, "down", "down_scale", "down_global"),
    COMBINE: ("out", "weights"),
    ATTENTION: _VISIBLE,
    ATTENTION_SPLIT: _VISIBLE,
    ATTENTION_MERGE: ("partial", "stats"),
}
"""Each plugin's inputs, in order."""
OUTPUTS: Final[Mapping[str, tuple[str, ...]]] = {
    ROW_STATS: ROW_STATS_OUTPUTS,
    CANVAS_UPDATE: CANVAS_UPDATE_OUTPUTS,
    ROUTE: _ROUTED,
    **dict.fromkeys((UP, UP_NVFP4), ("inner",)),
    **dict.fromkeys((DOWN, DOWN_NVFP4), ("out",)),
    COMBINE: ("y",),
    ATTENTION: ("y",),
    ATTENTION_SPLIT: ("partial", "stats"),
    ATTENTION_MERGE: ("y",),
}
"""Each plugin's outputs, in order."""
NAMES: Final = tuple(INPUTS)

HEAD_SIZES: Final = (32, 64, 128, 256, 512)
"""Head sizes that the attention kernels are compiled for."""
MAX_EXPERTS: Final = 256
MAX_TOP_K: Final = 32


def refused_experts(hidden: int, inner: int, experts: int, top_k: int, packed: bool) -> str | None:
    """Why the experts' plugins cannot take these sizes, or None. Rows of weights are read in pieces of 16 bytes."""
    unit = 64 if packed else 8
    for name, size in (("hidden size", hidden), ("experts' inner size", inner)):
        if size % unit:
            return f"{name} {size} is no multiple of {unit}"
    if experts > MAX_EXPERTS or top_k > min(MAX_TOP_K, experts):
        return f"{experts} experts, {top_k} a row, are more than {MAX_EXPERTS} and {MAX_TOP_K}"
    return None


def refused_attention(heads: int, kv_heads: int, head_size: int) -> str | None:
    """Why the attention plugins cannot take these heads, or None."""
    if head_size not in HEAD_SIZES:
        return f"head size {head_size} is none of {', '.join(map(str, HEAD_SIZES))}"
    if heads % kv_heads:
        return f"{heads} query heads do not divide by {kv_heads} heads of keys"
    return None
