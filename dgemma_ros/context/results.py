"""What became of a skill, as the tool response of the checkpoint's chat template.

``<|tool_response>response:place{arguments:{object:…,target:…},reason:…,status:…}<tool_response|>``

The piece is cut out of the rendered template, as :mod:`dgemma_ros.context.prompt` cuts the others. It begins and ends
with a control token, so it can be appended anywhere between two segments: in the open user turn, in the order in which
things came to be known, with :data:`~dgemma_ros.context.prompt.LINE` to be carried to the words behind it. It names the
call that it answers by all its arguments, because results can come late, out of order or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from dgemma_ros.checkpoint.chat import ChatTemplate, Message
from dgemma_ros.errors import TokenizerError
from dgemma_ros.runtime.contract import Ints

RESPONSE_OPEN: Final = "<|tool_response>"
RESPONSE_CLOSE: Final = "<tool_response|>"
MAX_REASON: Final = 200
"""Characters of a reason that the model reads."""


class ResultStatus(StrEnum):
    """How a skill ended; the value is what the model reads."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"
    UNKNOWN = "UNKNOWN"
    """Nobody knows, after a crash or a lost connection: it may have been carried out, wholly or in part."""


SLIPPED: Final = "slipped"
NOT_REACHABLE: Final = "not reachable"
NOT_FOUND: Final = "not found"
NO_ROOM: Final = "no room"
PERSON: Final = "a person moved it"
REASONS: Final = (SLIPPED, NOT_REACHABLE, NOT_FOUND, NO_ROOM, PERSON)
"""The reasons that the nano checkpoint was taught what to do about. Others are allowed: they are anybody's words."""


@dataclass(frozen=True)
class SkillResult:
    """What became of one call of a plan. ``reason`` is one short line; empty where there is nothing to say."""

    skill: str
    arguments: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """The call's own, as the plan had them; JSON values."""
    status: ResultStatus = ResultStatus.SUCCEEDED
    reason: str = ""

    @property
    def content(self) -> dict[str, Any]:
        """What the tool response says."""
        told: dict[str, Any] = {"arguments": dict(self.arguments)} if self.arguments else {}
        if reason := " ".join(self.reason[:MAX_REASON].split()):
            told["reason"] = reason
        return told | {"status": str(self.status)}

    @property
    def summary(self) -> str:
        """One line for people."""
        values = ", ".join(f"{name}={value}" for name, value in self.arguments.items())
        return f"{self.skill}({values}): {self.status}" + (f", {self.reason}" if self.reason else "")


def result_ids(chat: ChatTemplate, result: SkillResult) -> Ints:
    """[n] ids of the tool response, from its opening control token to its closing one. Pure; safe from any thread.

    No word of ``result`` can become a control token: names, arguments and reason are encoded with them disabled. Raises
    :class:`TokenizerError` for a template or a tokenizer that knows no tool responses.
    """
    opening, closing = (chat.tokenizer.id(token) for token in (RESPONSE_OPEN, RESPONSE_CLOSE))
    call = {"type": "function", "function": {"name": result.skill, "arguments": dict(result.arguments)}}
    messages: list[Message] = [
        {"role": "user", "content": "task"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "name": result.skill, "content": result.content},
    ]
    ids = chat.prompt_ids(messages, add_generation_prompt=False).ids
    begins, ends = np.flatnonzero(ids == opening), np.flatnonzero(ids == closing)
    if len(begins) != 1 or len(ends) != 1 or ends[0] < begins[0]:
        raise TokenizerError(f"{chat.file}: writes no tool response behind a call, so skills' results cannot be told")
    return np.asarray(ids[begins[0] : ends[0] + 1], np.int64)
