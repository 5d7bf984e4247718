"""Untrusted JSON read field by field, so that every complaint names the file and the field.

A :class:`Section` is one JSON object of one file. Its getters check type and range and raise
:class:`~dgemma_ros.errors.CheckpointError`; what they return needs no further check.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from dgemma_ros.errors import CheckpointError, one_line
from dgemma_ros.files import MIB, read_bytes

MAX_JSON_BYTES: Final = 64 * MIB
"""A tokenizer.json of 262144 words takes 32 MB; anything far beyond is not a file of ours."""
MAX_JSON_VALUES: Final = 8_000_000
"""Four times what that tokenizer.json holds. An empty list takes 3 bytes in a file and 64 in memory."""

REQUIRED: Final[Any] = object()
"""Stands for "no default": the field must be there."""


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def load_json(path: Path, missing_hint: str = "is this a checkpoint folder?") -> Any:
    """The JSON value in ``path`` (strict: no NaN, no Infinity).

    Raises :class:`CheckpointError` where the file is missing, unreadable, too large or not JSON.
    """
    return parse_json(read_bytes(path, MAX_JSON_BYTES, CheckpointError, missing_hint), f"{path}:")


def parse_json(content: bytes, where: str, unique: bool = False) -> Any:
    """The JSON value in ``content``; ``where`` names it in errors; ``unique`` refuses a name that occurs twice.

    Raises :class:`CheckpointError` where it is not JSON, or would take many times its size in memory.
    """
    if sum(map(content.count, (b",", b"[", b"{"))) > MAX_JSON_VALUES:
        raise CheckpointError(f"{where} made of more than {MAX_JSON_VALUES} values")
    pairs = _without_duplicates if unique else None
    try:
        return json.loads(content.decode("utf-8"), parse_constant=_reject_constant, object_pairs_hook=pairs)
    except (ValueError, RecursionError) as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        raise CheckpointError(f"{where} not valid JSON ({one_line(error, 100)}); download it again") from error


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a name occurs twice")
    return result


def shown(value: object) -> str:
    """``value`` for an error's text: JSON-like, on one line, at most 60 characters."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."


def printable(name: str) -> str:
    """A name out of a file, fit for one line of an error's text."""
    return name if name.isprintable() and len(name) <= 200 else shown(name)


@dataclass(frozen=True)
class Section:
    """One JSON object of ``file``; ``name`` is its dotted path inside the file, empty for the whole file."""

    file: Path
    values: Mapping[str, Any]
    name: str = ""

    @staticmethod
    def of_file(path: Path, missing_hint: str = "is this a checkpoint folder?") -> Section:
        """The object that the JSON file ``path`` holds."""
        values = load_json(path, missing_hint)
        if not isinstance(values, dict):
            raise CheckpointError(f"{path}: holds {shown(values)} where a JSON object belongs")
        return Section(path, values)

    def field(self, key: str) -> str:
        """The dotted name of ``key`` within the file."""
        return f"{self.name}.{key}" if self.name else key

    def fail(self, key: str, problem: str) -> NoReturn:
        """Raise the error for ``key``; ``problem`` says what is wrong and what to do."""
        raise CheckpointError(f"{self.file}: {printable(self.field(key))}: {problem}")

    def __contains__(self, key: str) -> bool:
        """Whether ``key`` is there and not null."""
        return self.values.get(key) is not None

    def raw(self, key: str, default: Any = REQUIRED) -> Any:
        """The unchecked value; null counts as given only where the default is None."""
        value = self.values.get(key, default)
        if value is REQUIRED:
            self.fail(key, "missing")
        return value

    def integer(self, key: str, low: int = 1, high: int = 1 << 31, default: Any = REQUIRED) -> int:
        """A whole number in [low, high]."""
        value = self.raw(key, default)
        if isinstance(value, bool) or not isinstance(value, int):
            self.fail(key, f"{shown(value)} is not a whole number")
        if not low <= value <= high:
            self.fail(key, f"{shown(value)} is outside {low} … {high}")
        return value

    def number(self, key: str, low: float, high: float, default: Any = REQUIRED) -> float:
        """A finite number in [low, high]."""
        value = self.raw(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fail(key, f"{shown(value)} is not a number")
        if not low <= value <= high or not math.isfinite(value):  # NaN fails the first test
            self.fail(key, f"{shown(value)} is outside {low:g} … {high:g}")
        return float(value)

    def boolean(self, key: str, default: Any = REQUIRED) -> bool:
        """true or false."""
        value = self.raw(key, default)
        if not isinstance(value, bool):
            self.fail(key, f"{shown(value)} is not true or false")
        return value

    def string(self, key: str, default: Any = REQUIRED) -> str:
        """A string."""
        value = self.raw(key, default)
        if not isinstance(value, str):
            self.fail(key, f"{shown(value)} is not a string")
        return value

    def items(self, key: str, default: Any = REQUIRED) -> list[Any]:
        """An array, its items unchecked."""
        value = self.raw(key, default)
        if not isinstance(value, list):
            self.fail(key, f"{shown(value)} is not an array")
        return value

    def section(self, key: str, default: Any = REQUIRED) -> Section:
        """A JSON object inside this one."""
        value = self.raw(key, default)
        if not isinstance(value, dict):
            self.fail(key, f"{shown(value)} is not a JSON object")
        return Section(self.file, value, self.field(key))
