"""The kernels on a GPU: held to float64, then timed against PyTorch in the same run and the device's own copy.

``python -m benchmarks.gpu_kernels [--json FILE] [--seconds N]`` on a machine with one NVIDIA GPU, torch, and NVRTC or
nvcc. Sizes are the released 26B model's. Sections stand alone: one that fails says so and the others go on; one that
would begin after N seconds (100) is left out, and says that. The exit status is 1 where anything was wrong or left out.

Longer than most files: a GPU is there for minutes, so all of it is one command, check and timing of a kernel in turn.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

try:
    import torch

    from benchmarks.gpu import Gpu
except ImportError:
    sys.exit("this needs torch with CUDA, and an NVIDIA GPU")

from dgemma_ros.checkpoint.nvfp4 import E2M1
from dgemma_ros.graphs import diffusion_numpy
from dgemma_ros.trt.kernels import launches
from dgemma_ros.trt.kernels.launches import Heads

HIDDEN, INNER, EXPERTS, TOP_K = 2816, 704, 128, 8
ROWS, VOCAB, SOFTCAP, TEMPERATURE = 256, 262_144, 30.0, 0.6
FULL, SLIDING = (16, 2, 512), (16, 8, 256)  # query heads, heads of keys, head size
BORDER = 2e-6  # of a CDF: nearer to a border of two tokens, rounding may draw the neighbour
Results = dict[str, Any]


def wrong(name: str, ours: torch.Tensor, exact: torch.Tensor, limit: float) -> float:
    """The relative error over all; raises AssertionError where it is above the limit, or not a number."""
    error = float((ours.double() - exact).norm() / exact.norm().clamp_min(1e-30))
    assert error <= limit, f"{name}: relative error {error:.2e}, above {limit:.0e}"
    return error


# -- Experts ----------------------------------------------------------------------------------------------------------


class Experts:
    """Random weights of one layer in one format; ``exact(expert)`` in float64."""

    def __init__(self, kind: str, out: int, width: int, parts: int) -> None:
        self.kind = kind
        if kind == "bf16":
            weight = torch.randn((EXPERTS, out, width), device="cuda", dtype=torch.bfloat16) * width**-0.5
            self.kernel: tuple[torch.Tensor, ...] = (weight,)
        else:
            packed = torch.randint(0, 256, (EXPERTS, out, width // 2), device="cuda", dtype=torch.uint8)
            scale = torch.rand((EXPERTS, out, width // 16), device="cuda").add_(0.05).to(torch.float8_e4m3fn)
            self.kernel = (packed, scale, torch.rand((EXPERTS, parts), device="cuda") * 0.05 + 0.02)
        self.parts, self.nbytes = parts, sum(t.numel() * t.element_size() for t in self.kernel)

    def exact(self, expert: int) -> torch.Tensor:
        """One expert's weights, [out, width]."""
        if self.kind == "bf16":
            return self.kernel[0][expert].double()
        packed, scale, factor = (tensor[expert] for tensor in self.kernel)
        table = torch.tensor(E2M1, device="cuda", dtype=torch.float64)
        values = torch.stack((table[(packed & 15).long()], table[(packed >> 4).long()]), -1).reshape(len(packed), -1)
        scales = scale.double().repeat_interleave(16, -1)
        return values * scales * factor.double().repeat_interleave(len(packed) // self.parts)[:, None]


def chosen(rows: int, routing: str) -> torch.Tensor:
    """index [rows, k]."""
    scores = torch.rand((rows, EXPERTS), device="cuda")
    if routing == "skewed":
        scores[:, :4] += 0.9
    elif routing == "same":
        scores[:, 16 : 16 + TOP_K] += 2
    return scores.topk(TOP_K, -1).indices


def mixture(gpu: Gpu, x: torch.Tensor, index: torch.Tensor, up: Experts, down: Experts, weights: torch.Tensor) -> Any:
    """The four launches of one layer, prepared in order, and all that they write."""
    sizes = (len(x), TOP_K, EXPERTS)
    route, (offsets, pairs) = gpu.prepare(launches.route(*sizes), index)
    first, (inner,) = gpu.prepare(launches.up(*sizes, HIDDEN, INNER, up.kind), x, offsets, pairs, *up.kernel)
    second, (out,) = gpu.prepare(launches.down(*sizes, HIDDEN, INNER, up.kind), inner, offsets, pairs, *down.kernel)
    last, (y,) = gpu.prepare(launches.combine(len(x), TOP_K, HIDDEN), out, weights)
    return {"route": route, "up": first, "down": second, "combine": last}, (offsets, pairs, inner, out, y)


def check_experts(gpu: Gpu) -> Results:
    """Every launch against float64, on what the launch before it wrote."""
    errors: Results = {}
    for kind in ("nvfp4", "bf16"):
        up, down = Experts(kind, 2 * INNER, HIDDEN, 2), Experts(kind, HIDDEN, INNER, 1)
        for rows, routing in ((256, "random"), (256, "skewed"), (256, "same"), (1280, "random"), (1, "random")):
            x = torch.randn((rows, HIDDEN), device="cuda").bfloat16()
            index, weights = chosen(rows, routing), torch.rand((rows, TOP_K), device="cuda")
            calls, (offsets, pairs, inner, out, y) = mixture(gpu, x, index, up, down, weights)
            for call in calls.values():
                call()
            torch.cuda.synchronize()
            order = torch.argsort(index.reshape(-1), stable=True)
            counts = torch.bincount(index.reshape(-1), minlength=EXPERTS)
            assert torch.equal(pairs.long(), order), "route: pairs"
            assert torch.equal(offsets[1:].long(), counts.cumsum(0)) and not offsets[0], "route: offsets"
            wanted_inner, wanted_out = inner.double(), out.double()
            for expert, (begin, count) in enumerate(zip(offsets.tolist(), counts.tolist(), strict=False)):
                if count:
                    own = slice(begin, begin + count)
                    both = x[(pairs[own] // TOP_K).long()].double() @ up.exact(expert).T
                    gate = torch.nn.functional.gelu(both[:, :INNER], approximate="tanh")
                    wanted_inner[own] = gate * both[:, INNER:]
                    wanted_out[pairs[own].long()] = inner[own].double() @ down.exact(expert).T
            wanted = (out.double().reshape(rows, TOP_K, HIDDEN) * weights[:, :, None]).sum(1)
            name = f"{kind}, {rows} rows, {routing}"
            errors[name] = {
                "up": wrong(f"up {name}", inner, wanted_inner, 4e-3),
                "down": wrong(f"down {name}", out, wanted_out, 4e-3),
                "combine": wrong(f"combine {name}", y, wanted, 4e-3),
            }
        del up, down
    return errors


def time_experts(gpu: Gpu, copy: float) -> Results:
    """One layer at 256 and 1280 rows, beside PyTorch's dense and grouped forms of bfloat16."""
    figures: Results = {}
    for kind in ("nvfp4", "bf16"):
        up, down = Experts(kind, 2 * INNER, HIDDEN, 2), Experts(kind, HIDDEN, INNER, 1)
        for rows, routing in ((256, "random"), (256, "skewed"), (1280, "random")):
            x, index = torch.randn((rows, HIDDEN), device="cuda").bfloat16(), chosen(rows, routing)
            calls, _ = mixture(gpu, x, index, up, down, torch.rand((rows, TOP_K), device="cuda"))
            own = {name: gpu.milliseconds(call) for name, call in calls.items()}
            own["layer"] = gpu.milliseconds(lambda calls=calls: [call() for call in calls.values()])
            own["weights read, GB/s"] = (up.nbytes + down.nbytes) / (own["up"] + own["down"]) / 1e6
            own["share of copy bandwidth"] = own["weights read, GB/s"] * 1e9 / copy
            figures[f"{kind}, {rows} rows, {routing}"] = own
        if kind == "bf16":
            for rows in (256, 1280):
                figures[f"PyTorch, bf16, {rows} rows"] = torch_experts(gpu, rows, up.kernel[0], down.kernel[0])
        del up, down
    return figures


def torch_experts(gpu: Gpu, rows: int, gate_up: torch.Tensor, down: torch.Tensor) -> Results:
    """Milliseconds of all experts on all rows, and of torch's grouped product on sorted rows."""
    x, index = torch.randn((rows, HIDDEN), device="cuda").bfloat16(), chosen(rows, "random")
    weights = torch.rand((rows, TOP_K), device="cuda")
    spread = torch.zeros((rows, EXPERTS), device="cuda").scatter_(1, index, weights).T[:, :, None].bfloat16()

    def activate(both: torch.Tensor) -> torch.Tensor:
        gate, up = both.chunk(2, -1)
        return torch.nn.functional.gelu(gate, approximate="tanh") * up

    def dense() -> torch.Tensor:
        inner = activate(x[None].expand(EXPERTS, -1, -1) @ gate_up.transpose(1, 2))
        return ((inner @ down.transpose(1, 2)) * spread).sum(0)

    def grouped() -> torch.Tensor:
        flat = index.reshape(-1)
        order = flat.argsort(stable=True)
        offsets = torch.bincount(flat, minlength=EXPERTS).cumsum(0).int()
        inner = activate(torch._grouped_mm(x[order // TOP_K], gate_up.transpose(1, 2), offs=offsets))
        out = torch._grouped_mm(inner, down.transpose(1, 2), offs=offsets) * weights.reshape(-1)[order, None].bfloat16()
        return torch.zeros_like(x).index_add_(0, order // TOP_K, out)

    figures: Results = {}
    for name, call in (("dense", dense), ("grouped", grouped)):
        try:
            figures[name] = gpu.milliseconds(call)
        except Exception as error:
            figures[name] = f"not possible: {type(error).__name__}: {str(error).splitlines()[0][:120]}"
    return figures


# -- Attention --------------------------------------------------------------------------------------------------------


def heads(sizes: Heads) -> list[torch.Tensor]:
    """Random query, keys and values."""
    query = torch.randn((1, sizes.heads, sizes.rows, sizes.size), device="cuda") * sizes.size**-0.5 * 3
    shape = (1, sizes.kv_heads, sizes.capacity, sizes.size)
    return [query.bfloat16(), *(torch.randn(shape, device="cuda", dtype=torch.bfloat16) for _ in range(2))]


def exact_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, first: Any, last: Any) -> torch.Tensor:
    """In float64, [1, heads, S, D]."""
    group = q.shape[1] // k.shape[1]
    slots = torch.arange(k.shape[2], device="cuda")
    hidden = (slots < first[:, None]) | (slots > last[:, None])
    out = torch.empty(q.shape, dtype=torch.float64, device="cuda")
    for head in range(q.shape[1]):
        scores = q[0, head].double() @ k[0, head // group].double().T
        weights = torch.softmax(scores.masked_fill(hidden, -torch.inf), -1)
        out[0, head] = weights @ v[0, head // group].double()
    return out


def intervals(rows: int, visible: int, kind: str) -> tuple[torch.Tensor, torch.Tensor]:
    """first and last of a canvas that sees ``visible`` slots, or of causal rows that end there."""
    if kind == "canvas":
        return torch.zeros(1, dtype=torch.int64, device="cuda"), torch.full((rows,), visible - 1, device="cuda")
    last = torch.arange(visible - rows, visible, device="cuda")
    return torch.zeros_like(last) if kind == "causal" else (last - 1023).clamp_min(0), last


def check_attention(gpu: Gpu) -> Results:
    """Both models' heads and small ones, whole and split."""
    errors: Results = {}
    for model, rows, visible, kind in (
        (FULL, 256, 3000, "canvas"), (FULL, 1280, 2000, "causal"), (FULL, 1, 77, "causal"), (FULL, 256, 9000, "canvas"),
        (SLIDING, 256, 1279, "canvas"), (SLIDING, 1280, 1536, "window"), (SLIDING, 100, 300, "causal"),
        ((4, 2, 128), 70, 500, "causal"), ((8, 2, 64), 70, 500, "window"), ((4, 4, 32), 33, 129, "causal"),
    ):  # fmt: skip
        sizes = Heads(*model, rows, visible + 40)
        q, k, v = heads(sizes)
        k[:, :, visible:], v[:, :, visible:] = torch.nan, torch.nan  # nobody sees them
        first, last = intervals(rows, visible, kind)
        wanted = exact_attention(q, k[:, :, :visible], v[:, :, :visible], first.expand(rows), last)
        name = f"{sizes.size}, {rows} rows, {visible} visible, {kind}"
        (y,) = gpu.run(launches.attention(sizes, len(first)), q, k, v, first, last)
        errors[name] = {"whole": wrong(name, y, wanted, 8e-3)}
        for splits in (2, 5):
            parts = gpu.run(launches.attention_split(sizes, len(first), splits, 1 << 30), q, k, v, first, last)
            (y,) = gpu.run(launches.attention_merge(sizes, splits), *parts)
            errors[name][f"{splits} splits"] = wrong(f"{name}, {splits} splits", y, wanted, 8e-3)
    return errors


def time_attention(gpu: Gpu) -> Results:
    """One layer's, whole and split, beside PyTorch's."""
    figures: Results = {}
    for label, model, rows, visible, kind in (
        ("full, canvas at 8K", FULL, 256, 8192 + 256, "canvas"),
        ("full, canvas at 131K", FULL, 256, 131_072, "canvas"),
        ("full, prefill of 1280 at 8K", FULL, 1280, 8192, "causal"),
        ("sliding, canvas", SLIDING, 256, 1279, "canvas"),
        ("sliding, prefill of 1280", SLIDING, 1280, 2304, "window"),
    ):
        sizes = Heads(*model, rows, visible)
        q, k, v = heads(sizes)
        first, last = intervals(rows, visible, kind)
        rounds = 5 if visible > 100_000 else 12
        whole, _ = gpu.prepare(launches.attention(sizes, len(first)), q, k, v, first, last)
        own: Results = {"blocks": sizes.tiles * sizes.kv_heads, "whole": gpu.milliseconds(whole, rounds)}
        for splits in (2, 4, 8):
            launch = launches.attention_split(sizes, len(first), splits, 1 << 30)
            part, outputs = gpu.prepare(launch, q, k, v, first, last)
            merge, _ = gpu.prepare(launches.attention_merge(sizes, splits), *outputs)
            own[f"{splits} splits and merge"] = gpu.milliseconds(
                lambda part=part, merge=merge: (part(), merge()), rounds
            )
        seen = float((last - first + 1).double().sum()) if len(first) > 1 else rows * float(visible)
        best = min(value for name, value in own.items() if name != "blocks")
        own["TFLOP/s, best"] = 4 * seen * sizes.heads * sizes.size / best / 1e9
        own["PyTorch"] = torch_attention(gpu, q, k, v, first, last, kind, rounds)
        figures[label] = own
        torch.cuda.empty_cache()
    return figures


def torch_attention(gpu: Gpu, q: Any, k: Any, v: Any, first: Any, last: Any, kind: str, rounds: int) -> Results:
    """scaled_dot_product_attention with each backend that takes it; a mask where not all is visible."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    slots = torch.arange(k.shape[2], device="cuda")
    mask = None if kind == "canvas" else (slots >= first[:, None]) & (slots <= last[:, None])
    figures: Results = {}
    group = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)

    def attend() -> torch.Tensor:
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=1.0)

    for name in ("FLASH_ATTENTION", "EFFICIENT_ATTENTION", "CUDNN_ATTENTION", "MATH"):
        if name == "MATH" and q.shape[2] * k.shape[2] * q.shape[1] > 2**29:
            figures[name] = "left out: its scores are too large"
            continue
        try:
            with sdpa_kernel(getattr(SDPBackend, name)):
                figures[name] = gpu.milliseconds(attend, rounds)
        except Exception as error:
            figures[name] = f"not possible: {type(error).__name__}: {str(error).splitlines()[0][:80]}"
    return figures


# -- The diffusion step -----------------------------------------------------------------------------------------------

LOGITS = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


def logits(kind: str) -> torch.Tensor:
    """Logits over the softcap."""
    x = torch.randn((ROWS, VOCAB), device="cuda")
    if kind == "flat":
        return x * 1e-4
    if kind == "tied":
        return x.round()
    if kind == "peaked":
        return (x * 0.1).scatter_(1, torch.randint(0, VOCAB, (ROWS, 1), device="cuda"), 3.0)
    return x


def check_rows(gpu: Gpu) -> Results:
    """Draws that lie on a border of the CDF, counted; AssertionError for anything that is wrong."""
    borders: Results = {}
    uniform, temperature = torch.rand(ROWS, device="cuda"), torch.tensor([TEMPERATURE], device="cuda")
    allowed = torch.ones((2, VOCAB), dtype=torch.bool, device="cuda")
    allowed[1, ::3] = False
    row = torch.arange(ROWS, device="cuda") % 2
    for suffix, dtype in LOGITS.items():
        for kind in ("random", "flat", "tied", "peaked"):
            x = logits(kind).to(dtype)
            launch = launches.row_stats(ROWS, VOCAB, ROWS, SOFTCAP, suffix)
            argmax, drawn, entropy, largest, total = gpu.run(launch, x, temperature, uniform, allowed, row)
            scaled = torch.tanh(x.double()) * (SOFTCAP / float(np.float32(TEMPERATURE)))
            scaled = torch.where(allowed[row], scaled, -1e30)
            top = scaled.amax(-1, keepdim=True)
            weight = torch.exp(scaled - top)
            share = weight / weight.sum(-1, keepdim=True)
            cdf = share.cumsum(-1)
            index = torch.arange(ROWS, device="cuda")
            low = torch.where(drawn > 0, cdf[index, (drawn - 1).clamp_min(0)], 0.0)
            high = cdf[index, drawn]
            exact = -(share * torch.log(share.clamp_min(1e-300))).sum(-1)
            name = f"{suffix} {kind}"
            assert torch.allclose(scaled[index, argmax], top[:, 0], rtol=0, atol=5e-5), f"{name}: argmax"
            assert torch.allclose(entropy.double(), exact, rtol=1e-4, atol=1e-4), f"{name}: entropy"
            assert torch.allclose(largest.double(), top, rtol=1e-6, atol=5e-5), f"{name}: largest"
            scale = torch.exp(top - largest.double())
            assert torch.allclose(total.double(), weight.sum(-1, keepdim=True) * scale, rtol=1e-4), f"{name}: total"
            assert (share[index, drawn] > 0).all(), f"{name}: drawn what weighs nothing"
            off = torch.maximum(low - uniform, uniform - high).clamp_min(0)
            assert float(off.max()) < 5 * BORDER, f"{name}: drawn, off by {float(off.max()):.1e}"
            borders[name] = {"drawn beside a border": int((off > 0).sum()), "furthest": float(off.max())}
    return borders


def check_canvas(gpu: Gpu) -> Results:
    """CanvasUpdate against numpy, and its time."""
    random = np.random.Generator(np.random.Philox(key=6))
    argmax, drawn, other, pins = random.integers(0, VOCAB, (4, ROWS))
    entropy, pin = random.random(ROWS, np.float32) * np.float32(0.02), random.random(ROWS) < 0.2
    given = (argmax, drawn, entropy, other, np.array([0.1], np.float32), pin, pins)
    inputs = [torch.from_numpy(array).cuda() for array in given]
    theirs = diffusion_numpy.canvas_update(argmax, drawn, entropy, other, 0.1, pin, pins)
    ours = gpu.run(launches.canvas_update(ROWS), *inputs)
    for name, a, b in zip(theirs._fields[:5], ours, theirs, strict=False):
        assert np.array_equal(a.cpu().numpy(), b), name
    return {"milliseconds": gpu.milliseconds(gpu.prepare(launches.canvas_update(ROWS), *inputs)[0])}


def time_rows(gpu: Gpu, copy: float) -> Results:
    """RowStats, beside what the reference sampler does with a step's logits in PyTorch."""
    figures: Results = {}
    uniform, temperature = torch.rand(ROWS, device="cuda"), torch.tensor([TEMPERATURE], device="cuda")
    allowed = torch.ones((1, VOCAB), dtype=torch.bool, device="cuda")
    row = torch.zeros(1, dtype=torch.int64, device="cuda")
    for suffix, dtype in LOGITS.items():
        x = logits("random").to(dtype)
        launch = launches.row_stats(ROWS, VOCAB, 1, SOFTCAP, suffix)
        spent = gpu.milliseconds(gpu.prepare(launch, x, temperature, uniform, allowed, row)[0])
        read = x.numel() * x.element_size() / spent / 1e6
        figures[suffix] = {
            "milliseconds": spent,
            "logits read, GB/s": read,
            "share of copy bandwidth": read * 1e9 / copy,
        }
    x = logits("random")

    def reference() -> torch.Tensor:
        processed = torch.tanh(x) * (SOFTCAP / TEMPERATURE)
        drawn = torch.multinomial(torch.softmax(processed, -1), 1)[:, 0]
        entropy = torch.distributions.Categorical(logits=processed).entropy()
        order = entropy.argsort()
        accepted = torch.zeros_like(entropy, dtype=torch.bool)
        accepted[order] = entropy[order].cumsum(0) - entropy[order] <= 0.1
        torch.where(accepted, drawn, torch.randint(0, VOCAB, drawn.shape, device="cuda"))
        return processed.argmax(-1)

    figures["PyTorch, the reference sampler, f32"] = gpu.milliseconds(reference)
    return figures


def resources(gpu: Gpu) -> Results:
    """What the driver's compiler made of each kernel."""
    sizes = (ROWS, TOP_K, EXPERTS)
    made = [
        launches.route(*sizes), launches.combine(ROWS, TOP_K, HIDDEN),
        *(launches.up(*sizes, HIDDEN, INNER, kind) for kind in ("nvfp4", "bf16")),
        *(launches.down(*sizes, HIDDEN, INNER, kind) for kind in ("nvfp4", "bf16")),
        *(launches.attention(Heads(*model, ROWS, 8192), 1) for model in (FULL, SLIDING)),
        *(launches.attention_split(Heads(*model, ROWS, 8192), 1, 2, 1) for model in (FULL, SLIDING)),
        *(launches.row_stats(ROWS, VOCAB, 1, SOFTCAP, suffix) for suffix in LOGITS), launches.canvas_update(ROWS),
    ]  # fmt: skip
    return {launch.entry: gpu.resources(launch) for launch in made}


def lines(value: Any, indent: str = "  ") -> Iterator[str]:
    """A result as a table, one figure a line."""
    for name, item in value.items() if isinstance(value, dict) else ():
        if isinstance(item, dict) and any(isinstance(inner, dict) for inner in item.values()):
            yield f"{indent}{name}"
            yield from lines(item, indent + "  ")
        elif isinstance(item, dict):
            yield f"{indent}{name:<38} " + "  ".join(f"{key} {shown(inner)}" for key, inner in item.items())
        else:
            yield f"{indent}{name:<38} {shown(item)}"


def shown(value: Any) -> str:
    """A number in four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--seconds", type=float, default=100.0)
    given = parser.parse_args()
    began = time.monotonic()
    if not torch.cuda.is_available():
        sys.exit("this needs torch with CUDA, and an NVIDIA GPU")
    torch.manual_seed(16)
    gpu = Gpu()
    copy = gpu.copy_bandwidth()
    results: Results = {
        "device": {
            "name": gpu.name, "architecture": gpu.architecture, "multiprocessors": gpu.multiprocessors,
            "CUDA of the driver": gpu.driver(), "torch": torch.__version__, "date": time.strftime("%Y-%m-%d"),
            "copy, GB/s read and written": copy / 1e9,
        }
    }  # fmt: skip
    sections: dict[str, Callable[[], Results]] = {
        "resources": lambda: resources(gpu),
        "experts, relative errors": lambda: check_experts(gpu),
        "attention, relative errors": lambda: check_attention(gpu),
        "RowStats, draws": lambda: check_rows(gpu),
        "CanvasUpdate": lambda: check_canvas(gpu),
        "experts, milliseconds a layer": lambda: time_experts(gpu, copy),
        "attention, milliseconds a layer": lambda: time_attention(gpu),
        "RowStats, milliseconds": lambda: time_rows(gpu, copy),
    }
    failed = False
    for name, section in sections.items():
        start = time.monotonic()
        try:
            if start - began > given.seconds - 10:
                raise TimeoutError(f"left out: {start - began:.0f} s of {given.seconds:.0f} s were spent")
            results[name] = section()
        except Exception as error:
            failed = True
            results[name] = {"failed": f"{type(error).__name__}: {error}", "at": traceback.format_exc(limit=3)}
        results[name]["seconds spent"] = round(time.monotonic() - start, 1)
        torch.cuda.empty_cache()
        if given.json:
            given.json.write_text(json.dumps(results, indent=1) + "\n")
    for name, value in results.items():
        print(f"{name}")
        print("\n".join(lines(value)))
    sys.exit(failed)


if __name__ == "__main__":
    main()
