"""Tasks cancelled and preempted at random moments: the next plan is right, memory flat, the cache without a trace.

Two planners on nano are shown the same scene. One is given tasks that are cancelled, preempted or inhibited at random
moments: while they wait, while their words are read, in the middle of a step, in a repair, after they are done. The
other one is left alone. Now and then, and in the end, both are asked the same, and must give the same plan; in the end
their caches are compared, row by row.

    python -m benchmarks.cancelling [--model DIR] [--tasks N] [--json FILE] [--into FILE]
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import time
import tracemalloc
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.plan_quality import NANO, Asker, Question, questions, right
from benchmarks.table import Table, fill, markdown
from dgemma_ros.model import Model, open_model
from dgemma_ros.planning import Plan, SkillCatalogue, Status, Task

EVERY = 10
WORDS = ("pick up the red block", "put the blue ball into the left tray. " * 4, "clear the table", "what is gone?")
TEMPLATES = ("", "", "pick(object=____); ____", "say(text=____)")


@dataclass(frozen=True)
class Trial:
    """What came of it."""

    ended: Counter[str]
    """How the disturbed tasks ended, and after how many steps they were cut."""
    asked: int
    same: int
    """Plans that were as those of the planner that was left alone."""
    right: int
    difference: float
    """The largest between the two caches' keys and values."""
    rows: tuple[int, int]
    """Tokens in each cache."""
    grown: int
    """Bytes of Python's memory from a fifth of the way to the end."""


def trial(model: Model, skills: SkillCatalogue, question: Question, tasks: int, seed: int = 0) -> Trial:
    """``question`` is shown and asked again and again, without being remembered; the disturbed tasks come between."""
    chance = random.Random(seed)
    disturbed, calm = Asker(model, skills), Asker(model, skills)
    ended: Counter[str] = Counter()
    asked = same = good = 0
    sizes: list[int] = []
    try:
        for asker in (disturbed, calm):
            asker.show(question)
        usual = calm.put(question.task.text).latency.total
        tracemalloc.start()
        for number in range(tasks):
            for plan in _disturb(disturbed, chance, 1.5 * usual):
                ended[_described(plan)] += 1
            if number % EVERY == EVERY - 1 or number == tasks - 1:
                one, other = (asker.put(question.task.text) for asker in (disturbed, calm))
                asked += 1
                same += (one.steps, one.text, one.denoising_steps) == (other.steps, other.text, other.denoising_steps)
                good += right(question, one)
            if number in (tasks // 5, tasks - 1):
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        for asker in (disturbed, calm):
            assert asker.planner.stop(30)
        ours, theirs = (asker.generator.context.sequence for asker in (disturbed, calm))
        difference = 0.0
        for layer in range(len(model.config.text.layers)):
            for a, b in zip(ours.rows(layer), theirs.rows(layer), strict=True):
                difference = max(difference, float(np.abs(a - b).max()) if a.shape == b.shape else np.inf)
        return Trial(ended, asked, same, good, difference, (ours.length, theirs.length), sizes[-1] - sizes[0])
    finally:
        tracemalloc.stop()
        for asker in (disturbed, calm):
            asker.planner.close()


def _disturb(asker: Asker, chance: random.Random, longest: float) -> list[Plan]:
    """A task or two, cut at a random moment; all their plans."""
    planner = asker.planner
    count = 1 + (chance.random() < 0.3)  # a second one takes the first one's place
    with asker.gathered(count) as plans:
        for number in range(count):
            text, template = chance.choice(WORDS), chance.choice(TEMPLATES)
            planner.submit(Task(f"cut{number}", text, 60.0, 0, False, template, time.monotonic()))
            time.sleep(chance.uniform(0.0, longest))
        if chance.random() < 0.2:
            planner.inhibit(True)
            planner.inhibit(False)
        else:
            planner.cancel_all()
    return plans


def _described(plan: Plan) -> str:
    if plan.status not in (Status.CANCELLED, Status.PREEMPTED):
        return "done before"
    return f"cut {f'after step {plan.denoising_steps}' if plan.denoising_steps else 'before the first step'}"


def run(quick: bool = False) -> Table:
    """The figures of ``python -m benchmarks cancelling``."""
    return measure(NANO, 50 if quick else 500)


def measure(folder: Path, tasks: int) -> Table:
    """As a table."""
    began = time.monotonic()
    model = open_model(folder, threads=1)
    found = trial(model, SkillCatalogue.load(folder / "skills.yaml"), questions(1, kinds=("fetch",))[0], tasks)
    when = ", ".join(f"{count} {what}" for what, count in sorted(found.ended.items()))
    table = Table("Cancelled and preempted at random moments", ("what", "found"))
    table.rows += [
        ("tasks that were cut", f"{sum(found.ended.values())}: {when}"),
        ("the next plan as if they had never been", f"{found.same} of {found.asked}; right: {found.right}"),
        ("largest difference in the cache", f"{found.difference:g}, {found.rows[0]} and {found.rows[1]} tokens"),
        ("memory grown", f"{found.grown / 1024:.0f} KiB"),
    ]
    table.notes.append(f"{folder.name}, {model.session.backend}; {time.monotonic() - began:.0f} s")
    return table


def main() -> None:
    """Prints the table."""
    from rich.console import Console

    from benchmarks.__main__ import show

    parser = argparse.ArgumentParser(prog="python -m benchmarks.cancelling", description=__doc__)
    parser.add_argument("--model", type=Path, default=NANO, metavar="DIR")
    parser.add_argument("--tasks", type=int, default=500, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--into", type=Path, metavar="FILE", help="put the table in its place in this page")
    given = parser.parse_args()
    table = measure(given.model, given.tasks)
    show(Console(width=140), table)
    if given.json:
        given.json.write_text(json.dumps(asdict(table), indent=1) + "\n")
    if given.into:
        fill(given.into, "cancelling", markdown(table.columns, table.rows, [f"{note}." for note in table.notes]))


if __name__ == "__main__":
    main()
