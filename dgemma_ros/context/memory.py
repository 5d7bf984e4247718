"""What a number of tokens costs in the KV cache, and how many a number of bytes holds.

Full layers keep a row for every token, sliding ones no more than their window. The cache's buffers grow in strides, so
they may be an eighth larger than what is counted here.
"""

from __future__ import annotations

from typing import Final

from dgemma_ros.checkpoint.config import LayerKind
from dgemma_ros.model import Model
from dgemma_ros.trt.machine import available_memory

SHARE: Final = 4
"""One part in so many of the memory that is free may be taken where nobody says how much."""


def used_bytes(model: Model, tokens: int) -> int:
    """Bytes of keys and values that so many tokens keep."""
    full, sliding = _row_bytes(model, LayerKind.FULL), _row_bytes(model, LayerKind.SLIDING)
    return full * tokens + sliding * min(tokens, model.config.text.sliding_window)


def tokens_within(model: Model, limit: int) -> int:
    """The most tokens whose keys and values fit in ``limit`` bytes; no more than its cache has rows."""
    full, sliding = _row_bytes(model, LayerKind.FULL), _row_bytes(model, LayerKind.SLIDING)
    window, most = model.config.text.sliding_window, model.session.max_rows
    if limit < (full + sliding) * window:
        return min(most, limit // (full + sliding))
    return min(most, (limit - sliding * window) // full) if full else most


def spare_tokens(model: Model) -> int:
    """The most tokens that suit the machine as it is now: of its free memory, a share may become keys and values."""
    free = available_memory()
    return model.session.max_rows if free is None else tokens_within(model, free // SHARE)


def _row_bytes(model: Model, kind: LayerKind) -> int:
    """One token's key and value in all layers of a kind."""
    layers = [layer for layer in model.config.text.layers if layer.kind is kind]
    return sum(2 * layer.kv_heads * layer.head_dim for layer in layers) * (4 if model.dtype == "float32" else 2)
