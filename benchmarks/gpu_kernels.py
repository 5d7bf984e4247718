"""RowStats and CanvasUpdate on a GPU: held to numpy, then timed against the device's own copy. Needs one NVIDIA GPU.

``python -m benchmarks.gpu_kernels [--json FILE]`` on a machine with a driver, and NVRTC or nvcc; where torch is
installed, the reference sampler's code is timed in the same run. On a machine without a compiler, give it PTX that was
made elsewhere: ``python -m benchmarks.gpu_kernels --write-ptx FOLDER --architecture 90`` there, ``--ptx FOLDER`` here.

It has not run yet: no GPU was lent while it was written. Only libcuda is called, through ctypes.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from dgemma_ros.graphs import diffusion_numpy as reference
from dgemma_ros.graphs.diffusion import cdf_blocks
from dgemma_ros.trt import kernels

ROWS, VOCAB, SOFTCAP, TEMPERATURE = 256, 262_144, 30.0, 0.6
TYPES = {"f32": np.dtype(np.float32), "f16": np.dtype(np.float16), "bf16": np.dtype(ml_dtypes.bfloat16)}
BORDER = 2e-6


class Gpu:
    """The first device, through libcuda."""

    def __init__(self) -> None:
        try:
            self._lib = ctypes.CDLL("libcuda.so.1")
        except OSError:
            sys.exit("this needs an NVIDIA GPU and its driver (libcuda.so.1), and there is none here")
        self.call("cuInit", 0)
        device, context, name = ctypes.c_int(), ctypes.c_void_p(), ctypes.create_string_buffer(200)
        self.call("cuDeviceGet", ctypes.byref(device), 0)
        self.call("cuDeviceGetName", name, 200, device)
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self.call("cuCtxSetCurrent", context)
        major, minor = ctypes.c_int(), ctypes.c_int()
        self.call("cuDeviceGetAttribute", ctypes.byref(major), 75, device)
        self.call("cuDeviceGetAttribute", ctypes.byref(minor), 76, device)
        self.name, self.architecture = name.value.decode(), 10 * major.value + minor.value
        self._keep: list[Any] = []

    def call(self, name: str, *arguments: Any) -> None:
        """One call; its failure ends the program."""
        if status := getattr(self._lib, name)(*arguments):
            sys.exit(f"{name} failed with CUDA error {status}")

    def array(self, value: Any) -> ctypes.c_uint64:
        """A device copy of an array."""
        value, address = np.ascontiguousarray(value), ctypes.c_uint64()
        self.call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(value.nbytes))
        self.call("cuMemcpyHtoD_v2", address, ctypes.c_void_p(value.ctypes.data), ctypes.c_size_t(value.nbytes))
        return address

    def fetch(self, address: ctypes.c_uint64, like: Any) -> Any:
        """What lies there now, as an array of that kind."""
        out = np.empty_like(like)
        self.call("cuMemcpyDtoH_v2", ctypes.c_void_p(out.ctypes.data), address, ctypes.c_size_t(out.nbytes))
        return out

    def kernel(self, ptx: bytes, entry: str) -> ctypes.c_void_p:
        """A function of a module."""
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        self.call("cuModuleLoadData", ctypes.byref(module), ptx + b"\0")
        self.call("cuModuleGetFunction", ctypes.byref(function), module, entry.encode())
        return function

    def launcher(self, function: ctypes.c_void_p, grid: int, block: int, arguments: list[Any]) -> Callable[[], None]:
        """What launches it; addresses and C integers in order."""
        values = [value if isinstance(value, ctypes._SimpleCData) else ctypes.c_int(value) for value in arguments]
        pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
        self._keep += [values, pointers]
        return lambda: self.call("cuLaunchKernel", function, grid, 1, 1, block, 1, 1, 0, None, pointers, None)

    def milliseconds(self, launch: Callable[[], None], rounds: int = 50) -> float:
        """The median of single timed launches, after ten that warm up."""
        start, stop, elapsed = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_float()
        for event in (start, stop):
            self.call("cuEventCreate", ctypes.byref(event), 0)
        times = []
        for number in range(rounds + 10):
            self.call("cuEventRecord", start, None)
            launch()
            self.call("cuEventRecord", stop, None)
            self.call("cuEventSynchronize", stop)
            self.call("cuEventElapsedTime", ctypes.byref(elapsed), start, stop)
            if number >= 10:
                times.append(elapsed.value)
        return float(np.median(times))


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write-ptx", type=Path, metavar="FOLDER")
    parser.add_argument("--architecture", type=int, default=90)
    parser.add_argument("--ptx", type=Path, metavar="FOLDER")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    if given.write_ptx:
        given.write_ptx.mkdir(parents=True, exist_ok=True)
        for name in kernels.SOURCES:
            (given.write_ptx / f"{name}.ptx").write_bytes(kernels.ptx(name, given.architecture))
        return
    gpu = Gpu()
    ptx = {
        name: (given.ptx / f"{name}.ptx").read_bytes() if given.ptx else kernels.ptx(name, gpu.architecture)
        for name in kernels.SOURCES
    }
    figures = measure(gpu, ptx)
    for name, value in figures.items():
        print(f"{name:<44} {value}")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")


def measure(gpu: Gpu, ptx: dict[str, bytes]) -> dict[str, Any]:
    """Holds both kernels to numpy and times them; ends the program where a value is wrong."""
    random = np.random.Generator(np.random.Philox(key=6))
    inputs = {
        "random": random.standard_normal((ROWS, VOCAB), np.float32),
        "flat": random.standard_normal((ROWS, VOCAB), np.float32) * np.float32(1e-4),
        "tied": np.round(random.standard_normal((ROWS, VOCAB), np.float32)),
    }
    inputs["peaked"] = inputs["random"] * np.float32(0.1)
    inputs["peaked"][np.arange(ROWS), random.integers(0, VOCAB, ROWS)] = 3
    uniform = random.random(ROWS, np.float32)
    allowed, allowed_row = np.ones((2, VOCAB), np.bool_), np.arange(ROWS) % 2
    allowed[1, ::3] = False
    figures: dict[str, Any] = {"device": gpu.name, "architecture": gpu.architecture}
    copy = copy_bandwidth(gpu)
    figures["copy bandwidth, GB/s (read and write)"] = round(copy / 1e9, 1)
    outputs = [np.zeros(ROWS, np.int64), np.zeros(ROWS, np.int64), *(np.zeros(ROWS, np.float32) for _ in range(3))]
    addresses = [gpu.array(array) for array in outputs]
    fixed = [gpu.array(value) for value in (np.array([TEMPERATURE], np.float32), uniform, allowed, allowed_row)]
    bits = struct.unpack("i", struct.pack("f", SOFTCAP))[0]
    for suffix, dtype in TYPES.items():
        function = gpu.kernel(ptx[kernels.ROW_STATS], f"dgemma_row_stats_{suffix}")
        for kind, value in inputs.items():
            logits = value.astype(dtype)
            device = gpu.array(logits)
            numbers = [VOCAB, *cdf_blocks(VOCAB), ROWS, bits]
            launch = gpu.launcher(function, ROWS, 512, [device, *fixed, *numbers, *addresses])
            launch()
            gpu.call("cuCtxSynchronize")
            ours = [gpu.fetch(address, like) for address, like in zip(addresses, outputs, strict=True)]
            figures[f"rows {suffix} {kind}, draws on a border"] = hold(ours, logits, uniform, allowed, allowed_row)
            if kind == "random":
                time = gpu.milliseconds(launch)
                figures[f"RowStats {suffix}, ms"] = round(time, 4)
                share = logits.nbytes / (time / 1e3) / copy
                figures[f"RowStats {suffix}, one read over copy bandwidth"] = round(share, 3)
            gpu.call("cuMemFree_v2", device)
    figures["CanvasUpdate, ms"] = round(canvas(gpu, ptx[kernels.CANVAS_UPDATE], random), 4)
    if (torch_time := torch_sampler(inputs["random"])) is not None:
        figures["reference sampler in torch, ms"] = round(torch_time, 3)
        both = figures["RowStats f32, ms"] + figures["CanvasUpdate, ms"]
        figures["times faster than the reference sampler"] = round(torch_time / both, 1)
    return figures


def hold(ours: list[Any], logits: Any, uniform: Any, allowed: Any, row: Any) -> int:
    """The number of draws that lie within 2e-6 of a border; ends the program for anything else that differs."""
    theirs = reference.row_stats(logits.astype(np.float32), TEMPERATURE, uniform, allowed, row, SOFTCAP)
    argmax, drawn, entropy, largest, total = ours
    rows = np.arange(ROWS)
    scaled = np.tanh(logits.astype(np.float64)) * (SOFTCAP / np.float64(np.float32(TEMPERATURE)))
    scaled = np.where(allowed[row], scaled, -1e30)
    weight = np.exp(scaled - scaled.max(-1, keepdims=True))
    cdf = weight.cumsum(-1) / weight.sum(-1, keepdims=True)
    wrong = {
        "argmax": not np.allclose(scaled[rows, argmax], scaled.max(-1), rtol=0, atol=1e-5),
        "entropy": not np.allclose(entropy, theirs.entropy, rtol=1e-4, atol=1e-4),
        "largest": not np.allclose(largest, theirs.largest[:, 0], rtol=1e-6, atol=1e-5),
        "total": not np.allclose(total, theirs.total[:, 0], rtol=1e-4),
        "masked": not allowed[row, drawn].all(),
    }
    off = drawn != theirs.drawn
    distance = np.abs(cdf[rows, np.minimum(drawn, theirs.drawn)] - uniform)
    wrong["drawn"] = bool((distance[off] > BORDER).any())
    if any(wrong.values()):
        sys.exit(f"wrong: {', '.join(name for name, bad in wrong.items() if bad)}")
    return int(off.sum())


def canvas(gpu: Gpu, ptx: bytes, random: Any) -> float:
    """Milliseconds of CanvasUpdate, once it is right."""
    tokens = random.integers(0, VOCAB, (4, ROWS))
    entropy, pin = random.random(ROWS, np.float32) * np.float32(0.02), random.random(ROWS) < 0.2
    inputs = [*tokens[:2], entropy, tokens[2], np.array([0.1], np.float32), pin, tokens[3]]
    outputs = [np.zeros(ROWS, np.int64)] * 3 + [np.zeros(ROWS, np.float32), np.zeros(ROWS, np.bool_)]
    outputs += [np.zeros(1, np.float32)]
    addresses = [gpu.array(array) for array in outputs]
    arguments = [*(gpu.array(value) for value in inputs), ROWS, *addresses]
    launch = gpu.launcher(gpu.kernel(ptx, "dgemma_canvas_update"), 1, ROWS, arguments)
    launch()
    gpu.call("cuCtxSynchronize")
    ours = [gpu.fetch(address, like) for address, like in zip(addresses, outputs, strict=True)]
    theirs = reference.canvas_update(*tokens[:2], entropy, tokens[2], 0.1, pin, tokens[3])
    if not all(np.array_equal(a, b) for a, b in zip(ours[:5], theirs[:5], strict=True)):
        sys.exit("wrong: CanvasUpdate")
    return gpu.milliseconds(launch)


def copy_bandwidth(gpu: Gpu) -> float:
    """Bytes a second, read and written, of a device-to-device copy as large as the logits."""
    size = 4 * ROWS * VOCAB
    source, target = gpu.array(np.zeros(size, np.uint8)), gpu.array(np.zeros(size, np.uint8))
    time = gpu.milliseconds(lambda: gpu.call("cuMemcpyDtoDAsync_v2", target, source, ctypes.c_size_t(size), None))
    for address in (source, target):
        gpu.call("cuMemFree_v2", address)
    return 2 * size / (time / 1e3)


def torch_sampler(logits: Any) -> float | None:
    """Milliseconds of what the reference sampler does with a step's logits, in torch on the same GPU, if it is here."""
    try:
        import torch
    except ImportError:
        return None
    x = torch.from_numpy(logits).cuda()

    def step() -> None:
        processed = torch.tanh(x) * (SOFTCAP / TEMPERATURE)
        probabilities = torch.softmax(processed, -1)
        drawn = torch.multinomial(probabilities, 1)[:, 0]
        entropy = torch.distributions.Categorical(logits=processed).entropy()
        order = entropy.argsort()
        accepted = torch.zeros_like(entropy, dtype=torch.bool)
        accepted[order] = entropy[order].cumsum(0) - entropy[order] <= 0.1
        torch.where(accepted, drawn, torch.randint(0, VOCAB, drawn.shape, device=x.device))
        processed.argmax(-1)

    times = []
    for number in range(30):
        start, stop = torch.cuda.Event(True), torch.cuda.Event(True)
        start.record()
        step()
        stop.record()
        torch.cuda.synchronize()
        if number >= 5:
            times.append(start.elapsed_time(stop))
    return float(np.median(times))


if __name__ == "__main__":
    main()
