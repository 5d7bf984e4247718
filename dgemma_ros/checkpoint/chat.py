"""Messages become a prompt, by the checkpoint's own chat template.

Templates are programs that come with a checkpoint; they run in jinja2's sandbox, with the options, filters and globals
that transformers gives them, on copies made of plain JSON types.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol

import jinja2
import numpy as np
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from numpy.typing import NDArray

from dgemma_ros.checkpoint.fields import MAX_JSON_BYTES, Section, shown
from dgemma_ros.checkpoint.tokenizer import TOKENIZER_CONFIG_FILE, Tokenizer
from dgemma_ros.checkpoint.untrusted import Marker, check_control_tokens, plain, strings_in
from dgemma_ros.errors import CheckpointError, TokenizerError

TEMPLATE_FILE: Final = "chat_template.jinja"

Message = Mapping[str, Any]
"""``{"role": "user", "content": text or parts}``; a part is ``{"type": "text", "text": …}`` or ``{"type": "image",
"image": picture}``, where the picture is a :class:`PreparedImage` or anything else that knows its soft tokens."""

_ROLES: Final = ("system", "developer", "user", "assistant", "model", "tool")
"""No others: templates paste the role next to control tokens."""
_REASONING: Final = ("reasoning_content", "thinking", "reasoning")
_STANDARD_NAMES: Final = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


class Picture(Protocol):
    """What a prompt must know of a picture."""

    @property
    def soft_tokens(self) -> int:
        """Rows that it takes in the prompt."""


@dataclass(frozen=True, eq=False)
class PromptIds:
    """A whole prompt, ready to be encoded by the model."""

    ids: NDArray[np.int64]
    """[S] token ids, pictures expanded to their soft tokens."""
    token_types: NDArray[np.int64]
    """[S], 1 on pictures' soft tokens, 0 elsewhere."""
    images: tuple[Any, ...]
    """The pictures of the messages' image parts, in the order of their spans."""


@dataclass(frozen=True, eq=False)
class ChatTemplate:
    """A compiled template with the tokenizer that it is written for. Rendering is pure; threads may share one."""

    file: Path
    tokenizer: Tokenizer
    _source: str = field(repr=False)
    _compiled: jinja2.Template = field(repr=False)

    @classmethod
    def load(cls, folder: Path, tokenizer: Tokenizer) -> ChatTemplate:
        """The template in ``folder``: chat_template.jinja, or else chat_template in tokenizer_config.json.

        Raises :class:`TokenizerError` naming file and line, also for a tokenizer whose control tokens look like words.
        """
        check_control_tokens(tokenizer)
        file, source = _read_template(Path(folder))
        try:
            return cls(file, tokenizer, source, _environment().from_string(source))
        except jinja2.TemplateSyntaxError as error:
            raise TokenizerError(f"{file}: line {error.lineno}: {_one_line(error.message)}") from error

    def render(
        self,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]] | None = None,
        add_generation_prompt: bool = True,
        enable_thinking: bool = False,
        **variables: Any,
    ) -> str:
        """The prompt as text, as ``apply_chat_template(tokenize=False)`` gives it.

        For reading and tests: once in this text, a control token that a stranger spelled is one. Raises
        :class:`TokenizerError` where the messages are malformed or the template refuses them.
        """
        _check(messages)
        inputs = {"tools": tools, "enable_thinking": enable_thinking, **variables}
        return self._run(plain(messages), add_generation_prompt, plain(inputs))

    def prompt_ids(
        self,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]] | None = None,
        add_generation_prompt: bool = True,
        enable_thinking: bool = False,
        trusted_roles: Collection[str] = (),
        **variables: Any,
    ) -> PromptIds:
        """The prompt as token ids, in which only the template writes control tokens.

        Nothing in ``messages``, ``tools`` and ``variables`` is trusted, unless the message's role is in
        ``trusted_roles``: e.g. "assistant", to let a template cut earlier thoughts out of the model's own answers.
        Ids equal the reference's wherever no untrusted text spells a control token. Raises :class:`TokenizerError`.
        """
        _check(messages)
        inputs = {"tools": tools, "enable_thinking": enable_thinking, **variables}
        marker = Marker.for_strings(self.tokenizer, [self._source, *strings_in(list(messages)), *strings_in(inputs)])
        protected = [plain(m) if m["role"] in trusted_roles else marker.protect(m) for m in messages]
        rendered = self._run(protected, add_generation_prompt, marker.protect(inputs))
        return self._expand(marker.encode(rendered), _pictures(messages))

    def _run(self, messages: list[Any], add_generation_prompt: bool, inputs: dict[str, Any]) -> str:
        tokens = {name: token for name, token in self.tokenizer.names.items() if name in _STANDARD_NAMES}
        named = {"messages": _with_reasoning(messages), "add_generation_prompt": add_generation_prompt}
        try:
            return self._compiled.render({"documents": None, **tokens, **inputs, **named})
        except Exception as error:  # a template is foreign code and may fail in any way
            raise TokenizerError(f"{self.file}: cannot render these messages ({_one_line(error)})") from error

    def _expand(self, ids: list[int], pictures: list[Any]) -> PromptIds:
        tokens = self.tokenizer.images
        if (places := ids.count(tokens.soft) if tokens else 0) != len(pictures):
            raise TokenizerError(f"{self.file}: gives {places} places to the {len(pictures)} pictures of the messages")
        expanded: list[int] = []
        types: list[int] = []
        waiting = iter(pictures)
        for token in ids:
            if tokens is not None and token == tokens.soft:
                span = tokens.span(next(waiting).soft_tokens)
                expanded += span
                types += [int(inner == tokens.soft) for inner in span]
            else:
                expanded.append(token)
                types.append(0)
        return PromptIds(np.array(expanded, np.int64), np.array(types, np.int64), tuple(pictures))


def _check(messages: Sequence[Message]) -> None:
    if not isinstance(messages, list | tuple) or not messages:
        raise TokenizerError("messages: must be a list of at least one message")
    for index, message in enumerate(messages):
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            raise TokenizerError(f"messages[{index}]: {shown(message)} is not an object with a role")
        if message["role"] not in _ROLES:
            raise TokenizerError(f"messages[{index}].role: {shown(message['role'])} is none of {', '.join(_ROLES)}")


def _pictures(messages: Sequence[Message]) -> list[Any]:
    """The pictures of all image parts, in order."""
    pictures = []
    for index, message in enumerate(messages):
        content = message.get("content")
        for number, part in enumerate(content if isinstance(content, list | tuple) else ()):
            name = f"messages[{index}].content[{number}]"
            kind = part.get("type") if isinstance(part, Mapping) else None
            if kind not in ("text", "image"):
                raise TokenizerError(f"{name}: type {shown(kind)} is not supported; only text and image are")
            if kind == "image":
                count = getattr(part.get("image"), "soft_tokens", None)
                if not isinstance(count, int) or count < 1:
                    raise TokenizerError(f"{name}.image: not a prepared picture")
                pictures.append(part["image"])
    return pictures


def _with_reasoning(messages: list[Any]) -> list[Any]:
    """A message's reasoning under each name that templates read, as the reference does."""
    result = []
    for message in messages:
        given = [message[name] for name in _REASONING if message.get(name) is not None]
        extra = {"thinking": given[0], **message, "reasoning_content": given[0]} if given else message
        result.append(extra)
    return result


def _read_template(folder: Path) -> tuple[Path, str]:
    file = folder / TEMPLATE_FILE
    if file.exists():
        try:
            if file.stat().st_size > MAX_JSON_BYTES:
                raise TokenizerError(f"{file}: too large for a template")
            return file, file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise TokenizerError(f"{file}: cannot be read ({_one_line(error)})") from error
    config = folder / TOKENIZER_CONFIG_FILE
    if not config.exists():
        raise TokenizerError(f"{file}: no such file; without a chat template no prompt can be written")
    try:
        template = Section.of_file(config).raw("chat_template", None)
    except CheckpointError as error:
        raise TokenizerError(str(error)) from error
    if isinstance(template, list):  # several by name
        named = {entry.get("name"): entry.get("template") for entry in template if isinstance(entry, dict)}
        template = named.get("default")
    if not isinstance(template, str):
        raise TokenizerError(f"{config}: chat_template: missing, and there is no {TEMPLATE_FILE} beside it")
    return config, template


class _Generation(Extension):
    """``{% generation %} … {% endgeneration %}`` marks the model's words for training; here its body alone counts."""

    tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

    def parse(self, parser: Parser) -> nodes.Node:
        """A block with a scope of its own, as it has in the reference."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller: Callable[[], str]) -> str:
        return caller()


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment


def _to_json(
    value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
) -> str:
    """As transformers has it: jinja2's own escapes HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
