"""2,000 tasks with random budgets under a 30 Hz camera, every core loaded by other processes: are deadlines kept?

Budgets run from hopeless (1 ms, less than a thread may take to wake up) to ample (2 s), evenly in their logarithm;
tasks come at random moments, and each way of preemption has a third of them. Late is what reaches the listener behind
its deadline.

    python -m benchmarks.deadlines [--model DIR] [--tasks N] [--load PROCESSES] [--seed N] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.table import Table
from dgemma_ros.model import Model, open_model
from dgemma_ros.planning import Frame, Plan, Planner, Preemption, Settings, SkillCatalogue, Task

NANO = Path(__file__).resolve().parent.parent / "engines" / "nano"
BANDS = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0)
"""Seconds of budget between which results are told apart."""
RATE = 30.0
GAP = 0.04
"""Seconds between two tasks, on average."""
TASKS = ("pick up the red block", "put the blue ball into the left tray", "what has been moved?", "clear the table")


def run(quick: bool = False) -> Table:
    """The figures of ``python -m benchmarks deadlines``."""
    return measure(100 if quick else 2000, os.cpu_count() or 1)


def measure(tasks: int, load: int, folder: Path | None = None, seed: int = 0) -> Table:
    """``load``: how many busy processes run beside it."""
    model, skills, name = _model(folder)
    settings = Settings(queue_limit=8, frame_rate=RATE)
    arrived: list[tuple[Plan, float]] = []
    all_here = threading.Event()

    def on_plan(plan: Plan) -> None:
        arrived.append((plan, time.monotonic()))
        if len(arrived) == tasks:
            all_here.set()

    planner = Planner(model, skills, settings, lambda draft: None, on_plan)
    planner.warm_up()
    planner.start()
    began = time.monotonic()
    with _loaded(load), _camera(planner):
        budgets = _submit(planner, settings, tasks, random.Random(seed))
        all_here.wait(60)
    took = time.monotonic() - began
    statistics = planner.statistics()
    planner.close()
    table = Table(
        "Plans by the deadline",
        ("budget", "tasks", "by the deadline", "late p50 ms", "late p99 ms", "late max ms", "how they ended"),
        notes=[
            f"{name}, {model.session.backend}; {load} busy processes beside it, load average {os.getloadavg()[0]:.1f} "
            f"on {os.cpu_count()} cores; camera {RATE:g} Hz, {statistics.frames_taken} frames encoded; {took:.0f} s",
            f"publish_margin {1e3 * settings.publish_margin:g} ms; step p50 {1e3 * statistics.step_time.p50:.1f} ms, "
            f"p99 {1e3 * statistics.step_time.p99:.1f} ms; {statistics.watchdog} plans by the timer",
            _honesty(arrived, budgets),
        ],
    )
    for low, high in [*pairwise(BANDS), (0.005, BANDS[-1]), (BANDS[0], BANDS[-1])]:
        rows = [(plan, at) for plan, at in arrived if low <= budgets[plan.task_id] <= high]
        table.rows.append(_row(f"{1e3 * low:g}–{1e3 * high:g} ms", rows))
    return table


def _row(label: str, rows: list[tuple[Plan, float]]) -> tuple[object, ...]:
    late = 1e3 * np.array([at - plan.deadline for plan, at in rows if at > plan.deadline] or [0.0])
    kept = sum(at <= plan.deadline for plan, at in rows)
    share = f"{100 * kept / len(rows):.2f} % ({len(rows) - kept} late)" if rows else "–"
    ended = Counter(plan.status.value for plan, _ in rows)
    p50, p99 = np.percentile(late, [50, 99])
    words = ", ".join(f"{count} {status}" for status, count in ended.most_common())
    return label, len(rows), share, f"{p50:.2f}", f"{p99:.2f}", f"{late.max():.2f}", words


def _honesty(arrived: list[tuple[Plan, float]], budgets: dict[str, float]) -> str:
    seen = Counter(plan.task_id for plan, _ in arrived)
    missing, twice = sorted(set(budgets) - set(seen)), [task for task, count in seen.items() if count > 1]
    wrong = [plan.task_id for plan, _ in arrived if plan.valid and (not plan.steps or plan.error)]
    return f"{len(missing)} missing, {len(twice)} twice, {len(wrong)} valid with an error or no steps"


def _submit(planner: Planner, settings: Settings, tasks: int, chance: random.Random) -> dict[str, float]:
    budgets: dict[str, float] = {}
    ways = list(Preemption)
    for number in range(tasks):
        if number % -(-tasks // len(ways)) == 0:
            planner.update(replace(settings, preemption=ways[number * len(ways) // tasks]))
        task = f"t{number}"
        budgets[task] = BANDS[0] * (BANDS[-1] / BANDS[0]) ** chance.random()
        planner.submit(Task(task, chance.choice(TASKS), budgets[task], received=time.monotonic()))
        time.sleep(chance.expovariate(1 / GAP))
    return budgets


@contextmanager
def _camera(planner: Planner) -> Iterator[None]:
    pictures = np.random.default_rng(0).integers(0, 256, (8, 480, 640, 3), np.uint8)
    done = threading.Event()

    def film() -> None:
        number = 0
        while not done.wait(1 / RATE):
            now = time.monotonic()
            planner.add_frame(Frame(pictures[number % 8], int(now * 1e9), "front", "front_optical", now))
            number += 1

    thread = threading.Thread(target=film)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def _loaded(processes: int) -> Iterator[None]:
    busy = [subprocess.Popen([sys.executable, "-c", "while True: sum(range(10000))"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def _model(folder: Path | None) -> tuple[Model, SkillCatalogue, str]:
    """Nano, or while it has no weights a random model of about its size."""
    folder = folder or NANO
    own = folder / "skills.yaml"
    skills = SkillCatalogue.load(own if own.exists() else NANO / "skills.yaml")
    if (folder / "model.safetensors").exists():
        return open_model(folder, threads=1), skills, folder.name
    from tests.planning.conftest import write_model

    made = write_model(Path(tempfile.mkdtemp(prefix="dgemma-deadlines-")) / "random")
    return open_model(made, threads=1), skills, "a tiny random model"


def main() -> None:
    """Prints the table."""
    from rich.console import Console

    from benchmarks.__main__ import show

    parser = argparse.ArgumentParser(prog="python -m benchmarks.deadlines", description=__doc__)
    parser.add_argument("--model", type=Path, metavar="DIR")
    parser.add_argument("--tasks", type=int, default=2000, metavar="N")
    parser.add_argument("--load", type=int, default=os.cpu_count(), metavar="PROCESSES")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    table = measure(given.tasks, given.load, given.model, given.seed)
    show(Console(width=180), table)
    if given.json:
        content: dict[str, Any] = asdict(table)
        given.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
