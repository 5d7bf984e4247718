"""What is around the planner: cameras, other nodes, and the model that it is to run."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from dgemma_ros.cli.doctor.child import in_child
from dgemma_ros.errors import DgemmaError
from dgemma_ros.finding import Finding, State

_ENUM_FMT: Final = 0xC0405602  # VIDIOC_ENUM_FMT of <linux/videodev2.h>
_CAPTURE: Final = 1
_DESCRIPTION: Final = struct.Struct("<III32sIIIII")  # struct v4l2_fmtdesc
_JOURNAL: Final = 1 << 30
_TWINS: Final = """
import collections, os, time, rclpy
rclpy.init()
node = rclpy.create_node("doctor", start_parameter_services=False)
quiet = 8.0 if os.environ.get("ROS_SECURITY_ENABLE") == "true" else 2.0  # handshakes take some seconds
found, began = None, time.monotonic()
changed = began
while time.monotonic() < min(changed + quiet, began + 15.0):
    rclpy.spin_once(node, timeout_sec=0.1)
    if (now := sorted(node.get_node_names_and_namespaces())) != found:
        found, changed = now, time.monotonic()
names = collections.Counter(space.rstrip("/") + "/" + name for name, space in found)
twins = sorted(name for name, count in names.items() if count > 1)
print(("TWINS " + ", ".join(twins)) if twins else ", ".join(sorted(set(names) - {"/doctor"})) or "no other nodes")
node.destroy_node()
rclpy.shutdown()
"""


def checks(model: Path | None) -> Iterator[Callable[[], Finding]]:
    """Every check of this kind, in the order of the list; ``model`` is asked about where it is given."""
    yield cameras
    yield graph
    if model is not None:
        yield partial(engines, model)
        yield partial(disk, model)


def cameras(folder: Path = Path("/dev")) -> Finding:
    """The cameras that Video4Linux knows, and their formats."""
    devices = sorted(folder.glob("video[0-9]*"))
    if not devices:
        fix = "only the camera node needs one; a container needs --device /dev/video0"
        return Finding("cameras", State.OK, f"no {folder}/video*; {fix}")
    locked = [device for device in devices if not os.access(device, os.R_OK | os.W_OK)]
    if locked:
        fix = "sudo usermod -aG video $USER, and log in anew; in a container: group_add: [video]"
        return Finding("cameras", State.WARNING, f"{locked[0]}: no permission", fix)
    told = [f"{device} {'/'.join(found)}" for device in devices if (found := _formats(device))]
    if not told:
        return Finding(
            "cameras", State.WARNING, f"{len(devices)} devices, none of which takes pictures", "plug in a camera"
        )
    return Finding("cameras", State.OK, "; ".join(told))


def _formats(device: Path) -> list[str]:
    found: list[str] = []
    try:
        descriptor = os.open(device, os.O_RDWR | os.O_NONBLOCK)
    except OSError:
        return found
    try:
        while True:
            asked = bytearray(_DESCRIPTION.pack(len(found), _CAPTURE, 0, b"", 0, 0, 0, 0, 0))
            fcntl.ioctl(descriptor, _ENUM_FMT, asked)
            found.append(_DESCRIPTION.unpack(asked)[4].to_bytes(4, "little").decode("ascii", "replace").strip())
    except OSError:  # there are no more
        return found
    finally:
        os.close(descriptor)


def graph() -> Finding:
    """Other nodes in this ROS domain, and names that two of them have."""
    found = in_child("ROS graph", _TWINS, "see rclpy")
    if found.state is State.OK and found.detail.startswith("TWINS "):
        twins = found.detail.removeprefix("TWINS ")
        fix = (
            "end one of them, give it another name (-r __node:=…) or namespace (-r __ns:=/…), or another ROS_DOMAIN_ID"
        )
        return Finding("ROS graph", State.WARNING, f"several nodes are called {twins}: services answer twice", fix)
    return found


def engines(model: Path) -> Finding:
    """Whether the folder's engines were built for this machine."""
    try:
        from dgemma_ros.trt import engine_manifest
        from dgemma_ros.trt.device import CudaDevice
        from dgemma_ros.trt.engine import import_tensorrt

        if not (model / engine_manifest.ENGINE_FILE).is_file():
            return Finding("engines", State.OK, f"{model}: none, it runs on ONNX Runtime")
        manifest = engine_manifest.load(model)
        version = str(import_tensorrt().__version__)
        engine_manifest.check_machine(manifest, model, CudaDevice().info, version)
        engine_manifest.check_weights(manifest, model)
    except ImportError as error:
        return Finding("engines", State.WRONG, str(error), "see the lines above")
    except DgemmaError as error:
        return Finding("engines", State.WRONG, str(error), "dgemma build, on this machine; the old folder can stay")
    return Finding("engines", State.OK, f"{len(manifest.engines)} of TensorRT {version} for {manifest.gpu.name}")


def disk(model: Path) -> Finding:
    """Room beside the model, for the journal and for the engines of the next version."""
    there = next(parent for parent in (model.absolute(), *model.absolute().parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if free < _JOURNAL:
        return Finding("disk", State.WARNING, f"{there}: {free / 1e9:.2f} GB free", "make room for journal and engines")
    return Finding("disk", State.OK, f"{there}: {free / 1e9:.1f} GB free")
