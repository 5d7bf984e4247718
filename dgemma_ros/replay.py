"""A replay case run step by step: given inputs, given noise, everything that can be compared out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from dgemma_ros.checkpoint.config import ModelConfig
from dgemma_ros.errors import CaseError
from dgemma_ros.model import Model
from dgemma_ros.runtime.contract import Array
from dgemma_ros.runtime.sampling import StoppingRule
from dgemma_ros.runtime.visibility import VisionMask, blocks

# name → (kind, dimensions); "T" steps, "C" canvas, "S" prompt, "M" images, "P" patches, "n" anything.
_REQUIRED: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "input_ids": ("i", ("S",)),
    "token_types": ("i", ("S",)),
    "chunks": ("i", ("n",)),
    "canvas": ("i", ("T", "C")),
    "uniform": ("f", ("T", "C")),
    "random_tokens": ("i", ("T", "C")),
    "temperature": ("f", ("T",)),
    "entropy_bound": ("f", ()),
}
_OPTIONAL: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "patches": ("f", ("M", "P", "D")),
    "patch_positions": ("i", ("M", "P", "two")),
    "pin": ("b", ("C",)),
    "pin_ids": ("i", ("C",)),
    "disallowed_ids": ("i", ("d",)),
    "stability": ("i", ()),
    "confidence": ("f", ()),
    "vision_mask": ("U", ()),
}
_TOGETHER = (("patches", "patch_positions"), ("pin", "pin_ids"))
_KINDS = {"i": ("iu", "whole numbers"), "f": ("f", "floats"), "b": ("b", "booleans"), "U": ("U", "a string")}


@dataclass(frozen=True)
class Case:
    """A checked replay case; ``arrays`` by the names of the format."""

    file: Path
    arrays: Mapping[str, Array]

    def __getitem__(self, name: str) -> Array:
        return self.arrays[name]

    def __contains__(self, name: str) -> bool:
        return name in self.arrays


def load_case(file: Path, config: ModelConfig) -> Case:
    """Reads and checks CASE.npz. Raises :class:`CaseError` that names the file and the first array that is wrong."""
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise CaseError(f"{file}: no such file") from None
    except (OSError, ValueError, BadZipFile, EOFError, KeyError) as error:
        raise CaseError(f"{file}: not a readable .npz archive ({error})") from error
    case = Case(file, arrays)
    _check(case, config)
    return case


def _fail(case: Case, name: str, what: str) -> CaseError:
    return CaseError(f"{case.file}: {name}: {what}")


def _check(case: Case, config: ModelConfig) -> None:
    sizes: dict[str, int] = {"C": config.canvas_length, "two": 2}
    if config.vision is not None:
        sizes["D"] = config.vision.patch_dim
    for name, (kind, dims) in (_REQUIRED | _OPTIONAL).items():
        if name not in case:
            if name in _REQUIRED:
                raise _fail(case, name, "is missing")
            continue
        array = case[name]
        letters, meaning = _KINDS[kind]
        if array.dtype.kind not in letters:
            raise _fail(case, name, f"holds {array.dtype}, expected {meaning}")
        if array.ndim != len(dims):
            raise _fail(case, name, f"has shape {list(array.shape)}, expected {len(dims)} dimensions")
        for size, dim in zip(array.shape, dims, strict=True):
            if sizes.setdefault(dim, size) != size:
                raise _fail(case, name, f"has shape {list(array.shape)}, but {dim} is {sizes[dim]} here")
        if kind == "f" and not np.isfinite(array).all():
            raise _fail(case, name, "holds NaN or infinity")
    for pair in _TOGETHER:
        if (pair[0] in case) != (pair[1] in case):
            raise _fail(case, pair[1] if pair[0] in case else pair[0], "is missing: the two come together")
    _check_values(case, config)


def _check_values(case: Case, config: ModelConfig) -> None:
    vocab = config.text.vocab_size
    for name in ("input_ids", "canvas", "random_tokens", "pin_ids", "disallowed_ids"):
        if name in case and case[name].size and not (0 <= case[name].min() and case[name].max() < vocab):
            raise _fail(case, name, f"holds ids outside 0 … {vocab - 1}")
    if not np.isin(case["token_types"], (0, 1)).all():
        raise _fail(case, "token_types", "only 0 (text) and 1 (image) are known")
    if len(case["chunks"]) and case["chunks"].min() < 1 or case["chunks"].sum() != len(case["input_ids"]):
        raise _fail(case, "chunks", f"must be positive and sum to {len(case['input_ids'])}, the length of input_ids")
    if case["uniform"].size and not (0 <= case["uniform"].min() and case["uniform"].max() < 1):
        raise _fail(case, "uniform", "must lie in [0, 1)")
    if case["temperature"].size and case["temperature"].min() <= 0:
        raise _fail(case, "temperature", "must be positive")
    if "stability" in case and case["stability"] < 0:
        raise _fail(case, "stability", "must not be negative")
    if "vision_mask" in case and str(case["vision_mask"]) not in set(VisionMask):
        raise _fail(case, "vision_mask", f"is none of {', '.join(VisionMask)}")
    if "disallowed_ids" in case and len(np.unique(case["disallowed_ids"])) >= vocab:
        raise _fail(case, "disallowed_ids", "leaves no token that may be drawn")
    if "patches" not in case and (case["token_types"] == 1).any():
        raise _fail(case, "patches", "is missing, but token_types holds images")


def replay(
    model: Model,
    case: Case,
    with_logits: bool = False,
    with_cache: bool = False,
    on_step: Callable[[int], None] | None = None,
) -> dict[str, Array]:
    """The arrays of OUT.npz. Teacher forcing: each step is shown the case's canvas, self-conditioning carries on."""
    config, generation = model.config, model.generation
    mask = VisionMask(str(case["vision_mask"])) if "vision_mask" in case else VisionMask.TRANSFORMERS
    sequence = model.sequence(mask)
    soft = _soft_tokens(model, case)
    sequence.append(case["input_ids"], case["token_types"], soft, case["chunks"])
    out: dict[str, Any] = {}
    if with_cache:
        for layer in config.text.layers:
            out[f"key_{layer.index}"], out[f"value_{layer.index}"] = sequence.rows(layer.index)

    allowed = np.ones((1, config.text.vocab_size), np.bool_)
    if "disallowed_ids" in case:
        allowed[0, case["disallowed_ids"]] = False
    feeds: dict[str, Array] = {
        "allowed": allowed,
        "entropy_bound": np.array([case["entropy_bound"]], np.float32),
    }
    if "pin" in case:
        feeds |= {"pin": case["pin"], "pin_ids": np.where(case["pin"], case["pin_ids"], 0).astype(np.int64)}
    canvas = sequence.open_canvas(feeds, with_logits)
    stop = StoppingRule(
        int(case["stability"]) if "stability" in case else generation.stability,
        float(case["confidence"]) if "confidence" in case else generation.confidence,
    )
    names = ["argmax", "drawn", "next_canvas", "accepted", "entropy", "mean_entropy"] + ["logits"] * with_logits
    rows: dict[str, list[Any]] = {name: [] for name in [*names, "stop"]}
    for step in range(len(case["canvas"])):
        result = canvas.step(
            {
                "canvas": case["canvas"][step].astype(np.int64),
                "uniform": case["uniform"][step].astype(np.float32),
                "random_tokens": case["random_tokens"][step].astype(np.int64),
                "temperature": case["temperature"][step : step + 1].astype(np.float32),
            }
        )
        for name in names:
            rows[name].append(getattr(result, name))
        rows["stop"].append(stop(result.argmax, result.mean_entropy))
        if on_step:
            on_step(step + 1)
    shape = case["canvas"].shape
    types = {"accepted": np.bool_, "stop": np.bool_, "entropy": np.float32, "mean_entropy": np.float32, "logits": np.float32}
    shapes = {"mean_entropy": shape[:1], "stop": shape[:1], "logits": (*shape, config.text.vocab_size)}
    for name, values in rows.items():
        out[name] = np.array(values, types.get(name, np.int64)).reshape(shapes.get(name, shape))
    return out


def _soft_tokens(model: Model, case: Case) -> Array | None:
    """The soft tokens of all of the case's images, one behind the other."""
    if "patches" not in case:
        return None
    spans = blocks(case["token_types"])
    rows = [
        model.soft_tokens(patches.astype(np.float32), positions.astype(np.int64))
        for patches, positions in zip(case["patches"], case["patch_positions"], strict=True)
    ]
    given, expected = sum(len(soft) for soft in rows), sum(stop - start for start, stop in spans)
    if given != expected:
        raise _fail(case, "token_types", f"has {expected} image tokens, but the patches make {given} soft tokens")
    return np.concatenate(rows) if rows else None
