"""The device layer on a GPU, without TensorRT: memory, copies, streams, events, CUDA graphs and the cache's moves.

``python -m benchmarks.gpu_device [--json FILE]`` on a machine with a driver of CUDA 13 and cuda-bindings; half a minute
at most. What has a right answer is held to numpy, and the program ends with 1 where one is wrong; the rest is measured.
It has not run yet: no GPU was at hand while it was written.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import ml_dtypes
import numpy as np

from dgemma_ros.checkpoint.config import LayerKind, read_config
from dgemma_ros.checkpoint.fields import Section
from dgemma_ros.errors import DeviceMemoryError, DgemmaError
from dgemma_ros.trt import kernels
from dgemma_ros.trt.cache import TrtCache
from dgemma_ros.trt.device import CudaDevice, copy_bandwidth
from dgemma_ros.trt.key_kernels import KeyKernels

CONFIG = read_config(Section.of_file(Path(__file__).parents[1] / "tests" / "data" / "config-26b.json"))
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
UPLOAD = 256 << 20
NORMS = {
    layer.index: np.linspace(0.5, 1.5, layer.head_dim, dtype=np.float32)
    for layer in CONFIG.text.layers
    if layer.kind is LayerKind.FULL
}


def milliseconds(call: Callable[[], object], rounds: int = 10) -> float:
    """The median of ``rounds``, after one that warms up."""
    times = []
    for _ in range(rounds + 1):
        begun = perf_counter()
        call()
        times.append(1e3 * (perf_counter() - begun))
    return median(times[1:])


def copies(device: CudaDevice, stream: int) -> Iterator[tuple[str, Any]]:
    """Host to device and back, rows a pitch apart, zeros."""
    random = np.random.Generator(np.random.Philox(key=1))
    host = random.integers(0, 255, (64, 1000), np.uint8)
    address = device.allocate(host.nbytes, "a test")
    back = device.pinned(host.shape, np.uint8)
    device.download(back, address, stream)
    device.wait(stream)
    yield "fresh memory is zeros", not back.any()
    device.upload(address, host, stream)
    target = device.allocate(64 * 300, "a test")
    device.copy_rows(target, 300, address + 100, 1000, 300, 64, stream)
    rows = device.pinned((64, 300), np.uint8)
    device.download(back, address, stream)
    device.download(rows, target, stream)
    device.wait(stream)
    yield "what goes up comes down", np.array_equal(back, host)
    yield "rows a pitch apart", np.array_equal(rows, host[:, 100:400])
    device.clear(address, host.nbytes, stream)
    device.download(back, address, stream)
    device.wait(stream)
    yield "cleared", not back.any()
    for kind, buffer in (("pageable", np.zeros(UPLOAD, np.uint8)), ("pinned", device.pinned((UPLOAD,), np.uint8))):
        large = device.allocate(UPLOAD, "a test")

        def upload(large: int = large, buffer: Any = buffer) -> None:
            device.upload(large, buffer, stream)
            device.wait(stream)

        yield f"upload from {kind} memory, GB/s", round(UPLOAD / milliseconds(upload, 5) / 1e6, 1)
        device.release(large)


def order(device: CudaDevice, urgent: int, other: int) -> Iterator[tuple[str, Any]]:
    """Events between streams, a captured graph, and what launching costs."""
    size = 64 << 20
    source, target = (device.allocate(size, "a test") for _ in range(2))
    ones = np.ones(size, np.uint8)
    device.upload(source, ones, other)
    event = device.event()
    for _ in range(20):  # long enough that an order that is not kept shows
        device.copy_rows(target, size, source, size, size, 1, other)
    device.record(event, other)
    device.wait_event(urgent, event)
    seen = device.pinned((size,), np.uint8)
    device.download(seen, target, urgent)
    device.wait(urgent)
    yield "a stream waits for another's event", bool(seen.all())

    def enqueue() -> None:
        for _ in range(30):
            device.copy_rows(target, 4096, source, 4096, 4096, 16, urgent)

    device.clear(target, size, urgent)
    graph = device.capture(urgent, enqueue)
    device.wait(urgent)
    device.download(seen, target, urgent)
    device.wait(urgent)
    yield "capturing runs nothing", not seen.any()
    graph.launch(urgent)
    device.download(seen, target, urgent)
    device.wait(urgent)
    yield "a captured graph does what was captured", bool(seen[: 16 * 4096].all()) and not seen[16 * 4096 :].any()

    def plainly() -> None:
        enqueue()
        device.wait(urgent)

    def captured() -> None:
        graph.launch(urgent)
        device.wait(urgent)

    yield "30 small copies one by one, ms", round(milliseconds(plainly, 50), 4)
    yield "the same as a graph, ms", round(milliseconds(captured, 50), 4)
    graph.close()
    device.release_event(event)


def cache(device: CudaDevice, stream: int) -> Iterator[tuple[str, Any]]:
    """The released model's cache: growing, moving, saving, restoring and turning rows, held to numpy."""
    buckets = {LayerKind.FULL: (1024, 8192), LayerKind.SLIDING: (1536,)}
    held = TrtCache(device, stream, CONFIG, BFLOAT16, buckets, KeyKernels(device, stream, BFLOAT16, {}))
    random = np.random.Generator(np.random.Philox(key=2))
    for kind, rows in ((LayerKind.FULL, 1000), (LayerKind.SLIDING, 1500)):
        layers = [layer for layer in CONFIG.text.layers if layer.kind is kind]
        held.resize(kind, rows, 0)
        filled = {}
        for layer in layers:
            shape = (2, layer.kv_heads, rows, layer.head_dim)
            keys, values = random.standard_normal(shape, np.float32).astype(BFLOAT16)
            held.put(layer.index, 0, keys, values)
            filled[layer.index] = (keys, values)
        yield f"{kind}: rows come back", same(held, filled, rows)
        begun = perf_counter()
        saved = held.save(kind, 0, rows)
        yield f"{kind}: {rows} rows saved on the device, ms", round(1e3 * (perf_counter() - begun), 2)
        begun = perf_counter()
        held.move(kind, 150, 100, 700)
        yield f"{kind}: 700 rows of {len(layers)} layers moved, ms", round(1e3 * (perf_counter() - begun), 2)
        moved = {index: tuple(array.copy() for array in pair) for index, pair in filled.items()}
        for array in (array for pair in moved.values() for array in pair):
            array[:, 100:800] = array[:, 150:850].copy()
        yield f"{kind}: moved rows, the ranges overlapping", same(held, moved, rows)
        if kind is LayerKind.FULL:
            held.resize(kind, 5000, rows)
            yield f"{kind}: rows outlive another bucket", same(held, moved, rows)
        held.load(kind, 0, saved)
        yield f"{kind}: saved rows come back", same(held, filled, rows)
        if kernels.nvrtc() is not None or kernels.find_nvcc() is not None:
            angles = np.linspace(0, 1, layers[0].head_dim // 4, dtype=np.float32)
            begun = perf_counter()
            held.rotate(kind, 100, 200, np.cos(angles), np.sin(angles))
            yield f"{kind}: 200 keys turned, first call, ms", round(1e3 * (perf_counter() - begun), 2)
            keys, _ = held.fetch(layers[0].index, 0, rows)
            yield f"{kind}: turned keys", turned(keys, filled[layers[0].index][0], angles)
    yield "bytes of the cache", held.nbytes
    held.close()


def same(held: TrtCache, expected: dict[int, Any], rows: int) -> bool:
    """Equal bit for bit."""
    return all(
        np.array_equal(ours.view(np.uint16), theirs.view(np.uint16))
        for index, pair in expected.items()
        for ours, theirs in zip(held.fetch(index, 0, rows), pair, strict=True)
    )


def turned(ours: Any, before: Any, angles: Any) -> bool:
    """Whether rows 100 … 299 are turned by the angles in their first pairs, and nothing else is."""
    expected, half, pairs = before.astype(np.float32), before.shape[-1] // 2, len(angles)
    turning = before[:, 100:300].astype(np.float64)
    left, right = turning[..., :pairs], turning[..., half : half + pairs]
    expected[:, 100:300, :pairs] = left * np.cos(angles) - right * np.sin(angles)
    expected[:, 100:300, half : half + pairs] = right * np.cos(angles) + left * np.sin(angles)
    return bool(np.allclose(ours.astype(np.float32), expected, rtol=2**-7, atol=1e-2))


def memory(device: CudaDevice) -> Iterator[tuple[str, Any]]:
    """What allocating costs, and what happens when there is no more."""
    before = device.free_memory()
    begun = perf_counter()
    address = device.allocate(1 << 30, "a test")
    yield "allocating and clearing 1 GiB, ms", round(1e3 * (perf_counter() - begun), 2)
    yield "free memory goes down", before - device.free_memory() >= 1 << 30
    device.release(address)
    try:
        device.allocate(1 << 50, "a test of too much")
        yield "too much is refused", False
    except DeviceMemoryError as error:
        yield "too much is refused", "a test of too much" in str(error)
    yield "and the device lives on", device.free_memory() > 0


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    try:
        device = CudaDevice()
    except DgemmaError as error:
        sys.exit(str(error))
    urgent, other = device.stream(True), device.stream(False)
    figures: dict[str, Any] = {"device": device.info.name, "architecture": device.info.architecture}
    figures |= {"driver": device.info.driver, "integrated": device.info.integrated}
    figures["copies within the device, GB/s"] = round(copy_bandwidth(device, urgent) / 1e9, 1)
    for part in (copies(device, urgent), order(device, urgent, other), cache(device, other), memory(device)):
        figures |= dict(part)
    for _ in range(2):
        device.close()
    for name, value in figures.items():
        print(f"{name:<56} {value}")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")
    if wrong := [name for name, value in figures.items() if value is False and name != "integrated"]:
        sys.exit(f"wrong: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
