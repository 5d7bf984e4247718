"""The kernels that ship, run without a GPU: their source compiled as C++ behind ``host_shim.h``."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from dgemma_ros.graphs.diffusion_numpy import CanvasUpdate, RowStats
from dgemma_ros.trt.kernels import FOLDER, launches

HERE = Path(__file__).parent
Array = NDArray[Any]
BF16 = np.dtype(ml_dtypes.bfloat16)
TYPES = {np.dtype(np.float32): "f32", np.dtype(np.float16): "f16", BF16: "bf16"}


@cache
def shared() -> Emulated:
    """Compiled once a process."""
    with tempfile.TemporaryDirectory() as folder:
        return compiled(Path(folder))


def compiled(folder: Path) -> Emulated:
    library = folder / "kernels.so"
    command = ["g++", "-O2", "-std=c++17", "-Wno-unknown-pragmas", "-Wall", "-Werror", "-shared", "-fPIC"]
    command += [f"-I{HERE}", f"-I{FOLDER}", str(HERE / "host_kernels.cpp"), "-o", str(library)]
    subprocess.run(command, check=True)
    return Emulated(ctypes.CDLL(str(library)))


class Emulated:
    """``eager``: asynchronous copies are made when they are issued, not when they are waited for."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._launch = library.host_launch
        self._launch.restype = ctypes.c_longlong
        self._launch.argtypes = [ctypes.c_char_p, *[ctypes.c_uint] * 4, ctypes.c_int, ctypes.c_void_p]
        self.eager = False
        self.copied = 0
        """Bytes that the last launch's asynchronous copies read."""

    def run(self, launch: launches.Launch, *inputs: Array) -> list[Array]:
        """The outputs, which were filled with bytes of 0xff before."""
        outputs = []
        for shape, kind in launch.outputs:
            outputs.append(aligned(np.empty(shape, np.dtype(kind) if kind != "bfloat16" else BF16)))
            outputs[-1].view(np.uint8)[...] = 0xFF
        arrays = [aligned(array) for array in inputs]
        values: list[Any] = [ctypes.c_void_p(array.ctypes.data) for array in arrays]
        values += [ctypes.c_int(number) for number in launch.numbers]
        values += [ctypes.c_void_p(array.ctypes.data) for array in outputs]
        self.launch(launch.entry, launch.grid, launch.threads, values)
        return outputs

    def launch(self, entry: str, grid: tuple[int, int, int], threads: int, arguments: Sequence[Any]) -> None:
        """A launch as a device gets it: addresses and numbers as ctypes has them."""
        pointers = (ctypes.c_void_p * len(arguments))(*(ctypes.addressof(value) for value in arguments))
        copied = self._launch(entry.encode(), *grid, threads, self.eager, pointers)
        assert copied >= 0, f"{entry} hangs, or leaves copies behind"
        self.copied = int(copied)

    def row_stats(
        self,
        over_cap: Array,
        temperature: float,
        uniform: NDArray[np.float32],
        allowed: NDArray[np.bool_],
        allowed_row: NDArray[np.int64],
        softcap: float,
        threads: int = 64,
    ) -> RowStats:
        rows, vocab = over_cap.shape
        launch = launches.row_stats(rows, vocab, len(allowed_row), softcap, TYPES[over_cap.dtype], threads)
        return RowStats(*self.run(launch, over_cap, np.array([temperature], np.float32), uniform, allowed, allowed_row))

    def canvas_update(self, *inputs: Array) -> CanvasUpdate:
        """``inputs`` as the kernel takes them: [C] each, the bound [1]."""
        *arrays, mean = self.run(launches.canvas_update(len(inputs[0])), *inputs)
        return CanvasUpdate(*arrays, float(mean[0]))


def aligned(array: Array) -> Array:
    """A copy at a multiple of 16 bytes, as a GPU's allocations are."""
    memory = np.zeros(array.nbytes + 16, np.uint8)
    start = -memory.ctypes.data % 16
    copy = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy
