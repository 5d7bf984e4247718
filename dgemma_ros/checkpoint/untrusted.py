"""Keeps text that passes through a chat template from turning into control tokens on the way.

A template trims, cuts, joins and escapes what it is given, so the words of a stranger cannot be told from the
template's own once it has run, and two harmless halves ("<|tu", "rn>") can meet in it. Therefore each character of a
stranger's text with which a control token could begin is cut off from the next by a mark, a private-use character that
occurs nowhere else, before the template runs: then no control token in its output begins in a stranger's text. None
begins in the template's own and ends in a stranger's either, because a template that could write such a thing is
refused. What lies between two control tokens is encoded as plain text, with the marks taken out again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from dgemma_ros.checkpoint.tokenizer import Tokenizer
from dgemma_ros.errors import TokenizerError

MAX_TEXT: Final = 1 << 15
"""Characters of anybody's words that are read: some thousand words, and what takes time is done before long."""
_ESCAPE: Final = re.compile(r"\\u[0-9a-f]{4}")
_PRIVATE_USE: Final = ((0xE000, 0xF900), (0xF0000, 0xFFFFE))


@dataclass(frozen=True)
class Marker:
    """Puts marks into what a template is to render, and encodes what it made of that. Immutable."""

    tokenizer: Tokenizer
    mark: str
    allowed: frozenset[str]
    """Control tokens that may be in the template's output."""

    @classmethod
    def for_strings(cls, tokenizer: Tokenizer, strings: Iterable[str], allowed: frozenset[str]) -> Marker:
        """A marker whose mark occurs in none of ``strings``, not even as a JSON escape."""
        text = "\0".join(strings)
        used, escapes = set(text), set(_ESCAPE.findall(text.lower()))
        for first, last in _PRIVATE_USE:
            for code in range(first, last):
                # Two escapes beyond the basic plane: that their first is there is enough to pass them over.
                if chr(code) not in used and _escaped(chr(code))[:6] not in escapes:
                    return cls(tokenizer, chr(code), allowed)
        raise TokenizerError("a prompt that holds every private-use character of Unicode cannot be encoded")

    def protect(self, value: Any) -> Any:
        """``value`` as :func:`plain` data with a mark after each opening in its strings, keys too.

        That leaves strings in the order in which a template may sort them.
        """
        table = {ord(token[0]): token[0] + self.mark for token in control_tokens(self.tokenizer)}
        return plain(value, lambda text: text.translate(table))

    def encode(self, rendered: str) -> list[int]:
        """Ids of a template's output; equal to encoding it whole wherever no stranger spelled a control token.

        Raises :class:`TokenizerError` for a control token that is not ``allowed``: it was put together from pieces.
        """
        ids, spans = self.tokenizer.encode_with_spans(rendered)
        result: list[int] = []
        first, begin = 0, 0
        for index, (token, (start, end)) in enumerate(zip(ids, spans, strict=True)):
            # The spelling is compared, because a normalizer can make a control token out of other letters.
            if token in self.tokenizer.control_ids and rendered[start:end].strip() == self.tokenizer.token(token):
                if self.tokenizer.token(token) not in self.allowed:
                    raise TokenizerError(f"the chat template wrote {self.tokenizer.token(token)} out of several pieces")
                result += self._between(rendered[begin:start], ids[first:index])
                result.append(token)
                first, begin = index + 1, end
        return result + self._between(rendered[begin:], ids[first:])

    def _between(self, text: str, ids: list[int]) -> list[int]:
        escaped = _escaped(self.mark)
        if self.mark in text or escaped in text or not self.tokenizer.control_ids.isdisjoint(ids):
            return self.tokenizer.encode(text.replace(self.mark, "").replace(escaped, ""))
        return ids


def control_tokens(tokenizer: Tokenizer) -> list[str]:
    """The tokenizer's control tokens as they are spelled."""
    return [tokenizer.token(i) for i in sorted(tokenizer.control_ids)]


def check_openings(tokenizer: Tokenizer) -> None:
    """Raise :class:`TokenizerError` if a control token begins as a word could: marks would be all over the text."""
    for token in control_tokens(tokenizer):
        if token[0].isalnum() or token[0].isspace():
            raise TokenizerError(
                f"{tokenizer.file}: control token {token!r} begins like a word; it must have a bracket"
            )


def written_tokens(tokenizer: Tokenizer, literals: Iterable[str]) -> frozenset[str]:
    """The control tokens that a template with these string literals may write: those that one of them holds whole.

    Raises :class:`TokenizerError` for a literal that ends within such a token, as in ``"<|" ~ x``: x could complete it.
    """
    literals = list(literals)
    written = {token for token in control_tokens(tokenizer) if any(token in literal for literal in literals)}
    for literal in literals:
        for token in written:
            if any(literal.endswith(token[:length]) for length in range(1, len(token))):
                raise TokenizerError(f"the text {literal[-20:]!r} of the chat template ends within a control token")
    return frozenset(written)


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
