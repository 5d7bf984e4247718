"""What forgetting 66 tokens, and shifting positions, cost beside reading what is kept again."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np

from benchmarks.cache_append import TINY
from benchmarks.table import Table
from dgemma_ros.model import open_model
from dgemma_ros.runtime.sequence import Sequence
from tests.tiny import make

FRAME, SYSTEM = 66, 500
LENGTHS = (1_000, 10_000, 100_000)


def run(quick: bool = False) -> Table:
    """Milliseconds to evict a frame behind the system turn, to shift all that is behind it, and to read it again."""
    table = Table(
        "Forgetting a frame of 66 tokens",
        (
            "cached tokens",
            "evict ms",
            "shift ms",
            "evict ns a row",
            "shift ns a row",
            "read again ms",
            "evict : read again",
        ),
        notes=["one thread; 2 sliding layers of window 64 and 2 full layers, float32; medians; read again: once"],
    )
    checkpoint = make(Path(tempfile.mkdtemp(prefix="dgemma-edits-")) / "checkpoint", TINY)
    model = open_model(checkpoint, threads=1)
    for length in LENGTHS[: 2 if quick else 3]:
        ids = np.zeros(length, np.int64)
        sequence = Sequence(model.session, chunk=512)
        again = milliseconds(partial(sequence.append, ids))
        behind = length - SYSTEM - FRAME
        evict, shift = [], []
        for _ in range(3 if quick else 15):
            evict.append(milliseconds(partial(sequence.evict, SYSTEM, FRAME)))
            shift.append(milliseconds(partial(sequence.shift, SYSTEM, -FRAME)))
            sequence.append(ids[:FRAME])
        one, two = float(np.median(evict)), float(np.median(shift))
        a_row = (round(1e6 * one / behind, 1), round(1e6 * two / behind, 1))
        table.rows.append((length, round(one, 3), round(two, 3), *a_row, round(again, 1), f"1 : {again / one:.0f}"))
    return table


def milliseconds(call: Callable[[], object]) -> float:
    """Of one call."""
    begun = perf_counter()
    call()
    return 1e3 * (perf_counter() - begun)
