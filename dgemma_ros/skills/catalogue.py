"""What the robot can do: a YAML catalogue of skills with typed arguments, read once and checked.

::

    skills:
      - name: push
        description: Push an object so many centimetres.
        arguments:
          direction: {type: string, required: true, choices: [left, right]}
          distance: {type: integer, required: true, range: [1, 30]}
        examples:
          - {direction: left, distance: 12}

``type`` is string, integer, number or boolean; ``range`` is inclusive; ``choices`` are the only values allowed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import jsonschema

from dgemma_ros.errors import DgemmaError, one_line
from dgemma_ros.skills.types import Scalar
from dgemma_ros.yaml_files import read_yaml

TYPES: Final = ("string", "integer", "number", "boolean")
NAME: Final = r"^[A-Za-z_][A-Za-z0-9_.-]{0,63}$"

_ARGUMENT: Final = {
    "type": "object",
    "required": ["type"],
    "additionalProperties": False,
    "properties": {
        "type": {"enum": list(TYPES)},
        "description": {"type": "string"},
        "required": {"type": "boolean"},
        "choices": {"type": "array", "minItems": 1, "uniqueItems": True},
        "range": {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "number"}},
    },
}
_SKILL: Final = {
    "type": "object",
    "required": ["name", "description"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "pattern": NAME},
        "description": {"type": "string"},
        "arguments": {"type": "object", "propertyNames": {"pattern": NAME}, "additionalProperties": _ARGUMENT},
        "examples": {"type": "array", "items": {"type": "object"}},
    },
}
_FILE: Final = {
    "type": "object",
    "required": ["skills"],
    "additionalProperties": False,
    "properties": {
        "skills": {"type": "array", "minItems": 1, "items": _SKILL},
        "execution": {"type": "object"},  # how they are carried out: dgemma_ros.execution reads it
    },
}


class SkillsError(DgemmaError):
    """A skills catalogue cannot be read; the text names file and field."""


@dataclass(frozen=True)
class Argument:
    """One argument of a skill. ``low`` and ``high`` are None where there is no range."""

    name: str
    type: str
    description: str = ""
    required: bool = False
    choices: tuple[Scalar, ...] = ()
    low: float | None = None
    high: float | None = None

    @property
    def content(self) -> dict[str, Any]:
        """Its entry in a catalogue."""
        told: dict[str, Any] = {"type": self.type, "required": self.required}
        if self.description:
            told["description"] = self.description
        if self.choices:
            told["choices"] = list(self.choices)
        if self.low is not None:
            told["range"] = [self.low, self.high]
        return told

    @cached_property
    def schema(self) -> dict[str, Any]:
        """JSON schema of its values."""
        schema: dict[str, Any] = {"type": self.type}
        if self.description:
            schema["description"] = self.description
        if self.choices:
            schema["enum"] = list(self.choices)
        if self.low is not None:
            schema |= {"minimum": self.low, "maximum": self.high}
        return schema


@dataclass(frozen=True)
class Skill:
    """One skill, with its arguments in the catalogue's order."""

    name: str
    description: str
    arguments: tuple[Argument, ...] = ()
    examples: tuple[Mapping[str, Scalar], ...] = ()

    def argument(self, name: str) -> Argument | None:
        """The argument of that name."""
        return next((argument for argument in self.arguments if argument.name == name), None)

    @cached_property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the arguments, which allows no others."""
        return {
            "type": "object",
            "properties": {argument.name: argument.schema for argument in self.arguments},
            "required": [argument.name for argument in self.arguments if argument.required],
            "additionalProperties": False,
        }

    @cached_property
    def validator(self) -> Any:
        """Checks a call's arguments; safe to share between threads."""
        return jsonschema.Draft202012Validator(self.schema)

    @property
    def content(self) -> dict[str, Any]:
        """Its entry in a catalogue."""
        arguments = {argument.name: argument.content for argument in self.arguments}
        told = {"name": self.name, "description": self.description, "arguments": arguments}
        return told | {"examples": [dict(example) for example in self.examples]}

    @cached_property
    def declaration(self) -> dict[str, Any]:
        """The tool declaration that chat templates take."""
        parameters = {key: value for key, value in self.schema.items() if key != "additionalProperties"}
        function = {"name": self.name, "description": self.description, "parameters": parameters}
        return {"type": "function", "function": function}


@dataclass(frozen=True)
class SkillCatalogue:
    """All skills, by name in the file's order. Immutable; switching skills off makes another catalogue."""

    skills: Mapping[str, Skill]
    off: frozenset[str] = frozenset()
    """Skills that exist and may not be used now."""

    @classmethod
    def load(cls, file: Path | str) -> SkillCatalogue:
        """Reads a YAML file. Raises :class:`SkillsError` naming file and field."""
        file = Path(file)
        return cls.of(read_yaml(file, SkillsError, "give a YAML catalogue of skills"), str(file))

    @classmethod
    def of(cls, content: Any, name: str = "skills") -> SkillCatalogue:
        """From a file's content; ``name`` stands in error texts. Raises :class:`SkillsError`."""
        try:
            _check_keys(content, name, "")
        except RecursionError:
            raise SkillsError(f"{name}: a part of it contains itself") from None
        error = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(_FILE).iter_errors(content))
        if error is not None:
            raise SkillsError(f"{name}: {_place(error.absolute_path)}{one_line(error.message)}")
        skills: dict[str, Skill] = {}
        for index, entry in enumerate(content["skills"]):
            place = f"{name}: skills[{index}]"
            if entry["name"] in skills:
                raise SkillsError(f"{place}.name: {entry['name']!r} is there twice")
            skills[entry["name"]] = _skill(entry, place)
        return cls(MappingProxyType(skills))

    def without(self, off: Iterable[str]) -> SkillCatalogue:
        """The same catalogue with exactly those skills switched off. Raises :class:`SkillsError` for an unknown one."""
        for name in (off := frozenset(off)):
            if name not in self.skills:
                raise SkillsError(f"{name!r}: no such skill; there are {', '.join(self.skills)}")
        return SkillCatalogue(self.skills, off)

    @property
    def content(self) -> dict[str, Any]:
        """What :meth:`of` makes the same skills of again, all switched on; JSON values."""
        return {"skills": [skill.content for skill in self.skills.values()]}

    @property
    def usable(self) -> dict[str, Skill]:
        """The skills that are switched on."""
        return {name: skill for name, skill in self.skills.items() if name not in self.off}

    @property
    def tools(self) -> list[dict[str, Any]]:
        """Declarations of the usable skills, for the chat template."""
        return [skill.declaration for skill in self.usable.values()]


def _skill(entry: Mapping[str, Any], place: str) -> Skill:
    arguments = tuple(
        _argument(name, given, f"{place}.arguments.{name}") for name, given in (entry.get("arguments") or {}).items()
    )
    skill = Skill(entry["name"], entry["description"].strip(), arguments, tuple(entry.get("examples") or ()))
    for index, example in enumerate(skill.examples):
        error = jsonschema.exceptions.best_match(skill.validator.iter_errors(example))
        if error is not None:
            raise SkillsError(f"{place}.examples[{index}]: {_place(error.absolute_path)}{one_line(error.message)}")
    return skill


def _argument(name: str, given: Mapping[str, Any], place: str) -> Argument:
    kind, choices, limits = given["type"], tuple(given.get("choices") or ()), given.get("range")
    for choice in choices:
        if not jsonschema.Draft202012Validator({"type": kind}).is_valid(choice) or not _finite(choice):
            raise SkillsError(f"{place}.choices: {choice!r} is not of type {kind}")
    if limits is not None:
        if kind not in ("integer", "number"):
            raise SkillsError(f"{place}.range: only integers and numbers have a range, not type {kind}")
        if not all(map(_finite, limits)) or limits[0] > limits[1]:
            raise SkillsError(f"{place}.range: {limits!r} is not [lowest, highest]")
    low, high = limits or (None, None)
    return Argument(name, kind, given.get("description", ""), bool(given.get("required")), choices, low, high)


def _check_keys(value: Any, name: str, place: str) -> None:
    """Keys must be text: YAML reads a bare ``on`` or ``no`` as a truth value."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise SkillsError(f'{name}: {place or "file"}: key {key!r} is not text; put it in quotes, as in "on"')
            _check_keys(inner, name, f"{place}.{key}".lstrip("."))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _check_keys(inner, name, f"{place}[{index}]")


def _finite(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _place(path: Iterable[Any]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    return f"{text}: " if text else ""
