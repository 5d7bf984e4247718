"""Prompts and plans as text, in the shape that the runtime uses.

    <bos> system turn: the skills, declared as tools        the same for every prompt
    <|turn>user\\n                                           an open user turn
    MM:SS <|image><|image|>…<image|>\\n                      each frame, oldest first
    task text<turn|>\\n<|turn>model\\n<|channel>thought\\n<channel|>
    <|tool_call>call:pick{object:<|"|>red block<|"|>}<tool_call|>…<turn|>       the answer

An earlier turn of the same talk stands between frames or before the task, with its answer and `<turn|>\\n`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2.sandbox import ImmutableSandboxedEnvironment

from dgemma_ros.checkpoint.tokenizer import Tokenizer
from dgemma_ros.context.results import ResultStatus, SkillResult
from dgemma_ros.skills.calls import CallFormat, call_text, value_text
from dgemma_ros.skills.catalogue import SkillCatalogue
from training.checkpoint_sizes import CELLS, NARROW
from training.tasks import Call, Plan

NANO = Path(__file__).resolve().parent.parent / "engines" / "nano"
USER = "<|turn>user\n"
REPLY = "<turn|>\n<|turn>model\n<|channel>thought\n<channel|>"
SOFT_TOKENS = CELLS[NARROW]  # of a 4:3 picture


@cache
def system_text(folder: Path = NANO) -> str:
    """`<bos>` and the system turn, rendered by the checkpoint's own chat template."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    template = environment.from_string((folder / "chat_template.jinja").read_text())
    tools = SkillCatalogue.load(folder / "skills.yaml").tools
    return template.render(messages=[], tools=tools, bos_token="<bos>", add_generation_prompt=False)


def result_text(skill: str, arguments: dict[str, Any], status: str, reason: str) -> str:
    """A skill's result, as `dgemma_ros.context.results` has it from the template."""
    result = SkillResult(skill, arguments, ResultStatus(status), reason)
    return f"<|tool_response>response:{skill}{value_text(result.content)}<tool_response|>"


def frame_text(seconds: int, soft_tokens: int = SOFT_TOKENS) -> str:
    return f"{seconds // 60:02d}:{seconds % 60:02d} <|image>{'<|image|>' * soft_tokens}<image|>\n"


def plan_text(plan: Plan) -> str:
    """The calls as the model writes them, without the turn's end."""
    return "".join(call_text(skill, arguments) for skill, arguments in plan)


def turn_text(text: str, plan: Plan) -> str:
    """A finished turn inside an open user turn: the task, its answer, and the next user turn opened."""
    return f"{text}{REPLY}{plan_text(plan)}<turn|>\n{USER}"


@cache
def _format(folder: Path = NANO) -> CallFormat:
    return CallFormat(Tokenizer.load(folder))


def parse_plan(text: str) -> list[Call] | None:
    """The calls of an answer (up to its first end), or None when anything in it is not a well-formed call."""
    for end in ("<turn|>", "<eos>", "<|tool_response>"):
        text = text.split(end)[0]
    parsed = _format().read(_format().tokenizer.encode(text, trusted=True))
    if parsed.broken or parsed.text.strip():
        return None
    return [(call.name, dict(call.arguments)) for call in parsed.calls]
