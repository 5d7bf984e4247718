"""What the nodes add to the bare planner: a picture's way to it, a task's way in, a plan's way out. Over real DDS.

All while a camera node sends pictures of that size, which the planner node takes and converts.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.ros_graph import ROOT, MissingRosError, Spun, own_graph, seconds, start, until
from benchmarks.table import Table

RATE = 30
SIZES = {"VGA": (640, 480), "HD": (1280, 720)}
WARM = 5
"""Tasks that are not counted: the first ones meet cold caches."""


def run(quick: bool = False) -> Table:
    """Median and 99th percentile, in milliseconds. Uses a domain of its own."""
    title, columns = "What the nodes add, ms", ("what", "count", "lost", "median", "p99")
    rows = []
    try:
        with own_graph() as folder:
            for name, size in SIZES.items():
                film = _film(folder / name, size)
                rows.append(_pictures(name, film, 5 if quick else 30))
                rows += _plans(name, film, 20 if quick else 300)
    except MissingRosError as error:
        return Table(title, columns, [], [str(error)])
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


def _film(folder: Path, size: tuple[int, int]) -> Path:
    """A folder with a second of pictures."""
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    for number in range(RATE):
        cv2.imwrite(str(folder / f"{number:03d}.bmp"), np.roll(noise, number, 1))
    return folder


def _camera(film: Path) -> subprocess.Popen[bytes]:
    return start("dgemma_ros.nodes.camera", film / "camera.txt", source=film, rate=RATE)


def _pictures(name: str, film: Path, lasting: int) -> tuple[object, ...]:
    """From the camera node to what the planner node hands to its planner."""
    from rclpy.callback_groups import MutuallyExclusiveCallbackGroup

    from dgemma_ros.nodes.camera_input import CameraInput, PictureGate
    from dgemma_ros.nodes.conversions import Limits
    from dgemma_ros.planning.types import Frame

    heard: list[tuple[int, int]] = []

    def hear(frame: Frame) -> None:
        heard.append((frame.stamp_ns, time.time_ns()))

    spun = Spun("pictures")
    CameraInput(spun.node, "", "raw", PictureGate(lambda camera: 0.0, Limits, hear), MutuallyExclusiveCallbackGroup())
    camera = _camera(film)
    try:
        until(lambda: len(heard) > RATE, "pictures")
        del heard[:]
        time.sleep(lasting)
        seen = list(heard)
    finally:
        camera.terminate()
        camera.wait(10)
        spun.close()
    lost = max(0, lasting * RATE - len(seen))
    return _row(f"{name} at {RATE} Hz: picture", [(at - stamp) / 1e6 for stamp, at in seen], lost)


def _plans(name: str, film: Path, count: int) -> list[tuple[object, ...]]:
    """Tasks and plans of the planner node with the nano checkpoint."""
    from dgemma_msgs.msg import Plan, PlanDraft, Task

    spun = Spun("plans")
    plans: dict[str, tuple[float, Any]] = {}
    drafts: dict[str, int] = {}
    spun.node.create_subscription(Plan, "plan", lambda m: plans.update({m.task_id: (time.monotonic(), m)}), 100)

    def hear_draft(draft: Any) -> None:
        drafts[draft.task_id] = draft.header.stamp.sec * 10**9 + draft.header.stamp.nanosec

    spun.node.create_subscription(PlanDraft, "plan_draft", hear_draft, 100)
    publisher = spun.node.create_publisher(Task, "task_request", 10)
    times = film / "times.txt"
    model = ROOT / "engines" / "nano"
    planner = start(
        "benchmarks.timed_planner", times, model=model, threads=1, budget=10.0, frame_rate=0, repair="false"
    )
    camera = _camera(film)
    sent: dict[str, float] = {}
    both, out = [], []
    try:
        until(publisher.get_subscription_count, "the planner")
        until(lambda: spun.node.count_publishers("plan"), "its plans")
        until(lambda: spun.node.count_publishers("image_raw"), "the camera")
        for number in range(count + WARM):
            task_id = str(number)
            sent[task_id] = time.monotonic()
            publisher.publish(Task(task_id=task_id, text="where is the red block?", remember=False))
            received, plan = until(lambda own=task_id: plans.get(own), "a plan")
            if number < WARM or not plan.denoising_steps:
                continue
            both.append(1e3 * (received - sent[task_id] - seconds(plan.latency)))
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
                loop.append(since - 1e3 * seconds(plans[task_id][1].latency_prefill))
    rows = {"task, taken up": taken, "task, loop": loop, "plan": out, "both ways": both}
    return [_row(f"{name} at {RATE} Hz: {what}", values) for what, values in rows.items()]
