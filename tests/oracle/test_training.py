"""A training step and a run: every weight learns, a stopped run goes on, and it fits itself to the machine."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from training import batches, objective, pace, prompt, train
from training.feed import joined


@pytest.fixture(scope="module")
def batch() -> objective.Batch:
    bucket = replace(batches.SHORT, rows=1, pictures=6, length=256, shape=replace(batches.SHORT.shape, filled=True))
    parts, used = [], []
    for seed in (3, 4):
        arrays = batches.empty(bucket)
        batches.fill(str(prompt.NANO), bucket, (seed,), arrays)
        arrays["count"][1] = 0
        used.append(int(arrays["count"][0]))
        cut = {n: v[: used[-1]] if n in ("pixels", "things") else v for n, v in arrays.items() if n != "count"}
        parts.append({name: torch.from_numpy(value) for name, value in cut.items()})
    return joined(parts, used, [False, False])


def run(tmp_path: Path, *more: str) -> train.Run:
    out = tmp_path / "out"
    if not out.exists():
        shutil.copytree(prompt.NANO, out, ignore=lambda *_: ["model.safetensors"])
        (tmp_path / "work").mkdir()
    given = ["--out", out, "--work", tmp_path / "work", "--init", prompt.NANO, "--further", "--lr", "0.001", *more]
    return train.Run(train.arguments(list(map(str, given))), Tokenizer.from_file(str(out / "tokenizer.json")))


def test_a_step_changes_every_weight_and_the_run_goes_on_where_it_stopped(
    tmp_path: Path, batch: objective.Batch
) -> None:
    first = run(tmp_path, "--chunks", "1")
    before = {name: weight.data.clone() for name, weight in first.weights.items()}
    out = first.learn(batch, 0.5)
    assert all(torch.isfinite(value).all() for value in out.values())
    assert not [name for name, weight in first.weights.items() if torch.equal(weight.data, before[name])]
    assert not torch.equal(first.mean, first.flat)
    first.save()
    again = run(tmp_path, "--chunks", "1")
    assert again.step == 1 and torch.equal(again.flat, first.flat) and torch.equal(again.mean, first.mean)
    stored = load_file(tmp_path / "work" / "mean" / "model.safetensors")
    assert all(torch.equal(stored[n], v.to(torch.bfloat16)) for n, v in again.parts(again.mean).items())


def test_maps_that_are_fresh_teach_the_network_nothing(tmp_path: Path, batch: objective.Batch) -> None:
    """Until `pace.Course.apart` grounding and relations move only their own maps."""
    made = run(tmp_path, "--chunks", "1")
    net = train.model.Network(made.config, made.parts(made.flat.requires_grad_()))
    soft = made.goal.look(net, batch)
    reading = made.goal.read(net, batch, soft)
    ground, _ = made.goal.ground(net, batch, soft, apart=True)
    (ground + made.goal.relate(batch, reading, apart=True)).backward()
    assert made.flat.grad is None
    assert made.helpers.bias.grad is not None and made.helpers.marks.weight.grad is not None


def test_a_run_takes_as_much_as_the_machine_gives(tmp_path: Path) -> None:
    pacer = pace.Pacer(run(tmp_path, "--chunks", "6"))
    pacer.fit(0.0, 0.05)
    assert pacer.run.chunks == 7  # quick, and no waiting: more at once
    pacer.fit(0.0, 0.3)
    assert pacer.run.chunks == 7  # slow once: perhaps the first of its kind
    pacer.fit(0.0, 0.3)
    assert pacer.run.chunks == 6
    for _ in range(5):
        pacer.fit(0.5, 0.05)
    assert (pacer.run.chunks, pacer.run.repeats) == (4, 3)  # batches are late: fewer and each more often
    pacer.fit(0.0, 0.05)
    assert pacer.run.repeats == 2
