"""Kernels on the first NVIDIA GPU: PTX loaded through libcuda, torch's memory, torch's events. For gpu_kernels.py."""

from __future__ import annotations

import ctypes
import statistics
from collections.abc import Callable
from typing import Any

import torch

from dgemma_ros.trt import kernels
from dgemma_ros.trt.kernels.launches import Launch

_LOCAL_BYTES, _REGISTERS = 3, 4  # CUfunction_attribute


class Gpu:
    """Raises RuntimeError for every call of CUDA that fails."""

    def __init__(self) -> None:
        torch.cuda.init()
        torch.zeros(1, device="cuda")  # makes torch's context the current one
        self._cuda = ctypes.CDLL("libcuda.so.1")
        self.name = torch.cuda.get_device_name()
        major, minor = torch.cuda.get_device_capability()
        self.architecture = 10 * major + minor
        self.multiprocessors = torch.cuda.get_device_properties(0).multi_processor_count
        self._modules: dict[str, ctypes.c_void_p] = {}
        self._flush = torch.empty(256 << 20, dtype=torch.uint8, device="cuda")

    def driver(self) -> str:
        """The CUDA version of the driver."""
        version = ctypes.c_int()
        self._call("cuDriverGetVersion", ctypes.byref(version))
        return f"{version.value // 1000}.{version.value % 1000 // 10}"

    def _call(self, name: str, *arguments: Any) -> None:
        if status := getattr(self._cuda, name)(*arguments):
            text = ctypes.c_char_p()
            self._cuda.cuGetErrorString(status, ctypes.byref(text))
            raise RuntimeError(f"{name}: {(text.value or b'').decode()} ({status})")

    def function(self, launch: Launch) -> ctypes.c_void_p:
        """The entry point, its source compiled and loaded once."""
        if launch.source not in self._modules:
            module = ctypes.c_void_p()
            code = kernels.ptx(launch.source, self.architecture)
            self._call("cuModuleLoadData", ctypes.byref(module), code + b"\0")
            self._modules[launch.source] = module
        function = ctypes.c_void_p()
        self._call("cuModuleGetFunction", ctypes.byref(function), self._modules[launch.source], launch.entry.encode())
        return function

    def resources(self, launch: Launch) -> dict[str, int]:
        """Registers and local memory of a thread, as the driver compiled it."""
        found = {}
        for name, attribute in (("registers", _REGISTERS), ("local bytes", _LOCAL_BYTES)):
            value = ctypes.c_int()
            self._call("cuFuncGetAttribute", ctypes.byref(value), attribute, self.function(launch))
            found[name] = value.value
        return found

    def prepare(self, launch: Launch, *inputs: torch.Tensor) -> tuple[Callable[[], None], list[torch.Tensor]]:
        """What launches it on torch's stream, and its outputs, which are filled with bytes of 0xff."""
        outputs = [torch.empty(shape, dtype=getattr(torch, kind), device="cuda") for shape, kind in launch.outputs]
        for output in outputs:
            output.view(torch.uint8).fill_(0xFF)
        values: list[Any] = [ctypes.c_void_p(tensor.data_ptr()) for tensor in inputs]
        values += [ctypes.c_int(number) for number in launch.numbers]
        values += [ctypes.c_void_p(output.data_ptr()) for output in outputs]
        pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
        function = self.function(launch)
        kept = (values, inputs)

        def enqueue() -> None:
            assert kept
            stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
            self._call("cuLaunchKernel", function, *launch.grid, launch.threads, 1, 1, 0, stream, pointers, None)

        return enqueue, outputs

    def run(self, launch: Launch, *inputs: torch.Tensor) -> list[torch.Tensor]:
        """One launch, waited for."""
        enqueue, outputs = self.prepare(launch, *inputs)
        enqueue()
        torch.cuda.synchronize()
        return outputs

    def milliseconds(self, enqueue: Callable[[], object], rounds: int = 12) -> float:
        """The median of single timed calls behind three that warm up, each with a cache that holds nothing of it."""
        times = []
        for number in range(rounds + 3):
            self._flush.zero_()
            start, stop = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
            enqueue()
            stop.record()
            torch.cuda.synchronize()
            if number >= 3:
                times.append(start.elapsed_time(stop))
        return statistics.median(times)

    def copy_bandwidth(self) -> float:
        """Bytes a second, read and written, of a copy of 1 GiB within the device."""
        source = torch.randint(0, 255, (1 << 30,), dtype=torch.uint8, device="cuda")
        target = torch.empty_like(source)
        return 2 * source.numel() / (self.milliseconds(lambda: target.copy_(source)) / 1e3)
