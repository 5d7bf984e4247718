"""Is this device computing rightly? A model's golden cases replayed, or its first layers held to ONNX Runtime's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np

from dgemma_ros.checkpoint.config import ModelConfig
from dgemma_ros.errors import CaseError
from dgemma_ros.model import Excerpt, Model, described, open_model
from dgemma_ros.runtime.contract import Array
from dgemma_ros.verification.case import Case, check_case, load_case, read_npz
from dgemma_ros.verification.compare import TOLERANCES, Report, compare
from dgemma_ros.verification.margins import margins
from dgemma_ros.verification.replay import replay

GOLDEN: Final = "golden"
_EXPECTED: Final = ".expected.npz"
_STEPS: Final = 2
_PROMPT: Final = 40


class Reference(StrEnum):
    """What the device was held to."""

    GOLDEN = "golden"
    """The answers in MODEL/golden, which come from the reference implementation."""
    SELF = "self-consistency"
    """The same first layers on ONNX Runtime's CPU in float32: tells of the device, not whether the graphs are right."""


@dataclass(frozen=True)
class Result:
    """One case's outcome."""

    name: str
    report: Report

    @property
    def right(self) -> bool:
        """Whether everything lay within the tolerance."""
        return not self.report.wrong


@dataclass(frozen=True)
class Verification:
    """All cases of one model on one device."""

    backend: str
    dtype: str
    source: Reference
    layers: int
    """Text layers that were run; fewer than the model has in a self-consistency check."""
    results: tuple[Result, ...] = field(default_factory=tuple)

    @property
    def right(self) -> bool:
        """Whether the device computes rightly, as far as these cases tell."""
        return all(result.right for result in self.results)


Progress = Callable[[str, int, int], None]
"""Called with a case's name, the steps that are done and their number."""


def verify(
    folder: Path, device: str = "cpu", threads: int = 0, on_progress: Progress = lambda name, done, total: None
) -> Verification:
    """Replays the cases of ``folder``/golden; where there are none, makes some from the first period of layers.

    Raises :class:`DgemmaError` where the model, the device or a case file is at fault; numbers that are wrong are told
    in the result.
    """
    pairs = list(golden_cases(folder))
    if not pairs:
        return _verify_period(folder, device, threads, on_progress)
    model = open_model(folder, device, threads)
    results = []
    for name, case_file, expected_file in pairs:
        case, expected = load_case(case_file, model.config), read_npz(expected_file)[0]
        results.append(Result(name, _held_to(model, case, expected, expected_file, name, on_progress)))
    layers = len(model.config.text.layers)
    return Verification(model.session.backend, model.dtype, Reference.GOLDEN, layers, tuple(results))


def golden_cases(folder: Path) -> Iterator[tuple[str, Path, Path]]:
    """Name, case and answers of each golden case of a model. Raises :class:`CaseError` for a case without answers."""
    for expected in sorted((folder / GOLDEN).glob(f"*{_EXPECTED}")):
        name = expected.name.removesuffix(_EXPECTED)
        yield name, folder / GOLDEN / f"{name}.npz", expected
    for case in sorted((folder / GOLDEN).glob("*.npz")):
        expected = case.with_name(case.stem + _EXPECTED)
        if not case.name.endswith(_EXPECTED) and not expected.exists():
            raise CaseError(f"{case}: has no answers beside it ({expected.name} is missing)")


def first_period(config: ModelConfig) -> int:
    """How many layers the shortest prefix has that, repeated, gives the whole stack's pattern."""
    kinds = [layer.kind for layer in config.text.layers]
    return next(n for n in range(1, len(kinds) + 1) if all(kind is kinds[i % n] for i, kind in enumerate(kinds)))


def made_cases(config: ModelConfig) -> Iterator[Case]:
    """Cases for any model: a prompt of random tokens in three chunks, and where there is a tower one with a picture."""
    yield _made_case(config, "text", 0)
    if config.vision is not None:
        yield _made_case(config, "image", 1)


def _made_case(config: ModelConfig, name: str, images: int) -> Case:
    random = np.random.Generator(np.random.Philox(key=len(name)))
    vocab, shape = config.text.vocab_size, (_STEPS, config.canvas_length)
    ids, types = random.integers(0, vocab, _PROMPT), np.zeros(_PROMPT, np.int64)
    arrays: dict[str, Any] = {}
    if images and config.vision is not None:
        pooling, wide, high = config.vision.pooling, 3, 2
        grid = np.indices((high * pooling, wide * pooling)).reshape(2, -1)[::-1].T
        types[10 : 10 + wide * high] = 1
        arrays["patches"] = random.random((1, len(grid), config.vision.patch_dim), np.float32)
        arrays["patch_positions"] = grid[None].astype(np.int64)
    arrays |= {
        "input_ids": ids,
        "token_types": types,
        "chunks": np.array([9, 20, _PROMPT - 29]),
        "canvas": random.integers(0, vocab, shape),
        "uniform": random.random(shape, np.float32),
        "random_tokens": random.integers(0, vocab, shape),
        "temperature": np.linspace(0.8, 0.4, _STEPS),
        "entropy_bound": np.float64(1.0),
        "stability": np.int64(1),
        "confidence": np.float64(0.1),
    }
    return check_case(Case(Path(name), {key: np.asarray(value) for key, value in arrays.items()}), config)


def _verify_period(folder: Path, device: str, threads: int, on_progress: Progress) -> Verification:
    # The whole model is never loaded: it may not fit where it would have to, twice.
    config, dtype = described(folder)
    layers = first_period(config)
    judge = open_model(folder, "cpu", threads, excerpt=Excerpt(layers, "float32"))
    answers = []
    for case in made_cases(judge.config):
        report_step = _steps(on_progress, f"{case.file} (judge)", len(case["canvas"]))
        answers.append((case, replay(judge, case, with_logits=True, with_cache=True, on_step=report_step)))
    judge.session.close()
    model = open_model(folder, device, threads, excerpt=Excerpt(layers, dtype, engines=True))
    results = []
    for case, expected in answers:
        name = str(case.file)
        results.append(Result(name, _held_to(model, case, expected, case.file, name, on_progress)))
    return Verification(model.session.backend, dtype, Reference.SELF, layers, tuple(results))


def _held_to(
    model: Model, case: Case, expected: dict[str, Array], file: Path, name: str, on_progress: Progress
) -> Report:
    with_cache = any(key.startswith(("key_", "value_")) for key in expected)
    has_margins = any(key.endswith("_margin") for key in expected)
    with_logits = "logits" in expected or not has_margins
    ours = replay(model, case, with_logits, with_cache, _steps(on_progress, name, len(case["canvas"])))
    if not has_margins:
        judged = expected.get("logits", ours["logits"])
        logits = judged if judged.shape == ours["logits"].shape else ours["logits"]
        confidence = float(case["confidence"]) if "confidence" in case else model.generation.confidence
        expected = expected | margins(case, logits, confidence)
    report = compare(ours, expected, TOLERANCES[model.dtype])
    if not report.tensors and not report.wrong:
        raise CaseError(f"{file}: holds none of the arrays of a replay, so there is nothing to compare")
    return report


def _steps(on_progress: Progress, name: str, total: int) -> Callable[[int], None]:
    return lambda done: on_progress(name, done, total)
