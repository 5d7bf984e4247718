"""Our loop running free against the reference's own generate(): each step on what the step before made of it.

On checkpoints that contract rounding, with our noise in place of the reference's random numbers.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dgemma_ros.generation.canvas_loop import FinishReason
from dgemma_ros.generation.generate import Decoding, Generation, generate
from dgemma_ros.model import Model, open_model
from dgemma_ros.runtime.noise import Noise as HostNoise
from tests.cases import make_case
from tests.oracle import reference
from tests.tiny import TINIES, Noise, Tiny, make

CONTRACTIVE = TINIES["contractive"]


def checkpoint_of(folder: Path, tiny: Tiny, endless: bool = True, **generation: Any) -> tuple[Model, reference.Model]:
    """Ours and theirs of one folder, whose generation_config.json both read; ``endless`` without end tokens."""
    make(folder, tiny)
    file = folder / "generation_config.json"
    values = json.loads(file.read_text())
    if (bound := generation.pop("entropy_bound", None)) is not None:
        values["sampler_config"]["entropy_bound"] = bound
    file.write_text(json.dumps(values | generation))
    ours = open_model(folder, threads=1)
    if endless:
        ours = replace(ours, generation=replace(ours.generation, eos_ids=()))
    return ours, reference.load(folder)


def both(ours: Model, theirs: reference.Model, ids: np.ndarray, seed: int) -> tuple[Generation, np.ndarray, list[int]]:
    """What we generate behind a text prompt; the reference's new tokens; its steps of each canvas."""
    noise = HostNoise(seed, ours.config.canvas_length, ours.config.text.vocab_size)
    steps: dict[int, int] = {}

    def recorded(canvas: int, step: int) -> tuple[np.ndarray, np.ndarray]:
        steps[canvas] = max(steps.get(canvas, 0), step + 1)
        return noise.step(canvas, step)

    ends = {} if ours.generation.eos_ids else {"eos_token_id": None}
    expected = reference.generate(theirs, ids, recorded, noise.canvas, **ends)
    sequence = ours.sequence()
    sequence.append(ids)
    result = generate(sequence, replace(Decoding.of(ours, seed), mask=None))  # the reference masks nothing
    return result, expected.sequences[0, len(ids) :].numpy(), [steps[canvas] for canvas in sorted(steps)]


def check(ours: Model, result: Generation, answer: np.ndarray, steps: list[int]) -> None:
    generation, length = ours.generation, ours.config.canvas_length
    assert len(answer) == length * len(result.canvases)
    ends = np.flatnonzero(np.isin(answer, generation.eos_ids))
    assert np.array_equal(result.tokens, answer[: ends[0]] if len(ends) else answer)
    assert result.eos == (int(answer[ends[0]]) if len(ends) else None)
    if len(ends):
        assert (answer[ends[0] + 1 :] == generation.pad_id).all()
    assert [canvas.steps for canvas in result.canvases] == steps


def prompt_of(tiny: Tiny, seed: int) -> np.ndarray:
    return Noise("prompt", seed).integers(4, tiny.vocab - 3, (5 + 4 * seed,))


@pytest.mark.parametrize("seed", range(8))
def test_up_to_an_end_token(seed: int, tmp_path: Path) -> None:
    tiny = CONTRACTIVE.with_(seed=seed)
    ours, theirs = checkpoint_of(tmp_path, tiny, endless=False)
    result, answer, steps = both(ours, theirs, prompt_of(tiny, seed), seed)
    check(ours, result, answer, steps)


def test_without_end_tokens_all_canvases_are_made(tmp_path: Path) -> None:
    ours, theirs = checkpoint_of(tmp_path, CONTRACTIVE)
    for seed in (20, 21):
        result, answer, steps = both(ours, theirs, prompt_of(CONTRACTIVE, 3), seed)
        check(ours, result, answer, steps)
        assert len(result.canvases) == 3 and len(result.tokens) == 48


@pytest.mark.parametrize("stability", [1, 2])
def test_two_canvases_and_more_that_stop_early(stability: int, tmp_path: Path) -> None:
    """The stopping rule, running free: the same step in both."""
    ours, theirs = checkpoint_of(
        tmp_path,
        CONTRACTIVE,
        max_denoising_steps=40,
        entropy_bound=2.0,
        confidence_threshold=0.2,
        stability_threshold=stability,
    )
    ended: list[FinishReason] = []
    for seed in range(4):
        result, answer, steps = both(ours, theirs, prompt_of(CONTRACTIVE, seed), seed)
        check(ours, result, answer, steps)
        assert len(result.canvases) == 3
        ended += [canvas.finish_reason for canvas in result.canvases]
    assert ended.count(FinishReason.CONVERGED) >= 4


def test_a_compressed_schedule(tmp_path: Path) -> None:
    """A smaller budget is the reference's own max_denoising_steps."""
    ours, theirs = checkpoint_of(tmp_path, CONTRACTIVE, max_denoising_steps=5)
    result, answer, steps = both(ours, theirs, prompt_of(CONTRACTIVE, 2), 5)
    check(ours, result, answer, steps)
    assert steps == [5, 5, 5]


def test_a_prompt_longer_than_the_window(tmp_path: Path) -> None:
    tiny = CONTRACTIVE.with_(window=9)
    ours, theirs = checkpoint_of(tmp_path, tiny)
    ids = Noise("long").integers(4, tiny.vocab - 3, (70,))
    result, answer, steps = both(ours, theirs, ids, 1)
    check(ours, result, answer, steps)


def test_with_images(tmp_path: Path) -> None:
    tiny = TINIES["images"].with_(feedback=0.02)
    ours, theirs = checkpoint_of(tmp_path, tiny)
    case = make_case(ours.config, 1, images=2, pieces=1)
    # The reference takes any image id in the prompt for a soft token.
    is_text = case["token_types"] == 0
    ids = np.where(is_text & (case["input_ids"] == ours.config.image_id), 5, case["input_ids"])
    noise = HostNoise(1, tiny.canvas, tiny.vocab)
    expected = reference.generate(
        theirs,
        ids,
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
    sequence.append(ids, case["token_types"], soft)
    result = generate(sequence, replace(Decoding.of(ours, 1), mask=None))
    answer = expected.sequences[0, len(ids) :].numpy()
    assert len(result.tokens) > 0 and np.array_equal(result.tokens, answer[: len(result.tokens)])
