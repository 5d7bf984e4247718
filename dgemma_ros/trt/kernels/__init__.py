"""The CUDA kernels of the diffusion step and of the KV cache, and how they become PTX for one architecture.

No kernel includes a header, so NVRTC needs nothing beside itself, and nvcc does as well.
"""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

from dgemma_ros.errors import BackendError

ROW_STATS: Final = "row_stats"
CANVAS_UPDATE: Final = "canvas_update"
TURN_KEYS: Final = "turn_keys"
SOURCES: Final[Mapping[str, Path]] = {
    name: Path(__file__).parent / f"{name}.cu" for name in (ROW_STATS, CANVAS_UPDATE, TURN_KEYS)
}
"""Each kernel's source; ``row_stats`` holds one entry point a type of logits, ``turn_keys`` two a type of keys."""
ARCHITECTURES: Final = (89, 90, 110, 120)
"""What the sources are compiled for in the tests: RTX 40, H200, Jetson Thor, RTX 50."""
MAX_BLOCKS: Final = 1024
"""Blocks of tokens in a row that RowStats has room for: enough for a vocabulary of a million."""
MAX_CANVAS: Final = 1024
"""Positions that CanvasUpdate has threads for."""
OPTIONS: Final = ("--std=c++17", "--fmad=true", "-DMAX_BLOCKS=1024", "-DMAX_CANVAS=1024")
_NVRTC: Final = ("libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so")


def ptx(name: str, architecture: int) -> bytes:
    """One kernel's PTX for ``sm_<architecture>``, by NVRTC where it can be loaded, else by nvcc.

    Raises :class:`BackendError` where neither is there, or the architecture is unknown to it.
    """
    if (library := nvrtc()) is not None:
        return by_nvrtc(library, SOURCES[name].name, SOURCES[name].read_bytes(), f"compute_{architecture}")[0]
    if (nvcc := find_nvcc()) is not None:
        return _by_nvcc(nvcc, SOURCES[name], architecture)
    raise BackendError(
        "neither NVRTC nor nvcc is here for the kernels: pip install nvidia-cuda-nvrtc, or install the CUDA toolkit"
    )


def find_nvcc() -> str | None:
    """The path of nvcc, or None."""
    usual = Path("/usr/local/cuda/bin/nvcc")
    return shutil.which("nvcc") or (str(usual) if usual.exists() else None)


@cache
def nvrtc() -> ctypes.CDLL | None:
    """NVRTC's library: the one of the ``nvidia-cuda-nvrtc`` package, or the system's; None where none works."""
    for path in (*_packaged(), *_NVRTC):
        with suppress(OSError):
            for builtins in Path(path).parent.glob("libnvrtc-builtins.so.*"):
                ctypes.CDLL(str(builtins))  # it looks for these by name only, and they lie outside the system's path
            library = ctypes.CDLL(path)
            with suppress(BackendError):  # a library without its builtins loads, but compiles nothing
                by_nvrtc(library, "probe", b"__global__ void probe() {}", f"compute_{ARCHITECTURES[0]}")
                return library
    return None


def _packaged() -> Iterator[str]:
    try:
        import nvidia
    except ImportError:
        return
    for folder in nvidia.__path__:
        yield from (str(file) for file in sorted(Path(folder).glob("*/lib/libnvrtc.so.1[0-9]")))


def _by_nvcc(nvcc: str, source: Path, architecture: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "kernel.ptx"
        command = [nvcc, "-ptx", f"-arch=compute_{architecture}", *OPTIONS, "-o", str(out), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BackendError(f"nvcc refused {source.name} for sm_{architecture}: {_line(done.stderr + done.stdout)}")
        return out.read_bytes()


def by_nvrtc(library: ctypes.CDLL, name: str, source: bytes, target: str, *more: str) -> tuple[bytes, str]:
    """PTX and the compiler's log; ``target`` compute_N or sm_N, ``more`` options of NVRTC's.

    With sm_N the PTX is assembled, too, so that ``--ptxas-options=-v`` has registers and spills reported in the log.
    Raises :class:`BackendError` where NVRTC refuses the source or an option.
    """
    program = ctypes.c_void_p()
    _check(library, library.nvrtcCreateProgram(ctypes.byref(program), source, name.encode(), 0, None, None))
    try:
        options = [option.encode() for option in (f"--gpu-architecture={target}", *more, *OPTIONS)]
        compiled = library.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
        log = _text(library, program, "ProgramLog").rstrip(b"\0").decode(errors="replace")
        if compiled:
            reason = f"{_error(library, compiled)} {_line(log)}".rstrip()
            raise BackendError(f"NVRTC refused {name} for {target}: {reason}")
        return _text(library, program, "PTX").rstrip(b"\0"), log
    finally:
        library.nvrtcDestroyProgram(ctypes.byref(program))


def _text(library: ctypes.CDLL, program: ctypes.c_void_p, what: str) -> bytes:
    size = ctypes.c_size_t()
    _check(library, getattr(library, f"nvrtcGet{what}Size")(program, ctypes.byref(size)))
    buffer = ctypes.create_string_buffer(size.value)
    _check(library, getattr(library, f"nvrtcGet{what}")(program, buffer))
    return buffer.raw


def _check(library: ctypes.CDLL, status: int) -> None:
    if status:
        raise BackendError(f"NVRTC failed: {_error(library, status)}")


def _error(library: ctypes.CDLL, status: int) -> str:
    library.nvrtcGetErrorString.restype = ctypes.c_char_p
    return str(library.nvrtcGetErrorString(status).decode())


def _line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in lines if re.search(r"error|fatal", line)), lines[0] if lines else "")
