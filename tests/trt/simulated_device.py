"""A device without a GPU, over host memory: addresses are real, and what is enqueued runs as late as it may."""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import numpy as np

from dgemma_ros.errors import BackendError, DeviceMemoryError
from dgemma_ros.trt.device import DeviceInfo
from tests.trt import emulated

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
