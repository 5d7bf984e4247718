"""Action types by name, and goals filled field by field; checked when the node is configured, not when it moves."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from dgemma_ros.errors import one_line
from dgemma_ros.execution.entry import NOBODY, Entry
from dgemma_ros.execution.located import TableError
from dgemma_ros.execution.table import ExecutionTable

_NUMBERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "byte", "octet", "char")
_FLOATS = ("float", "double", "float32", "float64", "long double")


def action_type(name: str) -> Any:
    """The class of ``package/action/Type``. Raises :class:`TableError` where it is not installed."""
    package, _, kind = name.split("/")
    try:
        return getattr(importlib.import_module(f"{package}.action"), kind)
    except (ImportError, AttributeError):
        raise TableError(f"the action type {name} is not installed here; source the workspace that has it") from None


def check(table: ExecutionTable) -> dict[str, Any]:
    """The types that a table names, by name, all of its goals tried. Raises :class:`TableError` with the line."""
    types: dict[str, Any] = {}
    for entry in table.entries.values():
        if entry.action == NOBODY:
            continue
        try:
            kind = types.setdefault(entry.type, action_type(entry.type))
            for field in entry.goal:
                wanted = _field_type(kind.Goal, field.path)
                samples = list(field.choices.values()) if field.choices is not None else []
                samples += [field.value] if not field.argument else []
                for sample in samples:
                    _check_value(wanted, sample, field.path)
            for path, value in entry.success.items():
                _check_value(_field_type(kind.Result, path), value, path)
        except TableError as error:
            raise TableError(f"{table.file}:{entry.line}: {entry.skill}: {error}") from None
    return types


def goal_of(kind: Any, entry: Entry, arguments: Mapping[str, Any]) -> Any:
    """A goal with its fields filled. Raises :class:`TableError` where a value does not go into its field."""
    goal = kind.Goal()
    for path, value in entry.goal_fields(arguments).items():
        *parents, last = path.split(".")
        part = goal
        for name in parents:
            part = getattr(part, name)
        try:
            if isinstance(value, Mapping):
                _fill(getattr(part, last), value)
            else:
                floating = part.get_fields_and_field_types()[last] in _FLOATS
                setattr(part, last, float(value) if floating else value)
        except (AssertionError, AttributeError, TypeError, ValueError, OverflowError) as error:
            raise TableError(f"{entry.skill}: {path} does not take {value!r} ({one_line(error, 160)})") from None
    return goal


def succeeded(entry: Entry, result: Any) -> str:
    """Why a result is no success though its goal succeeded; empty where it is one."""
    for path, wanted in entry.success.items():
        value = result
        for name in path.split("."):
            value = getattr(value, name)
        if value != wanted:
            return f"{path} is {value!r}, not {wanted!r}"
    return ""


def _fill(message: Any, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, Mapping):
            _fill(getattr(message, name), value)
        else:
            setattr(message, name, value)


def _field_type(message: Any, path: str) -> str:
    kind = ""
    for number, name in enumerate(names := path.split(".")):
        fields = message.get_fields_and_field_types()
        if name not in fields:
            raise TableError(f"{path}: {message.__name__} has no field {name!r}; there are {', '.join(fields)}")
        kind = str(fields[name])
        if number + 1 < len(names):
            if "/" not in kind or kind.startswith("sequence") or kind.endswith("]"):
                raise TableError(f"{path}: {name} is {kind}, which has no fields")
            package, _, type_ = kind.rpartition("/")
            message = getattr(importlib.import_module(f"{package}.msg"), type_)
    return kind


def _check_value(kind: str, value: Any, path: str) -> None:
    truth, whole = isinstance(value, bool), isinstance(value, int)
    right = {
        **dict.fromkeys(_NUMBERS, whole and not truth),
        **dict.fromkeys(_FLOATS, isinstance(value, int | float) and not truth),
        "boolean": truth,
        "string": isinstance(value, str),
    }.get(kind, isinstance(value, Mapping))
    if not right:
        raise TableError(f"{path} is of type {kind}, which {value!r} is not")
