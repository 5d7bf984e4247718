"""The inside of one tool call, read character by character: ``call:name{key:<|"|>text<|"|>,n:1,map:{a:[null]}}``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

QUOTE: Final = '<|"|>'
MAX_DEPTH: Final = 16
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?")
_WORDS: Final[Mapping[str, Any]] = {"true": True, "false": False, "null": None}

Span = tuple[int, int]
"""Token indices [start, stop)."""


@dataclass(frozen=True)
class Atom:
    """A control token (``text`` is its spelling) or one character, and the token that it is of."""

    text: str
    control: bool
    token: int


class MalformedError(Exception):
    """Ends a call's reading; never leaves :mod:`calls`."""


class Reader:
    """Reads ``call:name{…}`` from atoms; raises an error of its own, which :meth:`CallFormat.read` turns into words."""

    def __init__(self, atoms: list[Atom]) -> None:
        self._atoms = atoms
        self._at = 0

    def call(self) -> tuple[str, dict[str, Any], dict[str, Span]]:
        """Name, arguments, and where each value stands."""
        self._expect("call:")
        name = self._bare().strip()
        if not name:
            raise MalformedError("a call has no name")
        spans: dict[str, Span] = {}
        arguments = self._map(0, spans)
        self._space()
        if self._at < len(self._atoms):
            raise MalformedError(f"a call of {name[:64]!r} has something behind its arguments")
        return name, arguments, spans

    def _peek(self) -> Atom | None:
        return self._atoms[self._at] if self._at < len(self._atoms) else None

    def _space(self) -> None:
        while (atom := self._peek()) is not None and not atom.control and atom.text.isspace():
            self._at += 1

    def _is(self, text: str) -> bool:
        atom = self._peek()
        return atom is not None and not atom.control and atom.text == text

    def _expect(self, text: str) -> None:
        self._space()
        for letter in text:
            if not self._is(letter):
                raise MalformedError(f"a call lacks {text!r}")
            self._at += 1

    def _bare(self) -> str:
        start = self._at
        while (atom := self._peek()) is not None and not atom.control and atom.text not in ",{}[]:":
            self._at += 1
        return "".join(atom.text for atom in self._atoms[start : self._at])

    def _quoted(self) -> tuple[str, Span]:
        start = self._at
        self._at += 1
        while (atom := self._peek()) is not None and not atom.control:
            self._at += 1
        if atom is None or atom.text != QUOTE:
            raise MalformedError("a text in a call is not closed")
        self._at += 1
        inside = self._atoms[start + 1 : self._at - 1]
        return "".join(atom.text for atom in inside), (self._atoms[start].token + 1, atom.token)

    def _key(self) -> str:
        atom = self._peek()
        key = self._quoted()[0] if atom is not None and atom.control and atom.text == QUOTE else self._bare().strip()
        if not key:
            raise MalformedError("an argument in a call has no name")
        self._expect(":")
        return key

    def _map(self, depth: int, spans: dict[str, Span] | None = None) -> dict[str, Any]:
        self._expect("{")
        result: dict[str, Any] = {}
        self._space()
        while not self._is("}"):
            if result:
                self._expect(",")
                self._space()
            key = self._key()
            if key in result:
                raise MalformedError(f"a call gives {key[:64]!r} twice")
            result[key], span = self._value(depth + 1)
            if spans is not None:
                spans[key] = span
            self._space()
        self._at += 1
        return result

    def _list(self, depth: int) -> list[Any]:
        self._expect("[")
        result: list[Any] = []
        self._space()
        while not self._is("]"):
            if result:
                self._expect(",")
            result.append(self._value(depth + 1)[0])
            self._space()
        self._at += 1
        return result

    def _value(self, depth: int) -> tuple[Any, Span]:
        if depth > MAX_DEPTH:
            raise MalformedError("a call is nested too deeply")
        self._space()
        atom = self._peek()
        if atom is None:
            raise MalformedError("an argument in a call has no value")
        if atom.control and atom.text == QUOTE:
            return self._quoted()
        start = atom.token
        value: Any
        if self._is("{"):
            value = self._map(depth)
        elif self._is("["):
            value = self._list(depth)
        else:
            value = scalar(self._bare().strip())
        return value, (start, self._atoms[self._at - 1].token + 1)


def scalar(text: str) -> Any:
    """A bare value: number, true, false or null. Raises an error of this module's for anything else."""
    if text in _WORDS:
        return _WORDS[text]
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise MalformedError(f"{text[:64]!r} is neither a number nor a quoted text")
    if match.group(1) is None and match.group(2) is None:
        return int(text)
    value = float(text)
    if not math.isfinite(value):
        raise MalformedError(f"{text[:64]!r} is too large")
    return value
