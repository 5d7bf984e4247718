"""Scores a checkpoint on fresh scenes: `python training/evaluate.py --seed 1234 --n 500`.

`--steps K` changes the step budget, `--blank-image` shows grey pictures, `--json` prints all figures as one object.

Every scene is rendered as a camera would see it (320 x 240) and goes the whole way through the runtime: image
preparation, prompt, prefill, denoising, text, calls. A plan counts when it is exactly right (`tasks.Task.right`). Kinds
take turns, so `--n` scenes hold about n / 17 of each. `--reference` plans the same scenes with transformers' `generate`
as well and says how often both make the same plan: with other noise and with the same, and, for comparison, how often
the runtime agrees with itself on other noise.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from dgemma_ros.generation.generate import Decoding, generate
from dgemma_ros.model import Model, open_model
from dgemma_ros.runtime.noise import Noise
from dgemma_ros.tabletop import render
from dgemma_ros.tabletop.scenes import Scene
from training import prompt, tasks


@dataclass(frozen=True)
class Question:
    """One scene with its task, as pictures and as the prompt's text after the system turn."""

    scene: Scene
    task: tasks.Task
    pictures: list[np.ndarray]
    text: str


@dataclass
class Answer:
    """What came back: the text before its end, the denoising steps and the seconds from pictures to text."""

    text: str
    steps: int
    seconds: float


@dataclass
class Tally:
    """Counts of one kind."""

    right: list[bool] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    other_noise: list[bool] = field(default_factory=list)
    """Whether transformers' `generate`, with random numbers of its own, made the same plan."""
    same_noise: list[bool] = field(default_factory=list)
    """Whether it did with the runtime's noise."""
    itself: list[bool] = field(default_factory=list)
    """Whether the runtime itself did with another seed."""


def questions(seed: int, count: int, blank: bool = False, size: tuple[int, int] = (320, 240)) -> Iterator[Question]:
    """`count` fresh scenes, a pure function of the seed; the kinds take turns."""
    for number in range(count):
        rng = np.random.default_rng((seed, number, 424242))
        scene, task = tasks.fresh(rng, tasks.KINDS[number % len(tasks.KINDS)])
        pictures = [render.blank(size)] * len(scene.moments) if blank else render.render_scene(scene, size)
        yield Question(scene, task, pictures, question_text(rng, scene, task))


def question_text(rng: np.random.Generator, scene: Scene, task: tasks.Task) -> str:
    """Frames with stamps, an earlier turn where the task edits one, the task, and the reply opened."""
    now, text = int(rng.integers(0, 3000)), prompt.USER
    for _ in scene.moments:
        text += prompt.frame_text(now)
        now += int(rng.integers(1, 20))
    before = prompt.turn_text(*task.earlier) if task.earlier else ""
    return f"{text}{before}{task.text}{prompt.REPLY}"


class Planner:
    """The runtime with the system turn already read, as the robot's planner holds it."""

    def __init__(self, model: Model):
        self.model = model
        self.tokenizer = model.chat.tokenizer
        self.sequence = model.sequence()
        self.sequence.append(np.array(self.tokenizer.encode(prompt.system_text(), trusted=True), np.int64))
        self.start = self.sequence.snapshot()

    def ids(self, question: Question) -> np.ndarray:
        return np.array(self.tokenizer.encode(question.text, trusted=True), np.int64)

    def noise(self, seed: int) -> Noise:
        return Noise(seed, self.model.config.canvas_length, self.model.config.text.vocab_size)

    def answer(self, question: Question, seed: int, steps: int | None = None) -> Answer:
        begin = time.perf_counter()
        self.sequence.restore(self.start)
        prepared = [self.model.images.prepare(picture) for picture in question.pictures]
        soft = np.concatenate([self.model.soft_tokens(p.patches, p.positions) for p in prepared])
        ids = self.ids(question)
        self.sequence.append(ids, (ids == self.model.config.image_id).astype(np.int64), soft)
        made = generate(self.sequence, Decoding.of(self.model, seed, steps))
        return Answer(self.tokenizer.decode(made.tokens), made.steps, time.perf_counter() - begin)


def score(
    planner: Planner, asked: Iterator[Question], steps: int | None = None, reference: Any = None
) -> dict[str, Tally]:
    """Tallies by kind. With a `training.reference.Reference` the same questions are put to it, too, with its own noise
    and with ours, and once more to the runtime with other noise: what agreement can be had on so uncertain a model."""
    tallies: dict[str, Tally] = defaultdict(Tally)
    for number, question in enumerate(asked):
        tally, answer = tallies[question.task.kind], planner.answer(question, number, steps)
        calls = prompt.parse_plan(answer.text)
        tally.right.append(calls is not None and question.task.right(calls))
        tally.steps.append(answer.steps)
        tally.seconds.append(answer.seconds)
        if reference is not None:
            own, given = (ask(reference, planner, question, n, steps) for n in (number, planner.noise(number)))
            again = planner.answer(question, number + 1_000_000, steps).text
            tally.other_noise.append(same_plan(question.task, answer.text, own))
            tally.same_noise.append(same_plan(question.task, answer.text, given))
            tally.itself.append(same_plan(question.task, answer.text, again))
    return tallies


def ask(reference: Any, planner: Planner, question: Question, noise: int | Noise, steps: int | None = None) -> str:
    """The text with which transformers' `generate` answers; `noise` is a seed of its own or the runtime's noise."""
    import torch

    prepared = [planner.model.images.prepare(picture) for picture in question.pictures]
    ids = [*planner.tokenizer.encode(prompt.system_text(), trusted=True), *planner.ids(question).tolist()]
    options = {} if steps is None else {"max_denoising_steps": steps}
    text, _ = reference.generate(
        ids,
        torch.from_numpy(np.stack([p.patches for p in prepared])),
        torch.from_numpy(np.stack([p.positions for p in prepared])),
        noise,
        **options,
    )
    return str(text)


def same_plan(task: tasks.Task, one: str, other: str) -> bool:
    """Whether two texts hold the same plan; where any order is right, the order may differ. No plan equals no plan
    only where the texts are the same."""
    ours, theirs = prompt.parse_plan(one), prompt.parse_plan(other)
    if ours is None or theirs is None:
        return one.split("<turn|>")[0] == other.split("<turn|>")[0]
    return replace(task, plan=tuple(ours)).right(theirs)


def _mean(values: list[Any]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None


def report(tallies: dict[str, Tally], latency: bool = True) -> dict[str, Any]:
    """Figures over all, over the kinds that need the picture, and by kind."""

    def figures(kinds: tuple[str, ...]) -> dict[str, Any]:
        chosen = [tallies[k] for k in kinds if k in tallies]
        joined = Tally(*([v for t in chosen for v in getattr(t, f.name)] for f in fields(Tally)))
        result = {"scenes": len(joined.right), "right": _mean(joined.right), "steps": _mean(joined.steps)}
        if joined.same_noise:
            compared = ("other_noise", "same_noise", "itself")
            result |= {f"agree_{name}": _mean(getattr(joined, name)) for name in compared}
        if latency and joined.seconds:
            result["best_ms"] = round(float(np.min(joined.seconds)) * 1e3, 1)
            result["median_ms"] = round(float(np.median(joined.seconds)) * 1e3, 1)
            result["p95_ms"] = round(float(np.quantile(joined.seconds, 0.95)) * 1e3, 1)
        return result

    return {
        "all": figures(tasks.KINDS),
        "need_picture": figures(tasks.NEEDS_PICTURE),
        "need_history": figures(tasks.HISTORY),
        "kinds": {kind: figures((kind,)) for kind in tasks.KINDS if kind in tallies},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=prompt.NANO)
    parser.add_argument("--seed", type=int, default=1234, help="of the scenes; training never uses these streams")
    parser.add_argument("--n", type=int, default=500)
    parser.add_argument("--steps", type=int, help="step budget (default: the checkpoint's)")
    parser.add_argument("--blank-image", action="store_true", help="an even grey instead of every picture")
    parser.add_argument("--reference", action="store_true", help="ask transformers' generate as well (needs torch)")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    reference = None
    if args.reference:
        from training.reference import Reference

        reference = Reference(args.model)
    planner = Planner(open_model(args.model, threads=1))
    result = report(score(planner, questions(args.seed, args.n, args.blank_image), args.steps, reference))
    result = {
        "model": args.model.name,
        "seed": args.seed,
        "step_budget": args.steps,
        "blank_image": args.blank_image,
        **result,
    }
    if args.json:
        print(json.dumps(result, indent=2))
        return
    rows = {
        "all": result["all"],
        "need the picture": result["need_picture"],
        "need history": result["need_history"],
        **result["kinds"],
    }
    for name, row in rows.items():
        print(f"{name:18}" + "  ".join(f"{key} {value!s:>7}" for key, value in row.items()))


if __name__ == "__main__":
    main()
