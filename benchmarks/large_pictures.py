"""What large pictures leave of a task's denoising steps: nano under 4K JPEG at 30 Hz, and 8000 × 8000 PNG at 5 Hz.

Tasks with a budget of 0.1 s come one after another; the model is nano with random weights, which never converges, so
that each takes all the steps there is time for. Rounds with and without the camera take turns, so that a machine that
grows busier is so for both. Late is a plan whose stamp is behind its deadline, or that came to the client behind it.

    python -m benchmarks.large_pictures [--quick] [--into FILE]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from benchmarks.ros_graph import ROOT, MissingRosError, Spun, own_graph, seconds, start, until
from benchmarks.table import Table, fill, markdown

BUDGET: Final = 0.1
GAP: Final = 0.05
"""Seconds from one plan to the next task."""
TOPIC: Final = "image_raw/compressed"
COLUMNS: Final = ("camera", "tasks", "steps, median", "10 %", "least", "late", "pictures a second", "frames taken")


@dataclass(frozen=True)
class Camera:
    """One that sends the same encoded picture again and again."""

    name: str
    ending: str
    size: tuple[int, int]
    rate: float


CAMERAS: Final = (
    Camera("4K JPEG at 30 Hz", ".jpg", (3840, 2160), 30.0),
    Camera("8000 × 8000 PNG at 5 Hz", ".png", (8000, 8000), 5.0),
)


@dataclass
class Tally:
    """What became of the tasks of all rounds of a kind."""

    steps: list[int] = field(default_factory=list)
    late: int = 0
    pictures: int = 0
    frames: int = 0
    lasted: float = 0.0

    def row(self, name: str) -> tuple[object, ...]:
        """For :data:`COLUMNS`."""
        p50, p10 = np.percentile(self.steps, (50, 10))
        rate = self.pictures / max(self.lasted, 1e-3)
        return name, len(self.steps), f"{p50:.0f}", f"{p10:.0f}", min(self.steps), self.late, f"{rate:.1f}", self.frames


def run(quick: bool = False) -> Table:
    """Steps of tasks with and without each camera."""
    title = f"Steps in {1e3 * BUDGET:.0f} ms under large pictures"
    rounds, tasks = (1, 10) if quick else (4, 60)
    rows, ratios = [], []
    try:
        with own_graph() as folder:
            for camera in CAMERAS:
                without, under = _measure(camera, folder / camera.ending.strip("."), rounds, tasks)
                rows += [without.row("none"), under.row(camera.name)]
                share = np.mean(under.steps) / np.mean(without.steps)
                ratios.append(f"{camera.name}: {share:.0%} of the steps that there are without")
    except MissingRosError as error:
        return Table(title, COLUMNS, [], [str(error)])
    load = f"load of the machine when this ended: {os.getloadavg()[0]:.1f}, with {os.cpu_count()} cores"
    return Table(title, COLUMNS, rows, [*ratios, load, "Camera, client and planner share the cores; threads = 1."])


def _measure(camera: Camera, folder: Path, rounds: int, tasks: int) -> tuple[Tally, Tally]:
    from tests.nodes import stand_in

    folder.mkdir()
    picture = folder / f"picture{camera.ending}"
    cv2.imwrite(str(picture), _picture(camera.size))
    given = {"threads": 1, "max_steps": 100_000, "repair": "false", "max_canvases": 1, "canary_period": 0.0}
    given |= {"image_transport": "compressed", "max_image_pixels": 1 << 26}
    planner = start("dgemma_ros.nodes.planner", folder / "planner.txt", model=stand_in.make(folder / "model"), **given)
    client = _Client()
    without, under = Tally(), Tally()
    try:
        client.meet()
        client.ask(tasks // 4, Tally())  # the first ones meet cold caches
        for _ in range(rounds):
            client.ask(tasks, without)
            sending = [sys.executable, "-m", "benchmarks.picture_sender", str(picture), str(camera.rate)]
            with subprocess.Popen(sending, cwd=ROOT) as sender:
                try:
                    client.until_more_pictures()
                    client.ask(tasks, under)
                finally:
                    sender.terminate()
    finally:
        planner.terminate()
        planner.wait(10)
        client.close()
    return without, under


def _picture(size: tuple[int, int]) -> np.ndarray:
    """Patches of colour with some texture: as PNG small for its size, and as slow to decode as any."""
    chance = np.random.default_rng(0)
    patches = chance.integers(0, 256, (size[1] // 40, size[0] // 40, 3), np.uint8)
    picture = cv2.resize(patches, size, interpolation=cv2.INTER_NEAREST)
    if size[0] < 5000:
        picture = cv2.add(picture, chance.integers(0, 8, picture.shape, np.uint8))
    return picture


class _Client:
    """Sends tasks, and hears plans and the planner's diagnostics."""

    def __init__(self) -> None:
        from dgemma_msgs.msg import Plan, Task
        from diagnostic_msgs.msg import DiagnosticArray

        self._task = Task
        self._spun = Spun("large_pictures")
        self._plans: dict[str, tuple[float, Any]] = {}
        self._figures: dict[str, str] = {}
        self._number = 0
        node = self._spun.node
        node.create_subscription(Plan, "plan", lambda m: self._plans.update({m.task_id: (time.time(), m)}), 100)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._hear, 10)
        self._publisher = node.create_publisher(Task, "task_request", 10)

    def close(self) -> None:
        self._spun.close()

    def meet(self) -> None:
        until(self._publisher.get_subscription_count, "the planner")
        until(lambda: self._spun.node.count_publishers("plan"), "its plans")
        until(lambda: self._figures.get("state") == "active", "its diagnostics")

    def until_more_pictures(self) -> None:
        before = self._counts()[0]
        until(lambda: self._counts()[0] > before + 3, "pictures")

    def ask(self, tasks: int, tally: Tally) -> None:
        """So many tasks, one after another, into a tally."""
        from builtin_interfaces.msg import Duration

        (pictures, frames), began = self._counts(), time.monotonic()
        for _ in range(tasks):
            self._number += 1
            own = str(self._number)
            budget = Duration(nanosec=int(BUDGET * 1e9))
            self._publisher.publish(self._task(task_id=own, text="tidy up", budget=budget, remember=False))
            at, plan = until(lambda own=own: self._plans.get(own), "a plan")
            tally.steps.append(plan.denoising_steps)
            tally.late += max(at, seconds(plan.header.stamp)) > seconds(plan.deadline)
            time.sleep(GAP)
        now = self._counts()
        tally.pictures += now[0] - pictures
        tally.frames += now[1] - frames
        tally.lasted += time.monotonic() - began

    def _counts(self) -> tuple[int, int]:
        """Pictures that came, and frames of them that were taken, by the newest diagnostics."""
        return int(self._figures.get(f"/{TOPIC} received", 0)), int(self._figures.get("frames taken", 0))

    def _hear(self, message: Any) -> None:
        for status in message.status:
            if status.name.startswith("planner:"):
                self._figures = {value.key: value.value for value in status.values}


def main() -> None:
    """Prints the table, or puts it into a page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_pictures", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--into", type=Path, metavar="FILE", help="put the table in its place in this page")
    given = parser.parse_args()
    table = run(given.quick)
    text = markdown(table.columns, table.rows, table.notes)
    print(text)
    if given.into:
        fill(given.into, "large pictures", text)


if __name__ == "__main__":
    main()
