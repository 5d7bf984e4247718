"""The mid-size configuration that speeds are measured on: big enough to be compute, small enough to be quick."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.tiny import Tiny, make

MID_SIZE = Tiny(
    layers="SSSSSF",
    vocab=8192,
    hidden=256,
    inner=512,
    heads=8,
    kv_heads=4,
    head_dim=32,
    full_kv_heads=2,
    full_head_dim=64,
    window=128,
    experts=16,
    top_k=4,
    expert_inner=128,
    canvas=64,
    vision=None,
)
PROMPT = 256


def folder() -> Path:
    """A fresh checkpoint of that size in a folder of its own."""
    return make(Path(tempfile.mkdtemp(prefix="dgemma-mid-size-")), MID_SIZE)
