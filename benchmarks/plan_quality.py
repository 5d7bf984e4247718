"""Nano's plans on fresh scenes, through the planner: right against budget, pinned against free, repaired against not.

Scenes and tasks come from training's own generator, with seeds that training never uses. A plan is right where its
calls are those that the scene asks for. Budgets are denoising steps, which mean the same on every machine, and also
milliseconds, which are what a task gives.

    python -m benchmarks.plan_quality [--model DIR] [--questions N] [--json FILE] [--svg FILE]
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.curve import Line, picture
from benchmarks.table import Table
from dgemma_ros.model import Model, open_model
from dgemma_ros.planning import Event, EventKind, Frame, Plan, Planner, Settings, SkillCatalogue, Task
from training import render, tasks

NANO = Path(__file__).resolve().parent.parent / "engines" / "nano"
SEED = 7_102_026
KINDS = tasks.TEXT + tasks.PICTURE + tasks.HISTORY
STEPS = (1, 2, 3, 4, 6, 8, 16)
MILLISECONDS = (20, 30, 40, 60, 80, 120, 200, 400)
LONG = 60.0


@dataclass(frozen=True)
class Question:
    """A fresh scene with its task."""

    pictures: list[np.ndarray]
    task: tasks.Task
    seconds: list[int]


def questions(count: int, seed: int = SEED) -> list[Question]:
    """A pure function of its arguments; the kinds take turns."""
    asked = []
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        scene, task = tasks.fresh(rng, KINDS[number % len(KINDS)])
        seconds = np.cumsum(rng.integers(1, 20, len(scene.moments))).tolist()
        asked.append(Question(render.render_scene(scene), task, seconds))
    return asked


class Asker:
    """A planner that is asked one question at a time, each in a fresh context."""

    def __init__(self, model: Model, skills: SkillCatalogue) -> None:
        self.settings = Settings(frame_rate=1000.0, publish_margin=0.002)
        self._more = threading.Condition()
        self._plan: Plan | None = None
        self._frames = 0
        self.planner = Planner(model, skills, self.settings, None, self._on_plan, self._on_event)
        self.planner.warm_up()
        self.planner.start()

    def _on_plan(self, plan: Plan) -> None:
        with self._more:
            self._plan = plan
            self._more.notify_all()

    def _on_event(self, event: Event) -> None:
        with self._more:
            self._frames += event.kind is EventKind.FRAME_ENCODED
            self._more.notify_all()

    def ask(self, question: Question, budget: float = LONG, template: str = "") -> Plan:
        """The plan; its time begins when the pictures have been read."""
        self.planner.reset_context()
        self._frames, self._plan = 0, None
        began = time.monotonic()
        for number, (rgb, seconds) in enumerate(zip(question.pictures, question.seconds, strict=True)):
            self.planner.add_frame(Frame(rgb, seconds * 10**9, "front", "", began + 0.01 * number))
            with self._more:
                assert self._more.wait_for(lambda n=number: self._frames > n, 60)
        self.planner.submit(
            Task("q", question.task.text, budget, remember=False, template_text=template, received=time.monotonic())
        )
        with self._more:
            assert self._more.wait_for(lambda: self._plan is not None, 2 * LONG)
        assert self._plan is not None
        return self._plan

    @contextmanager
    def with_settings(self, **changes: Any) -> Iterator[None]:
        """Other settings for a while."""
        self.planner.update(replace(self.settings, **changes))
        try:
            yield
        finally:
            self.planner.update(self.settings)


def right(question: Question, plan: Plan) -> bool:
    """Valid, and what the scene asks for."""
    return plan.valid and question.task.right([(step.skill, dict(step.arguments)) for step in plan.steps])


def template_of(plan: tasks.Plan) -> str:
    """Which skills, in which order, is known; every argument is free."""
    calls = [f"{skill}({', '.join(f'{name}=____' for name in arguments)})" for skill, arguments in plan]
    return "; ".join(calls)


def shares(asked: Sequence[Question], plans: Sequence[Plan]) -> tuple[float, float, float, float]:
    """Right, invalid, mean steps, median milliseconds."""
    return (
        float(np.mean([right(q, p) for q, p in zip(asked, plans, strict=True)])),
        float(np.mean([not p.valid for p in plans])),
        float(np.mean([p.denoising_steps for p in plans])),
        1e3 * float(np.median([p.latency.total for p in plans])),
    )


COLUMNS = ("right", "invalid", "steps, mean", "ms, median")


def run(quick: bool = False) -> Table:
    """The figures of ``python -m benchmarks plan_quality``."""
    return measure(NANO, 26 if quick else 260)[0]


def measure(folder: Path, count: int) -> tuple[Table, list[Line], list[Line]]:
    """All of it as one table, and the lines of two pictures: by steps, by milliseconds."""
    asker = Asker(open_model(folder, threads=1), SkillCatalogue.load(folder / "skills.yaml"))
    asked = questions(count)
    table = Table(
        "Plans of the nano checkpoint",
        ("what", "limit", *COLUMNS),
        notes=[
            f"{count} fresh scenes, {len(KINDS)} kinds of task in turn; {asker.planner.model.session.backend}",
            "pinned: skills and their order are given, the arguments are free; repair: at the same limits",
        ],
    )

    def row(what: str, limit: str, plans: list[Plan]) -> tuple[float, ...]:
        figures = shares(asked, plans)
        shown = [f"{100 * value:.1f} %" for value in figures[:2]] + [f"{figures[2]:.2f}", f"{figures[3]:.1f}"]
        table.rows.append((what, limit, *shown))
        return figures

    lines: dict[str, list[tuple[float, float]]] = {"free": [], "pinned": [], "free, not repaired": []}
    for steps in STEPS:
        limit = f"{steps} steps"
        with asker.with_settings(max_steps=steps):
            lines["free"].append((steps, row("free", limit, [asker.ask(q) for q in asked])[0]))
            pinned = [asker.ask(q, template=template_of(q.task.plan)) for q in asked]
            lines["pinned"].append((steps, row("pinned", limit, pinned)[0]))
        with asker.with_settings(max_steps=steps, repair=False):
            plain = row("free, not repaired", limit, [asker.ask(q) for q in asked])
            lines["free, not repaired"].append((steps, plain[0]))
    by_time: list[tuple[float, float]] = []
    for budget in MILLISECONDS:
        plans = [asker.ask(q, budget=budget / 1e3) for q in asked]
        by_time.append((budget, row("free", f"{budget} ms", plans)[0]))
        with asker.with_settings(repair=False):
            row("free, not repaired", f"{budget} ms", [asker.ask(q, budget=budget / 1e3) for q in asked])
    asker.planner.close()
    return table, [Line(name, points) for name, points in lines.items()], [Line("free", by_time)]


def main() -> None:
    """Prints the table, and draws it."""
    from rich.console import Console

    from benchmarks.__main__ import show

    parser = argparse.ArgumentParser(prog="python -m benchmarks.plan_quality", description=__doc__)
    parser.add_argument("--model", type=Path, default=NANO, metavar="DIR")
    parser.add_argument("--questions", type=int, default=260, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--svg", type=Path, metavar="FILE")
    given = parser.parse_args()
    table, by_steps, by_time = measure(given.model, given.questions)
    show(Console(width=120), table)
    if given.json:
        given.json.write_text(json.dumps(asdict(table), indent=1) + "\n")
    if given.svg:
        panels = [("denoising steps a canvas may take", by_steps), ("budget in milliseconds", by_time)]
        given.svg.write_text(picture(panels, "right plans"))


if __name__ == "__main__":
    main()
