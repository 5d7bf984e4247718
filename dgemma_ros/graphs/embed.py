"""The canvas's way in: token embeddings with self-conditioning on the step before."""

from __future__ import annotations

from onnx import ModelProto

from dgemma_ros.checkpoint.config import ModelConfig
from dgemma_ros.graphs.backbone import DECODER
from dgemma_ros.graphs.builder import FLOAT, INT64, GraphBuilder
from dgemma_ros.graphs.layers import gated_mlp, rms_norm

TABLE = f"{DECODER}.embed_tokens.weight"


def embed(config: ModelConfig, dtype: int = FLOAT) -> ModelProto:
    """``canvas`` [C] and the ``soft`` embeddings [1, C, H] of the step before (zeros on the first) → ``inputs_embeds``.

    A prompt's rows do not pass here: the host gathers them from the mapped table.
    """
    text = config.text
    b = GraphBuilder("embed", dtype)
    canvas = b.input("canvas", INT64, ("canvas_length",))
    soft = b.input("soft", dtype, (1, "canvas_length", text.hidden_size))
    rows = b.add("Gather", b.weight(TABLE, (text.vocab_size, text.hidden_size)), canvas, name="tokens")
    rows = b.add("Mul", rows, b.constant(text.hidden_size**0.5, dtype), name="scale")
    with b.scope("self_conditioning"):
        prefix = f"{DECODER}.self_conditioning"
        signal = b.reshape(soft, (-1, text.hidden_size), "rows")
        signal = rms_norm(b, signal, text.hidden_size, text.rms_norm_eps, "pre_norm", f"{prefix}.pre_norm.weight")
        signal = gated_mlp(b, signal, text.hidden_size, text.intermediate_size, prefix)
        rows = b.add("Add", rows, signal, name="conditioned")
        rows = rms_norm(b, rows, text.hidden_size, text.rms_norm_eps, "post_norm")
    embeds = b.reshape(rows, (1, -1, text.hidden_size), "embeds")
    b.output(embeds, "inputs_embeds", dtype, (1, "canvas_length", text.hidden_size))
    return b.model()
