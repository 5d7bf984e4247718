"""What is installed: Python, its packages, ROS 2, TensorRT."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Final

from dgemma_ros.cli.doctor.child import in_child, last_line
from dgemma_ros.finding import Finding, State
from dgemma_ros.trt import machine

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
_ROS: Final = (
    "on a robot: source /opt/ros/jazzy/setup.bash (apt install ros-jazzy-ros-base); "
    'elsewhere: pip install "ros-jazzy-rclpy[fastrtps]" ros-jazzy-sensor-msgs ros-jazzy-std-msgs'
)
_RMW: Final = "from rclpy.utilities import get_rmw_implementation_identifier as f; print(f())"
_PREFLIGHT: Final = """
import dataclasses, json
from dgemma_ros.trt import preflight
print(json.dumps([dataclasses.asdict(check()) for check in preflight.of_machine()]))
"""


def checks() -> Iterator[Callable[[], Finding]]:
    """Every check of this kind, in the order of the list."""
    yield python
    wanted = minima()
    for module in _PACKAGES:
        yield partial(package, module, wanted)
    yield providers
    yield partial(in_child, "rclpy", "import rclpy; print(rclpy.__file__)", _ROS)
    yield partial(in_child, "RMW", _RMW, "it comes with ROS 2; RMW_IMPLEMENTATION names which one")
    messages = "build it: colcon build in the workspace, or python msg/build.py in the repository"
    yield partial(in_child, "dgemma_msgs", "import dgemma_msgs.msg as m; print(m.__file__)", messages)
    yield from (partial(tensorrt, name) for name in ("TensorRT", "kernel compiler", "builder flags"))


def python() -> Finding:
    """The interpreter."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < _PYTHON:
        return Finding("Python", State.WRONG, found, "Python 3.11 or newer: make test PYTHON=python3.12", needed=True)
    return Finding("Python", State.OK, f"{found} ({sys.executable})", needed=True)


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
    fix = f'pip install "{names[0]}{f">={at_least}" if at_least else ""}"'
    try:
        version = str(getattr(importlib.import_module(module), "__version__", ""))
    except ModuleNotFoundError as error:
        return Finding(module, State.WRONG, str(error), fix, needed=True)
    except Exception as error:  # a broken binary raises whatever its authors thought of
        return Finding(module, State.WRONG, last_line(str(error)), fix, needed=True)
    if at_least and _numbers(version) < _numbers(at_least):
        return Finding(module, State.WRONG, f"{version}, but {at_least} or newer is needed", fix, needed=True)
    return Finding(module, State.OK, version, needed=True)


def providers() -> Finding:
    """What ONNX Runtime can compute on."""
    try:
        import onnxruntime
    except Exception as error:
        return Finding("ONNX providers", State.WRONG, last_line(str(error)), "see onnxruntime", needed=True)
    found = [name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers()]
    fix = "" if "CUDA" in found else "for --device cuda: pip install onnxruntime-gpu in onnxruntime's place"
    return Finding("ONNX providers", State.OK if "CPU" in found else State.WRONG, ", ".join(found), fix, needed=True)


@cache
def _preflight() -> dict[str, Finding]:
    """What ``dgemma build`` would find of this machine, by name. In a child: TensorRT's libraries may crash."""
    child = in_child("TensorRT", _PREFLIGHT, "see the lines above")
    if child.state is not State.OK:
        return {"TensorRT": child}
    told = (Finding(one["name"], State(one["state"]), one["detail"], one["fix"]) for one in json.loads(child.detail))
    return {one.name: one for one in told}


def tensorrt(name: str, asked: Mapping[str, Finding] | None = None) -> Finding:
    """One of those. What is wrong is no more than a warning where TensorRT is not installed at all."""
    asked = asked or _preflight()
    found = asked.get(name) or Finding(name, State.WARNING, "not asked", "see TensorRT")
    if found.state is State.WRONG and "No module named" in asked["TensorRT"].detail:
        return replace(found, state=State.WARNING, fix=found.fix or machine.install_tensorrt())
    return found


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
