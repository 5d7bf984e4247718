"""Scores a checkpoint through the planner, as it ships: `python training/evaluate.py --n 500` or `--sessions 200`.

`--n`: fresh scenes, one task each in a context of its own; the kinds take turns. `--sessions`: talks of ten things, or
`--things`, in one context: tasks of all kinds, notes, edits of the model's own plans, results of carrying them out,
newer frames, moved objects; each turn is judged by the world's truth. Seeds are such as training never uses, and so are
the wordings of `--words held` and, by two writers who had not seen training's, `--words others` and, written while the
last training ran, `--words unseen`. A plan counts when it is valid and exactly right (`tasks.Task.right`). Every share
comes with its 95 % interval. *Honest*: of the turns whose right plan is to say why not or to look, those that did so,
for whatever reason.

`--condition` changes the pictures, `--back N` puts N frames between an event and the question, `--blank-image` shows
grey, `--note KIND` has a note of that kind before the task of a fresh scene, in others' words or `--note-words`, about
a thing of the right plan where it has some (*heeded*: of the plans that it forbids, those that were refused); `--frames
N` lets the planner keep so many, `--steps K` changes the step budget, `--reference` plans the same scenes with
transformers' `generate`.

Longer than most files: single scenes, talks and the reference are one command, judged and counted in one way.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, get_args

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from dgemma_ros.planning import Plan
from dgemma_ros.tabletop import render
from dgemma_ros.tabletop.scenes import Scene
from training import notes, other_words, prompt, tasks, words
from training.desk import Desk, calls_of, confidence_of
from training.sessions import REPEATABLE, Shape, Talk
from training.tasks import Task

CONDITIONS: dict[str, dict[str, Any]] = {
    "usual": {},
    "dark": {"gain": np.full(3, 0.5, np.float32)},
    "tinted": {"gain": np.array([1.1, 0.95, 0.75], np.float32)},
    "blurred": {"blur": 0.008},
    "noisy": {"noise": 14.0},
    "jpeg": {"jpeg": 15},
    "zoomed": {"zoom": 0.8},
    "shifted": {"shift": (0.04, 0.03), "zoom": 0.9},
    "wide": {},
    "rear": {},
}
THINGS, KEPT = 10, 3  # things a session; frames that the planner keeps by itself
SURE = 0.95


@dataclass(frozen=True)
class Question:
    """One scene with its task."""

    scene: Scene
    task: Task
    pictures: list[np.ndarray]
    seconds: list[int]
    note: str = ""
    """What is said before the task."""

    @property
    def text(self) -> str:
        """The prompt behind the system turn, as the planner writes it."""
        text = prompt.USER
        cells = {len(p[0]) * 3 == len(p) * 4 for p in self.pictures}
        assert cells <= {True}, "only 4:3 pictures have their tokens counted here"
        for seconds in self.seconds:
            text += prompt.frame_text(seconds)
        before = prompt.turn_text(*self.task.earlier) if self.task.earlier else ""
        for outcome in self.task.results:
            skill, arguments = outcome.call
            before += f"{prompt.result_text(skill, arguments, str(outcome.status), outcome.reason)}\n"
        return f"{text}{before}{self.task.text}{prompt.REPLY}"


@dataclass
class Tally:
    """What was asked of one kind: right or not, how sure, steps and seconds."""

    right: list[bool] = field(default_factory=list)
    sure: list[float] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    honest: list[bool] = field(default_factory=list)
    """Where the right plan is to say why not, or to look: whether this one does so, if perhaps for another reason."""
    heeded: list[bool] = field(default_factory=list)
    """Where a note forbids what would be right without it: whether the plan says why not, or looks."""
    needless: list[bool] = field(default_factory=list)
    """Right, but with calls that need not be."""
    frames: list[int] = field(default_factory=list)
    """In talks: how many were remembered behind the answer."""
    compared: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))

    def add(self, task: Task, plan: Plan) -> None:
        self.right.append(is_right(task, plan))
        self.needless.append(plan.valid and task.needless(calls_of(plan)))
        if tasks.refuses(task.plan):
            self.honest.append(plan.valid and tasks.refuses(calls_of(plan)))
        self.sure.append(confidence_of(plan))
        self.steps.append(plan.denoising_steps)
        self.seconds.append(plan.latency.total)

    def join(self, other: Tally) -> None:
        for name in ("right", "sure", "steps", "seconds", "honest", "heeded", "needless", "frames"):
            getattr(self, name).extend(getattr(other, name))
        for name, values in other.compared.items():
            self.compared[name].extend(values)


Tallies = dict[str, Tally]


def draw(
    moments: Any, look: render.Look, rng: np.random.Generator, condition: str, size: tuple[int, int]
) -> np.ndarray:
    look = replace(look, **CONDITIONS[condition])
    size = (size[0], size[0] * 9 // 16) if condition == "wide" else size
    return render.draw_moment(moments, look, rng, size, render.REAR if condition == "rear" else render.FRONT)


def questions(
    seed: int,
    count: int,
    blank: bool = False,
    size: tuple[int, int] = (320, 240),
    kinds: tuple[str, ...] = tasks.KINDS,
    source: words.Source = "known",
    condition: str = "usual",
    back: int = 0,
    note: str = "",
    note_source: words.Source = "others",
) -> Iterator[Question]:
    """`count` fresh scenes, a pure function of the arguments; the kinds take turns. `note`: a kind of note."""
    for number in range(count):
        rng = np.random.default_rng((seed, number, 424242))
        scene, task = tasks.fresh(rng, kinds[number % len(kinds)], source)
        said = ""
        if note:
            meant = [a["object"] for _, a in task.plan if "object" in a] or [o.name for o in scene.now]
            said, view = notes.told(rng, tasks.View(scene.moments), note, meant, note_source)
            task = tasks.heeding(task, view)
        scene = replace(scene, moments=scene.moments + (scene.now,) * back)
        look, noise = render.Look.draw(scene.seed), np.random.default_rng((scene.seed, 1))
        grey = render.blank(size)
        pictures = [grey if blank else draw(m, look, noise, condition, size) for m in scene.moments]
        start = int(rng.integers(0, 3000))
        seconds = (start + np.cumsum(rng.integers(1, 20, len(pictures)))).tolist()
        yield Question(scene, task, pictures, seconds, said)


def answer(desk: Desk, question: Question) -> Plan:
    """The plan, in a context of its own."""
    desk.planner.reset_context()
    first = question.seconds[0]
    for picture, seconds in zip(question.pictures, question.seconds, strict=True):
        desk.show(picture, seconds - first)
    if question.task.earlier is not None:
        before = desk.say(*question.task.earlier)
        desk.tell(before, question.task.results)
    if question.note:
        desk.planner.add_note(question.note)
    return desk.ask(question.task.text)


def is_right(task: Task, plan: Plan) -> bool:
    return plan.valid and task.right(calls_of(plan))


def score(desk: Desk, asked: Iterator[Question], reference: Any = None) -> Tallies:
    """Tallies by kind. With a `training.reference.Reference` its `generate` plans the same from noise of its own."""
    tallies: Tallies = defaultdict(Tally)
    for number, question in enumerate(asked):
        plan = answer(desk, question)
        tally = tallies[question.task.kind]
        tally.add(question.task, plan)
        if question.task.forbidden:
            tally.heeded.append(plan.valid and tasks.refuses(calls_of(plan)))
        if reference is not None:
            other = prompt.parse_plan(ask(reference, desk, question, number)) or []
            tally.compared["generate"].append(replace(question.task, plan=tuple(calls_of(plan))).right(other))
    return tallies


def ask(reference: Any, desk: Desk, question: Question, noise: Any) -> str:
    """The text with which transformers' `generate` answers; `noise` is a seed of its own or the runtime's noise."""
    import torch

    encode = desk.model.chat.tokenizer.encode
    prepared = [desk.model.images.prepare(picture) for picture in question.pictures]
    stamped = replace(question, seconds=[s - question.seconds[0] for s in question.seconds])
    ids = [*encode(prompt.system_text(desk.model.folder), trusted=True), *encode(stamped.text, trusted=True)]
    patches, positions = (
        torch.from_numpy(np.stack([getattr(p, name) for p in prepared])) for name in ("patches", "positions")
    )
    return str(reference.generate(ids, patches, positions, noise))


class Live(Talk):
    """A talk with a planner: what training would write into the log is done, and what it would ask is asked."""

    def __init__(self, rng: np.random.Generator, shape: Shape, desk: Desk, condition: str = "usual"):
        super().__init__(rng, shape)
        self.desk, self.condition = desk, condition
        self.kept = desk.settings.max_frames or KEPT
        self.tallies: Tallies = defaultdict(Tally)
        self.after: Tallies = defaultdict(Tally)
        self.plan: Plan | None = None
        self.told, self.start = 0, self.clock
        self.noise = np.random.default_rng((int(rng.integers(2**31)), 5))
        desk.planner.reset_context()

    def frame(self) -> None:
        seconds = self.clock - self.start
        super().frame()
        self.desk.show(draw(self.state, self.session.look, self.noise, self.condition, (320, 240)), seconds)
        self.view = replace(self.view, moments=self.view.moments[-self.kept :])

    def note(self) -> None:
        super().note()
        self.desk.planner.add_note(self.session.pieces[-1].says)

    def tell(self, outcome: tasks.Outcome) -> None:
        super().tell(outcome)
        assert self.plan is not None
        skill, arguments = outcome.call
        self.desk.planner.add_result(self.plan.plan_id, self.told, outcome.status, outcome.reason, skill, arguments)
        self.told += 1

    def turn(self, task: Task | None) -> None:
        """Asks, judges, and goes on from the model's own plan."""
        if task is None:
            return
        came_after = self.last or "nothing"
        self.plan, self.told = self.desk.ask(task.text, remember=True), 0
        self.tallies[task.kind].add(task, self.plan)
        self.after[came_after].add(task, self.plan)
        self.tallies[task.kind].frames.append(self.desk.planner.context_info().frames)
        self.repeatable = task.kind in REPEATABLE
        self.last = "turn"
        earlier = (task.text, tuple(calls_of(self.plan))) if self.plan.valid else None
        self.view = replace(self.view, earlier=earlier, results=())

    def go_on(self, seen: bool, text: str) -> None:
        if seen or self.rng.random() < 0.7:
            self.frame()
        task = self.draw(["go_on"])
        if task is not None and self.repeatable and self.rng.random() < 0.5:
            task = replace(task, text=text)
        self.turn(task)
        if self.last != "frame":
            self.frame()

    def live(self, things: int) -> None:
        """So many things in a row."""
        rng = self.rng
        self.frame()
        for _ in range(things):
            draw = rng.random()
            if draw < 0.1:
                self.note()
            elif draw < 0.3:
                self.event()
                self.view = replace(self.view, earlier=None, results=())
                self.frame()
                self.turn(self.draw(list(rng.permutation(tasks.HISTORY)) if rng.random() < 0.3 else None))
            elif draw < 0.55 and self.view.earlier is not None:
                self.turn(self.draw([str(k) for k in rng.permutation(tasks.EDIT)]) or self.draw())
            elif draw < 0.75 and self.view.earlier is not None and tasks.can_be_done(self.view.earlier[1]):
                self.carry_out()
            else:
                self.turn(self.draw(["pair", "put", "all_of"] if rng.random() < 0.35 else None))


def talks(
    desk: Desk, seed: int, numbers: Iterable[int], source: words.Source, condition: str = "usual", things: int = THINGS
) -> tuple[Tallies, Tallies]:
    """Tallies by kind and by what came directly before, over the sessions of these numbers."""
    kinds: Tallies = defaultdict(Tally)
    after: Tallies = defaultdict(Tally)
    for number in numbers:
        shape = Shape(source=source, rough=0.0, rear=0.0)
        live = Live(np.random.default_rng((seed, number, 77)), shape, desk, condition)
        live.live(things)
        for total, own in ((kinds, live.tallies), (after, live.after)):
            for name, tally in own.items():
                total[name].join(tally)
    return kinds, after


def talks_apart(job: tuple[Path, int, range, words.Source, str, int, dict[str, Any]]) -> tuple[Tallies, Tallies, int]:
    """The same with a planner of its own, in a process of its own; and the errors that it told of."""
    folder, seed, numbers, source, condition, things, changes = job
    desk = Desk(folder, **changes)
    try:
        kinds, after = talks(desk, seed, numbers, source, condition, things)
        return kinds, after, len(desk.errors)
    finally:
        desk.close()


def many_talks(jobs: int, *job: Any) -> tuple[Tallies, Tallies, int]:
    """`talks_apart` of (folder, seed, count, …), its sessions shared out to so many processes."""
    folder, seed, count, *rest = job
    shares = [(folder, seed, range(first, count, jobs), *rest) for first in range(jobs)]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        (kinds, after, errors), *others = pool.map(talks_apart, shares)
    for more_kinds, more_after, more_errors in others:
        errors += more_errors
        for total, own in ((kinds, more_kinds), (after, more_after)):
            for name, tally in own.items():
                total[name].join(tally)
    return kinds, after, errors


def interval(right: int, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    if not count:
        return 0.0, 1.0
    z, share = 1.96, right / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    reach = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return round(float(middle - reach), 4), round(float(middle + reach), 4)


def auroc(right: list[bool], sure: list[float]) -> float | None:
    """How well confidence tells right from wrong answers; None where all are one or the other."""
    good, bad = (np.array([s for s, r in zip(sure, right, strict=True) if r == want]) for want in (True, False))
    if not len(good) or not len(bad):
        return None
    return round(float((good[:, None] > bad).mean() + 0.5 * (good[:, None] == bad).mean()), 4)


def figures(tally: Tally, counted: str) -> dict[str, Any]:
    count, right = len(tally.right), sum(tally.right)
    found: dict[str, Any] = {counted: count, "right": round(right / max(1, count), 4)}
    found["interval"] = interval(right, count)
    found["steps"] = round(float(np.mean(tally.steps or [0])), 3)
    if tally.frames:
        found["frames"] = round(float(np.mean(tally.frames)), 1)
    for name, values in tally.compared.items():
        found[f"agree_{name}"] = round(float(np.mean(values)), 4)
    return found


def share(did: list[bool], counted: str, name: str) -> dict[str, Any]:
    """How many there were, and the share of those that did it."""
    return {
        counted: len(did),
        name: round(sum(did) / max(1, len(did)), 4),
        "interval": interval(sum(did), len(did)),
    }


def report(tallies: Tallies, counted: str) -> dict[str, Any]:
    """Figures over all, over the kinds that need the picture, and by kind."""

    def joined(kinds: tuple[str, ...]) -> Tally:
        whole = Tally()
        for kind in kinds:
            if kind in tallies:
                whole.join(tallies[kind])
        return whole

    whole = joined(tasks.KINDS)
    wrong_and_sure = sum(not r and s > SURE for r, s in zip(whole.right, whole.sure, strict=True))
    found = {
        "all": figures(whole, counted)
        | {
            "wrong_above_95": round(wrong_and_sure / max(1, len(whole.right)), 4),
            "needless": round(sum(whole.needless) / max(1, len(whole.right)), 4),
            "auroc": auroc(whole.right, whole.sure),
            "median_ms": round(1e3 * float(np.median(whole.seconds or [0])), 1),
        },
        "honest": share(whole.honest, counted, "honest"),
        "need_picture": figures(joined(tasks.NEEDS_PICTURE), counted),
        "need_history": figures(joined(tasks.HISTORY), counted),
        "edits": figures(joined(tasks.EDIT), counted),
        "kinds": {kind: figures(tallies[kind], counted) for kind in tasks.KINDS if kind in tallies},
    }
    return found | ({"heeded": share(whole.heeded, counted, "heeded")} if whole.heeded else {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=prompt.NANO)
    parser.add_argument("--seed", type=int, default=1234, help="of the scenes; training never uses these streams")
    parser.add_argument("--n", type=int, default=500)
    parser.add_argument("--sessions", type=int, help="talks instead of single scenes")
    parser.add_argument("--things", type=int, default=THINGS, help="of each talk")
    parser.add_argument("--jobs", type=int, default=1, help="processes that share the sessions")
    parser.add_argument("--kinds", nargs="+", default=list(tasks.KINDS), choices=tasks.KINDS)
    parser.add_argument("--words", choices=get_args(words.Source), default="known")
    parser.add_argument("--condition", choices=list(CONDITIONS), default="usual")
    parser.add_argument("--back", type=int, default=0, help="frames without change behind each scene's last")
    parser.add_argument(
        "--note", default="", choices=list(other_words.NOTES), help="said before the task of each fresh scene"
    )
    parser.add_argument("--note-words", choices=get_args(words.Source), default="others")
    parser.add_argument(
        "--frames", type=int, help="frames that the planner keeps (default: the checkpoint's, and those of --back)"
    )
    parser.add_argument("--steps", type=int, help="step budget (default: the checkpoint's)")
    parser.add_argument("--blank-image", action="store_true", help="an even grey instead of every picture")
    parser.add_argument("--reference", action="store_true", help="ask transformers' generate as well (needs torch)")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.note and args.note not in words.NOTES[args.note_words]:
        parser.error(f"--note-words {args.note_words} has no notes that are {args.note}")
    if args.note and (args.sessions or args.reference):
        parser.error("--note is for fresh scenes, through the planner alone: leave out --sessions and --reference")
    reference = None
    if args.reference:
        from training.reference import Reference

        reference = Reference(args.model)
    changes: dict[str, Any] = {"max_steps": args.steps}
    if args.frames or args.back:
        changes["max_frames"] = args.frames or KEPT + args.back
    result: dict[str, Any] = {
        "model": args.model.name,
        "seed": args.seed,
        "words": args.words,
        "condition": args.condition,
        "frames": changes.get("max_frames"),
    }
    if args.sessions:
        kinds, after, errors = many_talks(
            args.jobs, args.model, args.seed, args.sessions, args.words, args.condition, args.things, changes
        )
        result |= {"sessions": args.sessions, "things": args.things} | report(kinds, "turns")
        result["after"] = {name: figures(tally, "turns") for name, tally in sorted(after.items())}
    else:
        desk = Desk(args.model, **changes)
        asked = questions(
            args.seed,
            args.n,
            blank=args.blank_image,
            kinds=tuple(args.kinds),
            source=args.words,
            condition=args.condition,
            back=args.back,
            note=args.note,
            note_source=args.note_words,
        )
        result |= {"step_budget": args.steps, "blank_image": args.blank_image, "back": args.back}
        result |= {"note": args.note, "note_words": args.note_words} if args.note else {}
        result |= report(score(desk, asked, reference), "scenes")
        errors = len(desk.errors)
        desk.close()
    result["errors"] = errors
    if args.json:
        print(json.dumps(result, indent=2))
        return
    names = ("all", "honest", "heeded", "need_picture", "need_history", "edits")
    groups = {name: result[name] for name in names if name in result}
    for name, row in {**groups, **result["kinds"], **result.get("after", {})}.items():
        print(f"{name:14}" + "  ".join(f"{key} {value!s:>7}" for key, value in row.items()))


if __name__ == "__main__":
    main()
