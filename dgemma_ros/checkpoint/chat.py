"""Messages become a prompt, by the checkpoint's own chat template.

A template sees copies of the messages, made of plain JSON types, in which strangers' text is marked (``untrusted.py``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import jinja2
import numpy as np
from numpy.typing import NDArray

from dgemma_ros.checkpoint.fields import shown
from dgemma_ros.checkpoint.template import environment, literals, read_template
from dgemma_ros.checkpoint.tokenizer import Tokenizer
from dgemma_ros.checkpoint.untrusted import (
    Marker,
    check_openings,
    control_tokens,
    plain,
    strings_in,
    written_tokens,
)
from dgemma_ros.errors import TokenizerError, one_line

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
    images: tuple[Picture, ...]
    """The pictures of the messages' image parts, in the order of their spans."""


@dataclass(frozen=True, eq=False)
class ChatTemplate:
    """A compiled template with the tokenizer that it is written for. Rendering is pure; threads may share one."""

    file: Path
    tokenizer: Tokenizer
    _compiled: jinja2.Template = field(repr=False)
    _literals: tuple[str, ...] = field(repr=False)
    _written: frozenset[str] = field(repr=False)

    @classmethod
    def load(cls, folder: Path, tokenizer: Tokenizer) -> ChatTemplate:
        """The template in ``folder``: chat_template.jinja, or else chat_template in tokenizer_config.json.

        Raises :class:`TokenizerError` naming file and line; also where control tokens could not be told from text.
        """
        check_openings(tokenizer)
        file, source = read_template(Path(folder))
        sandbox = environment()
        try:
            texts = tuple(literals(sandbox.parse(source)))
            compiled = sandbox.from_string(source)
        except jinja2.TemplateSyntaxError as error:
            raise TokenizerError(f"{file}: line {error.lineno}: {one_line(error.message)}") from error
        except RecursionError as error:
            raise TokenizerError(f"{file}: is nested too deeply") from error
        names = [name for key, name in tokenizer.names.items() if key in _STANDARD_NAMES]
        try:
            return cls(file, tokenizer, compiled, texts, written_tokens(tokenizer, [*texts, *names]))
        except TokenizerError as error:
            raise TokenizerError(f"{file}: {error}") from error

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
        pictures = _pictures(messages)
        inputs = {"tools": tools, "enable_thinking": enable_thinking, **variables}
        trusted = [message for message in messages if message["role"] in trusted_roles]
        spelled = "\0".join(strings_in(trusted))
        allowed = self._written | {token for token in control_tokens(self.tokenizer) if token in spelled}
        strings = [*self._literals, *strings_in(list(messages)), *strings_in(inputs)]
        marker = Marker.for_strings(self.tokenizer, strings, allowed)
        protected = [plain(m) if m["role"] in trusted_roles else marker.protect(m) for m in messages]
        rendered = self._run(protected, add_generation_prompt, marker.protect(inputs))
        return self._expand(marker.encode(rendered), pictures)

    def _run(self, messages: list[Any], add_generation_prompt: bool, inputs: dict[str, Any]) -> str:
        tokens = {name: token for name, token in self.tokenizer.names.items() if name in _STANDARD_NAMES}
        named = {"messages": _with_reasoning(messages), "add_generation_prompt": add_generation_prompt}
        try:
            return self._compiled.render({"documents": None, **tokens, **inputs, **named})
        except MemoryError:
            raise
        except Exception as error:  # a template is foreign code and may fail in any way
            raise TokenizerError(f"{self.file}: cannot render these messages ({one_line(error)})") from error

    def _expand(self, ids: list[int], pictures: list[Picture]) -> PromptIds:
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


def _pictures(messages: Sequence[Message]) -> list[Picture]:
    """The pictures of all image parts, in order."""
    pictures: list[Picture] = []
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
