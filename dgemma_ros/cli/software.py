"""What is installed: Python, its packages, ROS 2, TensorRT."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from dgemma_ros.cli.doctor import Finding

_PACKAGES: Final = {
    "numpy": ("numpy",),
    "onnx": ("onnx",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "ml_dtypes": ("ml_dtypes",),
    "tokenizers": ("tokenizers",),
    "jinja2": ("jinja2",),
    "cv2": ("opencv-python-headless", "opencv-python", "opencv-contrib-python"),
    "yaml": ("PyYAML",),
}
"""Module → the distributions that bring it."""
_PYTHON: Final = (3, 11)
_CHILD_SECONDS: Final = 30.0
_ROS: Final = (
    "on a robot: source /opt/ros/jazzy/setup.bash (apt install ros-jazzy-ros-base); "
    'elsewhere: pip install "ros-jazzy-rclpy[fastrtps]" ros-jazzy-sensor-msgs ros-jazzy-std-msgs'
)
_RMW: Final = "from rclpy.utilities import get_rmw_implementation_identifier as f; print(f())"
_TENSORRT: Final = (
    "pip install the tensorrt of this machine's CUDA, 10.16 (JetPack 7.2) or 11.x; only NVIDIA GPUs need it"
)


def checks() -> Iterator[Callable[[], Finding]]:
    """Every check of this kind, in the order of the list."""
    yield python
    wanted = minima()
    for module in _PACKAGES:
        yield partial(package, module, wanted)
    yield providers
    yield partial(_in_child, "rclpy", "import rclpy; print(rclpy.__file__)", _ROS)
    yield partial(_in_child, "RMW", _RMW, "it comes with ROS 2; RMW_IMPLEMENTATION names which one")
    messages = "build it: colcon build in the workspace, or python msg/build.py in the repository"
    yield partial(_in_child, "dgemma_msgs", "import dgemma_msgs.msg as m; print(m.__file__)", messages)
    yield tensorrt


def python() -> Finding:
    """The interpreter."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < _PYTHON:
        return Finding("Python", "faulty", found, "Python 3.11 or newer: make test PYTHON=python3.12", needed=True)
    return Finding("Python", "ok", f"{found} ({sys.executable})", needed=True)


def minima() -> dict[str, str]:
    """Distribution, lower case → the least version that this package asks for; empty where it is not installed."""
    try:
        lines = importlib.metadata.requires("dgemma_ros") or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    found = (re.match(r"([\w.-]+) *>= *([\d.]+) *$", line) for line in lines)
    return {match[1].lower(): match[2] for match in found if match}


def package(module: str, wanted: dict[str, str]) -> Finding:
    """A package that every command needs: really imported, because an installed one may lack its libraries."""
    names = _PACKAGES[module]
    at_least = next((wanted[name.lower()] for name in names if name.lower() in wanted), "")
    mend = f'pip install "{names[0]}{f">={at_least}" if at_least else ""}"'
    try:
        version = str(getattr(importlib.import_module(module), "__version__", ""))
    except ModuleNotFoundError as error:
        return Finding(module, "missing", str(error), mend, needed=True)
    except Exception as error:  # a broken binary raises whatever its authors thought of
        return Finding(module, "faulty", _line(str(error)), mend, needed=True)
    if at_least and _numbers(version) < _numbers(at_least):
        return Finding(module, "faulty", f"{version}, but {at_least} or newer is needed", mend, needed=True)
    return Finding(module, "ok", version, needed=True)


def providers() -> Finding:
    """What ONNX Runtime can compute on."""
    try:
        import onnxruntime
    except Exception as error:
        return Finding("ONNX providers", "missing", _line(str(error)), "see onnxruntime", needed=True)
    found = [name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers()]
    mend = "" if "CUDA" in found else "for --device cuda: pip install onnxruntime-gpu in onnxruntime's place"
    return Finding("ONNX providers", "ok" if "CPU" in found else "faulty", ", ".join(found), mend, needed=True)


def tensorrt() -> Finding:
    """The bindings, in a version that the engines are written for."""
    found = _in_child("TensorRT", "import tensorrt; print(tensorrt.__version__)", _TENSORRT)
    if found.state == "ok" and not (_numbers(found.detail) >= (10, 16)):
        return Finding("TensorRT", "faulty", f"{found.detail} is not supported", _TENSORRT)
    return found


def _in_child(name: str, code: str, mend: str) -> Finding:
    """Runs ``code`` in a process of its own: libraries of a robot's may crash, or hang, when they are loaded."""
    try:
        child = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=_CHILD_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(name, "faulty", _line(str(error)), mend)
    if child.returncode == 0:
        return Finding(name, "ok", _line(child.stdout))
    detail = _line(child.stderr) or f"ended with status {child.returncode}"
    return Finding(name, "missing" if "ModuleNotFoundError" in detail else "faulty", detail, mend)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _line(text: str) -> str:
    """The last line: of a traceback it is the one that says what happened."""
    return text.strip().splitlines()[-1][:200] if text.strip() else ""
