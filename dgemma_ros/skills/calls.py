"""Tool calls in the model's own format, read from token ids.

``<|tool_call>call:name{key:<|"|>text<|"|>,n:1,b:true,list:[1,2],map:{a:null}}<tool_call|>``

The structure is carried by control *tokens*, so the same letters inside a text argument are just letters. A call that
is not closed is cut, and dropped; one that is closed and not written so is malformed, and dropped too; both are said.
What stands inside a thought channel is never looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from dgemma_ros.checkpoint.tokenizer import Tokenizer
from dgemma_ros.errors import TokenizerError
from dgemma_ros.skills.parser import QUOTE, Atom, MalformedError, Reader, Span

OPEN: Final = "<|tool_call>"
CLOSE: Final = "<tool_call|>"
THOUGHT_OPEN: Final = "<|channel>"
THOUGHT_CLOSE: Final = "<channel|>"


@dataclass(frozen=True)
class Call:
    """A whole call. Values are JSON's: strings, numbers, booleans, None, lists and dicts."""

    name: str
    arguments: Mapping[str, Any]
    span: Span | None = None
    """From its opening token to behind its closing one. None, and ``values`` empty, where no tokens are known."""
    inner: Span | None = None
    """Between those two."""
    values: Mapping[str, Span] = field(default_factory=dict)
    """Where each argument's value stands, quotes left out."""
    confidence: float | None = None
    """0 … 1, that of its least sure token; None where it is not known."""


@dataclass(frozen=True)
class Broken:
    """A call that cannot be read."""

    span: Span | None
    reason: str
    cut: bool
    """It was not closed: the answer ended in it."""


@dataclass(frozen=True)
class ParsedAnswer:
    """What an answer holds, in order. ``text`` is what stands outside of calls and thoughts."""

    calls: tuple[Call, ...] = ()
    broken: tuple[Broken, ...] = ()
    text: str = ""
    thinking: bool = False
    """It ended inside a thought channel."""
    length: int = 0
    """Of the answer, in tokens."""


class CallFormat:
    """The format with one tokenizer, thread-safe. Raises :class:`TokenizerError` where it has no such tokens.

    ``calibration`` says what the entropy of a call's least sure token, in nats, means for being right, 0 … 1.
    """

    def __init__(self, tokenizer: Tokenizer, calibration: Callable[[float], float] | None = None) -> None:
        self.tokenizer = tokenizer
        self._calibration = calibration or (lambda entropy: math.exp(-entropy))
        self.open, self.close, self.quote = (tokenizer.id(token) for token in (OPEN, CLOSE, QUOTE))
        control = set(tokenizer.control_ids) | {self.open, self.close, self.quote}
        self._control: dict[int, str] = {token: tokenizer.token(token) for token in control}
        self._spelling: dict[int, str] = {}
        self._thought = [i for i, text in self._control.items() if text in (THOUGHT_OPEN, THOUGHT_CLOSE)]

    def spelling(self, token: int) -> str:
        """One token as people read it; an id that the vocabulary has not is a mark."""
        if token not in self._spelling:
            try:
                self._spelling[token] = self.tokenizer.token(token).replace("\u2581", " ")
            except TokenizerError:
                self._spelling[token] = "\ufffd"
        return self._spelling[token]

    def visible(self, ids: Sequence[int], thinking: bool = False) -> list[bool]:
        """For each token whether it is outside of thought channels; ``thinking``: the first stands inside one."""
        shown = []
        for token in ids:
            text = self._control.get(int(token))
            if text == THOUGHT_OPEN:
                thinking = True
            shown.append(not thinking and text != THOUGHT_CLOSE)
            if text == THOUGHT_CLOSE:
                thinking = False
        return shown

    def read(self, ids: Sequence[int], thinking: bool = False, entropy: Sequence[float] | None = None) -> ParsedAnswer:
        """The calls in an answer's tokens, up to its end. Never raises: anything at all can be sampled.

        ``entropy``: nats, one for each token, from which the calls' confidence comes.
        """
        ids = [int(token) for token in ids]
        shown = self.visible(ids, thinking)
        calls: list[Call] = []
        broken: list[Broken] = []
        outside: list[int] = []
        index = 0
        while index < len(ids):
            if not shown[index] or ids[index] != self.open:
                if shown[index] and ids[index] not in self._control:
                    outside.append(ids[index])
                elif shown[index] and ids[index] == self.close:
                    broken.append(Broken((index, index + 1), "a call is closed that was not opened", False))
                index += 1
                continue
            stop = index + 1
            while stop < len(ids) and shown[stop] and ids[stop] not in (self.open, self.close):
                stop += 1
            if stop >= len(ids) or ids[stop] != self.close or not shown[stop]:
                broken.append(Broken((index, stop), "the answer ends inside a call", stop >= len(ids)))
                index = stop
                continue
            try:
                calls.append(self._call(ids, index, stop, entropy))
            except MalformedError as error:
                broken.append(Broken((index, stop + 1), str(error), False))
            index = stop + 1
        open_thought = thinking
        for token in ids:
            if token in self._thought:
                open_thought = self._control[token] == THOUGHT_OPEN
        return ParsedAnswer(tuple(calls), tuple(broken), self.tokenizer.decode(outside), open_thought, len(ids))

    def _call(self, ids: list[int], start: int, stop: int, entropy: Sequence[float] | None) -> Call:
        reader = Reader(self.atoms(ids, start + 1, stop))
        name, arguments, values = reader.call()
        confidence = None if entropy is None else self._calibration(max(0.0, float(max(entropy[start : stop + 1]))))
        return Call(name, arguments, (start, stop + 1), (start + 1, stop), values, confidence)

    def atoms(self, ids: Sequence[int], start: int, stop: int) -> list[Atom]:
        """The tokens [start, stop) as atoms. Characters are those of the text as a whole, so bytes are joined."""
        atoms: list[Atom] = []
        run: list[int] = []
        for index in range(start, stop + 1):
            control = self._control.get(ids[index]) if index < stop else ""
            if control is None:
                run.append(ids[index])
                continue
            atoms += self._text(run, index - len(run))
            run = []
            if index < stop:
                atoms.append(Atom(control, True, index))
        return atoms

    def _text(self, run: list[int], start: int) -> Iterator[Atom]:
        text = self.tokenizer.decode(run)
        done = 0
        for offset in range(len(run)):
            # Half a character decodes to a mark of its own: it is counted with the token that completes it.
            last = offset == len(run) - 1
            end = len(text) if last else len(self.tokenizer.decode(run[: offset + 1]).rstrip("\ufffd"))
            for letter in text[done:end]:
                yield Atom(letter, False, start + offset)
            done = max(done, end)


def call_text(name: str, arguments: Mapping[str, Any]) -> str:
    """A call as the model writes it, arguments in alphabetical order. Quoted texts go in as they are."""
    inner = ",".join(f"{key}:{value_text(arguments[key])}" for key in sorted(arguments))
    return f"{OPEN}call:{name}{{{inner}}}{CLOSE}"


def value_text(value: Any) -> str:
    """One value as the model writes it."""
    if isinstance(value, str):
        return f"{QUOTE}{value}{QUOTE}"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{value_text(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(value_text, value)) + "]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
