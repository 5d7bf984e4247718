"""The CUDA kernels, and how they become PTX for one architecture.

They include nothing but ``device.cuh`` beside them, so NVRTC needs nothing beside itself, and nvcc does as well.
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

from dgemma_ros.errors import BackendError
from dgemma_ros.graphs.diffusion import cdf_blocks as cdf_blocks

ROW_STATS: Final = "row_stats"
CANVAS_UPDATE: Final = "canvas_update"
TURN_KEYS: Final = "turn_keys"
ROUTE: Final = "route"
EXPERTS: Final = "experts"
ATTENTION: Final = "attention"
FOLDER: Final = Path(__file__).parent
SOURCES: Final[Mapping[str, Path]] = {
    name: FOLDER / f"{name}.cu" for name in (ROW_STATS, CANVAS_UPDATE, TURN_KEYS, ROUTE, EXPERTS, ATTENTION)
}
"""Each source; it holds an entry point a type, weight format or head size."""
ARCHITECTURES: Final = (89, 90, 110, 120)
"""What the sources are compiled for in the tests: RTX 40, H200, Jetson Thor, RTX 50."""
MAX_BLOCKS: Final = 1024
"""Blocks of tokens in a row that RowStats has room for: enough for a vocabulary of a million."""
MAX_CANVAS: Final = 1024
"""Positions that CanvasUpdate has threads for."""
OPTIONS: Final = ("--std=c++17", "--fmad=true", "-DMAX_BLOCKS=1024", "-DMAX_CANVAS=1024", f"-I{FOLDER}")


def ptx(name: str, architecture: int) -> bytes:
    """One source's PTX for ``sm_<architecture>``, by NVRTC where it can be loaded, else by nvcc.

    Raises :class:`BackendError` where neither is there, or the architecture is unknown to it.
    """
    if nvrtc() is not None:
        return by_nvrtc(SOURCES[name].name, SOURCES[name].read_bytes(), f"compute_{architecture}")[0]
    if (nvcc := find_nvcc()) is not None:
        return _by_nvcc(nvcc, SOURCES[name], architecture)
    raise BackendError(
        "neither NVRTC nor nvcc is here for the kernels: pip install cuda-bindings nvidia-cuda-nvrtc, or install the "
        "CUDA toolkit"
    )


def float_bits(value: float) -> int:
    """The int32 that carries a float32 to a kernel: TensorRT hands over no other numbers."""
    return int(struct.unpack("i", struct.pack("f", value))[0])


def find_nvcc() -> str | None:
    """The path of nvcc, or None."""
    usual = Path("/usr/local/cuda/bin/nvcc")
    return shutil.which("nvcc") or (str(usual) if usual.exists() else None)


@cache
def nvrtc() -> Any:
    """``cuda.bindings.nvrtc``, or None where it is not installed or finds no library that compiles."""
    with suppress(ImportError, RuntimeError, OSError, BackendError):
        from cuda.bindings import nvrtc as found

        # A library without its builtins loads, but compiles nothing.
        _compile(found, "probe", b"__global__ void probe() {}", f"compute_{ARCHITECTURES[0]}")
        return found
    return None


def _by_nvcc(nvcc: str, source: Path, architecture: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "kernel.ptx"
        command = [nvcc, "-ptx", f"-arch=compute_{architecture}", *OPTIONS, "-o", str(out), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BackendError(f"nvcc refused {source.name} for sm_{architecture}: {_line(done.stderr + done.stdout)}")
        return out.read_bytes()


def by_nvrtc(name: str, source: bytes, target: str, *more: str) -> tuple[bytes, str]:
    """PTX and the compiler's log; ``target`` compute_N or sm_N, ``more`` options of NVRTC's.

    With sm_N the PTX is assembled, too, so that ``--ptxas-options=-v`` has registers and spills reported in the log.
    Raises :class:`BackendError` where NVRTC is not here, or refuses the source or an option.
    """
    if (library := nvrtc()) is None:
        raise BackendError("NVRTC is not here: pip install cuda-bindings nvidia-cuda-nvrtc")
    return _compile(library, name, source, target, *more)


def _compile(library: Any, name: str, source: bytes, target: str, *more: str) -> tuple[bytes, str]:
    def check(answer: Any) -> Any:
        status, *values = answer
        if status:
            raise BackendError(f"NVRTC failed: {status.name}")
        return values[0] if values else None

    program = check(library.nvrtcCreateProgram(source, name.encode(), 0, None, None))
    try:
        options = [option.encode() for option in (f"--gpu-architecture={target}", *more, *OPTIONS)]
        (status,) = library.nvrtcCompileProgram(program, len(options), options)
        text = bytearray(check(library.nvrtcGetProgramLogSize(program)))
        check(library.nvrtcGetProgramLog(program, text))
        log = text.rstrip(b"\0").decode(errors="replace")
        if status:
            raise BackendError(f"NVRTC refused {name} for {target}: {f'{status.name} {_line(log)}'.rstrip()}")
        made = bytearray(check(library.nvrtcGetPTXSize(program)))
        check(library.nvrtcGetPTX(program, made))
        return bytes(made.rstrip(b"\0")), log
    finally:
        library.nvrtcDestroyProgram(program)


def _line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in lines if re.search(r"error|fatal", line)), lines[0] if lines else "")
