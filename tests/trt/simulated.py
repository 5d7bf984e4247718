"""A device, a compiler and a runtime without a GPU: the session's own code runs, over host memory and ONNX Runtime.

An "engine" is the very graph that TensorRT's parser would get, with the plugins' functions put back. Addresses are
real: what a copy or a run is told to read and write, it reads and writes, and nothing but what was allocated.
"""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import ModelProto, TensorProto, helper

from dgemma_ros.checkpoint.config import ModelConfig
from dgemma_ros.errors import BackendError, DeviceMemoryError
from dgemma_ros.graphs.builder import DOMAIN, OPSET, PLUGIN
from dgemma_ros.graphs.diffusion import canvas_update, row_stats, scaled_logits
from dgemma_ros.trt import plugin_contracts as contracts
from dgemma_ros.trt import plugins, rewrite
from dgemma_ros.trt.buffers import NUMPY
from dgemma_ros.trt.builder import EngineSource
from dgemma_ros.trt.device import DeviceInfo
from dgemma_ros.trt.engine_manifest import EngineSpec, ProfileSpec
from dgemma_ros.trt.targets import Target
from tests.trt import emulated, plugin_bodies

VERSION = "10.16.2.0"
INFO = DeviceInfo("Simulated NVIDIA Thor", 110, 128_000_000_000, 13020, integrated=True)


class Mark:
    """A record of an event in a stream's queue."""

    def __init__(self, stream: int) -> None:
        self.stream, self.reached = stream, False

    def __call__(self) -> None:
        self.reached = True


class SimulatedDevice:
    """``room``: bytes that can be allocated. Every address that is used must lie in something that was allocated.

    What is enqueued runs as late as it may: when the host waits for its stream, or another stream for its event. So
    an order that nothing enforces is not there. ``eager``: everything runs at once instead.
    """

    info = INFO

    def __init__(self, room: float = 1e9, eager: bool = False) -> None:
        self.eager = eager
        self.queues: dict[int, deque[Callable[[], None]]] = {1: deque(), 2: deque()}
        self.marks: dict[int, Mark | None] = {}
        self.events = count(100)
        self.room = room
        self.memory: dict[int, np.ndarray] = {}
        self.captures = self.launches = self.downloads = 0
        self.capturable = True
        self.capturing: list[Callable[[], None]] | None = None
        self.host: list[np.ndarray] = []
        self.kernels: list[str] = []
        self.closed = False

    def activate(self) -> None:
        assert not self.closed

    def free_memory(self) -> int:
        return int(self.room - sum(array.nbytes for array in self.memory.values()))

    def allocate(self, size: int, what: str) -> int:
        assert self.capturing is None, "a capture must not allocate"
        if size > self.free_memory():
            raise DeviceMemoryError(f"no memory left for {what}")
        array = np.zeros(size + 1, np.uint8)
        self.memory[array.ctypes.data] = array
        return array.ctypes.data

    def release(self, address: int) -> None:
        for stream in self.queues:  # cudaFree waits for all that is enqueued
            self.drain(stream)
        self.memory.pop(address, None)

    def used(self) -> int:
        return sum(array.nbytes for array in self.memory.values())

    def view(self, address: int, size: int) -> np.ndarray:
        for start, array in self.memory.items():
            if start <= address and address + size <= start + array.nbytes:
                return array[address - start : address - start + size]
        raise AssertionError(f"{size} bytes at {address} were never allocated")

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        self.host.append(np.zeros(shape, dtype))
        return self.host[-1]

    def stream(self, urgent: bool) -> int:
        return 1 + urgent

    def wait(self, stream: int) -> None:
        assert self.capturing is None
        self.drain(stream)

    def drain(self, stream: int, mark: Mark | None = None) -> None:
        """Runs a stream's queue, to its end or to a mark."""
        queue = self.queues[stream]
        while queue and (mark is None or not mark.reached):
            queue.popleft()()

    def enqueue(self, call: Callable[[], None], stream: int) -> None:
        if self.capturing is not None:
            self.capturing.append(call)
            return
        self.queues[stream].append(call)
        if self.eager:
            self.drain(stream)

    def event(self) -> int:
        event = next(self.events)
        self.marks[event] = None
        return event

    def record(self, event: int, stream: int) -> None:
        assert self.capturing is None and event in self.marks
        self.marks[event] = mark = Mark(stream)
        self.enqueue(mark, stream)

    def wait_event(self, stream: int, event: int) -> None:
        assert self.capturing is None
        if (mark := self.marks[event]) is not None:
            self.enqueue(lambda: self.drain(mark.stream, mark), stream)

    def release_event(self, event: int) -> None:
        self.marks.pop(event, None)

    def clear(self, address: int, size: int, stream: int) -> None:
        self.enqueue(lambda: self.view(address, size).fill(0), stream)

    def upload(self, address: int, array: np.ndarray, stream: int) -> None:
        assert array.flags.c_contiguous

        def copy() -> None:
            self.view(address, array.nbytes)[:] = np.frombuffer(array.tobytes(), np.uint8)

        self.enqueue(copy, stream)

    def download(self, array: np.ndarray, address: int, stream: int) -> None:
        self.downloads += 1

        def copy() -> None:
            self.view(address, array.nbytes)
            ctypes.memmove(array.ctypes.data, address, array.nbytes)

        self.enqueue(copy, stream)

    def copy_rows(
        self, target: int, target_pitch: int, source: int, source_pitch: int, width: int, rows: int, stream: int
    ) -> None:
        def copy() -> None:
            for row in range(rows):
                start = source + row * source_pitch
                piece = self.view(start, width).copy()
                self.view(target + row * target_pitch, width)[:] = piece

        self.enqueue(copy, stream)

    def kernel(self, ptx: bytes, entry: str) -> int:
        assert f".entry {entry}(".encode() in ptx and f"sm_{self.info.architecture}".encode() in ptx
        self.kernels.append(entry)
        return len(self.kernels) - 1

    def launch(
        self, kernel: int, blocks: int, threads: int, arguments: Sequence[ctypes.c_void_p | ctypes.c_int], stream: int
    ) -> None:
        for argument in arguments:
            if isinstance(argument, ctypes.c_void_p):
                self.view(int(argument.value or 0), 1)
        entry = self.kernels[kernel]
        self.enqueue(lambda: emulated.shared().launch(entry, (blocks, 1, 1), threads, arguments), stream)

    def capture(self, stream: int, enqueue: Callable[[], None]) -> SimulatedGraph:
        if not self.capturable:
            raise BackendError("cannot capture")
        self.capturing = []
        try:
            enqueue()
            return SimulatedGraph(self, self.capturing)
        finally:
            self.capturing = None
            self.captures += 1

    def close(self) -> None:
        for queue in self.queues.values():
            queue.clear()
        self.marks.clear()
        self.memory.clear()
        self.closed = True


class SimulatedGraph:
    def __init__(self, device: SimulatedDevice, calls: list[Callable[[], None]]) -> None:
        self.device, self.calls = device, calls

    def launch(self, stream: int) -> None:
        self.device.launches += 1
        for call in self.calls:
            self.device.enqueue(call, stream)

    def close(self) -> None:
        self.calls = []


class SimulatedCompiler:
    version = VERSION
    info = INFO

    def __init__(self, target: Target, config: ModelConfig) -> None:
        self.sizes, self.experts = plugins.Sizes.of(config), config.text.experts

    def refusals(self, config: ModelConfig, dtype: str, packed: bool) -> tuple[str | None, str | None]:
        """Functions of standard operators take any size; packed rows must be whole int32 numbers all the same."""
        text = config.text
        odd = packed and (text.hidden_size % 64 or text.expert_intermediate_size % 64)
        return ("rows of packed experts are no whole numbers" if odd else None), None

    def free_memory(self) -> int:
        return INFO.memory

    def compile(self, source: EngineSource, out: Path, on_progress: Callable[[str, int, int], None]) -> None:
        on_progress("building", 1, 1)
        weights = source.weights
        runnable = with_functions(source.model, self.sizes, self.experts)
        for tensor in runnable.graph.initializer:
            if tensor.data_location == TensorProto.EXTERNAL:
                data = weights[tensor.name]
                tensor.CopyFrom(onnx.numpy_helper.from_array(np.asarray(data), tensor.name))
        onnx.save(runnable, out)


def with_functions(model: ModelProto, sizes: plugins.Sizes, experts: int) -> ModelProto:
    """A rewritten graph as ONNX Runtime can run it: the plugins' calls are functions again."""
    copy = ModelProto()
    copy.CopyFrom(model)
    for node in copy.graph.node:  # which ONNX Runtime refuses
        kept = [attribute for attribute in node.attribute if attribute.name != rewrite.DECOMPOSABLE]
        del node.attribute[:]
        node.attribute.extend(kept)
    for node in [node for node in copy.graph.node if node.op_type == contracts.ROW_STATS]:
        logits, wide = node.input[0], f"{node.name}/wide"  # the function is written for float32, the kernel for any
        node.input[0] = wide
        copy.graph.node.insert(
            list(copy.graph.node).index(node), helper.make_node("Cast", [logits], [wide], to=TensorProto.FLOAT)
        )
    called = [node for node in copy.graph.node if node.domain == DOMAIN]
    for node in called:
        kept = [attribute for attribute in node.attribute if attribute.name in PLUGIN]
        del node.attribute[:]
        node.attribute.extend(kept)
    if called:
        known = [scaled_logits(sizes.softcap), row_stats(sizes.softcap, sizes.vocab), canvas_update()]
        names = {node.op_type for node in called} | {known[0].name}
        copy.functions.extend(one for one in (*known, *plugin_bodies.functions(experts)) if one.name in names)
        del copy.opset_import[:]
        copy.opset_import.extend([helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)])
    return copy


class SimulatedRuntime:
    version = VERSION

    def __init__(self, device: SimulatedDevice) -> None:
        self.device = device
        self.loaded: list[str] = []

    def load(self, file: Path, spec: EngineSpec) -> SimulatedEngine:
        self.loaded.append(file.name)
        return SimulatedEngine(self.device, file, spec)


class SimulatedEngine:
    def __init__(self, device: SimulatedDevice, file: Path, spec: EngineSpec) -> None:
        self.device, self.spec = device, spec
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self.session = ort.InferenceSession(file.read_bytes(), options, providers=["CPUExecutionProvider"])

    def scratch(self, profile: int) -> int:
        return 1000 * (profile + 1)

    def context(self, profile: int, scratch: int, size: int, stream: int) -> SimulatedContext:
        assert size >= self.scratch(profile)
        self.device.view(scratch, size)
        return SimulatedContext(self, self.spec.profiles[profile])


class SimulatedContext:
    def __init__(self, engine: SimulatedEngine, profile: ProfileSpec) -> None:
        self.engine, self.profile = engine, profile
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.addresses: dict[str, int] = {}

    def set_shapes(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        for name, shape in shapes.items():
            spec = self.engine.spec.inputs[name]
            assert len(shape) == len(spec.shape)
            for size, dim in zip(shape, spec.shape, strict=True):
                if isinstance(dim, str):
                    low, _, high = self.profile.dims[dim]
                    assert low <= size <= high, (name, dim, size, self.profile)
                else:
                    assert size == dim, (name, shape)
            self.shapes[name] = tuple(shape)

    def bind(self, addresses: Mapping[str, int]) -> None:
        self.addresses.update(addresses)

    def run(self, stream: int) -> None:
        shapes, addresses = dict(self.shapes), dict(self.addresses)
        self.engine.device.enqueue(lambda: self._run(shapes, addresses), stream)

    def _run(self, shapes: dict[str, tuple[int, ...]], addresses: dict[str, int]) -> None:
        spec, device = self.engine.spec, self.engine.device
        assert set(addresses) == {*spec.inputs, *spec.outputs}
        feeds = {}
        for name, tensor in spec.inputs.items():
            dtype = NUMPY[tensor.dtype]
            shape = shapes[name]
            memory = device.view(addresses[name], int(np.prod(shape)) * dtype.itemsize)
            feeds[name] = np.frombuffer(memory.tobytes(), dtype).reshape(shape)
        names = list(spec.outputs)
        for name, array in zip(names, self.engine.session.run(names, feeds), strict=True):
            assert array.dtype == NUMPY[spec.outputs[name].dtype]
            device.view(addresses[name], array.nbytes)[:] = np.frombuffer(array.tobytes(), np.uint8)
