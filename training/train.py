"""Trains the nano checkpoint: `python training/train.py --out engines/nano`.

First the vision tower alone learns what lies in which cell, then the encoder to answer cards (`cards.py`), then
everything learns to write plans by block diffusion: on prompts without the system turn while the learning rate is
constant, which is faster, and on whole ones while it decays. Two processes share each step's scenes and average their
gradients. The run is a function of its arguments: each step's data and noise come from (seed, step, process). It stores
its state in WORK every 100 steps and goes on from there when started again; `log.jsonl` beside it holds one line every
ten steps and the test scores.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from tokenizers import Tokenizer
from torch import distributed, nn
from tqdm import tqdm

from training import batches, checkpoint, objective, prompt, tasks, tokenizer
from training.optim import optimisers

SKILLS = ("pick", "place", "stack", "look", "done", "say", "push")
CONTENT = (
    *batches.WORDS,
    *map(str, range(31)),
    *("nothing", "away", "closer"),
    *(f"call:{skill}{{{key}" for skill in SKILLS for key in ("", "object:", "text:", "direction:")),
)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=prompt.NANO, help="the checkpoint's folder")
    parser.add_argument("--work", type=Path, default=Path("build/nano"), help="state and log of the run")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--workers", type=int, default=2, help="processes, one core each; another number, other weights"
    )
    parser.add_argument("--vision-steps", type=int, default=400)
    parser.add_argument(
        "--vision-scenes", type=int, default=48, help="scenes a step while the vision tower learns alone"
    )
    parser.add_argument("--card-steps", type=int, default=500)
    parser.add_argument("--card-scenes", type=int, default=24, help="scenes a step while the encoder learns cards")
    parser.add_argument("--steps", type=int, default=3150, help="steps in which everything learns")
    parser.add_argument("--decay", type=int, default=1000, help="steps of these over which the learning rate falls")
    parser.add_argument("--scenes", type=int, default=16, help="scenes a step")
    parser.add_argument("--tasks", type=int, default=4, help="tasks a scene, beside the edits")
    parser.add_argument("--cards", type=int, default=6, help="cards with tasks a scene")
    parser.add_argument("--relations-from", type=int, default=2000, help="step from which the middle layer tells marks")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--test-every", type=int, default=250)
    return parser.parse_args()


@dataclass(frozen=True)
class Moment:
    """Where a run stands: what learns ("vision", "cards" or "plans"), and the learning rate's share: warm-up, constant,
    linear decay."""

    part: str
    pace: float
    decaying: bool


def moment(args: argparse.Namespace, step: int) -> Moment:
    first = args.vision_steps
    if step < first:
        return Moment("vision", min(1.0, (step + 1) / 40, max(0.1, (first - step) / (0.4 * first))), False)
    step -= first
    if step < args.card_steps:
        return Moment("cards", min(1.0, (step + 1) / 40), False)
    step -= args.card_steps
    left = args.steps - step
    return Moment("plans", min(1.0, (step + 1) / 40, max(0.02, left / args.decay)), left < args.decay)


class Run:
    """Model, optimisers and step; saved and loaded as one."""

    def __init__(self, args: argparse.Namespace, words: Tokenizer, rank: int = 0):
        self.args, self.words, self.rank = args, words, rank
        self.model = checkpoint.make_model(words, args.seed)
        self.model.set_attn_implementation("sdpa")
        self.prefix = words.encode(prompt.system_text(), add_special_tokens=False).ids
        ids = [words.token_to_id(w) for w in batches.WORDS]
        self.grounding = objective.Grounding(self.model.config.text_config.hidden_size, ids)
        self.relations = objective.Relations(self.model.config.text_config.hidden_size)
        self.optimisers = optimisers(self.model, nn.ModuleList([self.grounding, self.relations]), args.lr)
        self.content = torch.ones(words.get_vocab_size())
        self.content[[i for w in CONTENT if (i := words.token_to_id(w)) is not None]] = 2.0
        self.content[words.token_to_id("<pad>")] = 0.1
        self.step = 0
        self.state = args.work / "state.pt"
        if self.state.exists():
            kept = torch.load(self.state, weights_only=False)
            self.model.load_state_dict(kept["model"])
            self.grounding.load_state_dict(kept["grounding"])
            self.relations.load_state_dict(kept["relations"])
            for optimiser, state in zip(self.optimisers, kept["optimisers"], strict=True):
                optimiser.load_state_dict(state)
            self.step = kept["step"]

    def save(self) -> None:
        torch.save(
            {
                "model": self.model.state_dict(),
                "grounding": self.grounding.state_dict(),
                "relations": self.relations.state_dict(),
                "step": self.step,
                "optimisers": [o.state_dict() for o in self.optimisers],
            },
            self.state.with_suffix(".new"),
        )
        self.state.with_suffix(".new").replace(self.state)

    def learn(self, batch: batches.Batch) -> dict[str, float]:
        """One step. Returns what the log shows."""
        seed = (self.args.seed * 1_000_003 + self.step) * self.args.workers + self.rank
        generator = torch.Generator().manual_seed(seed)
        now = moment(self.args, self.step)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self.args.lr * now.pace
        loss, out = self._loss(batch, now, generator)
        loss.backward()
        weights = [p for o in self.optimisers for g in o.param_groups for p in g["params"] if p.grad is not None]
        self._average(weights)
        out["norm"] = float(torch.nn.utils.clip_grad_norm_(weights, 1.0))
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.step += 1
        return out

    def _loss(
        self, batch: batches.Batch, now: Moment, generator: torch.Generator
    ) -> tuple[torch.Tensor, dict[str, float]]:
        runner = self.runner(whole=now.decaying)
        soft = runner.soft_tokens(batch)
        table = self.model.model.decoder.embed_tokens.weight
        ground, seen = self.grounding(soft, table, torch.from_numpy(batch.truth), torch.from_numpy(batch.offsets))
        out = {"ground": float(ground.detach()), "seen": float(seen)}
        if now.part == "vision":
            return ground, out
        far = torch.randint(0, 3000, (len(batch.ids),), generator=generator)
        gap = far * (torch.rand(len(batch.ids), generator=generator) < 0.2)
        scenes, read = runner.read(batch, soft, gap)
        help_loss = ground
        if self.step >= self.args.relations_from:
            related, told = self.relations(batch, scenes)
            out |= {"relations": float(related.detach()), "told": float(told)}
            help_loss = ground + 0.05 * related
        assert batch.cards is not None
        cards = objective.card_loss(runner, batch.cards, scenes)
        out["cards"] = float(cards.detach())
        if now.part == "cards":
            return help_loss + cards, out
        parts = [objective.group_loss(runner, group, context, self.content, generator) for group, context in read]
        next_word = torch.stack([objective.text_loss(runner, group, context) for group, context in read]).mean()
        words = torch.cat([p for p, _ in parts]).mean()
        help_share = max(0.2, now.pace) if now.decaying else 1.0
        out |= {
            "loss": float(words.detach()),
            "next": float(next_word.detach()),
            "right": float(torch.cat([r for _, r in parts]).float().mean()),
        }
        return words + help_share * (help_loss + 0.4 * cards) + 0.1 * next_word, out

    def _average(self, weights: list[torch.nn.Parameter]) -> None:
        """The gradients' mean over the processes."""
        if self.args.workers == 1:
            return
        flat = torch.cat([w.grad.flatten() for w in weights if w.grad is not None])
        distributed.all_reduce(flat)
        flat /= self.args.workers
        for weight, grad in zip(weights, flat.split([w.numel() for w in weights]), strict=True):
            weight.grad = grad.view_as(weight)

    def runner(self, whole: bool) -> objective.Runner:
        """The model with the whole system turn before its scenes, or with `<bos>` alone."""
        return objective.Runner(self.model, self.prefix if whole else self.prefix[:1])

    @torch.no_grad()
    def test(self, folder: str, count: int = 16) -> dict[str, float]:
        """Share of exactly right answers after two steps on one random canvas, by kind: a look, not the final score.
        Each process tests some of the kinds."""
        runner = self.runner(whole=moment(self.args, self.step - 1).decaying)
        scores = {}
        for kind in tasks.KINDS[self.rank :: self.args.workers]:
            batch = batches.test_batch(folder, self.args.seed + 77, kind, count)
            _, ((group, context),) = runner.read(batch, runner.soft_tokens(batch))
            generator = torch.Generator().manual_seed(5)
            canvas = torch.randint(runner.text.vocab_size, group.answer.shape, generator=generator)
            first = runner.denoise(context, canvas)
            words = runner.denoise(context, canvas, first / 0.6).argmax(-1)
            texts = self.words.decode_batch(words.tolist(), skip_special_tokens=False)
            right = [
                t.right(p)
                for t, text in zip(group.tasks, texts, strict=True)
                if (p := prompt.parse_plan(text)) is not None
            ]
            scores[kind] = round(sum(right) / count, 3)
        if self.args.workers > 1:
            parts: list[Any] = [None] * self.args.workers
            distributed.all_gather_object(parts, scores)
            scores = {k: v for part in parts for k, v in part.items()}
        return {kind: scores[kind] for kind in tasks.KINDS}


def ahead(jobs: Iterator[batches.Job], depth: int = 4) -> Iterator[batches.Batch]:
    """The jobs' batches in order, made by a process `depth` steps ahead; when it dies, the run ends with an error."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        waiting: deque[Future[batches.Batch]] = deque()
        for job in jobs:
            waiting.append(pool.submit(batches.training_batch, job))
            if len(waiting) > depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def train(rank: int, args: argparse.Namespace) -> None:
    """One of the processes; the first also writes."""
    torch.set_num_threads(1)
    if args.workers > 1:
        distributed.init_process_group(
            "gloo", init_method=f"file://{(args.work / 'meeting').absolute()}", rank=rank, world_size=args.workers
        )
    words = tokenizer.build(tokenizer.corpus())
    if rank == 0:
        checkpoint.write(args.out, words)
    run, folder = Run(args, words, rank), str(args.out)
    total = args.vision_steps + args.card_steps + args.steps
    if args.workers > 1:
        distributed.barrier()

    def job(step: int) -> batches.Job:
        now = moment(args, step)
        scenes, asked, cards = {
            "vision": (args.vision_scenes, 0, 0),
            "cards": (args.card_scenes, 0, args.cards),
            "plans": (args.scenes, args.tasks, args.cards),
        }[now.part]
        focus = 2 if now.decaying else 1
        return batches.Job(folder, args.seed, step, rank, scenes // args.workers, asked, cards, focus)

    bar = tqdm(total=total, initial=run.step, desc="training", mininterval=5, disable=rank > 0)
    with (args.work / "log.jsonl" if rank == 0 else Path(os.devnull)).open("a") as log:

        def write(**values: Any) -> None:
            log.write(json.dumps({"step": run.step, **values}) + "\n")
            log.flush()

        for batch in ahead(job(step) for step in range(run.step, total)):
            out = run.learn(batch)
            bar.update()
            if run.step % 10 == 0:
                bar.set_postfix({k: f"{v:.3f}" for k, v in out.items()}, refresh=False)
                write(**{k: round(v, 4) for k, v in out.items()})
            if (run.step % args.test_every == 0 or run.step == total) and moment(args, run.step - 1).part == "plans":
                scores = run.test(folder)
                write(mean=round(sum(scores.values()) / len(scores), 4), test=scores)
            if rank == 0 and (run.step % 100 == 0 or run.step == total):
                run.save()
    if rank == 0:
        checkpoint.store(run.model, args.out)
        print(f"wrote {args.out}", file=sys.stderr)


def main() -> None:
    args = arguments()
    args.work.mkdir(parents=True, exist_ok=True)
    if args.workers == 1:
        train(0, args)
        return
    (args.work / "meeting").unlink(missing_ok=True)
    torch.multiprocessing.spawn(train, (args,), args.workers)


if __name__ == "__main__":
    main()
