"""Our model against the reference, live and step by step: every array of every step of random cases.

Shown the same canvas at each step, both must make the same choices token by token, but for ties. Where the reference's
own two attention implementations differ by more than the tolerance, it is enough to agree with one of them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dgemma_ros.checkpoint.weights import Weights
from dgemma_ros.model import Model
from dgemma_ros.verification.case import Case, check_case
from dgemma_ros.verification.replay import replay
from tests.cases import make_case
from tests.checkpoint_files import write_safetensors
from tests.compare import Report, compare
from tests.conftest import Folders, Models
from tests.oracle import reference
from tests.oracle.tally import TALLY
from tests.tiny import TINIES, Noise, Tiny, TinyVision, make

STEPS = 120
"""Of each checkpoint at least."""
CALM = 0.03
"""Scale of the self-conditioning: a random network amplifies rounding through it, at 0.1 now and then past 1e-4, where
the reference's own two attentions differ by as much. The golden cases keep 0.1."""

OTHERS = {
    "bfloat16": Tiny(layers="SSF", window=16, dtype="bfloat16"),
    "float16": Tiny(layers="SF", window=12, dtype="float16", form="saved", vision=TinyVision(kv_heads=1)),
    "nvfp4": Tiny(layers="SSSF", window=20, nvfp4=True, vision=None),
    "shards": Tiny(layers="SFSSF", window=10, canvas=4, shards=5, experts=6, top_k=1, form="saved"),
    "wide_vision": Tiny(layers="SF", window=30, vision=TinyVision(heads=4, kv_heads=2, pooling=4, layers=3)),
}


class Judge:
    """The reference with one attention, and with the other where that is asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._model = reference.load(folder)

    def check(self, ours: Model, case: dict, where: object) -> None:
        answers = replay(ours, check_case(Case(Path("case"), case), ours.config), with_logits=True, with_cache=True)
        report = compare(answers, reference.replay(self._model, self.folder, case))
        if judged_twice := bool(report.wrong):
            other = reference.load(self.folder, "sdpa")
            again = compare(answers, reference.replay(other, self.folder, case))
            assert not again.wrong, (where, report.wrong, again.wrong)
            report = again
        TALLY.add(report, len(case["canvas"]), judged_twice)


def run(ours: Model, judge: Judge, name: str, steps: int) -> None:
    """Lengths, chunks, images, pins, masks at random, the same each time."""
    done = seed = 0
    while done < steps:
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
        judge.check(ours, case, (name, seed))
        done, seed = done + len(case["canvas"]), seed + 1


@pytest.mark.parametrize("name", TINIES)
def test_every_architecture(name: str, opened: Models, checkpoint: Folders) -> None:
    tiny = TINIES[name].with_(feedback=CALM)
    run(opened(tiny), Judge(checkpoint(tiny)), name, STEPS)


@pytest.mark.parametrize("name", OTHERS)
def test_every_form_of_checkpoint(name: str, opened: Models, checkpoint: Folders, tmp_path: Path) -> None:
    """Both config forms, every stored type, shards; NVFP4 against its twin with dequantised experts."""
    tiny = OTHERS[name].with_(feedback=CALM)
    ours, folder = opened(tiny), checkpoint(tiny)
    if tiny.nvfp4:
        weights = Weights.open(folder, ours.config)
        folder = make(tmp_path / "twin", tiny.with_(nvfp4=False))
        plain = Weights.open(folder, ours.config)
        write_safetensors(folder / "model.safetensors", {key: weights.array(key) for key in weights.shapes})
        assert weights.is_packed("model.decoder.layers.0.experts.down_proj")
        assert not plain.is_packed("model.decoder.layers.0.experts.down_proj")
    run(ours, Judge(folder), name, STEPS // 3)


@pytest.mark.parametrize("chunks", [[60], [1] * 60, [13, 13, 13, 13, 8], [59, 1], [1, 59], [24, 24, 12]])
def test_chunks_around_the_window(chunks: list[int], opened: Models, checkpoint: Folders) -> None:
    """A window of 24 met exactly, missed by one, and crossed in single tokens."""
    case = make_case(opened("plain").config, 21, prompt=60, steps=2)
    case["chunks"] = np.array(chunks)
    Judge(checkpoint("plain")).check(opened("plain"), case, chunks)


@pytest.mark.parametrize("length", [1, 6, 7, 8, 9, 16, 200])
def test_prompts_around_the_window(length: int, opened: Models, checkpoint: Folders) -> None:
    """A window of 8: a denoising step sees the last 7."""
    case = make_case(opened("small_window").config, 22, prompt=length, steps=2, pieces=3)
    Judge(checkpoint("small_window")).check(opened("small_window"), case, length)


def test_a_prefill_without_a_step(opened: Models, checkpoint: Folders) -> None:
    case = make_case(opened("images").config, 23, prompt=30, images=2, steps=0)
    Judge(checkpoint("images")).check(opened("images"), case, "no steps")


def test_enough_was_compared() -> None:
    """Runs behind the others; a tolerance or a tie that is used often would hide a defect."""
    if TALLY.cases < len(TINIES) + len(OTHERS):
        pytest.skip("the cases were not run")
    assert TALLY.steps >= 1000
    assert sum(TALLY.ties.values()) <= TALLY.positions / 1000
    assert TALLY.judged_twice <= TALLY.cases / 20


def test_a_wrong_model_is_found(checkpoint: Folders, opened: Models) -> None:
    """The comparison itself: one layer scalar a thousandth larger."""
    folder = checkpoint("plain")
    judge = reference.load(folder)
    with torch.no_grad():
        judge.model.decoder.layers[1].layer_scalar *= 1.001
    case = make_case(opened("plain").config, 24, steps=2)
    ours = replay(opened("plain"), check_case(Case(Path("case"), case), opened("plain").config), with_logits=True)
    report: Report = compare(ours, reference.replay(judge, folder, case))
    assert report.wrong and report.wrong[0].tensor == "logits"
