"""The CUDA runtime for ``CudaDevice``: every call goes through the real cuda-bindings first, which check its types.

Without a driver they answer "no driver" to whatever they accept; what a device would have answered is then made up,
over host memory.
"""

from __future__ import annotations

import ctypes
from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
from cuda.bindings import runtime as real

NO_DRIVER = {real.cudaError_t.cudaErrorInsufficientDriver, real.cudaError_t.cudaErrorNoDevice}
SUCCESS = real.cudaError_t.cudaSuccess


class FakeDriver:
    """Stands in for the module ``cuda.bindings.driver``, which without a driver cannot even check types."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def cuModuleLoadData(self, image: bytes) -> tuple[int, int]:  # noqa: N802
        assert image.endswith(b"\0") and b".entry dgemma_turn_keys" in image
        return self._called("cuModuleLoadData", 5)

    def cuModuleGetFunction(self, module: int, name: bytes) -> tuple[int, int]:  # noqa: N802
        assert module == 5 and name.startswith(b"dgemma_turn_keys_")
        return self._called("cuModuleGetFunction", 6)

    def cuLaunchKernel(self, function: int, *given: Any) -> tuple[int]:  # noqa: N802
        *sizes, stream, (values, kinds), extra = given
        assert function == 6 and len(sizes) == 7 and stream >= 1000 and extra == 0
        for value, kind in zip(values, kinds, strict=True):
            assert kind(value).value == value and kind in (ctypes.c_void_p, ctypes.c_int)
        self.calls["cuLaunchKernel"] += 1
        return (0,)

    def cuModuleUnload(self, module: int) -> tuple[int]:  # noqa: N802
        assert module == 5
        self.calls["cuModuleUnload"] += 1
        return (0,)

    def _called(self, name: str, result: int) -> tuple[int, int]:
        self.calls[name] += 1
        return 0, result


class FakeRuntime:
    """Stands in for the module ``cuda.bindings.runtime``."""

    def __init__(self, name: str, architecture: int) -> None:
        self.calls: Counter[str] = Counter()
        self.memory: dict[int, Any] = {}
        self.fail: str | None = None
        self._name, self._architecture = name, architecture

    def __getattr__(self, name: str) -> Any:
        value = getattr(real, name)
        if not callable(value) or isinstance(value, type):
            return value

        def call(*arguments: Any) -> Any:
            status, *rest = value(*arguments)
            assert status in NO_DRIVER or (name == "cudaDriverGetVersion" and status == SUCCESS), (name, status)
            self.calls[name] += 1
            if name == self.fail:
                return (real.cudaError_t.cudaErrorMemoryAllocation, *rest)
            result = getattr(self, f"_{name}", self._nothing)(*arguments)
            assert len(result) in (len(rest), 0) or name == "cudaMemGetInfo", (name, rest)
            return (SUCCESS, *result)

        return call

    def _nothing(self, *arguments: Any) -> tuple[Any, ...]:
        return ()

    def _cudaGetDeviceProperties(self, ordinal: int) -> tuple[Any, ...]:  # noqa: N802
        assert hasattr(real.cudaDeviceProp(), "name") and hasattr(real.cudaDeviceProp(), "integrated")
        major, minor = divmod(self._architecture, 10)
        return (SimpleNamespace(name=self._name.encode() + b"\0", major=major, minor=minor, integrated=1),)

    def _cudaMemGetInfo(self) -> tuple[Any, ...]:  # noqa: N802
        return (100 << 30, 128_000_000_000)

    def _cudaDriverGetVersion(self) -> tuple[Any, ...]:  # noqa: N802
        return (13020,)

    def _cudaMalloc(self, size: int) -> tuple[Any, ...]:  # noqa: N802
        memory = np.zeros(size, np.uint8)
        self.memory[memory.ctypes.data] = memory
        return (memory.ctypes.data,)

    def _cudaHostAlloc(self, size: int, flags: int) -> tuple[Any, ...]:  # noqa: N802
        return self._cudaMalloc(size)

    def _cudaFree(self, address: int) -> tuple[Any, ...]:  # noqa: N802
        del self.memory[address]
        return ()

    _cudaFreeHost = _cudaFree  # noqa: N815

    def _cudaDeviceGetStreamPriorityRange(self) -> tuple[Any, ...]:  # noqa: N802
        return (0, -5)

    def _cudaStreamCreateWithPriority(self, flags: int, priority: int) -> tuple[Any, ...]:  # noqa: N802
        return (real.cudaStream_t(1000 - priority),)

    def _cudaEventCreateWithFlags(self, flags: int) -> tuple[Any, ...]:  # noqa: N802
        return (real.cudaEvent_t(2000 + self.calls["cudaEventCreateWithFlags"]),)

    def _cudaStreamEndCapture(self, stream: Any) -> tuple[Any, ...]:  # noqa: N802
        return (real.cudaGraph_t(7),)

    def _cudaGraphInstantiate(self, graph: Any, flags: int) -> tuple[Any, ...]:  # noqa: N802
        return (real.cudaGraphExec_t(8),)

    def _cudaMemcpyAsync(self, to: int, source: int, size: int, kind: Any, stream: Any) -> tuple[Any, ...]:  # noqa: N802
        ctypes.memmove(to, source, size)
        return ()

    def _cudaMemcpy2DAsync(  # noqa: N802
        self, to: int, to_pitch: int, source: int, pitch: int, width: int, rows: int, kind: Any, stream: Any
    ) -> tuple[Any, ...]:
        for row in range(rows):
            ctypes.memmove(to + row * to_pitch, source + row * pitch, width)
        return ()
