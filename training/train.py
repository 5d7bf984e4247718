"""Trains the nano checkpoint: `python training/train.py --minutes 8 --device cuda --out engines/nano`.

The time is the recipe: learning rate, and what is learned, follow the share of `--minutes` that has passed, so that the
run is complete when they end, on whatever it runs. First the vision tower alone learns what lies in which cell, then
everything learns from sessions (`sessions.py`), behind the first tokens of the system turn only while the learning rate
is constant, which is faster, and behind the whole of it while it falls. State is stored in WORK twice a minute and the
run goes on from there when started again; `log.jsonl` beside it holds a line every twenty steps.

Longer than most files: a run from its arguments to its last weights, in the order in which it happens.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import nn

from training import checkpoint, model, objective, prompt, skills, tasks, tokenizer
from training.feed import Ahead, Feeder
from training.optim import optimisers
from training.pace import FRESH, FURTHER, Pacer
from training.sessions import Shape

CHUNKS = {"cuda": {"short": 8, "long": 8, "deep": 8}, "cpu": {"short": 1, "long": 1, "deep": 1}}
SLOTS = {"cuda": {"short": 96, "long": 24, "deep": 24}, "cpu": {"short": 6, "long": 2, "deep": 2}}
SHORT_PREFIX = 8  # tokens of the system turn before it is read whole
WARM = 80  # steps
MEAN = 0.998  # what a step leaves of the running mean of the weights
CONTENT = (
    *objective.WORDS,
    *map(str, range(31)),
    *("nothing", "away", "closer", "left", "right", "cannot", "not", "▁understood", "▁there", "which", "▁one"),
    *(f"call:{skill}{{{key}" for skill in tokenizer.SKILLS for key in ("", "object:", "text:", "direction:")),
)


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=prompt.NANO, help="the checkpoint's folder")
    parser.add_argument("--work", type=Path, default=Path("build/nano"), help="state and log of the run")
    parser.add_argument("--minutes", type=float, default=480.0, help="how long it may take, starts again left out")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--workers", type=int, help="processes that make batches (default: all cores but two, or one)")
    parser.add_argument("--init", type=Path, help="checkpoint whose tensors are taken where names and shapes fit")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--chunks", type=int, help="chunks of sessions a step; 8 on an accelerator, 1 elsewhere")
    parser.add_argument("--rows", type=int, help="sessions a chunk of short ones; 16 on an accelerator, 4 elsewhere")
    parser.add_argument("--half", action="store_true", help="compute in bfloat16, as on an accelerator")
    parser.add_argument("--every", type=int, default=20, help="steps a line of the log")
    parser.add_argument(
        "--answers-only",
        action="store_true",
        help="no grounding, no relations: fresh maps for them would teach a trained network what is wrong",
    )
    parser.add_argument("--threads", type=int, help="of the training step, on the CPU (default: what workers leave)")
    parser.add_argument(
        "--weights", default="", help="kinds and how many times as often as usual they are asked: sort=4,pair=2"
    )
    parser.add_argument(
        "--use",
        action="store_true",
        help="sessions begin with what the planner keeps; more notes that matter, tasks that touch what they forbid, "
        "words never met, rows full of tasks",
    )
    parser.add_argument("--notes", type=float, default=Shape().notes, help="share of rounds with a note")
    parser.add_argument(
        "--further", action="store_true", help="go on from the trained weights of --init: all there is from the start"
    )
    parser.add_argument(
        "--skip-to", type=float, default=0.0, help="share of the time to begin at, to go on from --init"
    )
    return parser.parse_args(given)


class Run:
    """Weights, optimisers, steps and seconds; saved and loaded as one."""

    def __init__(self, args: argparse.Namespace, words: Tokenizer):
        self.args, self.words, self.device = args, words, torch.device(args.device)
        self.config = checkpoint.config(words)
        self.dtype = torch.bfloat16 if args.device == "cuda" or args.half else torch.float32
        self.weights = model.initial(self.config, args.seed)
        if args.init is not None:
            self.begin_from(args.init)
        self.course = FURTHER if args.further else FRESH
        # One after the other in one tensor: one kernel casts them, or adds up their gradients.
        self.names = sorted(self.weights, key=lambda name: self.weights[name].numel() % 64 > 0)
        self.sizes = [self.weights[name].numel() for name in self.names]
        self.flat = torch.cat([self.weights[name].data.flatten() for name in self.names]).to(self.device)
        for name, part in zip(self.names, self.flat.split(self.sizes), strict=True):
            self.weights[name].data = part.view(self.weights[name].shape)
        self.mean = self.flat.clone()
        ids = [words.token_to_id(w) for w in objective.WORDS]
        assert None not in ids
        self.helpers = objective.Helpers(self.config["text_config"]["hidden_size"], ids, words.get_vocab_size()).to(
            self.device
        )
        self.optimisers = optimisers(self.weights, self.helpers, args.lr)
        content = torch.ones(words.get_vocab_size())
        content[[i for w in CONTENT if (i := words.token_to_id(w)) is not None]] = 2.0
        content[words.token_to_id("<pad>")] = 0.1
        system = torch.tensor(words.encode(prompt.system_text(args.out), add_special_tokens=False).ids)
        self.system = system.to(self.device)
        vocabulary = words.get_vocab()
        spare = tuple(vocabulary[f"<unused{n}>"] for n in range(len(vocabulary)) if f"<unused{n}>" in vocabulary)
        self.goal = objective.Objective(self.config, self.system, content.to(self.device), self.helpers, spare)
        self.generator = torch.Generator(self.device).manual_seed(args.seed)
        self.chunks, self.repeats, self.failed = args.chunks, 1, 0
        self.step, self.seconds = 0, args.skip_to * args.minutes * 60
        self.state = args.work / "state.pt"
        if self.state.exists():
            self.load(torch.load(self.state, map_location=self.device, weights_only=True))
        self.began = time.monotonic() - self.seconds

    def begin_from(self, folder: Path) -> None:
        old = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab()
        named = {word: number for word, number in old.items() if not word.startswith("<unused")}
        if moved := [word for word, number in named.items() if self.words.token_to_id(word) != number]:
            raise SystemExit(
                f"{folder}: {len(moved)} tokens have other ids there, as {moved[0]!r}: see tokenizer.ADDED"
            )
        taken = 0
        for name, value in load_file(folder / "model.safetensors").items():
            if name in self.weights and self.weights[name].shape == value.shape:
                self.weights[name].data = value.float()
                taken += 1
        print(f"{taken} of {len(self.weights)} tensors from {folder}", file=sys.stderr)

    def load(self, kept: dict[str, Any]) -> None:
        for name, value in kept["weights"].items():
            self.weights[name].data.copy_(value)
        self.helpers.load_state_dict(kept["helpers"])
        self.mean.copy_(kept["mean"])
        for optimiser, state in zip(self.optimisers, kept["optimisers"], strict=True):
            optimiser.load_state_dict(state)
        self.step, self.seconds = kept["step"], kept["seconds"]

    def save(self) -> None:
        self.seconds = time.monotonic() - self.began
        kept = {
            "weights": {name: weight.data for name, weight in self.weights.items()},
            "mean": self.mean,
            "helpers": self.helpers.state_dict(),
            "optimisers": [o.state_dict() for o in self.optimisers],
            "step": self.step,
            "seconds": self.seconds,
        }
        torch.save(kept, self.state.with_suffix(".new"))
        self.state.with_suffix(".new").replace(self.state)
        checkpoint.store(kept["weights"], self.config, self.args.out)
        folder = self.args.work / "mean"
        folder.mkdir(exist_ok=True)
        checkpoint.store(self.parts(self.mean), self.config, folder)

    def parts(self, flat: torch.Tensor) -> dict[str, torch.Tensor]:
        """What of `flat` is which weight."""
        shares = zip(self.names, flat.split(self.sizes), strict=True)
        return {name: share.view(self.weights[name].shape) for name, share in shares}

    @property
    def passed(self) -> float:
        """Share of the time."""
        return (time.monotonic() - self.began) / (self.args.minutes * 60)

    def pace(self, passed: float) -> float:
        """The learning rate's share: warm-up, constant, linear decay."""
        return min(1.0, (self.step + 1) / WARM, max(0.01, (1 - passed) / (1 - self.course.falling)))

    def learn(self, batch: objective.Batch, passed: float) -> dict[str, torch.Tensor]:
        """One step. Returns what the log shows, still on the device."""
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self.args.lr * self.pace(passed)
        leaf = self.flat.detach().requires_grad_()
        loss, out = self.loss(self.parts(leaf.to(self.dtype)), batch, passed)
        loss.backward()
        assert leaf.grad is not None
        leaf.grad.nan_to_num_(0.0, 0.0, 0.0)
        out["norm"] = nn.utils.clip_grad_norm_([leaf, *self.helpers.parameters()], 1.0, foreach=True)
        for name, grad in self.parts(leaf.grad).items():
            self.weights[name].grad = grad
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.step += 1
        self.mean.lerp_(self.flat, 1 - min(MEAN, self.step / (self.step + 10)))
        return out

    def loss(
        self, weights: model.Weights, batch: objective.Batch, passed: float
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        net, goal, course = model.Network(self.config, weights, self.dtype), self.goal, self.course
        apart = passed < course.apart
        soft = goal.look(net, batch)
        nothing = torch.zeros((), device=self.device)
        bare = self.args.answers_only or not soft
        ground, seen = (nothing, nothing) if bare else goal.ground(net, batch, soft, apart)
        out = {"ground": ground.detach(), "seen": seen.detach()}
        if passed < course.looking:
            return ground, out
        reading = goal.read(net, batch, soft, self.system if passed >= course.whole else self.system[:SHORT_PREFIX])
        related = nothing if bare else goal.relate(batch, reading, apart)
        told = goal.tell(net, batch, reading)
        words, right, kinds = goal.diffuse(net, batch, reading, self.generator)
        help_share = max(0.2, min(1.0, (1 - passed) / (1 - course.falling)))
        out |= {
            "relations": related.detach(),
            "told": told.detach(),
            "loss": words.detach(),
            "right": right,
            "kinds": kinds,
        }
        return words + help_share * (ground + 0.05 * related + 0.3 * told), out


def mix(text: str) -> tuple[tuple[str, float], ...]:
    """`sort=4,pair=2`, read."""
    found = []
    for part in filter(None, text.split(",")):
        kind, _, times = part.partition("=")
        if kind not in tasks.KINDS:
            raise SystemExit(f"--weights: {kind!r} is none of {', '.join(tasks.KINDS)}")
        found.append((kind, float(times)))
    return tuple(found)


def which(run: Run, feeder: Feeder, asked: int) -> str:
    """The next batch's bucket: mostly short sessions; longer ones as they are ready, more often near the end."""
    passed = run.passed
    if passed < run.course.short:
        return "short"
    chunks = run.chunks
    if asked % (16 if passed < run.course.whole else 10) == 7 and feeder.waiting("deep") >= chunks:
        return "deep"
    if asked % (6 if passed < run.course.whole else 4) == 1 and feeder.waiting("long") >= chunks:
        return "long"
    return "short"


class Log:
    """Means over some steps, one line each, and the share of right canvases by kind."""

    def __init__(self, file: Path, every: int):
        self.file, self.every = file.open("a"), every
        self.kept: list[dict[str, torch.Tensor]] = []
        self.waited = 0.0

    def add(self, run: Run, out: dict[str, torch.Tensor]) -> None:
        self.kept.append(out)
        if run.step % self.every:
            return
        line: dict[str, Any] = {"step": run.step, "seconds": round(time.monotonic() - run.began, 1)}
        line["waited"] = round(self.waited, 2)
        if run.device.type == "cuda":
            line["gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 1)
        names = {n for o in self.kept for n in o} - {"right", "kinds"}
        for name in sorted(names):
            line[name] = round(float(torch.stack([o[name].float() for o in self.kept if name in o]).mean()), 4)
        both = [(o["right"], o["kinds"]) for o in self.kept if "right" in o]
        if both:
            right, kinds = (torch.cat(list(t)).cpu().numpy() for t in zip(*both, strict=True))
            line["right"] = round(float(right[right >= 0].mean()), 4)
            if run.step % (5 * self.every) == 0:
                line["kinds"] = {
                    kind: round(float(right[(kinds == n) & (right >= 0)].mean()), 3)
                    for n, kind in enumerate(tasks.KINDS)
                    if ((kinds == n) & (right >= 0)).any()
                }
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()
        print(line, file=sys.stderr, flush=True)
        self.kept, self.waited = [], 0.0


def learn_all(run: Run, feeder: Feeder, ahead: Ahead, log: Log, pacer: Pacer) -> None:
    """Until the time is up. A batch that fails is passed over, and half as large ones follow where memory was short."""
    asked = 0
    for _ in range(2):
        ahead.ask("short", run.chunks)
        asked += 1
    saved = time.monotonic()
    while run.passed < 1:
        ahead.ask(which(run, feeder, asked), run.chunks)
        asked += 1
        before = time.monotonic()
        batch = ahead.next()
        waited = time.monotonic() - before
        log.waited, pacer.waited = log.waited + waited, pacer.waited + waited
        for _ in range(run.repeats):
            if (passed := run.passed) >= 1:
                break
            try:
                log.add(run, run.learn(batch, passed))
            except Exception as error:
                run.failed += 1
                traceback.print_exc(limit=4)
                for optimiser in run.optimisers:
                    optimiser.zero_grad(set_to_none=True)
                if isinstance(error, torch.OutOfMemoryError):
                    torch.cuda.empty_cache()
                    run.chunks = max(1, run.chunks // 2)
                if run.failed > 40 and run.step < run.failed:
                    raise
                break
            pacer.look(passed)
        if time.monotonic() - saved > 30:
            run.save()
            saved = time.monotonic()


def main() -> None:
    args = arguments()
    args.chunks = args.chunks or (8 if args.device == "cuda" else 1)
    args.work.mkdir(parents=True, exist_ok=True)
    lock = (args.work / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit(f"{args.work}: another run is at work there") from None
    skills.write(args.out)
    words = tokenizer.build(tokenizer.corpus())
    checkpoint.write(args.out, words)
    workers = args.workers or (max(1, (os.cpu_count() or 2) - 2) if args.device == "cuda" else 1)
    rows = args.rows or (16 if args.device == "cuda" else 4)
    changes = {"mix": mix(args.weights), "notes": args.notes} | (
        {"past": 0.6, "filled": True, "heed": 2.0, "unknown": 0.35, "forbidden": 0.4} if args.use else {}
    )
    feeder = Feeder(args.out, args.seed * 1000 + int(time.time()) % 1000, workers, SLOTS[args.device], rows, changes)
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cuda.enable_cudnn_sdp(False)  # it plans for each shape, and batches have many
    torch.set_num_threads(2 if args.device == "cuda" else args.threads or max(1, (os.cpu_count() or 2) - workers))
    run = Run(args, words)
    ahead = Ahead(feeder, run.device)
    log = Log(args.work / "log.jsonl", args.every)
    count = sum(w.numel() for w in run.weights.values())
    print(f"{count / 1e6:.2f} million parameters, {workers} workers, step {run.step}", file=sys.stderr)
    learn_all(run, feeder, ahead, log, Pacer(run))
    run.save()
    feeder.close()
    print(f"{run.step} steps; wrote {args.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
