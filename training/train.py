"""Trains the nano checkpoint: `python training/train.py --out engines/nano`.

First the vision tower alone learns what lies in which cell (a minute), then everything learns to write plans by block
diffusion. The run is a function of its arguments: each step's data and noise come from (seed, step). It stores its
state in WORK every 50 steps and goes on from there when started again; `log.jsonl` beside it holds one line every ten
steps and the test scores.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from tokenizers import Tokenizer
from tqdm import tqdm

from training import batches, checkpoint, objective, prompt, tasks, tokenizer
from training.optim import optimisers

CONTENT = (
    *batches.WORDS,
    *map(str, range(31)),
    "nothing",
    "away",
    "closer",
    "pick",
    "place",
    "stack",
    "look",
    "done",
    "say",
    "push",
)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=prompt.NANO, help="the checkpoint's folder")
    parser.add_argument("--work", type=Path, default=Path("build/nano"), help="state and log of the run")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--vision-steps", type=int, default=400)
    parser.add_argument(
        "--vision-scenes", type=int, default=32, help="scenes a step while the vision tower learns alone"
    )
    parser.add_argument(
        "--again-at", type=int, default=350, help="after so many steps the vision tower learns alone once more"
    )
    parser.add_argument("--again-steps", type=int, default=500)
    parser.add_argument("--steps", type=int, default=1350, help="steps in which everything learns")
    parser.add_argument("--scenes", type=int, default=12, help="scenes a step")
    parser.add_argument("--tasks", type=int, default=5, help="tasks a scene, beside the edits")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--optimiser", choices=("muon", "adamw"), default="muon")
    parser.add_argument("--test-every", type=int, default=100)
    parser.add_argument("--no-autocast", action="store_true", help="float32 throughout (slower where bfloat16 is fast)")
    return parser.parse_args()


@dataclass(frozen=True)
class Moment:
    """Where a run stands: whether the vision tower learns alone, how many steps of this sort came before, and the
    learning rate's share: warm-up, constant, a linear decay over the last 55 %."""

    vision: bool
    again: bool
    number: int
    pace: float


def moment(args: argparse.Namespace, step: int) -> Moment:
    """The schedule: vision, words, vision again (words held), words."""
    first, again, total = args.vision_steps, args.again_steps, args.steps
    if step < first:
        return Moment(True, False, step, min(1.0, (step + 1) / 40))
    step -= first
    if args.again_at <= step < args.again_at + again:
        number = step - args.again_at
        return Moment(True, True, number, min(1.0, (number + 1) / 20, max(0.05, (again - number) / (0.6 * again))))
    number = step if step < args.again_at else step - again
    return Moment(False, False, number, min(1.0, (number + 1) / 40, max(0.02, (total - number) / (0.55 * total))))


class Run:
    """Model, optimisers and step; saved and loaded as one."""

    def __init__(self, args: argparse.Namespace, words: Tokenizer):
        self.args, self.words = args, words
        self.model = checkpoint.make_model(words, args.seed)
        self.runner = objective.Runner(self.model, words.encode(prompt.system_text(), add_special_tokens=False).ids)
        ids = [words.token_to_id(w) for w in batches.WORDS]
        self.grounding = objective.Grounding(self.model.config.text_config.hidden_size, ids)
        self.optimisers = optimisers(self.model, self.grounding, args.lr, args.optimiser)
        self.content = torch.ones(words.get_vocab_size())
        self.content[[i for w in CONTENT if (i := words.token_to_id(w)) is not None]] = 2.0
        self.content[words.token_to_id("<pad>")] = 0.1
        self.step = 0
        self.state = args.work / "state.pt"
        if self.state.exists():
            kept = torch.load(self.state, weights_only=False)
            self.model.load_state_dict(kept["model"])
            self.grounding.load_state_dict(kept["grounding"])
            for optimiser, state in zip(self.optimisers, kept["optimisers"], strict=True):
                optimiser.load_state_dict(state)
            self.step = kept["step"]

    def save(self) -> None:
        torch.save(
            {
                "model": self.model.state_dict(),
                "grounding": self.grounding.state_dict(),
                "step": self.step,
                "optimisers": [o.state_dict() for o in self.optimisers],
            },
            self.state.with_suffix(".new"),
        )
        self.state.with_suffix(".new").replace(self.state)

    def learn(self, batch: batches.Batch) -> dict[str, float]:
        """One step. Returns what the log shows."""
        generator = torch.Generator().manual_seed(self.args.seed * 1_000_003 + self.step)
        now = moment(self.args, self.step)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self.args.lr * now.pace
        with torch.autocast("cpu", torch.bfloat16, enabled=not self.args.no_autocast):
            soft = self.runner.soft_tokens(batch)
            table = self.model.model.decoder.embed_tokens.weight
            table = table.detach() if now.again else table
            ground, seen = self.grounding(soft, table, torch.from_numpy(batch.truth), torch.from_numpy(batch.offsets))
            out = {"ground": float(ground.detach()), "seen": float(seen)}
            if now.vision:
                loss = ground
            else:
                far = torch.randint(0, 3000, (len(batch.ids),), generator=generator)
                gap = far * (torch.rand(len(batch.ids), generator=generator) < 0.2)
                read = self.runner.read(batch, soft, gap)
                parts = [
                    objective.group_loss(self.runner, group, context, self.content, generator)
                    for group, context in read
                ]
                told = torch.stack(
                    [objective.next_word_loss(self.runner, group, context) for group, context in read]
                ).mean()
                words = torch.cat([p for p, _ in parts]).mean()
                share = min(1.0, now.number / max(1, self.args.steps / 2))
                loss = words + (1.0 - 0.7 * share) * ground + 0.1 * told
                out |= {
                    "loss": float(words.detach()),
                    "next": float(told.detach()),
                    "right": float(torch.cat([r for _, r in parts]).float().mean()),
                }
        loss.backward()
        weights = [p for o in self.optimisers for g in o.param_groups for p in g["params"]]
        out["norm"] = float(torch.nn.utils.clip_grad_norm_(weights, 1.0))
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        return out

    @torch.no_grad()
    def test(self, folder: str, count: int = 16) -> dict[str, float]:
        """Share of exactly right answers after two steps on one random canvas, by kind: a look, not the final score."""
        scores = {}
        for kind in tasks.KINDS:
            batch = batches.test_batch(folder, self.args.seed + 77, kind, count)
            with torch.autocast("cpu", torch.bfloat16, enabled=not self.args.no_autocast):
                ((group, context),) = self.runner.read(batch, self.runner.soft_tokens(batch))
                generator = torch.Generator().manual_seed(5)
                shape = group.answer.shape
                canvas = torch.randint(self.runner.text.vocab_size, shape, generator=generator)
                first = self.runner.denoise(context, canvas)
                words = self.runner.denoise(context, canvas, first / 0.6).argmax(-1)
            texts = self.words.decode_batch(words.tolist(), skip_special_tokens=False)
            right = [
                t.right(p)
                for t, text in zip(group.tasks, texts, strict=True)
                if (p := prompt.parse_plan(text)) is not None
            ]
            scores[kind] = round(sum(right) / count, 3)
        return scores


def ahead(jobs: Iterator[tuple[str, int, int, int, int]], depth: int = 4) -> Iterator[batches.Batch]:
    """The jobs' batches in order, made by a process `depth` steps ahead; when it dies, the run ends with an error."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        waiting: deque[Future[batches.Batch]] = deque()
        for job in jobs:
            waiting.append(pool.submit(batches.training_batch, job))
            if len(waiting) > depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def main() -> None:
    args = arguments()
    torch.set_num_threads(1)
    args.work.mkdir(parents=True, exist_ok=True)
    words = tokenizer.build(tokenizer.corpus())
    checkpoint.write(args.out, words)
    run, folder = Run(args, words), str(args.out)
    total = args.vision_steps + args.again_steps + args.steps

    def job(step: int) -> tuple[str, int, int, int, int]:
        vision = moment(args, step).vision
        return folder, args.seed, step, args.vision_scenes if vision else args.scenes, 0 if vision else args.tasks

    bar = tqdm(total=total, initial=run.step, desc="training", mininterval=5)
    with (args.work / "log.jsonl").open("a") as log:
        for batch in ahead(job(step) for step in range(run.step, total)):
            out = run.learn(batch)
            run.step += 1
            bar.update()
            if run.step % 10 == 0:
                bar.set_postfix({k: f"{v:.3f}" for k, v in out.items()}, refresh=False)
                log.write(json.dumps({"step": run.step, **{k: round(v, 4) for k, v in out.items()}}) + "\n")
            if run.step % args.test_every == 0 and not moment(args, run.step - 1).vision:
                scores = run.test(folder)
                log.write(
                    json.dumps({"step": run.step, "mean": round(sum(scores.values()) / len(scores), 4), "test": scores})
                    + "\n"
                )
            log.flush()
            if run.step % 50 == 0 or run.step == total:
                run.save()
    checkpoint.store(run.model, args.out)
    print(f"wrote {args.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
