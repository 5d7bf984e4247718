"""A denoising step and a prefill: ours on ONNX Runtime against ``transformers`` in its fastest setting on this CPU.

Each contender is a process of its own, with the same number of threads, on the same weights and prompt, and they take
turns of a few calls each, so that neither's thread pool spins while the other is measured and a slow moment of the
machine hits all. The reference's step is what its ``generate()`` does: decoder, temperature, softmax, draw, argmax,
acceptance, renoising and the stopping rule.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np

from benchmarks.mid_size import MID_SIZE, PROMPT, folder
from benchmarks.table import Table

SETTINGS = ("eager sdpa", "eager eager", "grouped_mm sdpa", "grouped_mm sdpa compiled")
"""Of the reference: experts, attention, torch.compile. batched_mm copies an expert for each token: ten times slower."""
TURN = 5


def run(quick: bool = False) -> Table:
    """Milliseconds and ratios for one thread and for two."""
    checkpoint = folder()
    settings = SETTINGS[:1] if quick else SETTINGS
    table = Table(
        "A step and a prefill against transformers",
        ("threads", "what", "ours ms", "theirs ms", "their setting", "ratio", "of the GEMM rate"),
        notes=[
            f"6 layers, hidden 256, 16 experts top 4, vocabulary 8192, canvas {MID_SIZE.canvas}, prompt {PROMPT}, fp32",
            f"medians, a process each, taking turns of {TURN}; theirs is the fastest of: {', '.join(settings)}",
            "GEMM rate: GFLOP/s of ONNX Runtime, [64, 256] × [256, 8192]; ours: all matrix products over the time",
        ],
    )
    for threads in range(1, min(2, os.cpu_count() or 1) + 1):
        contenders = {name: Contender(name, checkpoint, threads) for name in ("ours", *settings)}
        rate = 2e-6 * 64 * 256 * 8192 / float(np.median(contenders["ours"].turn("gemm", 50)))
        for what, work in (("step", step_flops()), ("prefill", prefill_flops())):
            times: dict[str, list[float]] = {name: [] for name in contenders}
            for turn in range(2 if quick else 10):
                for name, contender in contenders.items():
                    measured = contender.turn(what, TURN)
                    times[name] += measured if turn else []  # the first turn warms up
            medians = {name: float(np.median(values)) for name, values in times.items()}
            mine = medians.pop("ours")
            best = min(medians, key=lambda name: medians[name])
            share = f"{work / mine / 1e6 / rate:.0%} of {rate:.0f}"
            ratio = round(medians[best] / mine, 2)
            table.rows.append((threads, what, round(mine, 2), round(medians[best], 2), best, ratio, share))
        for contender in contenders.values():
            contender.close()
    return table


class Contender:
    """One side in a process of its own; asks ``WHAT COUNT``, answers milliseconds."""

    def __init__(self, name: str, checkpoint: Path, threads: int) -> None:
        command = [sys.executable, "-m", __spec__.name, name, str(checkpoint), str(threads)]
        env = os.environ | {"OMP_NUM_THREADS": str(threads)}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env
        )

    def turn(self, what: str, count: int) -> list[float]:
        """Milliseconds of each of ``count`` calls, one behind the other."""
        assert self._process.stdin and self._process.stdout
        print(what, count, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self._process.args}: ended with status {self._process.wait()}")
        return [float(value) for value in answer.split()]

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()


def serve(name: str, checkpoint: Path, threads: int) -> None:
    """The contender's side: answers until its input ends."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints must not be taken for an answer
    calls = our_calls(checkpoint, threads) if name == "ours" else their_calls(checkpoint, threads, *name.split())
    for line in sys.stdin:
        what, count = line.split()
        times = []
        for _ in range(int(count)):
            start = perf_counter()
            calls[what]()
            times.append(1e3 * (perf_counter() - start))
        print(*times, file=out, flush=True)


def our_calls(checkpoint: Path, threads: int) -> dict[str, Callable[[], object]]:
    """One denoising step, one prefill into an empty sequence, and the matrix product that the rate is taken from."""
    from dgemma_ros.model import open_model
    from dgemma_ros.runtime.noise import Noise

    model = open_model(checkpoint, threads=threads)
    noise = Noise(0, MID_SIZE.canvas, MID_SIZE.vocab)
    ids = prompt()
    sequence = model.sequence()
    sequence.append(ids)
    canvas = sequence.open_canvas({"entropy_bound": np.array([0.1], np.float32), "allowed": model.allowed})
    state = {"tokens": noise.canvas(0), "step": 0}

    def step() -> None:
        uniform, random_tokens = noise.step(0, state["step"])
        temperature = np.array([0.6], np.float32)
        feeds = {"canvas": state["tokens"], "uniform": uniform, "random_tokens": random_tokens}
        state["tokens"] = canvas.step(feeds | {"temperature": temperature}).next_canvas
        state["step"] += 1

    return {"step": step, "prefill": lambda: model.sequence().append(ids), "gemm": gemm(threads)}


def their_calls(
    checkpoint: Path, threads: int, experts: str, attention: str, compiled: str = ""
) -> dict[str, Callable[[], object]]:
    """The same of the reference, with its own sampler classes."""
    import torch
    from transformers import DynamicCache
    from transformers.models.diffusion_gemma.generation_diffusion_gemma import (
        EntropyBoundSampler,
        EntropyBoundSamplerConfig,
        LinearTemperatureScheduleLogitsProcessor,
        StableAndConfidentStoppingCriteria,
    )

    from tests.oracle import reference

    torch.set_num_threads(threads)
    model = reference.load(checkpoint, attention)
    if experts != "eager":
        model.set_experts_implementation(experts)
    forward = torch.compile(model.forward, dynamic=False) if compiled else model.forward
    ids = torch.from_numpy(prompt())[None]
    sampler = EntropyBoundSampler(EntropyBoundSamplerConfig(0.1), MID_SIZE.canvas, MID_SIZE.vocab, 48)
    schedule = LinearTemperatureScheduleLogitsProcessor(0.4, 0.8, 48)
    stopping = StableAndConfidentStoppingCriteria(1, 0.005)

    @torch.no_grad()
    def prefill() -> DynamicCache:
        cache = DynamicCache(config=model.config.text_config)
        model.model.encoder(input_ids=ids, past_key_values=cache)
        return cache

    cache = prefill()
    state: dict[str, torch.Tensor | None] = {
        "canvas": torch.randint(0, MID_SIZE.vocab, (1, MID_SIZE.canvas)),
        "logits": None,
    }

    @torch.no_grad()
    def step() -> None:
        canvas = state["canvas"]
        raw = forward(decoder_input_ids=canvas, self_conditioning_logits=state["logits"], past_key_values=cache).logits
        processed = schedule(None, raw, cur_step=24)
        probabilities = torch.softmax(processed, dim=-1, dtype=torch.float32)
        drawn = torch.multinomial(probabilities.view(-1, MID_SIZE.vocab), num_samples=1).view(1, -1)
        argmax = torch.argmax(processed, dim=-1)
        accepted = sampler.accept_canvas(canvas, drawn, processed, 24).clone()
        state["canvas"] = sampler.renoise_canvas(accepted, 24).clone()
        stopping(argmax, processed)
        state["logits"] = processed

    return {"step": step, "prefill": prefill}


def prompt() -> np.ndarray:
    """The token ids that both read."""
    return np.random.default_rng(0).integers(0, MID_SIZE.vocab, PROMPT)


def _row_flops() -> float:
    """Multiply-adds, twice, that one row costs in the layers' matrix products (attention's own aside)."""
    t = MID_SIZE
    total = 0
    for kind in t.layers:
        heads, kv, dim, has_v = t.heads, t.kv_heads, t.head_dim, 1
        if kind == "F":
            kv, dim, has_v = t.full_kv_heads, t.full_head_dim, 0
        total += t.hidden * dim * (2 * heads + kv + has_v * kv)
        total += 3 * t.hidden * (t.inner + t.top_k * t.expert_inner) + t.hidden * t.experts
    return 2.0 * total


def step_flops() -> float:
    """Of a denoising step: layers, self-conditioning, head and soft embedding."""
    t = MID_SIZE
    return t.canvas * (_row_flops() + 2 * (3 * t.hidden * t.inner + 2 * t.hidden * t.vocab))


def prefill_flops() -> float:
    """Of the prompt."""
    return PROMPT * _row_flops()


def gemm(threads: int) -> Callable[[], object]:
    """A product the size of the head's, in this machine's ONNX Runtime."""
    import onnxruntime as ort
    from onnx import TensorProto, helper, numpy_helper

    weight = np.random.default_rng(0).standard_normal((8192, 256)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)],
        "gemm",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [64, 256])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [64, 8192])],
        [numpy_helper.from_array(weight, "w")],
    )
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 24)], ir_version=11)
    session = ort.InferenceSession(model.SerializeToString(), options)
    x = np.ones((64, 256), np.float32)
    return lambda: session.run(None, {"x": x})


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
