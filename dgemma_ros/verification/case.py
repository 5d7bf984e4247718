"""CASE.npz, the format of a replay case, read and checked once."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from dgemma_ros.checkpoint.config import ModelConfig
from dgemma_ros.checkpoint.fields import printable, shown
from dgemma_ros.errors import CaseError, one_line
from dgemma_ros.files import open_regular
from dgemma_ros.runtime.contract import Array
from dgemma_ros.runtime.visibility import VisionMask


@dataclass(frozen=True)
class Field:
    """One array of the format: ``kinds`` of numpy that are taken, what they become, and the names of its dimensions.

    S: the prompt, n: its chunks, T: steps, C: the canvas, M: images, P: patches, D: a patch's values, d: anything.
    """

    kinds: str
    dtype: type
    dims: tuple[str, ...] = ()
    required: bool = False


FIELDS: Final[Mapping[str, Field]] = {
    "input_ids": Field("iu", np.int64, ("S",), required=True),
    "token_types": Field("iu", np.int64, ("S",), required=True),
    "chunks": Field("iu", np.int64, ("n",), required=True),
    "canvas": Field("iu", np.int64, ("T", "C"), required=True),
    "uniform": Field("f", np.float32, ("T", "C"), required=True),
    "random_tokens": Field("iu", np.int64, ("T", "C"), required=True),
    "temperature": Field("f", np.float32, ("T",), required=True),
    "entropy_bound": Field("f", np.float32, required=True),
    "patches": Field("f", np.float32, ("M", "P", "D")),
    "patch_positions": Field("iu", np.int64, ("M", "P", "2")),
    "pin": Field("b", np.bool_, ("C",)),
    "pin_ids": Field("iu", np.int64, ("C",)),
    "disallowed_ids": Field("iu", np.int64, ("d",)),
    "stability": Field("iu", np.int64),
    "confidence": Field("f", np.float64),
    "vision_mask": Field("U", np.str_),
}
_TOGETHER: Final = (("patches", "patch_positions"), ("pin", "pin_ids"))
_MEANING: Final = {"iu": "whole numbers", "f": "floats", "b": "booleans", "U": "a string"}
_IDS: Final = ("input_ids", "canvas", "random_tokens", "pin_ids", "disallowed_ids")
_INT64_MAX: Final = 2**63 - 1
_MAX_STABILITY: Final = 1_000_000
_TEMPERATURES: Final = (1e-7, 1e7)
MAX_NPZ_BYTES: Final = 8 << 30
"""Of a file's arrays, unpacked; a few megabytes of zip can hold far more."""


@dataclass(frozen=True)
class Case:
    """A checked case: ``arrays`` by the names of the format, in its types; ``unknown`` are other names in the file."""

    file: Path
    arrays: Mapping[str, Array]
    unknown: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Array:
        return self.arrays[name]

    def __contains__(self, name: str) -> bool:
        return name in self.arrays


def load_case(file: Path, config: ModelConfig) -> Case:
    """Reads and checks CASE.npz. Raises :class:`CaseError` that names the file and the first array that is wrong."""
    arrays, unknown = read_npz(file, FIELDS)
    case = Case(Path(file), {name: arrays[name] for name in FIELDS if name in arrays}, unknown)
    return check_case(case, config)


def read_npz(file: Path, names: Collection[str] | None = None) -> tuple[dict[str, Array], tuple[str, ...]]:
    """The arrays of those ``names``, default all, of an untrusted .npz, and the names of the others, not read.

    Raises :class:`CaseError`, also for arrays of more than :data:`MAX_NPZ_BYTES` in all, before they are unpacked.
    """
    arrays: dict[str, Array] = {}
    with open_regular(Path(file), CaseError) as stream:
        try:
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise CaseError(f"{file}: one array, not an .npz archive of named ones")
            wanted = [name for name in archive.files if names is None or name in names]
            left = MAX_NPZ_BYTES
            for name in wanted:
                left -= _unpacked_bytes(archive, name)
                if left < 0:
                    raise CaseError(f"{file}: {printable(name)}: more than {MAX_NPZ_BYTES >> 30} GiB of arrays")
                arrays[name] = archive[name]
            unknown = tuple(printable(name) for name in archive.files if name not in wanted)
        except MemoryError as error:
            raise CaseError(f"{file}: an array in it does not fit in memory") from error
        except CaseError:
            raise
        except Exception as error:  # what zipfile, zlib and numpy's parser raise for damaged bytes is a long list
            detail = getattr(error, "strerror", None) or one_line(error, 100)
            raise CaseError(f"{file}: not a readable .npz archive ({printable(detail)})") from error
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise CaseError(f"{file}: {printable(name)}: is not an array")
    return arrays, unknown


def _unpacked_bytes(archive: Any, name: str) -> int:
    """What one member takes once unpacked; numpy allocates what its header says, the archive what it holds."""
    member = name if name in archive.zip.namelist() else f"{name}.npy"
    size = int(archive.zip.getinfo(member).file_size)
    with archive.zip.open(member) as stream:
        if stream.read(6) != np.lib.format.MAGIC_PREFIX:
            return size
        major = stream.read(2)[0]
        read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
    return max(size, math.prod(shape) * dtype.itemsize)


def check_case(case: Case, config: ModelConfig) -> Case:
    """The case in the format's types, fit for a model of ``config``. Raises :class:`CaseError`."""
    sizes: dict[str, tuple[int, str]] = {"C": (config.canvas_length, "the model's canvas_length"), "2": (2, "x and y")}
    if config.vision is not None:
        sizes["D"] = (config.vision.patch_dim, "the model's 3 · patch_size²")
    arrays: dict[str, Array] = {}
    for name, field in FIELDS.items():
        if name in case:
            _check_shape(case, name, field, sizes)
            arrays[name] = _converted(case, name, field)
        elif field.required:
            raise wrong(case, name, "is missing")
    for pair in _TOGETHER:
        if (pair[0] in case) != (pair[1] in case):
            absent = pair[pair[0] in case]
            raise wrong(case, absent, f"is missing: {' and '.join(pair)} come together")
    checked = Case(case.file, arrays, case.unknown)
    _check_values(checked, config)
    return checked


def wrong(case: Case, name: str, what: str) -> CaseError:
    """The error for one array of a case."""
    return CaseError(f"{case.file}: {name}: {what}")


def _check_shape(case: Case, name: str, field: Field, sizes: dict[str, tuple[int, str]]) -> None:
    array = case[name]
    if array.dtype.kind not in field.kinds:
        raise wrong(case, name, f"holds {printable(str(array.dtype))}, expected {_MEANING[field.kinds]}")
    asked = f"[{', '.join(field.dims)}]" if field.dims else "a single value"
    if array.ndim != len(field.dims):
        raise wrong(case, name, f"has shape {list(array.shape)}, expected {asked}")
    for size, dim in zip(array.shape, field.dims, strict=True):
        known, whence = sizes.setdefault(dim, (size, name))
        if size != known:
            why = f"{dim} is {known} ({whence})"
            raise wrong(case, name, f"has shape {list(array.shape)}, expected {asked} where {why}")


def _converted(case: Case, name: str, field: Field) -> Array:
    """``case[name]`` in the format's type, refused where that cannot hold it."""
    array = case[name]
    if array.dtype.kind == "u" and array.size and array.max() > _INT64_MAX:
        raise wrong(case, name, "holds numbers beyond int64")
    with np.errstate(over="ignore"):
        converted: Array = array.astype(field.dtype)
    if converted.dtype.kind == "f" and not np.isfinite(converted).all():
        raise wrong(case, name, f"holds NaN, infinity, or more than {converted.dtype} can")
    return converted


def _check_values(case: Case, config: ModelConfig) -> None:
    vocab, prompt = config.text.vocab_size, len(case["input_ids"])
    for name in _IDS:
        if name in case and not _within(case[name], 0, vocab - 1):
            raise wrong(case, name, f"holds ids outside 0 … {vocab - 1}")
    if not _within(case["token_types"], 0, 1):
        raise wrong(case, "token_types", "only 0 (text) and 1 (image) are known")
    # Each is held to the whole first, so that the sum cannot wrap round.
    if not _within(case["chunks"], 1, prompt) or case["chunks"].sum() != prompt:
        raise wrong(case, "chunks", f"must be positive and sum to {prompt}, the length of input_ids")
    if not ((case["uniform"] >= 0) & (case["uniform"] < 1)).all():
        raise wrong(case, "uniform", "must lie in [0, 1), also once rounded to float32")
    if not _within(case["temperature"], *_TEMPERATURES):
        raise wrong(case, "temperature", f"must lie in {_TEMPERATURES[0]:g} … {_TEMPERATURES[1]:g}")
    if "stability" in case and not _within(case["stability"], 0, _MAX_STABILITY):
        raise wrong(case, "stability", f"must lie in 0 … {_MAX_STABILITY}")
    if "vision_mask" in case and str(case["vision_mask"]) not in set(VisionMask):
        raise wrong(case, "vision_mask", f"{shown(str(case['vision_mask']))} is none of {', '.join(VisionMask)}")
    if "disallowed_ids" in case and len(np.unique(case["disallowed_ids"])) >= vocab:
        raise wrong(case, "disallowed_ids", "leaves no token that may be drawn")
    _check_images(case, config)


def _check_images(case: Case, config: ModelConfig) -> None:
    if "patches" not in case:
        if (case["token_types"] == 1).any():
            raise wrong(case, "patches", "is missing, but token_types has images")
        return
    if config.vision is None:
        raise wrong(case, "patches", "are given, but this model has no vision tower (config.json: vision_config)")
    positions, table = case["patch_positions"], config.vision.position_table
    padding = (positions == -1).all(-1)
    if not (padding | ((positions >= 0) & (positions < table)).all(-1)).all():
        raise wrong(case, "patch_positions", f"must lie in 0 … {table - 1}, or be -1 in x and y for padding")


def _within(array: Array, low: float, high: float) -> Any:
    return not array.size or (array.min() >= low and array.max() <= high)
