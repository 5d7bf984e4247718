"""A replay case run step by step: given inputs, given noise, everything that can be compared out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from zipfile import ZipFile

import numpy as np

from dgemma_ros.errors import CaseError, ContextError, OutputError
from dgemma_ros.model import Model
from dgemma_ros.output import whole_file
from dgemma_ros.runtime.contract import Array
from dgemma_ros.runtime.sampling import StoppingRule
from dgemma_ros.runtime.visibility import VisionMask
from dgemma_ros.verification.case import Case, check_case, load_case, wrong

__all__ = ["Case", "check_case", "check_out", "load_case", "replay", "save"]

_OUTPUTS: Final[Mapping[str, type]] = {
    "argmax": np.int64,
    "drawn": np.int64,
    "next_canvas": np.int64,
    "accepted": np.bool_,
    "entropy": np.float32,
    "mean_entropy": np.float32,
    "stop": np.bool_,
    "logits": np.float32,
}
_PER_STEP: Final = ("mean_entropy", "stop")


def replay(
    model: Model,
    case: Case,
    with_logits: bool = False,
    with_cache: bool = False,
    on_step: Callable[[int], None] | None = None,
) -> dict[str, Array]:
    """The arrays of OUT.npz. Teacher forcing: each step is shown the case's canvas, self-conditioning carries on.

    ``on_step(n)`` is called when n steps are done, 0 for the prefill. Raises :class:`CaseError` where the case does
    not fit the model: a chunk that cuts an image, pictures of broken cells, a prompt beyond the context.
    """
    try:
        return _replay(model, case, with_logits, with_cache, on_step or (lambda step: None))
    except ContextError as error:
        raise CaseError(f"{case.file}: {error}") from error


def _replay(
    model: Model, case: Case, with_logits: bool, with_cache: bool, on_step: Callable[[int], None]
) -> dict[str, Array]:
    text, generation = model.config.text, model.generation
    mask = VisionMask(str(case["vision_mask"])) if "vision_mask" in case else VisionMask.TRANSFORMERS
    sequence = model.sequence(mask)
    sequence.append(case["input_ids"], case["token_types"], _soft_tokens(model, case), case["chunks"])
    on_step(0)
    out: dict[str, Array] = {}
    if with_cache:
        for layer in text.layers:
            out.update(zip(layer.cache_names, sequence.rows(layer.index), strict=True))

    canvas = sequence.open_canvas(_constant_feeds(case, text.vocab_size), with_logits)
    stop = StoppingRule(
        int(case["stability"]) if "stability" in case else generation.stability,
        float(case["confidence"]) if "confidence" in case else generation.confidence,
    )
    steps, length = case["canvas"].shape
    for name, dtype in _OUTPUTS.items():
        if name != "logits" or with_logits:
            shape = (steps,) if name in _PER_STEP else (steps, length, text.vocab_size)[: 2 + (name == "logits")]
            out[name] = np.empty(shape, dtype)
    for step in range(steps):
        names = ("canvas", "uniform", "random_tokens")
        result = canvas.step(
            {name: case[name][step] for name in names} | {"temperature": case["temperature"][step : step + 1]}
        )
        for name in _OUTPUTS.keys() & out.keys() - {"stop"}:
            out[name][step] = getattr(result, name)
        out["stop"][step] = stop(result.argmax, result.mean_entropy)
        on_step(step + 1)
    return out


def _constant_feeds(case: Case, vocab: int) -> dict[str, Array]:
    """The head's feeds that hold for all steps."""
    allowed = np.ones((1, vocab), np.bool_)
    if "disallowed_ids" in case:
        allowed[0, case["disallowed_ids"]] = False
    feeds: dict[str, Array] = {"allowed": allowed, "entropy_bound": case["entropy_bound"].reshape(1)}
    if "pin" in case:
        feeds |= {"pin": case["pin"], "pin_ids": np.where(case["pin"], case["pin_ids"], 0)}
    return feeds


def _soft_tokens(model: Model, case: Case) -> Array | None:
    """The soft tokens of all of the case's images, one behind the other."""
    if "patches" not in case or not len(case["patches"]):
        return None
    rows = [
        model.soft_tokens(patches, positions)
        for patches, positions in zip(case["patches"], case["patch_positions"], strict=True)
    ]
    given, expected = sum(len(soft) for soft in rows), int((case["token_types"] == 1).sum())
    if given != expected:
        raise wrong(case, "token_types", f"has {expected} image tokens, but the patches make {given} soft tokens")
    return np.concatenate(rows)


def check_out(out: Path, case: Path) -> Path:
    """The file that ``out`` names, links followed, checked before the work is done.

    Raises :class:`OutputError` where it cannot be written, is no ordinary file, or is the case itself.
    """
    target = Path(os.path.realpath(out))
    if target.exists() and not target.is_file():
        raise OutputError(f"{out}: is not an ordinary file")  # a rename would put one in the place of a device
    if not target.parent.is_dir():
        raise OutputError(f"{out}: there is no folder {target.parent}")
    if target == Path(os.path.realpath(case)):
        raise OutputError(f"{out}: is the case itself; write the answers to another file")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise OutputError(f"{out}: cannot be written (no permission in {target.parent})")
    return target


def save(out: Path, arrays: Mapping[str, Array]) -> None:
    """Writes OUT.npz, whole or not at all. Raises :class:`OutputError`.

    Not by ``np.savez``: on a full disk that of numpy 1 leaves an archive open, which then complains about its own end.
    """
    with whole_file(out) as stream, ZipFile(stream, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
