"""What the nodes add to the bare planner: a picture's way to it, a task's way in, a plan's way out. Over real DDS.

All while a camera node sends pictures of that size, which the planner node takes and converts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.table import Table

ROOT = Path(__file__).resolve().parents[1]
RATE = 30
SIZES = {"VGA": (640, 480), "HD": (1280, 720)}
PATIENCE = 120.0
WARM = 5
"""Tasks that are not counted: the first ones meet cold caches."""


def run(quick: bool = False) -> Table:
    """Median and 99th percentile, in milliseconds. Uses a domain of its own."""
    title, columns = "What the nodes add, ms", ("what", "count", "lost", "median", "p99")
    try:
        import dgemma_msgs  # noqa: F401
        import rclpy
    except ImportError:
        return Table(title, columns, [], ["ROS 2 is not here: `make ros` brings it"])
    from dgemma_ros.nodes.process import use_large_images

    own = {"ROS_DOMAIN_ID": str(os.getpid() % 100 + 1), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(own | {"ROS_LOG_DIR": folder})
        use_large_images()
        rclpy.init(args=[])
        try:
            rows = []
            for name, size in SIZES.items():
                film = _film(Path(folder) / name, size)
                rows.append(_pictures(name, film, 5 if quick else 30))
                rows += _plans(name, film, 20 if quick else 300)
        finally:
            rclpy.try_shutdown()
    notes = [
        "picture: from its stamp in the camera node to the planner's add_frame (message, DDS, conversion)",
        "task, taken up: from publishing it to the planner's beginning with it",
        "task, loop: from publishing it to the first denoising step, less the prefill of its own words",
        "plan: from the last denoising step (its draft is out) to receiving the plan: parsing, checking, DDS",
        "both ways: from publishing the task to receiving its plan, less what the planner itself took",
        f"load of the machine while this ran: {os.getloadavg()[0]:.1f}, with {os.cpu_count()} cores",
    ]
    return Table(title, columns, rows, notes)


def _row(what: str, milliseconds: list[float], lost: int | str = "") -> tuple[object, ...]:
    p50, p99 = (np.percentile(milliseconds, q) for q in (50, 99)) if milliseconds else (np.nan, np.nan)
    return what, len(milliseconds), lost, f"{p50:.2f}", f"{p99:.2f}"


class _Spun:
    """A node served by the nodes' own executor, in a thread."""

    def __init__(self, name: str) -> None:
        import rclpy

        from dgemma_ros.nodes.process import Part

        self.node = rclpy.create_node(name)
        self._executor = Part(self.node, lambda group: True)
        self._executor.add_node(self.node)
        threading.Thread(target=self._executor.serve, daemon=True).start()

    def close(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()


def _start(module: str, output: Path, **parameters: object) -> subprocess.Popen[bytes]:
    given = [part for name, value in parameters.items() for part in ("-p", f"{name}:={value}")]
    command = [sys.executable, "-m", module, "--ros-args", *given]
    with output.open("w") as file:
        return subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=subprocess.DEVNULL)


def _film(folder: Path, size: tuple[int, int]) -> Path:
    """A folder with a second of pictures."""
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    for number in range(RATE):
        cv2.imwrite(str(folder / f"{number:03d}.bmp"), np.roll(noise, number, 1))
    return folder


def _camera(film: Path) -> subprocess.Popen[bytes]:
    return _start("dgemma_ros.nodes.camera", film / "camera.txt", source=film, rate=RATE)


def _until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.002)
    return value


def _pictures(name: str, film: Path, seconds: int) -> tuple[object, ...]:
    """From the camera node to what the planner node hands to its planner."""
    from rclpy.callback_groups import MutuallyExclusiveCallbackGroup

    from dgemma_ros.nodes.camera_input import CameraInput, PictureGate
    from dgemma_ros.nodes.conversions import Limits
    from dgemma_ros.planning.types import Frame

    heard: list[tuple[int, int]] = []

    def hear(frame: Frame) -> None:
        heard.append((frame.stamp_ns, time.time_ns()))

    spun = _Spun("pictures")
    CameraInput(spun.node, "", "raw", PictureGate(lambda camera: 0.0, Limits, hear), MutuallyExclusiveCallbackGroup())
    camera = _camera(film)
    try:
        _until(lambda: len(heard) > RATE, "pictures")
        del heard[:]
        time.sleep(seconds)
        seen = list(heard)
    finally:
        camera.terminate()
        camera.wait(10)
        spun.close()
    lost = max(0, seconds * RATE - len(seen))
    return _row(f"{name} at {RATE} Hz: picture", [(at - stamp) / 1e6 for stamp, at in seen], lost)


def _plans(name: str, film: Path, count: int) -> list[tuple[object, ...]]:
    """Tasks and plans of the planner node with the nano checkpoint."""
    from dgemma_msgs.msg import Plan, PlanDraft, Task

    spun = _Spun("plans")
    plans: dict[str, tuple[float, Any]] = {}
    drafts: dict[str, int] = {}
    spun.node.create_subscription(Plan, "plan", lambda m: plans.update({m.task_id: (time.monotonic(), m)}), 100)

    def hear_draft(draft: Any) -> None:
        drafts[draft.task_id] = draft.header.stamp.sec * 10**9 + draft.header.stamp.nanosec

    spun.node.create_subscription(PlanDraft, "plan_draft", hear_draft, 100)
    publisher = spun.node.create_publisher(Task, "task_request", 10)
    times = film / "times.txt"
    model = ROOT / "engines" / "nano"
    planner = _start(
        "benchmarks.timed_planner", times, model=model, threads=1, budget=10.0, frame_rate=0, repair="false"
    )
    camera = _camera(film)
    sent: dict[str, float] = {}
    both, out = [], []
    try:
        _until(publisher.get_subscription_count, "the planner")
        _until(lambda: spun.node.count_publishers("plan"), "its plans")
        _until(lambda: spun.node.count_publishers("image_raw"), "the camera")
        for number in range(count + WARM):
            task_id = str(number)
            sent[task_id] = time.monotonic()
            publisher.publish(Task(task_id=task_id, text="where is the red block?", remember=False))
            received, plan = _until(lambda own=task_id: plans.get(own), "a plan")
            if number < WARM or not plan.denoising_steps:
                continue
            both.append(1e3 * (received - sent[task_id] - _seconds(plan.latency)))
            offset = time.time_ns() - time.monotonic_ns()
            if task_id in drafts:
                out.append((received * 1e9 + offset - drafts[task_id]) / 1e6)
    finally:
        for process in (planner, camera):
            process.terminate()
            process.wait(10)
        spun.close()
    taken, loop = [], []
    for line in times.read_text().splitlines():
        word, task_id, at = line.split()
        if int(task_id) >= WARM and plans[task_id][1].canvases == 1:
            since = 1e3 * (float(at) - sent[task_id])
            if word == "taken":
                taken.append(since)
            else:
                loop.append(since - 1e3 * _seconds(plans[task_id][1].latency_prefill))
    rows = {"task, taken up": taken, "task, loop": loop, "plan": out, "both ways": both}
    return [_row(f"{name} at {RATE} Hz: {what}", values) for what, values in rows.items()]


def _seconds(duration: Any) -> float:
    return float(duration.sec) + float(duration.nanosec) / 1e9
