"""Bytes a step and memory of the released model on every target, from its configuration alone: no GPU, no measurement.

``python -m benchmarks.tensorrt_bounds`` prints the tables of docs/tensorrt.md; a test holds the page to them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dgemma_ros.checkpoint.config import read_config
from dgemma_ros.checkpoint.fields import Section
from dgemma_ros.checkpoint.traffic import step_traffic
from dgemma_ros.trt import profiles, targets

CONFIG = read_config(Section.of_file(Path(__file__).parents[1] / "tests" / "data" / "config-26b.json"))
CONTEXT = 8192


def dense_intermediates(dtype_bytes: int = 2) -> float:
    """Bytes that the dense expert bodies write in a step, and as many that they read: gate and up, product, output."""
    text = CONFIG.text
    width = 3 * text.expert_intermediate_size + text.hidden_size
    return len(text.layers) * text.experts * CONFIG.canvas_length * width * dtype_bytes


def step_rows() -> Iterator[str]:
    """Bytes that a step reads, by what they are, in both precisions of the experts."""
    yield "| experts stored in | experts | attention, MLPs, norms | embedding, twice | cache | together |"
    yield "|---|---|---|---|---|---|"
    for experts in ("bfloat16", "nvfp4"):
        traffic = step_traffic(CONFIG, CONTEXT, experts=experts)
        parts = (traffic.experts, traffic.dense, traffic.embedding, traffic.cache, traffic.total)
        yield f"| {experts} | " + " | ".join(f"{part / 1e9:.2f} GB" for part in parts) + " |"


def target_rows() -> Iterator[str]:
    """For each target: the least time of a step, and the memory at its smallest and largest context."""
    yield (
        "| target | memory bandwidth | a step, bf16 | with the dense body | a step, nvfp4 | weights of the recipe "
        "| cache | may take | fits |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for name in targets.names():
        target = targets.load(name)
        buckets = profiles.buckets(CONFIG, target)
        caches = [profiles.cache_bytes(CONFIG, bucket, target.window_buckets[0]) for bucket in buckets]
        bf16, nvfp4 = (step_traffic(CONFIG, CONTEXT, experts=experts).total for experts in ("bfloat16", "nvfp4"))
        dense = bf16 + 2 * dense_intermediates()
        times = " | ".join(f"{1e3 * read / target.bandwidth:.0f} ms" for read in (bf16, dense, nvfp4))
        weights = profiles.weight_bytes(CONFIG, packed=False)
        fits = "yes" if weights + caches[0] <= target.memory_limit else "no"
        yield (
            f"| {name} | {target.bandwidth / 1e9:.0f} GB/s | {times} | {weights / 1e9:.1f} GB "
            f"| {caches[0] / 1e9:.2f} … {caches[-1] / 1e9:.2f} GB | {target.memory_limit / 1e9:.0f} GB | {fits} |"
        )


if __name__ == "__main__":
    print("\n".join([*step_rows(), "", *target_rows()]))
