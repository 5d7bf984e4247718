"""2,000 tasks with random budgets under a 30 Hz camera, every core loaded by other processes: are deadlines kept?

Budgets run from hopeless (1 ms) to ample (2 s), evenly in their logarithm; tasks come at random moments, and each way
of preemption has a third of them. Late is what reaches the listener behind its deadline. The interpreter is set up as
the node sets it up. A plan that is late is put down to the thread that handed it on: the *caller* (a task that needs no
model), the *watchdog* (a task that waited, or hung in a step) or the *worker*; to *handing on*, where it was written in
time.
For comparison, a process that does nothing but sleep says how late this machine wakes anybody.

    python -m benchmarks.deadlines [--model DIR] [--tasks N] [--load PROCESSES] [--ordinary] [--seed N]
        [--json FILE] [--into FILE]
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.table import Table, fill, markdown
from dgemma_ros.model import Model, open_model
from dgemma_ros.planning import Frame, Plan, Planner, Preemption, Settings, SkillCatalogue, Task

NANO = Path(__file__).resolve().parent.parent / "engines" / "nano"
BANDS = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0)
"""Seconds of budget between which results are told apart."""
RATE = 30.0
GAP = 0.04
"""Seconds between two tasks, on average."""
TASKS = ("pick up the red block", "put the blue ball into the left tray", "what has been moved?", "clear the table")


SWITCH_INTERVAL = 0.001
"""Seconds, as in the nodes' processes."""
SLEEPER = """
import sys, threading, time
late, ended = [], threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set())).start()
while not ended.is_set():
    due = time.monotonic() + 0.01
    time.sleep(0.01)
    late.append(time.monotonic() - due)
late.sort()
print(*(1e3 * late[min(len(late) - 1, int(len(late) * share))] for share in (0.5, 0.99, 1)))
"""


@dataclass(frozen=True)
class Arrival:
    """A plan at its listener. Times of :func:`time.monotonic`."""

    plan: Plan
    at: float
    thread: str

    @property
    def late(self) -> float:
        """Seconds behind the deadline; negative before it."""
        return self.at - self.plan.deadline

    @property
    def cause(self) -> str:
        """Where a late plan lost its time."""
        if self.plan.finished <= self.plan.deadline:
            return "handing on"
        return {"dgemma-worker": "worker", "dgemma-watchdog": "watchdog"}.get(self.thread, "caller")


def run(quick: bool = False) -> Table:
    """The figures of ``python -m benchmarks deadlines``."""
    return measure(100 if quick else 2000, os.cpu_count() or 1)


def measure(tasks: int, load: int, folder: Path | None = None, seed: int = 0, ordinary: bool = False) -> Table:
    """``load``: how many busy processes run beside it; ``ordinary``: no thread of the planner is given a priority."""
    model, skills, name = _model(folder)
    settings = Settings(queue_limit=8, frame_rate=RATE)
    arrived: list[Arrival] = []
    all_here = threading.Event()

    def on_plan(plan: Plan) -> None:
        at = time.monotonic()
        arrived.append(Arrival(plan, at, threading.current_thread().name))
        if len(arrived) == tasks:
            all_here.set()

    planner = Planner(model, skills, settings, lambda draft: None, on_plan, real_time=not ordinary)
    planner.warm_up()
    planner.start()
    switch_interval = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.collect()
    gc.freeze()
    began = time.monotonic()
    try:
        with _loaded(load), _sleeper() as slept, _camera(planner):
            budgets = _submit(planner, settings, tasks, random.Random(seed))
            all_here.wait(60)
    finally:
        gc.unfreeze()
        sys.setswitchinterval(switch_interval)
    took = time.monotonic() - began
    statistics = planner.statistics()
    planner.close()
    table = Table(
        "Plans by the deadline",
        ("budget", "tasks", "by the deadline", "late p50 ms", "p99", "max", "why late", "how they ended"),
        notes=[
            f"{name}, {model.session.backend}; {load} busy processes beside it, load average {os.getloadavg()[0]:.1f} "
            f"on {os.cpu_count()} cores; camera {RATE:g} Hz, {statistics.frames_taken} frames encoded; {took:.0f} s",
            f"margin {1e3 * settings.publish_margin:g} ms; step p50 {1e3 * statistics.step_time.p50:.1f} ms, "
            f"p99 {1e3 * statistics.step_time.p99:.1f} ms; {statistics.watchdog} running tasks' plans by the watchdog",
            f"the watchdog has {'a real-time' if statistics.real_time else 'an ordinary'} priority; a process that "
            f"only sleeps was woken late by {slept[0]:.1f} ms (p50), {slept[1]:.1f} (p99), {slept[2]:.1f} (max)",
            _honesty([arrival.plan for arrival in arrived], budgets),
        ],
    )
    for low, high in [*pairwise(BANDS), (0.005, BANDS[-1]), (BANDS[0], BANDS[-1])]:
        rows = [arrival for arrival in arrived if low <= budgets[arrival.plan.task_id] <= high]
        table.rows.append(_row(f"{1e3 * low:g}–{1e3 * high:g} ms", rows))
    return table


def _row(label: str, rows: list[Arrival]) -> tuple[object, ...]:
    late = [arrival for arrival in rows if arrival.late > 0]
    share = f"{100 * (1 - len(late) / len(rows)):.2f} % ({len(late)} late)" if rows else "–"
    lateness = 1e3 * np.array([arrival.late for arrival in late] or [0.0])
    p50, p99 = np.percentile(lateness, [50, 99])
    causes = _counted(arrival.cause for arrival in late)
    ended = _counted(arrival.plan.status.value for arrival in rows)
    return label, len(rows), share, f"{p50:.2f}", f"{p99:.2f}", f"{lateness.max():.2f}", causes or "–", ended


def _counted(words: Iterable[str]) -> str:
    return ", ".join(f"{count} {word}" for word, count in Counter(words).most_common())


def _honesty(plans: list[Plan], budgets: dict[str, float]) -> str:
    seen = Counter(plan.task_id for plan in plans)
    missing, twice = sorted(set(budgets) - set(seen)), [task for task, count in seen.items() if count > 1]
    wrong = [plan.task_id for plan in plans if plan.valid and (not plan.steps or plan.error)]
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
def _sleeper() -> Iterator[list[float]]:
    """How late a process that only sleeps was woken: p50, p99 and max in milliseconds, when the context has ended."""
    process = subprocess.Popen([sys.executable, "-c", SLEEPER], stdin=-1, stdout=-1, text=True)
    slept: list[float] = []
    try:
        yield slept
    finally:
        said, _ = process.communicate()
        slept += map(float, said.split())


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
    from tests.desk import write_model

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
    parser.add_argument("--ordinary", action="store_true", help="no real-time priority, as where it is not allowed")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--into", type=Path, metavar="FILE", help="put the table in its place in this page")
    given = parser.parse_args()
    table = measure(given.tasks, given.load, given.model, given.seed, given.ordinary)
    show(Console(width=180), table)
    if given.json:
        content: dict[str, Any] = asdict(table)
        given.json.write_text(json.dumps(content, indent=1) + "\n")
    if given.into:
        shown = markdown(table.columns, table.rows, [f"{note[0].upper()}{note[1:]}." for note in table.notes])
        fill(given.into, "deadlines, ordinary priority" if given.ordinary else "deadlines", shown)


if __name__ == "__main__":
    main()
