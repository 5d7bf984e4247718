"""What appending one token costs at 1,000 cached tokens and at 100,000.

Writing the row costs the same at any length. Attention must read what is cached, so that part grows: it is taken from
ONNX Runtime's own profile of the same runs, and the rest set beside it.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np

from benchmarks.table import Table
from dgemma_ros.checkpoint.config import load_config
from dgemma_ros.checkpoint.weights import Weights
from dgemma_ros.graphs.export import export
from dgemma_ros.runtime.ort_graphs import ENCODER
from dgemma_ros.runtime.ort_session import OrtSession
from dgemma_ros.runtime.sequence import Sequence
from tests.tiny import Tiny, make

TINY = Tiny(layers="SSFF", vocab=256, hidden=64, head_dim=16, full_head_dim=32, window=64, canvas=16, vision=None)
LENGTHS = (1_000, 100_000)


def run(quick: bool = False) -> Table:
    """Milliseconds an appended token: whole, attention's part, the rest, and of the cache writes alone."""
    rounds = 10 if quick else 60
    table = Table(
        "Appending one token",
        ("cached tokens", "append ms", "attention ms", "all else ms", "of that, cache writes ms"),
        notes=["one thread, profiled; 2 sliding layers of window 64 and 2 full layers, float32; medians"],
    )
    checkpoint = make(Path(tempfile.mkdtemp(prefix="dgemma-append-")) / "checkpoint", TINY)
    exported = export(checkpoint, checkpoint.parent / "exported")
    config = load_config(checkpoint)
    for length in LENGTHS:
        session = OrtSession(exported, config, Weights.open(checkpoint, config), threads=1, profile=checkpoint.parent)
        sequence = Sequence(session, chunk=512)
        sequence.append(np.zeros(length, np.int64))
        whole = []
        for _ in range(rounds):
            start = perf_counter()
            sequence.append(np.zeros(1, np.int64))
            whole.append(1e3 * (perf_counter() - start))
            sequence.rollback(length)
        attention, write = kernel_times(session, rounds)
        total = float(np.median(whole))
        table.rows.append((length, *(round(v, 3) for v in (total, attention, total - attention, write))))
    return table


def kernel_times(session: OrtSession, rounds: int) -> tuple[float, float]:
    """Milliseconds a run of the attention and of the cache-writing kernels, over the last ``rounds`` runs."""
    profile = Path(session.graphs[ENCODER].end_profiling())
    events = json.loads(profile.read_text())
    result = []
    for op in ("Attention", "TensorScatter"):
        kernels = [e for e in events if e["name"].endswith("_kernel_time") and e["args"].get("op_name") == op]
        per_run = len({event["name"] for event in kernels})
        times = np.array([event["dur"] for event in kernels[-per_run * rounds :]]).reshape(rounds, per_run)
        result.append(1e-3 * float(np.median(times.sum(1))))
    return result[0], result[1]
