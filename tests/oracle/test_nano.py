"""The nano checkpoint against the reference: it opens it, and plans what we plan from the same noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dgemma_ros.model import open_model
from dgemma_ros.verification import verify
from tests.compare import compare
from tests.oracle import reference
from training import batches, cards, evaluate, objective, prompt, tasks
from training.reference import Reference


@pytest.fixture(scope="module")
def judge() -> Reference:
    return Reference(prompt.NANO)


def test_the_reference_opens_it_and_finds_exactly_its_tensors() -> None:
    model = reference.load(prompt.NANO)
    assert sum(p.numel() for p in model.parameters()) < 6_000_000
    assert sum(f.stat().st_size for f in prompt.NANO.rglob("*") if f.is_file()) < 12e6


def test_a_padded_row_of_a_training_batch_computes_what_generate_computes(judge: Reference) -> None:
    """The masks of training are our own; here rows of different lengths are held against the reference's, one by
    one."""
    rng = np.random.default_rng(3)
    drawn = [tasks.fresh(rng, kind) for kind in ("push", "moved", "edit_order", "edit_drop", "sort")]
    writer = batches.Writer(judge.tokenizer)
    batch = writer.batch(rng, [s for s, _ in drawn], list(enumerate(t for _, t in drawn)), talk=0.7)
    with torch.no_grad():
        for group, context in judge.runner.read(batch, judge.runner.soft_tokens(batch))[1]:
            canvas = torch.randint(
                judge.runner.text.vocab_size, group.answer.shape, generator=torch.Generator().manual_seed(0)
            )
            first = judge.runner.denoise(context, canvas)
            second = judge.runner.denoise(context, canvas, first / 0.6)
            for row in range(len(canvas)):
                for ours, theirs in zip(
                    (first, second), _alone(judge, batch, group, row, canvas[row].numpy()), strict=True
                ):
                    assert np.abs(ours[row].numpy() - theirs).max() < 1e-3


def test_a_card_computes_what_it_computes_alone(judge: Reference) -> None:
    """Cards share a row and see nothing of one another."""
    rng = np.random.default_rng(4)
    scenes = [tasks.fresh(rng, "moved")[0] for _ in range(2)]
    drawn = [cards.sample(rng, scene, ["where", "sort"][: 1 + i]) for i, scene in enumerate(scenes)]
    writer = batches.Writer(judge.tokenizer)
    batch = writer.batch(rng, scenes, [])
    batch.cards = writer.cards(drawn)
    arrays = {name: torch.from_numpy(values) for name, values in vars(batch.cards).items()}
    with torch.no_grad():
        context, _ = judge.runner.read(batch, judge.runner.soft_tokens(batch))
        alone = []
        for row in range(2):
            for number in (0, len(drawn[row]) - 1):
                mine = arrays["valid"][row] & (arrays["card"][row] == number)
                ids = arrays["ids"][row][mine][None]
                read = judge.runner.encode(
                    context.take(torch.tensor([row])), ids, torch.ones_like(ids, dtype=torch.bool)
                )
                alone.append((row, mine, read.hidden))
        together = judge.runner.encode(
            context, arrays["ids"], arrays["valid"], card=arrays["card"], place=arrays["place"]
        ).hidden
    assert together is not None
    for row, mine, hidden in alone:
        assert hidden is not None and torch.allclose(together[row][mine], hidden[0], atol=1e-3)


def _alone(judge: Reference, batch: batches.Batch, group: objective.Group, row: int, canvas: np.ndarray) -> np.ndarray:
    """Logits [2, C, V] of two steps at temperature 0.6, by the judge that the replay tests use."""
    scene = group.scene[row]
    ids = np.array([*judge.prefix, *batch.ids[scene][batch.valid[scene]], *group.ids[row][group.valid[row]]], np.int64)
    pictures = np.unique(batch.image[scene][batch.image[scene] >= 0])
    shape = (2, len(canvas))
    case = {
        "input_ids": ids,
        "token_types": (ids == judge.model.config.image_token_id).astype(np.int64),
        "chunks": np.array([len(ids)]),
        "patches": (batch.patches[pictures] / np.float32(255)).astype(np.float32),
        "patch_positions": np.stack([batch.positions] * len(pictures)),
        "canvas": np.stack([canvas, canvas]),
        "uniform": np.zeros(shape, np.float32),
        "random_tokens": np.zeros(shape, np.int64),
        "temperature": np.array([0.6, 0.6]),
        "entropy_bound": np.float64(0.1),
    }
    return reference.replay(judge.model, prompt.NANO, case)["logits"]


def test_the_runtime_and_generate_make_the_same_plans_from_the_same_noise(judge: Reference) -> None:
    """The whole way from pictures to calls, one scene a kind. `training/evaluate.py --reference` tells how it is with
    other noise, where so uncertain a model does not always agree with itself."""
    planner = evaluate.Planner(open_model(prompt.NANO, threads=1))
    same = []
    for number, question in enumerate(evaluate.questions(99, len(tasks.KINDS))):
        ours = planner.answer(question, number).text
        theirs = evaluate.ask(judge, planner, question, planner.noise(number))
        same.append(evaluate.same_plan(question.task, ours, theirs))
    assert len(same) == len(tasks.KINDS) and same.count(False) <= 1, same  # one may fall to rounding, at a tie


def test_the_golden_values_are_those_of_the_shipped_weights_and_the_runtime_computes_them(judge: Reference) -> None:
    cases = list(verify.golden_cases(prompt.NANO))
    assert len(cases) == 4
    for name, case, expected in cases:
        with np.load(case) as given, np.load(expected) as values:
            told = reference.replay(judge.model, prompt.NANO, dict(given))
            report = compare(told, dict(values))
        assert not report.wrong and report.tensors >= 7, (name, report.wrong)
    outcome = verify.verify(prompt.NANO, threads=1)
    assert outcome.right and outcome.source is verify.Source.GOLDEN
    assert [result.name for result in outcome.results] == [name for name, _, _ in cases]
