"""The diffusion step as two local functions of standard operators: RowStats and CanvasUpdate.

ONNX Runtime inlines them; TensorRT takes plugins of the same names. ``diffusion_numpy`` says the same in numpy, to be
read; a test holds the two equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import FunctionProto, NodeProto, TensorProto, helper, numpy_helper

from dgemma_ros.graphs.builder import DOMAIN, function

MASKED = np.float32(-1e30)  # a logit that no temperature makes drawable, and that entropy can still be computed with

SCALED_INPUTS = ("over_cap", "temperature", "allowed", "allowed_row")
ROW_STATS_INPUTS = ("over_cap", "temperature", "uniform", "allowed", "allowed_row")
ROW_STATS_OUTPUTS = ("argmax", "drawn", "entropy", "largest", "total")
CANVAS_UPDATE_INPUTS = ("argmax", "drawn", "entropy", "random_tokens", "entropy_bound", "pin", "pin_ids")
CANVAS_UPDATE_OUTPUTS = ("next_canvas", "argmax_out", "drawn_out", "entropy_out", "accepted", "mean_entropy")


def _node(op: str, inputs: Sequence[str], output: str, **attributes: object) -> NodeProto:
    return helper.make_node(op, list(inputs), [output], **attributes)


def _constant(name: str, value: npt.NDArray[Any]) -> NodeProto:
    return _node("Constant", [], name, value=numpy_helper.from_array(value))


def cdf_blocks(vocab_size: int) -> tuple[int, int]:
    """How a row of the vocabulary is laid out for the two-level CDF: blocks, and tokens a block.

    The divisor nearest to the square root; where the vocabulary has none worth having, its product exceeds the
    vocabulary and the row is padded.
    """
    root = max(1, round(vocab_size**0.5))
    for size in range(root, min(vocab_size, 4 * root) + 1):
        if vocab_size % size == 0:
            return vocab_size // size, size
    return -(-vocab_size // root), root


def scaled_logits(softcap: float) -> FunctionProto:
    """``over_cap`` [C, V], logits over the softcap → ``scaled``: softcapped, over temperature, the disallowed masked.

    RowStats calls it inside and the head beside it: once both are inlined they are one common subexpression.
    """
    nodes = [
        _constant("softcap", np.array([softcap], np.float32)),
        _node("Tanh", ["over_cap"], "tanh"),
        _node("Div", ["softcap", "temperature"], "gain"),
        _node("Mul", ["tanh", "gain"], "capped"),
        # Added, not selected, and made for the few sets before it is spread over the rows: 0 changes no logit.
        _constant("masked", np.array(MASKED)),
        _constant("open", np.zeros((), np.float32)),
        _node("Where", ["allowed", "open", "masked"], "bias_of_set"),
        _node("Gather", ["bias_of_set", "allowed_row"], "bias", axis=0),
        _node("Add", ["capped", "bias"], "scaled"),
    ]
    return function("DGemmaScaledLogits", SCALED_INPUTS, ["scaled"], nodes, plugin=False)


def row_stats(softcap: float, vocab_size: int) -> FunctionProto:
    """Everything that is needed of each row of logits, so that the logits need not be kept.

    ``over_cap`` [C, V], logits divided by the softcap; ``temperature`` [1]; ``uniform`` [C] in [0, 1); ``allowed`` bool
    [G, V], the sets of tokens that may be drawn, and ``allowed_row`` int64 [C], the set of each row, or [1] for all.
    → ``argmax``, ``drawn`` int64 [C]; ``entropy`` float32 [C], nats; ``largest`` and ``total`` float32 [C, 1]: the
    largest scaled logit, and the sum of exp(scaled - largest).

    The draw inverts the CDF at two levels, summed in float64: a flat float32 CumSum over 262,144 tokens draws wrongly.
    """
    blocks, size = cdf_blocks(vocab_size)
    row, padding = "scaled", []
    if missing := blocks * size - vocab_size:
        row, pads = "padded", np.array([0, 0, 0, missing], np.int64)
        padding = [_constant("pads", pads), _node("Pad", ["scaled", "pads", "masked"], row)]
    nodes = [
        helper.make_node("DGemmaScaledLogits", SCALED_INPUTS, ["scaled"], domain=DOMAIN),
        _constant("masked", np.array(MASKED)),
        *padding,
        _constant("last_axis", np.array([-1], np.int64)),
        _constant("block_size", np.array(size, np.int64)),
        _constant("block_shape", np.array([0, blocks, size], np.int64)),
        # The largest of each block first: an ArgMax over the whole row takes longer than all the rest.
        _node("Reshape", [row, "block_shape"], "scaled_blocks"),
        _node("ReduceMax", ["scaled_blocks", "last_axis"], "block_largest", keepdims=0),
        _node("ReduceMax", ["block_largest", "last_axis"], "largest", keepdims=1),
        _node("ArgMax", ["block_largest"], "best_block", axis=-1, keepdims=1),
        _node("GatherND", ["scaled_blocks", "best_block"], "best_scaled", batch_dims=1),
        _node("ArgMax", ["best_scaled"], "best_offset", axis=-1, keepdims=0),
        _node("Squeeze", ["best_block", "last_axis"], "best_block_row"),
        _node("Mul", ["best_block_row", "block_size"], "best_start"),
        _node("Add", ["best_start", "best_offset"], "argmax"),
        # H = log Z - Σ w·c / Z over centred logits, which loses nothing where one token is almost certain.
        _node("Sub", [row, "largest"], "centred"),
        _node("Exp", ["centred"], "weight"),
        _node("Reshape", ["weight", "block_shape"], "blocks"),
        _node("ReduceSum", ["blocks", "last_axis"], "block_sums_f32", keepdims=0),
        _node("ReduceSum", ["block_sums_f32", "last_axis"], "total", keepdims=1),
        _node("Log", ["total"], "log_total"),
        _node("Mul", ["weight", "centred"], "weighted"),
        # Summed by blocks, too: one float32 sum over 262,144 tokens is off by 1e-4 nats.
        _node("Reshape", ["weighted", "block_shape"], "weighted_blocks"),
        _node("ReduceSum", ["weighted_blocks", "last_axis"], "weighted_sums", keepdims=0),
        _node("ReduceSum", ["weighted_sums", "last_axis"], "weighted_total", keepdims=1),
        _node("Div", ["weighted_total", "total"], "mean_centred"),
        _node("Sub", ["log_total", "mean_centred"], "entropy_column"),
        _node("Squeeze", ["entropy_column", "last_axis"], "entropy"),
        # The draw, level one: which block of tokens.
        _node("Cast", ["block_sums_f32"], "block_sums", to=TensorProto.DOUBLE),
        _constant("along", np.array(1, np.int64)),
        _node("CumSum", ["block_sums", "along"], "block_cdf"),
        _constant("last_block", np.array([blocks - 1], np.int64)),
        _node("Gather", ["block_cdf", "last_block"], "whole", axis=1),
        _node("Cast", ["uniform"], "uniform_f64", to=TensorProto.DOUBLE),
        _node("Unsqueeze", ["uniform_f64", "last_axis"], "uniform_column"),
        _node("Mul", ["uniform_column", "whole"], "target"),
        *_count("block_cdf", "target", "block"),
        _node("Unsqueeze", ["block", "last_axis"], "block_column"),
        _node("GatherND", ["blocks", "block_column"], "inside_f32", batch_dims=1),
        _node("Cast", ["inside_f32"], "inside", to=TensorProto.DOUBLE),
        _node("GatherElements", ["block_cdf", "block_column"], "upto", axis=1),
        _node("GatherElements", ["block_sums", "block_column"], "own_sum", axis=1),
        _node("Sub", ["upto", "own_sum"], "before"),
        # Level two: which token in the block. Whatever rounding did to the block's sum, the target is not below 0, and
        # the last token of any weight is not passed, so that one of no weight is never drawn. (No factor just below
        # one does that: ONNX Runtime removes a product with a constant so near to one.)
        _node("CumSum", ["inside", "along"], "inside_cdf"),
        _constant("last_token", np.array([size - 1], np.int64)),
        _node("Gather", ["inside_cdf", "last_token"], "inside_sum", axis=1),
        _node("Sub", ["target", "before"], "inside_raw"),
        _constant("none", np.zeros(())),
        _node("Max", ["inside_raw", "none"], "inside_target"),
        *_count("inside_cdf", "inside_target", "offset", below="inside_sum"),
        _node("Mul", ["block", "block_size"], "block_start"),
        _node("Add", ["block_start", "offset"], "drawn"),
    ]
    return function("DGemmaRowStats", ROW_STATS_INPUTS, ROW_STATS_OUTPUTS, nodes)


def _count(cdf: str, target: str, output: str, below: str | None = None) -> list[NodeProto]:
    """How many entries of an ascending row are ≤ the row's target: the index at which the CDF passes it.

    ``below``: entries count only where they are less than this, too.
    """
    passed, nodes = f"{output}_passed", [_node("LessOrEqual", [cdf, target], f"{output}_passed")]
    if below is not None:
        nodes += [
            _node("Less", [cdf, below], f"{output}_below"),
            _node("And", [passed, f"{output}_below"], f"{output}_both"),
        ]
        passed = f"{output}_both"
    return [
        *nodes,
        _node("Cast", [passed], f"{output}_ones", to=TensorProto.INT64),
        _node("ReduceSum", [f"{output}_ones", "last_axis"], output, keepdims=0),
    ]


def canvas_update() -> FunctionProto:
    """Accepts the surest positions within the entropy bound and draws the others anew.

    ``argmax``, ``drawn``, ``random_tokens``, ``pin_ids`` int64 [C]; ``entropy`` float32 [C];
    ``entropy_bound`` float32 [1]; ``pin`` bool [C]. Pinned positions hold their token and cost no entropy.
    → ``next_canvas``, ``argmax_out``, ``drawn_out`` int64 [C]; ``entropy_out`` float32 [C]; ``accepted`` bool [C];
    ``mean_entropy`` float32 [1].

    Sorted ascending, position i is accepted while the entropies before it sum to at most the bound
    (arXiv 2505.24857; the reference's EntropyBoundSampler, whose float32 of a float64 running sum is kept).
    """
    nodes = [
        _node("Where", ["pin", "pin_ids", "argmax"], "argmax_out"),
        _node("Where", ["pin", "pin_ids", "drawn"], "drawn_out"),
        _constant("zero", np.zeros((), np.float32)),
        _node("Where", ["pin", "zero", "entropy"], "entropy_out"),
        _node("Shape", ["entropy"], "length"),
        helper.make_node("TopK", ["entropy_out", "length"], ["ascending", "order"], largest=0, sorted=1),
        _node("Cast", ["ascending"], "ascending_f64", to=TensorProto.DOUBLE),
        _constant("axis_0", np.array(0, np.int64)),
        _node("CumSum", ["ascending_f64", "axis_0"], "running_f64"),
        _node("Cast", ["running_f64"], "running", to=TensorProto.FLOAT),
        _node("Sub", ["running", "ascending"], "before"),
        _node("LessOrEqual", ["before", "entropy_bound"], "within"),
        _node("ScatterElements", ["pin", "order", "within"], "within_bound", axis=0),
        _node("Or", ["within_bound", "pin"], "accepted"),
        _node("Where", ["accepted", "drawn_out", "random_tokens"], "next_canvas"),
        _constant("first_axis", np.array([0], np.int64)),
        _node("ReduceMean", ["entropy_out", "first_axis"], "mean_entropy", keepdims=1),
    ]
    return function("DGemmaCanvasUpdate", CANVAS_UPDATE_INPUTS, CANVAS_UPDATE_OUTPUTS, nodes)
