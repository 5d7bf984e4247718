"""Keeps text that passes through a chat template from turning into control tokens on the way.

A template trims, cuts, joins and escapes what it is given, so the words of a stranger cannot be told from the
template's own once it has run, and two harmless halves ("<|tu", "rn>") can meet in it. Therefore each character of a
stranger's text with which a control token could begin or end is split off by a mark, a private-use character that
occurs nowhere else, before the template runs. Whatever it does with them, a control token in its output then is its
own. What lies between two of those is encoded as plain text, with the marks taken out again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from dgemma_ros.checkpoint.tokenizer import Tokenizer
from dgemma_ros.errors import TokenizerError

_PRIVATE_USE: Final = ((0xE000, 0xF900), (0xF0000, 0xFFFFE))


@dataclass(frozen=True)
class Marker:
    """Puts marks into what a template is to render, and encodes what it made of that. Immutable."""

    tokenizer: Tokenizer
    mark: str
    table: Mapping[int, str]
    """For ``str.translate``: an opening gets the mark behind it, a closing before it."""

    @classmethod
    def for_strings(cls, tokenizer: Tokenizer, strings: Iterable[str]) -> Marker:
        """A marker whose mark occurs in none of ``strings``, not even as a JSON escape."""
        text = "\0".join(strings).lower()
        for first, last in _PRIVATE_USE:
            for code in range(first, last):
                if chr(code) not in text and _escaped(chr(code)) not in text:
                    return cls(tokenizer, chr(code), _table(tokenizer, chr(code)))
        raise TokenizerError("a prompt that holds every private-use character of Unicode cannot be encoded")

    def protect(self, value: Any) -> Any:
        """``value`` as :func:`plain` data with marks in its strings, keys too."""
        return plain(value, lambda text: text.translate(self.table))

    def encode(self, rendered: str) -> list[int]:
        """Ids of a template's output; equal to encoding it whole wherever no stranger spelled a control token."""
        ids, spans = self.tokenizer.encode_with_spans(rendered)
        result: list[int] = []
        first, begin = 0, 0
        for index, (token, (start, end)) in enumerate(zip(ids, spans, strict=True)):
            # The spelling is compared, because a normalizer can make a control token out of other letters.
            if token in self.tokenizer.control_ids and rendered[start:end].strip() == self.tokenizer.token(token):
                result += self._between(rendered[begin:start], ids[first:index])
                result.append(token)
                first, begin = index + 1, end
        return result + self._between(rendered[begin:], ids[first:])

    def _between(self, text: str, ids: list[int]) -> list[int]:
        escaped = _escaped(self.mark)
        if self.mark in text or escaped in text or not self.tokenizer.control_ids.isdisjoint(ids):
            return self.tokenizer.encode(text.replace(self.mark, "").replace(escaped, ""))
        return ids


def check_control_tokens(tokenizer: Tokenizer) -> None:
    """Raise :class:`TokenizerError` if a control token begins as a word could: marks would be all over the text."""
    for token in map(tokenizer.token, sorted(tokenizer.control_ids)):
        if token[0].isalnum() or token[0].isspace():
            raise TokenizerError(
                f"{tokenizer.file}: control token {token!r} begins like a word; it must have a bracket"
            )


def _table(tokenizer: Tokenizer, mark: str) -> dict[int, str]:
    tokens = [tokenizer.token(i) for i in tokenizer.control_ids]
    first, last = {token[0] for token in tokens}, {token[-1] for token in tokens}
    # An end that is a letter stays unmarked: such a token is caught by its beginning.
    ends = {letter for letter in last if not letter.isalnum() and not letter.isspace()}
    return {ord(c): f"{mark if c in ends else ''}{c}{mark if c in first else ''}" for c in first | ends}


def plain(value: Any, text: Callable[[str], str] = str) -> Any:
    """``value`` rebuilt from JSON's types, its strings through ``text``.

    Any other object, a picture say, becomes the name of its type: templates ask whether it is there, and objects have
    methods that a template must not reach.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return text(str.__str__(value))
    if isinstance(value, Mapping):
        return {plain(key, text): plain(item, text) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, text) for item in value]
    if value is None or isinstance(value, bool):
        return value
    for kind in (int, float):
        if isinstance(value, kind):
            return kind(value)
    return type(value).__name__


def strings_in(value: Any) -> Iterator[str]:
    """All strings inside ``value``, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from strings_in(key)
            yield from strings_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from strings_in(item)


def _escaped(mark: str) -> str:
    """How JSON spells ``mark`` for readers of ASCII; two escapes beyond the basic plane."""
    units = mark.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
