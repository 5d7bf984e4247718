"""The nano checkpoint against the reference: it opens it, training computes what it computes, and it plans what we plan
from the same noise."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import DynamicCache

from dgemma_ros.runtime.noise import Noise
from dgemma_ros.verification import verify
from tests.compare import compare
from tests.oracle import reference
from training import batches, evaluate, model, objective, prompt, tasks
from training.checkpoint_sizes import CANVAS
from training.desk import Desk, calls_of
from training.feed import joined
from training.reference import Reference

Allowed = torch.Tensor


@pytest.fixture(scope="module")
def judge() -> Reference:
    return Reference(prompt.NANO)


@pytest.fixture(scope="module")
def network() -> model.Network:
    """Training's own forward pass with the shipped weights."""
    config = json.loads((prompt.NANO / "config.json").read_text())
    stored = load_file(prompt.NANO / "model.safetensors")
    weights = {name: value.float() for name, value in stored.items() if "layer_scalar" not in name}
    assert {name: tuple(value.shape) for name, value in weights.items()} == model.shapes(config)
    return model.Network(config, weights)


def additive(mask: Allowed) -> torch.Tensor:
    return torch.zeros(mask.shape).masked_fill(~mask, -1e4)


def test_the_reference_opens_it_and_finds_exactly_its_tensors() -> None:
    found = reference.load(prompt.NANO)
    assert sum(p.numel() for p in found.parameters()) < 6_000_000
    assert sum(f.stat().st_size for f in prompt.NANO.rglob("*") if f.is_file()) < 12e6


@torch.no_grad()
def test_training_sees_what_the_reference_sees(judge: Reference, network: model.Network) -> None:
    patches = torch.rand(2, 140, 768, generator=torch.Generator().manual_seed(1))
    y, x = torch.meshgrid(torch.arange(10), torch.arange(14), indexing="ij")
    positions = torch.stack([x, y], -1).reshape(1, -1, 2).expand(2, -1, -1)
    theirs = judge.model.model.encoder.get_image_features(patches, positions, return_dict=True).pooler_output
    ours = network.soft_tokens(patches, (10, 14))
    assert torch.allclose(ours.flatten(0, 1), theirs.reshape(-1, theirs.shape[-1]), atol=1e-4)


@torch.no_grad()
def test_training_computes_what_the_reference_computes(judge: Reference, network: model.Network) -> None:
    """Encoder, two denoising steps with self-conditioning, far positions, and a prompt longer than the window."""
    length, first = 150, 5000
    window = judge.model.config.text_config.sliding_window
    generator = torch.Generator().manual_seed(2)
    ids = torch.randint(len(network.table), (1, length), generator=generator)
    at = torch.arange(length)
    full = (at[:, None] >= at)[None, None]
    near = full & (at[:, None] - at < window)
    encoder, cache = judge.model.model.encoder, DynamicCache()
    theirs = encoder(
        inputs_embeds=encoder.get_input_embeddings()(ids),
        attention_mask={"full_attention": additive(full), "sliding_attention": additive(near)},
        position_ids=at[None] + first,
        past_key_values=cache,
    ).last_hidden_state
    ours, _, past = network.encode(network.embed(ids), at[None] + first, model.Masks(near, full))
    assert torch.allclose(ours, theirs, atol=1e-3)
    canvas = torch.randint(len(network.table), (1, CANVAS), generator=generator)
    own = torch.ones(1, 1, CANVAS, CANVAS, dtype=torch.bool)
    seen = torch.cat([torch.ones(1, 1, CANVAS, length, dtype=torch.bool), own], -1)
    close = torch.cat([(at > length - window).expand(1, 1, CANVAS, length), own], -1)
    positions = torch.arange(CANVAS)[None] + length + first
    given = {
        "past_key_values": cache,
        "decoder_input_ids": canvas,
        "decoder_attention_mask": {"full_attention": additive(seen), "sliding_attention": additive(close)},
        "decoder_position_ids": positions,
    }
    step = judge.model(**given).logits
    told = network.logits(network.denoise(canvas, positions, model.Masks(close, seen), past))
    assert torch.allclose(told, step, atol=1e-3)
    again = torch.ones(1, dtype=torch.bool)
    step = judge.model(**given, self_conditioning_logits=step / 0.6, self_conditioning_mask=again).logits
    signal = network.soften(told / 0.6)
    told = network.logits(network.denoise(canvas, positions, model.Masks(close, seen), past, signal))
    assert torch.allclose(told, step, atol=1e-3)


@torch.no_grad()
def test_each_canvas_of_a_packed_batch_computes_what_it_computes_alone(network: model.Network) -> None:
    bucket = batches.scaled(batches.SHORT, 1 / 16)
    parts, used, wide = [], [], []
    for seed in (11, 12, 13):
        arrays = batches.empty(bucket)
        batches.fill(str(prompt.NANO), bucket, (seed,), arrays)
        used.append(int(arrays["count"][0]))
        wide.append(bool(arrays["count"][1]))
        parts.append(
            {
                name: torch.from_numpy(value[: used[-1]] if name in ("pixels", "things") else value)
                for name, value in arrays.items()
                if name != "count"
            }
        )
    batch = joined(parts, used, wide)
    prefix = torch.arange(200) % len(network.table)
    config = {"text_config": network.text}
    helpers = objective.Helpers(network.hidden, list(range(len(objective.WORDS))), len(network.table))
    goal = objective.Objective(config, prefix, torch.ones(len(network.table)), helpers)
    soft = goal.look(network, batch)
    flat = torch.cat([soft[kind].flatten(0, 1) for kind in (False, True) if kind in soft])
    canvas = torch.randint(len(network.table), batch["answer"].shape, generator=torch.Generator().manual_seed(3))
    together = network.logits(goal.canvases(network, batch, goal.read(network, batch, soft), canvas))
    compared = 0
    for row, leaf in (batch["kind"] >= 0).nonzero().tolist():
        alone = _alone(network, batch, flat, prefix, row, leaf, canvas[row, leaf])
        assert torch.allclose(together[row, leaf], alone, atol=1e-3)
        compared += 1
    assert compared >= 6


def _alone(
    network: model.Network,
    batch: objective.Batch,
    flat: torch.Tensor,
    prefix: torch.Tensor,
    row: int,
    leaf: int,
    canvas: torch.Tensor,
) -> torch.Tensor:
    """The same leaf as one plain sequence behind the prefix."""
    mine = (batch["leaf"][row] == leaf) & batch["question"][row]
    index = torch.cat([torch.arange(int(batch["branch"][row, leaf])), mine.nonzero()[:, 0]])
    ids, soft, picture = (batch[name][row][index] for name in ("ids", "soft_index", "picture"))
    embeds = network.embed(torch.cat([prefix, ids])[None])
    embeds[0, len(prefix) :] = torch.where((soft >= 0)[:, None], flat[soft.clamp(min=0)], embeds[0, len(prefix) :])
    positions = torch.cat([torch.arange(len(prefix)), batch["position"][row][index] + len(prefix)])
    picture = torch.cat([torch.full((len(prefix),), -1), picture])
    length, window = len(positions), network.text["sliding_window"]
    at = torch.arange(length)
    block = (picture[:, None] == picture) & (picture >= 0)[:, None]
    causal = at[:, None] >= at
    near = causal & (at[:, None] - at < window)
    masks = model.Masks((near | block)[None, None], (causal | block)[None, None])
    _, _, past = network.encode(embeds, positions[None], masks)
    own = torch.ones(1, 1, CANVAS, CANVAS, dtype=torch.bool)
    seen = torch.cat([torch.ones(1, 1, CANVAS, length, dtype=torch.bool), own], -1)
    close = torch.cat([(at > length - window).expand(1, 1, CANVAS, length), own], -1)
    places = (torch.arange(CANVAS) + int(positions[-1]) + 1)[None]
    return network.logits(network.denoise(canvas[None], places, model.Masks(close, seen), past))[0]


def test_the_planner_and_generate_make_the_same_plans_from_the_same_noise(judge: Reference) -> None:
    """The whole way from pictures to calls, one scene a kind."""
    desk = Desk(prompt.NANO)
    config = desk.model.config
    same = []
    try:
        for question in evaluate.questions(99, len(tasks.KINDS)):
            ours = evaluate.answer(desk, question)
            noise = Noise(desk.settings.seed, config.canvas_length, config.text.vocab_size)
            theirs = prompt.parse_plan(evaluate.ask(judge, desk, question, noise))
            same.append(calls_of(ours) == theirs if ours.valid else None)
    finally:
        desk.close()
    assert same.count(False) <= 1 and same.count(True) >= 0.85 * len(same), same  # one may fall to rounding, at a tie


def test_the_golden_values_are_those_of_the_shipped_weights_and_the_runtime_computes_them(judge: Reference) -> None:
    cases = list(verify.golden_cases(prompt.NANO))
    assert len(cases) == 4
    for name, case, expected in cases:
        with np.load(case) as given, np.load(expected) as values:
            told = reference.replay(judge.model, prompt.NANO, dict(given))
            report = compare(told, dict(values))
        assert not report.wrong and report.tensors >= 7, (name, report.wrong)
    outcome = verify.verify(prompt.NANO, threads=1)
    assert outcome.right and outcome.source is verify.Reference.GOLDEN
    assert [result.name for result in outcome.results] == [name for name, _, _ in cases]
