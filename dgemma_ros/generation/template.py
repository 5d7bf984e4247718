"""Templates: plans with free slots, read from text. Nothing here knows tokens.

Three ways to write one, and they mix: as people do, ``pick(object=____); place(object="red block", target=____)``; in
the model's own syntax; or an earlier plan's text with slots where it may change. Three or more underscores are a slot:
for a whole value, or inside a text. A last ``____`` in place of a call leaves the rest of the plan free.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jsonschema

from dgemma_ros.errors import DgemmaError
from dgemma_ros.skills.calls import CLOSE, OPEN
from dgemma_ros.skills.catalogue import Skill
from dgemma_ros.skills.parser import QUOTE

SHORT_SLOT: Final = 4
"""So many underscores, or fewer, leave a slot's length to the catalogue."""
_SLOT: Final = re.compile(r"_{3,}")
_NAME: Final = re.compile(r"\s*[A-Za-z_][A-Za-z0-9_.-]*\s*")
_LEFT, _RIGHT, _COMMA, _EQUALS = (re.compile(rf"\s*{c}\s*") for c in (r"\(", r"\)", ",", "[=:]"))
_STRING: Final = re.compile(r'\s*"(?:[^"\\]|\\.)*"\s*', re.S)
_BETWEEN: Final = re.compile(r"[;\s]*")
_BARE: Final = re.compile(r'[^,()="]+')


class TemplateError(DgemmaError):
    """A task's template cannot be read, fits no skill, or does not fit in a canvas."""


@dataclass(frozen=True)
class Slot:
    """A free value, with the fixed parts of a text around it; ``tokens`` 0: as many as the catalogue says."""

    before: str = ""
    after: str = ""
    tokens: int = 0


@dataclass(frozen=True)
class TemplateCall:
    """One call; values are JSON's scalars or slots."""

    skill: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Template:
    """What is known of a plan. ``open_end``: more calls may follow."""

    calls: tuple[TemplateCall, ...]
    open_end: bool


def read_template(text: str) -> Template:
    """Raises :class:`TemplateError` naming the place."""
    text = text.strip()
    if OPEN in text:
        text = _own_syntax(text)
    calls: list[TemplateCall] = []
    reader = _Text(text)
    while not reader.done:
        if reader.match(_SLOT) is not None:
            reader.match(_BETWEEN)
            if not reader.done:
                reader.fail("only the last call can be left open")
            return Template(tuple(calls), True)
        calls.append(reader.call())
        reader.match(_BETWEEN)
    if not calls:
        raise TemplateError("template: holds no call")
    return Template(tuple(calls), False)


def _own_syntax(text: str) -> str:
    """``<|tool_call>call:a{x:<|"|>b<|"|>}<tool_call|>`` as ``a(x="b");``; anything else stays as it is.

    In one pass from left to right: the words of a template are anybody's, so their parsing must be linear in length.
    """
    result, at = [], 0
    while (start := text.find(OPEN, at)) >= 0 and (stop := text.find(CLOSE, start)) >= 0:
        stop += len(CLOSE)
        result += [text[at:start], _own_call(text[start:stop])]
        at = stop
    return "".join([*result, text[at:]])


def _own_call(part: str) -> str:
    """One call from ``OPEN`` to ``CLOSE``."""
    inner = part[len(OPEN) : -len(CLOSE)].strip()
    name, brace, rest = inner.removeprefix("call:").partition("{")
    if not inner.startswith("call:") or not brace or not rest.endswith("}"):
        return part
    pieces = rest[:-1].split(QUOTE)
    values = [json.dumps(p, ensure_ascii=False) if i % 2 else p.replace(":", "=") for i, p in enumerate(pieces)]
    return f"{name}({''.join(values)});"


class _Text:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    @property
    def done(self) -> bool:
        return self.at >= len(self.text)

    def fail(self, why: str) -> Any:
        rest = self.text[self.at : self.at + 24]
        raise TemplateError(f"template: {why}, at {repr(rest) if rest else 'its end'}")

    def match(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        return found.group()

    def need(self, pattern: re.Pattern[str], what: str) -> str:
        found = self.match(pattern)
        return found if found is not None else str(self.fail(f"expected {what}"))

    def call(self) -> TemplateCall:
        name = self.need(_NAME, "a skill's name").strip()
        self.need(_LEFT, "'('")
        arguments: dict[str, Any] = {}
        while self.match(_RIGHT) is None:
            if arguments:
                self.need(_COMMA, "','")
            key = self.need(_NAME, "an argument's name").strip()
            self.need(_EQUALS, "'='")
            if key in arguments:
                self.fail(f"{key!r} is given twice")
            arguments[key] = self.value()
        return TemplateCall(name, arguments)

    def value(self) -> Any:
        quoted = self.match(_STRING)
        if quoted is not None:
            try:
                return _with_slot(str(json.loads(quoted, strict=False)), self.fail)
            except ValueError:
                return self.fail("a text is not quoted rightly")
        bare = self.need(_BARE, "a value").strip()
        return _with_slot(bare, self.fail) if _SLOT.search(bare) else Bare(bare)


class Bare(str):
    """A value without quotes: its type is the catalogue's."""


def _with_slot(text: str, fail: Callable[[str], Any]) -> Any:
    found = list(_SLOT.finditer(text))
    if len(found) > 1:
        return fail("a text can have one slot")
    if not found:
        return text
    start, stop = found[0].span()
    return Slot(text[:start], text[stop:], stop - start if stop - start > SHORT_SLOT else 0)


def check_call(call: TemplateCall, skill: Skill) -> None:
    """Raises :class:`TemplateError` where what is fixed could never be right."""
    for name, value in call.arguments.items():
        argument = skill.argument(name)
        if argument is None:
            raise TemplateError(f"template: {call.skill} has no argument {name!r}")
        inside = isinstance(value, Slot) and bool(value.before or value.after)
        if inside and argument.type != "string":
            raise TemplateError(f"template: {call.skill}.{name}: a slot inside a value is for texts only")
        if isinstance(value, Slot):
            continue
        try:
            plain = value if argument.type == "string" or not isinstance(value, Bare) else json.loads(value)
        except ValueError:
            plain = str(value)
        if isinstance(plain, Bare):
            plain = str(plain)
        if not jsonschema.Draft202012Validator(argument.schema).is_valid(plain):
            raise TemplateError(f"template: {call.skill}.{name}: {str(value)[:40]!r} is not allowed by the skill")
    for argument in skill.arguments:
        if argument.required and argument.name not in call.arguments:
            need = argument.name
            raise TemplateError(f"template: {call.skill} needs {need!r}; write {need}=____ to leave it free")


def bare_text(value: Any) -> str:
    """A number or truth value as calls write it. Raises :class:`TemplateError` for what could not be one."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value).strip()
    if re.search(r"[{}\[\],:<>|]", text):
        raise TemplateError(f"template: {text[:40]!r} is no number")
    return text
