"""One CUDA device: memory, streams and graphs, through cuda-bindings.

The CUDA runtime's primary context is used, which belongs to no thread, so a session may be opened in one thread and
used and closed in another. (pycuda cannot do that: its allocations belong to the thread that made them. It has neither
stream priorities nor CUDA graphs.)

Longer than most files: one object holds what the driver is asked for, and its interface is half of it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final, Protocol, TypeAlias

import numpy as np

from dgemma_ros.errors import BackendError, DeviceMemoryError
from dgemma_ros.runtime.contract import Array
from dgemma_ros.trt import machine

_ALIGNMENT: Final = 256
Argument: TypeAlias = ctypes.c_void_p | ctypes.c_int
"""Of a kernel: an address on the device, or a number."""


@dataclass(frozen=True)
class DeviceInfo:
    """What a device is: ``architecture`` as in sm_<architecture>, ``memory`` in bytes, ``driver`` 13020 for 13.2.

    ``integrated``: whether it shares the CPU's memory, as Thor and Spark do.
    """

    name: str
    architecture: int
    memory: int
    driver: int
    integrated: bool = False


class Graph(Protocol):
    """A captured sequence of launches."""

    def launch(self, stream: int) -> None:
        """Enqueues it."""

    def close(self) -> None:
        """Frees it; idempotent."""


class Device(Protocol):
    """What the session needs of a device. Addresses and streams are integers. All copies are asynchronous."""

    info: DeviceInfo

    def activate(self) -> None:
        """Makes the device the calling thread's own."""

    def free_memory(self) -> int:
        """Bytes that can still be allocated."""

    def allocate(self, size: int, what: str) -> int:
        """Memory full of zeros. Raises :class:`DeviceMemoryError`, naming ``what``."""

    def release(self, address: int) -> None:
        """Gives back what :meth:`allocate` gave."""

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """A host array that copies can be asynchronous with; lives as long as the device."""

    def stream(self, urgent: bool) -> int:
        """A stream of the highest or the lowest priority."""

    def wait(self, stream: int) -> None:
        """Until all that was enqueued is done."""

    def event(self) -> int:
        """A mark that streams are ordered by. One that was never recorded holds nobody up."""

    def record(self, event: int, stream: int) -> None:
        """The event is reached when all is done that was enqueued on the stream before."""

    def wait_event(self, stream: int, event: int) -> None:
        """What is enqueued on the stream from now on waits for the event's last record. The host does not."""

    def release_event(self, event: int) -> None:
        """Gives back what :meth:`event` gave."""

    def used(self) -> int:
        """Bytes that are taken of the device's memory since it was opened, by whomever."""

    def clear(self, address: int, size: int, stream: int) -> None:
        """Fills with zeros."""

    def upload(self, address: int, array: Array, stream: int) -> None:
        """Host to device; ``array`` is C-contiguous and must stay as it is until the stream is there."""

    def download(self, array: Array, address: int, stream: int) -> None:
        """Device to host."""

    def copy_rows(
        self, target: int, target_pitch: int, source: int, source_pitch: int, width: int, rows: int, stream: int
    ) -> None:
        """Copies ``rows`` pieces of ``width`` bytes, a pitch apart; they must not overlap."""

    def kernel(self, ptx: bytes, entry: str) -> int:
        """An entry point of a module, which stays loaded as long as the device. Raises :class:`BackendError`."""

    def launch(self, kernel: int, blocks: int, threads: int, arguments: Sequence[Argument], stream: int) -> None:
        """Enqueues a kernel over ``blocks`` × ``threads``."""

    def capture(self, stream: int, enqueue: Any) -> Graph:
        """What ``enqueue()`` puts on the stream, captured instead of run. Raises :class:`BackendError`."""

    def close(self) -> None:
        """Frees streams, pinned memory and whatever is still allocated; idempotent."""


def copy_bandwidth(device: Device, stream: int, rows: int = 256, copies: int = 20) -> float:
    """Bytes a second, read and written, of copies within the device's memory. Raises :class:`DeviceMemoryError`.

    ``rows``: of 1 MiB; what is copied must exceed the device's caches.
    """
    row = 1 << 20
    addresses: list[int] = []
    times = []
    try:
        for _ in range(2):
            addresses.append(device.allocate(row * rows, "measuring the bandwidth"))
        for _ in range(5):
            begun = perf_counter()
            for _ in range(copies):
                device.copy_rows(addresses[0], row, addresses[1], row, row, rows, stream)
            device.wait(stream)
            times.append(perf_counter() - begun)
    finally:
        for address in addresses:
            device.release(address)
    return 2 * row * rows * copies / min(times)


class CudaDevice:
    """See :class:`Device`. ``limit``: bytes that may be allocated in all, so that perception keeps its share."""

    def __init__(self, limit: float = float("inf"), ordinal: int = 0) -> None:
        try:
            from cuda.bindings import driver, runtime
        except ImportError as error:
            raise BackendError("cuda-bindings is not installed: pip install cuda-bindings") from error
        self._cuda: Any = runtime
        self._driver: Any = driver  # the runtime's binding launches no kernels; both share the primary context
        self._modules: list[Any] = []
        self._ordinal = ordinal
        self._limit = limit
        self._sizes: dict[int, int] = {}
        self._pinned: list[int] = []
        self._streams: list[int] = []
        self._events: set[int] = set()
        self.activate()
        properties = self._call("cudaGetDeviceProperties", ordinal)
        name = properties.name.decode() if isinstance(properties.name, bytes) else str(properties.name)
        self._integrated = bool(properties.integrated)
        self._free = self._free_bytes()
        _, memory = self._call("cudaMemGetInfo")
        self.info = DeviceInfo(
            name.rstrip("\0"),
            10 * properties.major + properties.minor,
            int(memory),
            int(self._call("cudaDriverGetVersion")),
            self._integrated,
        )

    def activate(self) -> None:
        """See the protocol."""
        self._call("cudaSetDevice", self._ordinal)

    def free_memory(self) -> int:
        """See the protocol."""
        return int(min(self._free_bytes(), self._limit - sum(self._sizes.values())))

    def _free_bytes(self) -> int:
        """Where CPU and GPU share the memory, CUDA counts the page cache as taken, which any allocation gets back."""
        if self._integrated and (available := machine.available_memory()) is not None:
            return available
        free, _ = self._call("cudaMemGetInfo")
        return int(free)

    def allocate(self, size: int, what: str) -> int:
        """See the protocol."""
        taken = sum(self._sizes.values())
        if taken + size > self._limit:
            raise DeviceMemoryError(
                f"{what} needs {size / 1e9:.2f} GB, but of the {self._limit / 1e9:.1f} GB that the target allows "
                f"{taken / 1e9:.2f} GB are taken"
            )
        address = int(self._call("cudaMalloc", max(size, _ALIGNMENT), what=what))
        self._sizes[address] = size
        # The zeros come from the default stream, for which our streams do not wait.
        self._call("cudaMemset", address, 0, max(size, _ALIGNMENT))
        self._call("cudaStreamSynchronize", 0)
        return address

    def release(self, address: int) -> None:
        """See the protocol."""
        if self._sizes.pop(address, None) is not None:
            self._call("cudaFree", address)

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """See the protocol."""
        dtype = np.dtype(dtype)
        size = max(int(np.prod(shape)) * dtype.itemsize, 1)
        address = int(self._call("cudaHostAlloc", size, 0, what="pinned memory"))
        self._pinned.append(address)
        memory = np.frombuffer((ctypes.c_uint8 * size).from_address(address), np.uint8)
        array: Array = memory[: int(np.prod(shape)) * dtype.itemsize].view(dtype).reshape(shape)
        return array

    def stream(self, urgent: bool) -> int:
        """See the protocol."""
        lowest, highest = self._call("cudaDeviceGetStreamPriorityRange")
        stream = self._call("cudaStreamCreateWithPriority", 1, highest if urgent else lowest)  # 1: non-blocking
        self._streams.append(int(stream))
        return int(stream)

    def wait(self, stream: int) -> None:
        """See the protocol."""
        self._call("cudaStreamSynchronize", stream)

    def event(self) -> int:
        """See the protocol."""
        event = int(self._call("cudaEventCreateWithFlags", 2))  # 2: without timing, which is quicker
        self._events.add(event)
        return event

    def record(self, event: int, stream: int) -> None:
        """See the protocol."""
        self._call("cudaEventRecord", event, stream)

    def wait_event(self, stream: int, event: int) -> None:
        """See the protocol."""
        self._call("cudaStreamWaitEvent", stream, event, 0)

    def release_event(self, event: int) -> None:
        """See the protocol."""
        if event in self._events:
            self._events.remove(event)
            self._call("cudaEventDestroy", event)

    def used(self) -> int:
        """See the protocol."""
        return self._free - self._free_bytes()

    def clear(self, address: int, size: int, stream: int) -> None:
        """See the protocol."""
        self._call("cudaMemsetAsync", address, 0, size, stream)

    def upload(self, address: int, array: Array, stream: int) -> None:
        """See the protocol."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._call("cudaMemcpyAsync", address, array.ctypes.data, array.nbytes, kind, stream)

    def download(self, array: Array, address: int, stream: int) -> None:
        """See the protocol."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._call("cudaMemcpyAsync", array.ctypes.data, address, array.nbytes, kind, stream)

    def copy_rows(
        self, target: int, target_pitch: int, source: int, source_pitch: int, width: int, rows: int, stream: int
    ) -> None:
        """See the protocol."""
        if width and rows:
            kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToDevice
            self._call("cudaMemcpy2DAsync", target, target_pitch, source, source_pitch, width, rows, kind, stream)

    def kernel(self, ptx: bytes, entry: str) -> int:
        """See the protocol."""
        module = self._call_driver("cuModuleLoadData", ptx.rstrip(b"\0") + b"\0")
        self._modules.append(module)
        return int(self._call_driver("cuModuleGetFunction", module, entry.encode()))

    def launch(self, kernel: int, blocks: int, threads: int, arguments: Sequence[Argument], stream: int) -> None:
        """See the protocol."""
        given = tuple(argument.value for argument in arguments), tuple(map(type, arguments))
        self._call_driver("cuLaunchKernel", kernel, blocks, 1, 1, threads, 1, 1, 0, stream, given, 0)

    def capture(self, stream: int, enqueue: Any) -> CudaGraph:
        """See the protocol."""
        mode = self._cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._call("cudaStreamBeginCapture", stream, mode)
        try:
            enqueue()
        except BaseException:
            with suppress(BackendError):  # the capture is broken; ending it says so once more
                self._call("cudaGraphDestroy", self._call("cudaStreamEndCapture", stream))
            raise
        graph = self._call("cudaStreamEndCapture", stream)
        try:
            return CudaGraph(self._call, self._call("cudaGraphInstantiate", graph, 0))
        finally:
            self._call("cudaGraphDestroy", graph)

    def close(self) -> None:
        """See the protocol."""
        with self._ignoring():
            self.activate()
        for call, handles in (
            ("cudaStreamDestroy", self._streams),
            ("cudaEventDestroy", list(self._events)),
            ("cudaFree", list(self._sizes)),
            ("cudaFreeHost", self._pinned),
        ):
            for handle in handles:
                with self._ignoring():  # a device that failed fails every call; what is left goes with the process
                    self._call(call, handle)
        for module in self._modules:
            with self._ignoring():
                self._call_driver("cuModuleUnload", module)
        self._streams, self._events, self._sizes, self._pinned, self._modules = [], set(), {}, [], []

    @contextmanager
    def _ignoring(self) -> Iterator[None]:
        with suppress(BackendError):
            yield

    def _call(self, name: str, *arguments: Any, what: str = "") -> Any:
        """One call of the CUDA runtime: its results without the status. Raises :class:`BackendError`."""
        status, *results = getattr(self._cuda, name)(*arguments)
        if int(status) == 2:  # cudaErrorMemoryAllocation
            raise DeviceMemoryError(f"the GPU has no memory left for {what or name}; free some, or choose less context")
        if int(status):
            raise BackendError(f"CUDA: {name} failed with {getattr(status, 'name', status)}")
        return results[0] if len(results) == 1 else tuple(results)

    def _call_driver(self, name: str, *arguments: Any) -> Any:
        """One call of the driver: its result without the status, if it has one. Raises :class:`BackendError`."""
        status, *results = getattr(self._driver, name)(*arguments)
        if int(status):
            raise BackendError(f"CUDA: {name} failed with {getattr(status, 'name', status)}")
        return results[0] if results else None


class CudaGraph:
    """See :class:`Graph`."""

    def __init__(self, call: Any, executable: Any) -> None:
        self._call = call
        self._executable = executable

    def launch(self, stream: int) -> None:
        """See the protocol."""
        self._call("cudaGraphLaunch", self._executable, stream)

    def close(self) -> None:
        """See the protocol."""
        if self._executable is not None:
            executable, self._executable = self._executable, None
            with suppress(BackendError):
                self._call("cudaGraphExecDestroy", executable)
