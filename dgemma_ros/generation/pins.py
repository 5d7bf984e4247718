"""A template with free slots becomes a canvas in which all but the slots is known.

A slot's length must be known before it is filled. It is that of the longest value that the catalogue allows there, or
of its longest example; more than four underscores say how many tokens. Each position may take only tokens that some
allowed value has there; a shorter value is filled up with padding, which is squeezed out again. Each position is
sampled by itself, so once the accepted ones leave one value only, the whole slot is pinned to it: no mixture comes of
two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from dgemma_ros.checkpoint.tokenizer import Tokenizer
from dgemma_ros.generation.canvas_loop import LogitsMask, Pins
from dgemma_ros.generation.template import Slot, Template, TemplateError, bare_text, check_call
from dgemma_ros.runtime.contract import Bools, Ints
from dgemma_ros.skills.calls import CLOSE, OPEN
from dgemma_ros.skills.catalogue import Argument, Skill, SkillCatalogue
from dgemma_ros.skills.parser import QUOTE

MAX_VALUES: Final = 4096
"""Of a range of integers, to be listed one by one."""
UNKNOWN: Final = 8
"""Tokens of a slot for a value of which the catalogue gives neither choices nor an example."""


@dataclass(frozen=True)
class PinnedCanvas:
    """The canvas of a template: what is fixed, and what may be sampled where, as :func:`denoise` takes it."""

    pins: Pins
    mask: LogitsMask
    """Its first set is for positions that no slot narrows."""
    slots: tuple[tuple[int, int], ...]
    """Token indices [start, stop) of the slots: padding in them is squeezed out."""
    values: tuple[Ints, ...] = ()
    """Of each slot, [n, stop - start], the values that may stand there, filled up with padding; n 0 where any may."""

    def pin_decided(self, argmax: Ints, accepted: Bools, pins: Pins) -> Pins | None:
        """``pins``, and the slots whose accepted tokens, [C], agree best with one value; None if there are none."""
        mask, ids = pins.mask.copy(), pins.ids.copy()
        for (start, stop), values in zip(self.slots, self.values, strict=False):
            sure = accepted[start:stop] & ~mask[start:stop]
            if stop - start < 2 or not sure.any():
                continue
            agree = (values[:, sure] == argmax[start:stop][sure]).sum(1)
            best = np.flatnonzero(agree == agree.max(initial=1))
            if len(best) == 1:
                mask[start:stop], ids[start:stop] = True, values[best[0]]
        return None if (mask == pins.mask).all() else Pins(mask, ids)

    def squeeze(self, canvas: Ints, pad: int) -> tuple[Ints, Ints]:
        """The canvas without the padding inside its slots, and each kept token's place in the canvas."""
        drop = np.zeros(len(canvas), np.bool_)
        for start, stop in self.slots:
            drop[start:stop] = canvas[start:stop] == pad
        kept = np.flatnonzero(~drop)
        return np.asarray(canvas[kept], np.int64), kept


class Pinner:
    """Writes templates for one model. For one thread: it keeps what it computed of the vocabulary.

    ``allowed`` [1, V]: what may be sampled at all; ``end``: the token that ends an answer.
    """

    def __init__(self, tokenizer: Tokenizer, allowed: Bools, canvas_length: int, end: int, pad: int) -> None:
        self._tokenizer = tokenizer
        self._anything = allowed[0]
        self._length = canvas_length
        self._end, self._pad = end, pad
        self._plain = self._anything.copy()
        self._plain[[token for token in tokenizer.control_ids if token < len(self._plain)]] = False

    def pin(self, template: Template, skills: SkillCatalogue) -> PinnedCanvas:
        """Raises :class:`TemplateError` where it names what the catalogue has not, or is too long."""
        rows: list[Bools] = [self._anything]
        ids: list[int] = []
        free: list[int] = []  # of each position its allowed row, -1 where it is fixed
        slots: list[tuple[int, int]] = []
        known: list[Ints] = []

        def fixed(text: str, trusted: bool = True) -> None:
            tokens = self._tokenizer.encode(text, trusted=trusted) if text else []
            ids.extend(tokens)
            free.extend([-1] * len(tokens))

        for call in template.calls:
            skill = skills.usable.get(call.skill)
            if skill is None:
                raise TemplateError(f"template: {call.skill!r} is no skill that can be used now")
            check_call(call, skill)
            pending = f"{OPEN}call:{call.skill}{{"
            for number, name in enumerate(sorted(call.arguments)):
                argument, value = skill.argument(name), call.arguments[name]
                assert argument is not None
                text = argument.type == "string"
                pending += f"{',' if number else ''}{name}:{QUOTE if text else ''}"
                if isinstance(value, Slot):
                    fixed(pending)
                    fixed(value.before, trusted=False)
                    sets = self._sets(skill, argument, value)
                    slots.append((len(ids), len(ids) + len(sets)))
                    known.append(self._filled(self._values(argument, value), len(sets)))
                    for row in sets:
                        free.append(len(rows))
                        rows.append(row)
                        ids.append(self._pad)
                    fixed(value.after, trusted=False)
                    pending = QUOTE if text else ""
                elif text:
                    fixed(pending)
                    fixed(str(value), trusted=False)
                    pending = QUOTE
                else:
                    pending += bare_text(value)
            fixed(f"{pending}}}{CLOSE}")
        if not template.open_end:
            ids.append(self._end)
            free.append(-1)
        if len(ids) > self._length:
            raise TemplateError(f"template: takes {len(ids)} tokens; a canvas holds {self._length}")
        rest = self._length - len(ids)
        ids += [self._pad] * rest
        free += [0 if template.open_end else -1] * rest
        row = np.array(free, np.int64)
        pins = Pins(row < 0, np.array(ids, np.int64))
        return PinnedCanvas(pins, _compact(rows, np.maximum(row, 0)), tuple(slots), tuple(known))

    def choices(self, argument: Argument, wrong: Sequence[int]) -> list[Bools]:
        """What may be sampled at each position of ``wrong``, a value that the argument must not have, with padding.

        Values that begin as it does, where there are such: a mixture of two becomes one of them.
        """
        values = [tokens for tokens in self._values(argument, Slot()) if len(tokens) <= len(wrong)]
        alike = [tokens for tokens in values if tokens[:1] == list(wrong[:1])]
        return self._positions(alike or values, len(wrong)) if values else [self._free(argument)] * len(wrong)

    def holds_syntax(self, tokens: Sequence[int]) -> bool:
        """Whether there is more in some tokens than a bare value: a vocabulary may join ``9}``."""
        return not set("{}[],:").isdisjoint(self._tokenizer.decode(tokens))

    def _sets(self, skill: Skill, argument: Argument, slot: Slot) -> list[Bools]:
        values = self._values(argument, slot)
        if slot.tokens:
            values = [tokens for tokens in values if len(tokens) <= slot.tokens]
        if values:
            return self._positions(values, max(map(len, values)))
        if argument.choices:
            raise TemplateError(f"template: no choice of {argument.name!r} fits in the slot")
        examples = [example[argument.name] for example in skill.examples if argument.name in example]
        known = [len(self._tokenizer.encode(v if isinstance(v, str) else bare_text(v))) for v in examples]
        return [self._free(argument)] * (slot.tokens or max(known, default=UNKNOWN))

    def _values(self, argument: Argument, slot: Slot) -> list[list[int]]:
        """Token ids of all values that an argument allows, where they can be listed."""
        texts: list[str]
        if argument.choices:
            texts = [value if isinstance(value, str) else bare_text(value) for value in argument.choices]
        elif argument.type == "boolean":
            texts = ["true", "false"]
        elif argument.type == "integer" and argument.low is not None and argument.high is not None:
            low, high = int(np.ceil(argument.low)), int(np.floor(argument.high))
            texts = [str(n) for n in range(low, high + 1)] if high - low < MAX_VALUES else []
        else:
            texts = []
        inner = [
            t[len(slot.before) : len(t) - len(slot.after)]
            for t in texts
            if t.startswith(slot.before) and t.endswith(slot.after) and len(t) >= len(slot.before + slot.after)
        ]
        return [self._tokenizer.encode(text) for text in inner]

    def _positions(self, values: Sequence[Sequence[int]], length: int) -> list[Bools]:
        sets = [np.zeros_like(self._anything) for _ in range(length)]
        for value in self._filled(values, length):
            for row, token in zip(sets, value, strict=True):
                row[token] = True
        return sets

    def _filled(self, values: Sequence[Sequence[int]], length: int) -> Ints:
        """Those that fit, [n, length]."""
        rows = [[*value, *[self._pad] * (length - len(value))] for value in values if len(value) <= length]
        return np.array(rows, np.int64).reshape(len(rows), length)

    def _free(self, argument: Argument) -> Bools:
        row: Bools = self._plain.copy()
        if argument.type in ("integer", "number"):
            row[:] = False
            for text in "0123456789-" + ("." if argument.type == "number" else ""):
                tokens = self._tokenizer.encode(text)
                row[tokens[-1:]] = True
        row[self._pad] = True
        return row


def _compact(rows: list[Bools], row: Ints) -> LogitsMask:
    """Equal rows once: what is allowed goes to the device with every canvas."""
    numbers: dict[bytes, int] = {}
    distinct: list[Bools] = []
    renumbered = []
    for allowed in rows:
        key = np.packbits(allowed).tobytes()
        if key not in numbers:
            numbers[key] = len(distinct)
            distinct.append(allowed)
        renumbered.append(numbers[key])
    order = np.array(renumbered, np.int64)
    return LogitsMask(np.stack(distinct), np.asarray(order[row], np.int64))
