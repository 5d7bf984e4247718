"""The kernels that ship, run without a GPU: their source compiled as C++ behind ``host_shim.h``."""

from __future__ import annotations

import ctypes
import struct
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from dgemma_ros.graphs.diffusion import CANVAS_UPDATE_OUTPUTS, cdf_blocks
from dgemma_ros.graphs.diffusion_numpy import CanvasUpdate, RowStats
from dgemma_ros.trt.kernels import SOURCES

HERE = Path(__file__).parent
TYPES = {np.dtype(np.float32): 0, np.dtype(np.float16): 1, np.dtype(ml_dtypes.bfloat16): 2}


@cache
def shared() -> Emulated:
    """Compiled once a process."""
    with tempfile.TemporaryDirectory() as folder:
        return compiled(Path(folder))


def compiled(folder: Path) -> Emulated:
    library = folder / "kernels.so"
    includes = [f"-I{HERE}", f"-I{next(iter(SOURCES.values())).parent}"]
    command = ["g++", "-O2", "-std=c++17", "-Wno-unknown-pragmas", "-Wall", "-Werror", "-shared", "-fPIC", *includes]
    subprocess.run([*command, str(HERE / "host_kernels.cpp"), "-o", str(library)], check=True)
    return Emulated(ctypes.CDLL(str(library)))


class Emulated:
    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library

    def row_stats(
        self,
        over_cap: NDArray[Any],
        temperature: float,
        uniform: NDArray[np.float32],
        allowed: NDArray[np.bool_],
        allowed_row: NDArray[np.int64],
        softcap: float,
        threads: int = 64,
    ) -> RowStats:
        rows, vocab = over_cap.shape
        argmax, drawn = np.full((2, rows), -7, np.int64)
        entropy, largest, total = np.full((3, rows), np.nan, np.float32)
        values = [
            TYPES[over_cap.dtype], aligned(over_cap), np.array([temperature], np.float32), uniform, aligned(allowed),
            allowed_row, vocab, *cdf_blocks(vocab), len(allowed_row),
            struct.unpack("i", struct.pack("f", softcap))[0], argmax, drawn, entropy, largest, total,
        ]  # fmt: skip
        assert self._library.host_row_stats(rows, threads, _arguments(values))
        return RowStats(argmax, drawn, entropy, largest[:, None], total[:, None])

    def turn_keys(self, entry: str, blocks: int, threads: int, arguments: list[int]) -> None:
        """A launch as the device gets it: addresses, then numbers."""
        _, what, kind = entry.rsplit("_", 2)
        is_rebuild = what == "rebuild"
        addresses = arguments[: 5 if is_rebuild else 3]
        sizes = [*arguments[len(addresses) :], 0][:5]
        if not is_rebuild:
            addresses = [addresses[0], 0, 0, *addresses[1:]]
        values = [["f32", "f16", "bf16"].index(kind), int(is_rebuild), *map(ctypes.c_void_p, addresses), *sizes]
        assert self._library.host_turn_keys(blocks, threads, _arguments(values))

    def canvas_update(self, *inputs: NDArray[Any]) -> CanvasUpdate:
        """``inputs`` as the kernel takes them: [C] each, the bound [1]."""
        count = len(inputs[0])
        kinds = (np.int64, np.int64, np.int64, np.float32, np.bool_, np.float32)
        out = [
            np.zeros(1 if name == "mean_entropy" else count, kind)
            for name, kind in zip(CANVAS_UPDATE_OUTPUTS, kinds, strict=True)
        ]
        assert self._library.host_canvas_update(-(-count // 32) * 32, _arguments([*inputs, count, *out]))
        return CanvasUpdate(*out[:5], float(out[5][0]))


def aligned(array: NDArray[Any]) -> NDArray[Any]:
    """A copy at a multiple of 16 bytes, as a GPU's allocations are."""
    memory = np.zeros(array.nbytes + 16, np.uint8)
    start = -memory.ctypes.data % 16
    copy = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def _arguments(values: list[Any]) -> Any:
    """A structure of C integers and of addresses, of arrays or as they are."""
    given = [value if isinstance(value, int | ctypes.c_void_p) else value.ctypes.data for value in values]

    class Arguments(ctypes.Structure):
        _fields_ = [
            (f"f{i}", ctypes.c_int if isinstance(value, int) else ctypes.c_void_p) for i, value in enumerate(values)
        ]

    arguments = Arguments(*given)
    arguments.keep = values
    return ctypes.byref(arguments)
