"""Our model against the reference, live: every array of every step, and generate() running free."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dgemma_ros.model import open_model
from dgemma_ros.replay import Case, check_case, replay
from dgemma_ros.runtime.generate import generate
from dgemma_ros.runtime.noise import Noise as HostNoise
from dgemma_ros.runtime.sampling import Sampling
from tests.cases import make_case
from tests.compare import Report, compare
from tests.oracle import reference
from tests.tiny import TINIES, Noise, make


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("name", TINIES)
def test_replay_under_teacher_forcing(name: str, tmp_path: Path, record_property: pytest.RecordProperty) -> None:
    """At least 150 steps of each checkpoint, 1050 in all: lengths, chunks, images, pins, masks at random."""
    folder = make(tmp_path / "checkpoint", TINIES[name])
    ours, theirs = open_model(folder, threads=1), reference.load(folder)
    report, steps, seed = Report(), 0, 0
    while steps < 150:
        draw = Noise("replay", name, seed)
        case = make_case(
            ours.config,
            seed,
            prompt=draw.integer(1, 90),
            images=draw.integer(0, 4) if ours.config.vision else 0,
            steps=draw.integer(1, 9),
            pieces=draw.integer(1, 7),
            pinned=bool(draw.integer(0, 2)),
            disallowed=bool(draw.integer(0, 2)),
            own_canvas=bool(draw.integer(0, 2)),
            vision_mask=(None, "gemma", "transformers-5.23")[draw.integer(0, 3)],
        )
        expected = reference.replay(theirs, folder, case)
        checked = check_case(Case(Path("case"), case), ours.config)
        compare(replay(ours, checked, with_logits=True, with_cache=True), expected, report=report)
        assert not report.wrong, (name, seed, report.wrong)
        steps, seed = steps + len(case["canvas"]), seed + 1
    print(
        f"\n{name}: {steps} steps, {report.compared} positions, ties {report.ties}, logits {report.worst['logits']:.1e}"
    )
    assert sum(report.ties.values()) <= report.compared // 1000


@pytest.mark.parametrize("seed", range(8))
def test_generate_running_free(seed: int, tmp_path: Path) -> None:
    """Several canvases in a row, each step on what the step before made; on a checkpoint that contracts rounding."""
    tiny = TINIES["contractive"].with_(seed=seed)
    folder = make(tmp_path / "checkpoint", tiny)
    ours, theirs = open_model(folder, threads=1), reference.load(folder)
    noise = HostNoise(seed, tiny.canvas, tiny.vocab)
    prompt = Noise("prompt", seed).integers(4, tiny.vocab - 3, (5 + 4 * seed,))
    expected = reference.generate(theirs, prompt, noise.step, noise.canvas)
    sequence = ours.sequence()
    sequence.append(prompt)
    result = generate(sequence, ours.generation, Sampling.of(ours.generation), noise)
    answer = expected.sequences[0, len(prompt) :].numpy()
    assert len(answer) == tiny.canvas * len(result.canvases)
    ends = np.flatnonzero(np.isin(answer, ours.generation.eos_ids))
    assert (result.tokens == (answer[: ends[0]] if len(ends) else answer)).all()
    assert result.eos == (int(answer[ends[0]]) if len(ends) else None)
    assert (answer[ends[0] + 1 :] == ours.generation.pad_id).all() if len(ends) else True


def test_generate_with_an_image(tmp_path: Path) -> None:
    tiny = TINIES["images"].with_(feedback=0.02)
    folder = make(tmp_path / "checkpoint", tiny)
    ours, theirs = open_model(folder, threads=1), reference.load(folder)
    case = make_case(ours.config, 1, images=2, pieces=1)
    is_text = case["token_types"] == 0
    case["input_ids"] = np.where(is_text & (case["input_ids"] == ours.config.image_id), 5, case["input_ids"])
    noise = HostNoise(1, tiny.canvas, tiny.vocab)
    expected = reference.generate(
        theirs,
        case["input_ids"],
        noise.step,
        noise.canvas,
        eos_token_id=None,
        pixel_values=torch.from_numpy(case["patches"]),
        image_position_ids=torch.from_numpy(case["patch_positions"]),
        mm_token_type_ids=torch.from_numpy(case["token_types"])[None],
    )
    sequence = ours.sequence()
    pairs = zip(case["patches"], case["patch_positions"], strict=True)
    soft = np.concatenate([ours.soft_tokens(patches, positions) for patches, positions in pairs])
    sequence.append(case["input_ids"], case["token_types"], soft)
    result = generate(sequence, ours.generation, Sampling.of(ours.generation), noise)
    answer = expected.sequences[0, len(case["input_ids"]) :].numpy()
    assert (result.tokens == answer[: len(result.tokens)]).all() and len(result.tokens) > 0
