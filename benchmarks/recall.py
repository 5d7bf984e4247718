"""What it is worth to bring forgotten frames back, and what it costs: nano, through the planner, with a journal.

- *Whether the right one comes*: ten scenes are shown and nine of them forgotten, then a task names an object. Does the
  frame that is brought back show it? Beside that, how many of the nine do, and the newest of them.
- *Whether it helps*: something was moved or taken away, frames without change followed, and the frames that show it are
  forgotten. Is the plan right, with and without recall?
- *What it costs*: the time to choose, and from a task to its first denoising step.

    python -m benchmarks.recall [--model DIR] [--scenes N] [--into FILE]
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.table import Table, fill, markdown
from dgemma_ros.journal.journal import Journal
from dgemma_ros.model import Model, open_model
from dgemma_ros.planning import Frame, Plan, Planner, Settings, SkillCatalogue, Task
from dgemma_ros.tabletop import render
from dgemma_ros.tabletop.scenes import sample_scene
from tests.desk import Watched
from training import evaluate
from training.desk import calls_of

NANO = Path(__file__).resolve().parent.parent / "engines" / "nano"
SEED, LONG, BACK, SHOWN = 1234, 120.0, 4, 10
WORDS = ("pick up the {}", "where is the {}?", "bring me the {}")


class Desk:
    """A planner with a journal of its own; answers are waited for."""

    def __init__(self, model: Model, folder: Path, settings: Settings) -> None:
        self._more = threading.Condition()
        self._plans: list[Plan] = []
        self.journal, self.generator = Journal(folder / "memory.db", model), Watched(model)
        skills = SkillCatalogue.load(model.folder / "skills.yaml")
        given: dict[str, Any] = {"generator": self.generator, "journal": self.journal}
        self.planner = Planner(model, skills, settings, None, self._on_plan, **given)
        self.planner.warm_up()
        self.planner.start()

    def _on_plan(self, plan: Plan) -> None:
        with self._more:
            self._plans.append(plan)
            self._more.notify_all()

    def show(self, pictures: list[np.ndarray], seconds: list[int]) -> list[int]:
        """Reads them in a context of their own; the ids that they have in the log."""
        self.planner.reset_context()
        ids = []
        for picture, second in zip(pictures, seconds, strict=True):
            self.planner.read_frame(Frame(picture, second * 10**9, "front", "", time.monotonic()))
            ids.append(self.planner.context_info().segments[-1].id)
        assert self.journal.flush()
        return ids

    def ask(self, text: str) -> Plan:
        """The plan, which is not remembered."""
        self._plans.clear()
        self.planner.submit(Task("q", text, LONG, remember=False, received=time.monotonic()))
        with self._more:
            assert self._more.wait_for(lambda: bool(self._plans), LONG)
            return self._plans[0]

    @property
    def choices(self) -> list[float]:
        """Seconds that the last choices took."""
        recollection = self.generator.context.recollection
        return [] if recollection is None else list(recollection.times)


@contextmanager
def desk_of(model: Model, settings: Settings) -> Iterator[Desk]:
    """Closed in the end."""
    with tempfile.TemporaryDirectory(prefix="dgemma-recall-") as folder:
        desk = Desk(model, Path(folder), settings)
        try:
            yield desk
        finally:
            desk.planner.close()
            desk.journal.close()


def chosen(model: Model, scenes: int) -> list[tuple[object, ...]]:
    """Whether the frame that comes back shows what a task names."""
    rng, shows, chance, newest, seconds = np.random.default_rng((SEED, 7)), [], [], [], []
    settings = Settings(max_frames=1, recall=1, keyframe_change=0.0, budget=LONG)
    with desk_of(model, settings) as desk:
        for _ in range(scenes):
            tables = [sample_scene(rng, 1) for _ in range(SHOWN)]
            ids = desk.show([render.render_scene(one)[0] for one in tables], list(range(0, 5 * SHOWN, 5)))
            there = [{one.name for one in table.now} for table in tables[:-1]]
            for name in rng.permutation(sorted(set().union(*there)))[:3]:
                holds = [name in names for names in there]
                plan = desk.ask(str(rng.choice(WORDS)).format(name))
                (one,) = plan.recalled
                shows.append(holds[ids.index(one.segment)])
                chance.append(np.mean(holds))
                newest.append(holds[-1])
                seconds.append(desk.choices[-1])
    return [
        ("one of nine forgotten frames comes back, and shows what the task names", _share(shows)),
        ("of the nine, so many show it; the newest of them does", f"{np.mean(chance):.0%}; {np.mean(newest):.0%}"),
        ("to choose one of nine", f"{1e3 * np.median(seconds):.1f} ms, at most {1e3 * max(seconds):.1f}"),
    ]


def helped(model: Model, scenes: int, kept: int, change: float) -> list[tuple[object, ...]]:
    """Whether plans are right that rest on what was forgotten, with and without recall."""
    asked = list(evaluate.questions(SEED, scenes, kinds=("moved", "put_back", "gone"), back=BACK))
    found = []
    for recall in (0, 2):
        right, prompt = [], []
        with desk_of(model, Settings(max_frames=kept, recall=recall, keyframe_change=change, budget=LONG)) as desk:
            for question in asked:
                desk.show(question.pictures, [second - question.seconds[0] for second in question.seconds])
                plan = desk.ask(question.task.text)
                right.append(plan.valid and question.task.right(calls_of(plan)))
                prompt.append(plan.latency.prefill)
        found.append((right, prompt))
    (without, before), (with_, behind) = found
    frames = "the newest frame" if kept == 1 else f"the {kept} newest frames"
    which = "keyframes are candidates" if change else "all frames are candidates"
    what = f"{frames} kept, what happened forgotten, {which}"
    return [
        (f"{what}: right without, with 2 recalled", f"{_share(without)}; {_share(with_)}"),
        ("to read such a task, without and with", f"{1e3 * np.median(before):.1f}, {1e3 * np.median(behind):.1f} ms"),
    ]


def _share(right: list[Any]) -> str:
    low, high = _interval(sum(map(bool, right)), len(right))
    return f"{np.mean(right):.0%} of {len(right)} ({low:.0f} … {high:.0f})"


def _interval(count: int, of: int) -> tuple[float, float]:
    """Wilson's, of 95 %, in per cent."""
    z, share = 1.96, count / of
    middle, half = share + z * z / (2 * of), z * np.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return tuple(100 * (middle + sign * half) / (1 + z * z / of) for sign in (-1, 1))  # type: ignore[return-value]


def measure(folder: Path, scenes: int) -> Table:
    """The table."""
    model = open_model(folder, threads=1)
    rows = [*chosen(model, scenes // 3), *helped(model, scenes, 1, 0.07), *helped(model, scenes, 3, 0.0)]
    notes = [f"{folder.name}, {model.session.backend}; seed {SEED}, {BACK} frames without change behind each event."]
    return Table("Forgotten frames, recalled", ("what", "found"), rows, notes)


def run(quick: bool = False) -> Table:
    """The figures of ``python -m benchmarks recall``."""
    return measure(NANO, 6 if quick else 150)


def main() -> None:
    """Prints the table."""
    from rich.console import Console

    from benchmarks.__main__ import show

    parser = argparse.ArgumentParser(prog="python -m benchmarks.recall", description=__doc__)
    parser.add_argument("--model", type=Path, default=NANO, metavar="DIR")
    parser.add_argument("--scenes", type=int, default=150, metavar="N")
    parser.add_argument("--into", type=Path, metavar="FILE", help="put the table in its place in this page")
    given = parser.parse_args()
    table = measure(given.model, given.scenes)
    show(Console(width=150), table)
    if given.into:
        fill(given.into, "recall", markdown(table.columns, table.rows, table.notes))


if __name__ == "__main__":
    main()
