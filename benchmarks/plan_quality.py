"""Nano's plans on fresh scenes, through the planner: how right, after how many steps, with and without its means.

Scenes and tasks come from training's own generator, with seeds that training never uses. A plan is right where its
calls are those that the scene asks for. Of each question all is asked in one go and in random order, so that whatever
else the machine does falls on all alike:

- the budget, in denoising steps, which mean the same everywhere, and in milliseconds, which are what a task gives;
- the early stop: the same with as many steps as are allowed;
- repair, against none at the same budget;
- pins, where the task's words (and the plan that they change) already say which skills are to be called: the template
  says that and no more, so that pinned and free know the same;
- pins, where a plan takes several steps ("clear the table", "sort them"): the template says how many calls there are
  and where to, as somebody would who has counted, and leaves open what goes there.

``--blur`` adds noise to the weights: nano writes most plans in one step, and none that is not valid, so that pins and
repair have little to do.

    python -m benchmarks.plan_quality [--model DIR] [--questions N] [--json FILE] [--svg FILE] [--into FILE]
    python -m benchmarks.plan_quality --blur 0.3 [--into FILE]

Longer than most files: what is asked, how it is asked and how it is told are of no use to anybody else.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from benchmarks.curve import Line, picture
from benchmarks.table import Table, fill, markdown
from dgemma_ros.model import Model, open_model
from dgemma_ros.planning import Event, EventKind, Frame, Plan, PlanDraft, Planner, Settings, SkillCatalogue, Task
from dgemma_ros.planning.types import PlanStep
from dgemma_ros.skills.validation import plan_text
from dgemma_ros.tabletop import render
from tests.desk import Watched
from training import tasks

NANO = Path(__file__).resolve().parent.parent / "engines" / "nano"
SEED = 7_102_026
KINDS = tuple(kind for kind in tasks.KINDS if kind not in tasks.RESULT)
TOLD = ("push", "refer", "extreme", "count", "moved", "gone", "edit_target", "edit_object")
"""Kinds whose words say which skills are to be called; of the others, only the picture does."""
STEPS = (1, 2, 3, 4, 8, 16)
MILLISECONDS = (20, 30, 40, 60, 100, 200, 400)
LONG = 60.0


@dataclass(frozen=True)
class Question:
    """A fresh scene with its task."""

    pictures: list[np.ndarray]
    task: tasks.Task
    seconds: list[int]


def questions(count: int, seed: int = SEED, kinds: Sequence[str] = KINDS) -> list[Question]:
    """A pure function of its arguments; the kinds take turns."""
    asked = []
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        scene, task = tasks.fresh(rng, kinds[number % len(kinds)])
        seconds = np.cumsum(rng.integers(1, 20, len(scene.moments))).tolist()
        asked.append(Question(render.render_scene(scene), task, seconds))
    return asked


class Asker:
    """A planner that is shown one question at a time, each in a fresh context, and asked as often as one likes."""

    def __init__(self, model: Model, skills: SkillCatalogue) -> None:
        self.settings = Settings(publish_margin=0.002)
        self._more = threading.Condition()
        self._plans: list[Plan] = []
        self._drafts: list[str] = []
        self._told: list[EventKind] = []
        self.generator = Watched(model)
        self.planner = Planner(
            model, skills, self.settings, self._on_draft, self._on_plan, self._on_event, generator=self.generator
        )
        self.planner.warm_up()
        self.planner.start()

    def _on_draft(self, draft: PlanDraft) -> None:
        self._drafts.append(draft.text)

    def _on_plan(self, plan: Plan) -> None:
        with self._more:
            self._plans.append(plan)
            self._more.notify_all()

    def _on_event(self, event: Event) -> None:
        with self._more:
            self._told.append(event.kind)
            self._more.notify_all()

    def show(self, question: Question) -> None:
        """Reads the pictures, and where the task changes an earlier plan, the turn with that one."""
        self.planner.reset_context()
        self._told.clear()
        for rgb, seconds in zip(question.pictures, question.seconds, strict=True):
            self.planner.read_frame(Frame(rgb, seconds * 10**9, "front", "", time.monotonic()))
        if question.task.earlier is not None:
            text, plan = question.task.earlier
            said = plan_text([PlanStep(skill, arguments, 1.0) for skill, arguments in plan])
            assert self.put(text, template=said, remember=True).valid
            self._until(EventKind.REMEMBERED, 1)

    def put(self, text: str, budget: float = LONG, template: str = "", remember: bool = False) -> Plan:
        """The plan for a task about what was shown."""
        with self.gathered(1) as plans:
            self._drafts.clear()
            self.planner.submit(Task("q", text, budget, 0, remember, template, time.monotonic()))
        return plans[0]

    @contextmanager
    def gathered(self, count: int) -> Iterator[list[Plan]]:
        """The next plans, so many, once the context has ended."""
        plans = self._plans = []
        yield plans
        with self._more:
            assert self._more.wait_for(lambda: len(plans) >= count, 2 * LONG)

    def ask(self, question: Question, budget: float = LONG, template: str = "") -> Plan:
        """The plan; its time begins when the pictures have been read."""
        self.show(question)
        return self.put(question.task.text, budget, template)

    @property
    def stands_after(self) -> int:
        """The step from which on the last plan's drafts said what they said in the end."""
        last = len(self._drafts)
        while last > 1 and self._drafts[last - 2] == self._drafts[-1]:
            last -= 1
        return last

    def _until(self, kind: EventKind, count: int) -> None:
        with self._more:
            assert self._more.wait_for(lambda: self._told.count(kind) >= count, LONG)

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


def outline_of(task: tasks.Task) -> str:
    """How many calls, and where to; which objects is left open."""
    calls = []
    for skill, arguments in task.plan:
        values = {name: "____" if name == "object" else f'"{value}"' for name, value in arguments.items()}
        calls.append(f"{skill}({', '.join(f'{name}={value}' for name, value in values.items())})")
    return "; ".join(calls)


def template_of(task: tasks.Task) -> str:
    """What the words say of the plan, and no more; empty where they do not say which skills are to be called.

    The skills with every argument free; of a plan that is changed, all that is not. Where any order is right, the
    outline, which says more than the words.
    """
    if task.kind in tasks.UNORDERED:
        return outline_of(task)
    if task.kind not in TOLD:
        return ""
    known: Sequence[tasks.Call] = task.earlier[1] if task.earlier else [(skill, {}) for skill, _ in task.plan]
    if [skill for skill, _ in known] != [skill for skill, _ in task.plan]:
        return ""
    calls = []
    for (skill, arguments), (_, before) in zip(task.plan, known, strict=True):
        values = {name: f'"{value}"' if before.get(name) == value else "____" for name, value in arguments.items()}
        calls.append(f"{skill}({', '.join(f'{name}={value}' for name, value in values.items())})")
    return "; ".join(calls)


@dataclass(frozen=True)
class Way:
    """One way to ask."""

    what: str
    limit: float
    unit: str = "steps"
    repair: bool = True
    pinned: bool = False
    early_stop: bool = True

    @property
    def label(self) -> str:
        """The limit as it is shown."""
        return f"{self.limit:g} {self.unit}"

    @property
    def budget(self) -> float:
        """Seconds."""
        return self.limit / 1e3 if self.unit == "ms" else LONG

    @property
    def settings(self) -> dict[str, Any]:
        """What the planner is to be set to."""
        return {"repair": self.repair} | ({"max_steps": int(self.limit)} if self.unit == "steps" else {})


FREE, PINNED, PLAIN, ALL_STEPS = "free", "pinned", "free, not repaired", "free, no early stop"
WAYS = (
    *(Way(FREE, n) for n in STEPS),
    *(Way(PLAIN, n, repair=False) for n in STEPS),
    *(Way(PINNED, n, pinned=True) for n in STEPS),
    *(Way(ALL_STEPS, n, early_stop=False) for n in STEPS[-2:]),
    *(Way(FREE, n, "ms") for n in MILLISECONDS),
    *(Way(PLAIN, n, "ms", repair=False) for n in MILLISECONDS),
)


@dataclass(frozen=True)
class Answer:
    """What came of asking a question one way."""

    question: Question
    right: bool
    plan: Plan
    stands_after: int


def answers(folder: Path, asked: Sequence[Question], ways: Sequence[Way]) -> tuple[dict[Way, list[Answer]], str]:
    """All questions asked in all ways, and what ran them."""
    model = open_model(folder, threads=1)
    skills = SkillCatalogue.load(folder / "skills.yaml")
    # Never sure enough: the mean entropy is not below zero. Each planner has a cache of its own.
    patient = replace(model, generation=replace(model.generation, confidence=0.0))
    askers = {True: Asker(model, skills), False: Asker(patient, skills)}
    given: dict[Way, list[Answer]] = {way: [] for way in ways}
    chance = np.random.default_rng(SEED)
    for question in asked:
        for asker in askers.values():
            asker.show(question)
        template = template_of(question.task)
        for number in chance.permutation(len(ways)):
            way = ways[number]
            if way.pinned and not template:
                continue
            asker = askers[way.early_stop]
            with asker.with_settings(**way.settings):
                plan = asker.put(question.task.text, way.budget, template if way.pinned else "")
            given[way].append(Answer(question, right(question, plan), plan, asker.stands_after))
    for asker in askers.values():
        asker.planner.close()
    return given, model.session.backend


def blurred(folder: Path, share: float, to: Path) -> Path:
    """A copy of the checkpoint in `folder`, one file of weights; noise of `share` of its deviation on each matrix."""
    shutil.copytree(folder, to, ignore=shutil.ignore_patterns("golden"))
    weights = load_file(to / "model.safetensors")
    chance = np.random.default_rng(SEED)
    for name in sorted(weights):
        exact = weights[name].astype(np.float32)
        if exact.ndim > 1:
            noise = chance.standard_normal(exact.shape, np.float32) * exact.std() * share
            weights[name] = (exact + noise).astype(weights[name].dtype)
    save_file(weights, to / "model.safetensors", metadata={"format": "pt"})
    return to


COLUMNS = ("what", "limit", "questions", "right", "not valid", "no step made", "steps", "stands after", "ms, median")


def row(what: str, limit: str, given: Sequence[Answer]) -> tuple[object, ...]:
    """Shares, means of steps, and the median of milliseconds."""
    plans = [answer.plan for answer in given]

    def share(which: Sequence[bool]) -> str:
        return f"{100 * float(np.mean(which)):.1f} %"

    return (
        what,
        limit,
        len(given),
        share([answer.right for answer in given]),
        share([not plan.valid for plan in plans]),
        share([plan.denoising_steps == 0 for plan in plans]),
        f"{np.mean([plan.denoising_steps for plan in plans]):.2f}",
        f"{np.mean([answer.stands_after for answer in given]):.2f}",
        f"{1e3 * float(np.median([plan.latency.total for plan in plans])):.1f}",
    )


def run(quick: bool = False) -> Table:
    """The figures of ``python -m benchmarks plan_quality``."""
    return measure(NANO, len(KINDS) * (1 if quick else 12))[0]


def measure(folder: Path, count: int) -> tuple[Table, list[tuple[str, list[Line]]]]:
    """All of it as one table, and the panels of the picture."""
    began = time.monotonic()
    given, backend = answers(folder, questions(count), WAYS)
    pins = [way for way in WAYS if way.what in (FREE, PINNED) and way.unit == "steps"]
    told = {way: [answer for answer in given[way] if answer.question.task.kind in TOLD] for way in pins}
    several, _ = answers(folder, questions(count // 2, SEED + 1, tasks.UNORDERED), pins)
    table = Table(
        "Plans of the nano checkpoint",
        COLUMNS,
        notes=[
            f"{count} fresh scenes, {len(KINDS)} kinds of task in turn; {backend}; {time.monotonic() - began:.0f} s",
            "told: of the kinds whose words say which skills are to be called, which is all that is pinned",
            f"any order: {count // 2} more scenes to clear or sort, with how many calls and where to pinned",
            "stands after: the step from which on the plan is what it is in the end, repairs not counted",
        ],
    )
    table.rows += [row(way.what, way.label, given[way]) for way in WAYS if not way.pinned]
    table.rows += [row(f"told, {way.what}", way.label, answers) for way, answers in told.items()]
    table.rows += [row(f"any order, {way.what}", way.label, answers) for way, answers in several.items()]

    def line(name: str, what: str, unit: str, of: dict[Way, list[Answer]]) -> Line:
        chosen = [way for way in of if way.what == what and way.unit == unit]
        return Line(name, [(way.limit, float(np.mean([answer.right for answer in of[way]]))) for way in chosen])

    by_steps = [
        line("free, all kinds", FREE, "steps", given),
        line("free, kinds that are told", FREE, "steps", told),
        line("pinned, the same kinds", PINNED, "steps", told),
        line("free, any order", FREE, "steps", several),
        line("pinned, any order", PINNED, "steps", several),
    ]
    by_time = [line("with repair", FREE, "ms", given), line("without", PLAIN, "ms", given)]
    return table, [("denoising steps a canvas may take", by_steps), ("budget in milliseconds", by_time)]


def pivoted(table: Table) -> str:
    """The figures for a page: limits from left to right."""
    found = {(str(line[0]), str(line[1])): line[3:] for line in table.rows}
    right, invalid, none, steps, stands, _ = range(6)

    def lines(unit: str, limits: Sequence[float], wanted: Sequence[tuple[str, str, int]]) -> str:
        rows = []
        for label, what, figure in wanted:
            cells = [found.get((what, f"{limit:g} {unit}")) for limit in limits]
            rows.append([label, *("" if cell is None else cell[figure] for cell in cells)])
        return markdown(["", *(f"{limit:g} {unit}" for limit in limits)], rows)

    by_steps = lines(
        "steps",
        STEPS,
        [
            ("right, all kinds", FREE, right),
            ("right, kinds that are told", f"told, {FREE}", right),
            ("right, the same pinned", f"told, {PINNED}", right),
            ("right, all kinds, no early stop", ALL_STEPS, right),
            ("steps used, all kinds", FREE, steps),
            ("steps used, no early stop", ALL_STEPS, steps),
            ("steps used, kinds that are told", f"told, {FREE}", steps),
            ("steps used, the same pinned", f"told, {PINNED}", steps),
            ("plan stands after step, kinds that are told", f"told, {FREE}", stands),
            ("plan stands after step, the same pinned", f"told, {PINNED}", stands),
            ("right, any order", f"any order, {FREE}", right),
            ("right, the same pinned", f"any order, {PINNED}", right),
            ("steps used, any order", f"any order, {FREE}", steps),
            ("steps used, the same pinned", f"any order, {PINNED}", steps),
            ("plan stands after step, any order", f"any order, {FREE}", stands),
            ("plan stands after step, the same pinned", f"any order, {PINNED}", stands),
            ("right, not repaired", PLAIN, right),
            ("steps used, not repaired", PLAIN, steps),
            ("not valid, with repair", FREE, invalid),
            ("not valid, without", PLAIN, invalid),
        ],
    )
    by_time = lines(
        "ms",
        MILLISECONDS,
        [
            ("right, with repair", FREE, right),
            ("right, without", PLAIN, right),
            ("not valid, with repair", FREE, invalid),
            ("not valid, without", PLAIN, invalid),
            ("of these, not one step made, with repair", FREE, none),
            ("of these, not one step made, without", PLAIN, none),
        ],
    )
    return f"{by_steps}\n{by_time}" + "".join(f"\n{note[0].upper()}{note[1:]}.\n" for note in table.notes)


def main() -> None:
    """Prints the table, and draws it."""
    from rich.console import Console

    from benchmarks.__main__ import show

    parser = argparse.ArgumentParser(prog="python -m benchmarks.plan_quality", description=__doc__)
    parser.add_argument("--model", type=Path, default=NANO, metavar="DIR")
    parser.add_argument("--questions", type=int, default=12 * len(KINDS), metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--svg", type=Path, metavar="FILE")
    parser.add_argument("--blur", type=float, default=0.0, metavar="SHARE", help="noise on the weights")
    parser.add_argument("--into", type=Path, metavar="FILE", help="put the figures in their place in this page")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        model = blurred(given.model, given.blur, Path(place) / "blurred") if given.blur else given.model
        table, panels = measure(model, given.questions)
    show(Console(width=140), table)
    if given.json:
        given.json.write_text(json.dumps(asdict(table), indent=1) + "\n")
    if given.svg:
        given.svg.write_text(picture(panels, "right plans"))
    if given.into:
        fill(given.into, "plan quality, blurred" if given.blur else "plan quality", pivoted(table))


if __name__ == "__main__":
    main()
