"""A ROS graph to measure: a domain of its own, nodes as processes, a client node that a thread serves."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 120.0


class MissingRosError(Exception):
    """ROS 2 or our interfaces are not here."""


@contextmanager
def own_graph() -> Iterator[Path]:
    """rclpy in a domain of its own, and a folder that goes with it. Raises :class:`MissingRosError`."""
    try:
        import dgemma_msgs  # noqa: F401
        import rclpy
    except ImportError as error:
        raise MissingRosError("ROS 2 is not here: `make ros` brings it") from error
    from dgemma_ros.nodes.process import use_large_images

    own = {"ROS_DOMAIN_ID": str(os.getpid() % 100 + 1), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(own | {"ROS_LOG_DIR": folder})
        use_large_images()
        rclpy.init(args=[])
        try:
            yield Path(folder)
        finally:
            rclpy.try_shutdown()


class Spun:
    """A node served by the nodes' own executor, in a thread."""

    def __init__(self, name: str) -> None:
        import rclpy

        from dgemma_ros.nodes.process import Part

        self.node = rclpy.create_node(name)
        self._executor = Part(self.node, lambda group: True)
        self._executor.add_node(self.node)
        threading.Thread(target=self._executor.serve, daemon=True).start()

    def close(self) -> None:
        """Ends it."""
        self._executor.shutdown()
        self.node.destroy_node()


def start(module: str, output: Path, **parameters: object) -> subprocess.Popen[bytes]:
    """A node as a process; its standard output goes to a file."""
    given = [part for name, value in parameters.items() for part in ("-p", f"{name}:={value}")]
    command = [sys.executable, "-m", module, "--ros-args", *given]
    with output.open("w") as file:
        return subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=subprocess.DEVNULL)


def until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Waits for something true, and returns it."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.002)
    return value


def seconds(duration: Any) -> float:
    """Of a ``Duration`` or ``Time``."""
    return float(duration.sec) + float(duration.nanosec) / 1e9
