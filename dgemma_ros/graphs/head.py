"""The head and the diffusion step: hidden rows in, the next canvas and a few kilobytes of statistics out."""

from __future__ import annotations

from typing import Final

from onnx import ModelProto

from dgemma_ros.checkpoint.config import ModelConfig
from dgemma_ros.graphs.backbone import DECODER
from dgemma_ros.graphs.builder import BOOL, FLOAT, INT64, GraphBuilder
from dgemma_ros.graphs.diffusion import canvas_update, row_stats, scaled_logits
from dgemma_ros.graphs.embed import TABLE
from dgemma_ros.graphs.layers import rms_norm

WEIGHT: Final = 1024.0
"""What a row's weights sum to in the soft embedding's product, in half types; a power of two, which rounds nothing."""


def head(config: ModelConfig, dtype: int = FLOAT, with_logits: bool = False) -> ModelProto:
    """``hidden`` [1, C, H] and the host's noise → what :mod:`dgemma_ros.graphs.diffusion` says, and ``soft`` [1, C, H].

    The logits stay inside; ``with_logits`` hands them out as ``logits`` [C, V], softcapped and before temperature,
    for replay and tests.
    """
    text = config.text
    rows = ("canvas_length",)
    b = GraphBuilder("head_with_logits" if with_logits else "head", dtype)
    hidden = b.input("hidden", dtype, (1, "canvas_length", text.hidden_size))
    uniform, random_tokens = b.input("uniform", FLOAT, rows), b.input("random_tokens", INT64, rows)
    temperature, entropy_bound = b.input("temperature", FLOAT, (1,)), b.input("entropy_bound", FLOAT, (1,))
    pin, pin_ids = b.input("pin", BOOL, rows), b.input("pin_ids", INT64, rows)
    allowed = b.input("allowed", BOOL, ("allowed_sets", text.vocab_size))
    allowed_row = b.input("allowed_row", INT64, ("rows_or_one",))

    x = b.reshape(hidden, (-1, text.hidden_size), "rows")
    x = rms_norm(b, x, text.hidden_size, text.rms_norm_eps, "norm", f"{DECODER}.norm.weight")
    # The product's own alpha divides by the softcap: one pass over [C, V] less.
    over_cap = b.linear(x, TABLE, text.vocab_size, text.hidden_size, "logits_over_cap", alpha=1.0 / text.softcap)
    over_cap = b.cast(over_cap, FLOAT, "logits_f32")
    scaled = b.call(scaled_logits(text.softcap), over_cap, temperature, allowed, allowed_row, name="scaled")
    stats = row_stats(text.softcap, text.vocab_size)
    argmax, drawn, entropy, largest, total = b.call(
        stats, over_cap, temperature, uniform, allowed, allowed_row, name="row_stats"
    )
    updated = b.call(
        canvas_update(),
        argmax,
        drawn,
        entropy,
        random_tokens,
        entropy_bound,
        pin,
        pin_ids,
        name="canvas_update",
    )

    with b.scope("soft_embedding"):
        # The weights once more: cheaper on a GPU than keeping [C, V], and shared where functions are inlined.
        table = b.weight(TABLE, (text.vocab_size, text.hidden_size))
        if dtype == FLOAT:
            weight = b.add("Exp", b.add("Sub", scaled, largest, name="centred"), name="weight")
            soft = b.add("MatMul", weight, table, name="weighted_embedding")
            soft = b.add("Div", soft, total, name="expected_embedding")
        else:
            # Σ exp · E of a flat row is as large as the vocabulary, beyond float16. A row's weights sum to WEIGHT here:
            # the product stays below WEIGHT times the largest embedding, and what rounds to 0 is below 3e-11 of a row.
            share = b.add("Div", total, b.constant(WEIGHT), name="total_share")
            shift = b.add("Add", largest, b.add("Log", share, name="log_share"), name="shift")
            weight = b.add("Exp", b.add("Sub", scaled, shift, name="centred"), name="weight")
            soft = b.add("MatMul", b.cast(weight, dtype, "weight_cast"), table, name="weighted_embedding")
            soft = b.add("Div", b.cast(soft, FLOAT, "weighted_f32"), b.constant(WEIGHT), name="expected_embedding")
        soft = b.add("Mul", soft, b.constant(text.hidden_size**0.5), name="scale")
        soft = b.cast(soft, dtype, "soft_cast")
    b.output(
        b.reshape(soft, (1, -1, text.hidden_size), "soft_rows"), "soft", dtype, (1, "canvas_length", text.hidden_size)
    )

    names = ("next_canvas", "argmax", "drawn", "entropy", "accepted", "mean_entropy")
    types = (INT64, INT64, INT64, FLOAT, BOOL, FLOAT)
    for value, name, kind in zip(updated, names, types, strict=True):
        b.output(value, name, kind, (1,) if name == "mean_entropy" else rows)
    if with_logits:
        tanh = b.add("Tanh", over_cap, name="logits_tanh")
        logits = b.add("Mul", tanh, b.constant(text.softcap), name="logits_capped")
        b.output(logits, "logits", FLOAT, ("canvas_length", text.vocab_size))
    return b.model()
