"""What kind of NVIDIA machine this is, as far as installing and memory go: a Jetson, or anything else.

Everything is read from files below ``root``, so that it can be tried on any machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path("/")
_JETSON: Final = Path("etc/nv_tegra_release")
_MODEL: Final = Path("proc/device-tree/model")
_MEMINFO: Final = Path("proc/meminfo")
_BINDINGS: Final = "usr/lib/python3*/dist-packages/tensorrt/__init__.py"


def is_jetson(root: Path = ROOT) -> bool:
    """Whether JetPack runs here. (DGX Spark is no Jetson: its TensorRT comes from pip or apt, as on x86.)"""
    try:
        return (root / _JETSON).exists() or "jetson" in (root / _MODEL).read_text(errors="replace").lower()
    except OSError:
        return False


def system_bindings(root: Path = ROOT) -> Path | None:
    """The folder of TensorRT's Python bindings that the system brings, outside any virtual environment."""
    return next((file.parent for file in sorted(root.glob(_BINDINGS))), None)


def install_tensorrt(root: Path = ROOT) -> str:
    """The one line by which TensorRT's bindings come to this machine's Python."""
    if is_jetson(root):
        return (
            "TensorRT comes with JetPack 7.2 or later (sudo apt install tensorrt python3-libnvinfer); a virtual "
            "environment sees it when made by: python3 -m venv --system-site-packages .venv; "
            "do not `pip install tensorrt` on a Jetson: that brings another major version"
        )
    return 'pip install "tensorrt-cu13==10.16.*", or a tensorrt-cu13 11.x'


def available_memory(root: Path = ROOT) -> int | None:
    """Bytes that a program can still get, page cache counted as free; None where the system does not say."""
    try:
        lines = (root / _MEMINFO).read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, value = line.partition(":")
        if name == "MemAvailable" and (number := value.split()[:1]) and number[0].isdigit():
            return int(number[0]) * 1024
    return None
