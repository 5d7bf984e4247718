"""The real Python bindings of TensorRT and CUDA in folders of their own, with stubs for TensorRT's libraries.

Two major versions cannot share an environment, hence the folders. The first test that needs them makes them, and so
does ``python -m tests.trt.bindings``; the wheels are small (2 × 1.3 MB, and cuda-bindings' 7 MB).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TENSORRT = {10: "10.16.1.11", 11: "11.4.0.106"}
CUDA = ("cuda-bindings==13.5.0", "cuda-pathfinder==1.9.0")
LIBRARIES = ("nvinfer", "nvinfer_plugin", "nvonnxparser")
PLACE = Path(os.environ.get("TENSORRT_BINDINGS") or Path(sys.prefix) / "tensorrt-bindings")
STUB = Path(__file__).parent / "stub_tensorrt.c"


def path(major: int) -> str:
    """The PYTHONPATH under which ``import tensorrt`` gives this major version."""
    return os.pathsep.join(map(str, (PLACE / str(major), PLACE / "cuda", Path(__file__).parents[2])))


def ready(major: int) -> bool:
    return (PLACE / str(major) / "tensorrt").is_dir() and (PLACE / "cuda").is_dir()


def make() -> None:
    PLACE.mkdir(parents=True, exist_ok=True)
    for name in ("cuda", *map(str, TENSORRT)):
        if not (PLACE / name).is_dir():
            with tempfile.TemporaryDirectory(dir=PLACE) as folder:
                made = Path(folder) / name
                made.mkdir()
                _cuda(made) if name == "cuda" else _tensorrt(made, int(name))
                made.rename(PLACE / name)


def _cuda(folder: Path) -> None:
    _install(folder, *CUDA)


def _tensorrt(folder: Path, major: int) -> None:
    with tempfile.TemporaryDirectory() as wheel:
        _install(Path(wheel), f"tensorrt-cu13-bindings=={TENSORRT[major]}")
        # The package is named tensorrt where TensorRT is installed whole.
        shutil.copytree(Path(wheel) / "tensorrt_bindings", folder / "tensorrt")
    for name in LIBRARIES:
        soname = f"lib{name}.so.{major}"
        command = ["gcc", "-O1", "-shared", "-fPIC", f"-DVERSION={10000 * major}", f"-Wl,-soname,{soname}", str(STUB)]
        out = folder / "tensorrt" / soname
        subprocess.run([*command, "-Wl,--no-as-needed", "-l:libstdc++.so.6", "-o", str(out)], check=True)


def _install(folder: Path, *names: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, "--target", str(folder), *names], check=True)


if __name__ == "__main__":
    make()
