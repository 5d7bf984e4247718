"""An answer's calls against the skills: what may be carried out, and what is wrong with the rest.

Nothing reaches a plan but through here, so a plan holds no skill and no argument that the catalogue does not allow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import jsonschema

from dgemma_ros.errors import ErrorCode, one_line
from dgemma_ros.skills.calls import Call, ParsedAnswer
from dgemma_ros.skills.catalogue import Skill, SkillCatalogue
from dgemma_ros.skills.parser import Span
from dgemma_ros.skills.types import PlanStep, Scalar


@dataclass(frozen=True)
class Problem:
    """One thing wrong with an answer. ``span``: the tokens to change, None where changing tokens does not help."""

    code: ErrorCode
    text: str
    span: Span | None
    skill: str = ""
    argument: str = ""
    """Where it is one argument's value that is wrong, whose it is."""


@dataclass(frozen=True)
class Checked:
    """The calls that are right by themselves, as steps, and the problems, in the answer's order."""

    steps: tuple[PlanStep, ...]
    problems: tuple[Problem, ...]

    @property
    def valid(self) -> bool:
        """Whether the plan may be carried out."""
        return not self.problems


def check(answer: ParsedAnswer, skills: SkillCatalogue, max_steps: int, complete: bool = True) -> Checked:
    """The answer's calls as steps.

    ``complete``: it came to an end token; one that did not is cut, even between two calls.
    """
    steps: list[PlanStep] = []
    problems: list[tuple[int, Problem]] = []
    for call in answer.calls:
        problem = _problem(call, skills)
        if problem is not None:
            problems.append((_start(call.span), problem))
        else:
            steps.append(_step(call, skills.skills[call.name]))
    for broken in answer.broken:
        code = ErrorCode.TRUNCATED if broken.cut else ErrorCode.MALFORMED
        problems.append((_start(broken.span), Problem(code, broken.reason, broken.span)))
    if not complete and not any(broken.cut for broken in answer.broken):
        where = "while thinking" if answer.thinking else "before its end"
        problems.append((answer.length, Problem(ErrorCode.TRUNCATED, f"the answer was cut {where}", None)))
    elif not answer.calls and not answer.broken:
        said = " ".join(answer.text.split())[:80]
        text = f"the answer calls no skill: {said!r}" if said else "the answer calls no skill"
        problems.append((0, Problem(ErrorCode.NO_CALLS, text, (0, answer.length))))
    if len(answer.calls) > max_steps:
        text = f"the plan has {len(answer.calls)} steps; max_plan_steps allows {max_steps}"
        problems.append((answer.length, Problem(ErrorCode.TOO_MANY_STEPS, text, None)))
    ordered = sorted(problems, key=lambda item: item[0])
    return Checked(tuple(steps[:max_steps]), tuple(problem for _, problem in ordered))


def _start(span: Span | None) -> int:
    return 0 if span is None else span[0]


def _problem(call: Call, skills: SkillCatalogue) -> Problem | None:
    skill = skills.skills.get(call.name)
    if skill is None or call.name in skills.off:
        why = "is switched off" if skill else "is no skill of this robot"
        return Problem(ErrorCode.UNKNOWN_SKILL, f"{call.name[:64]!r} {why}", call.inner)
    error = jsonschema.exceptions.best_match(skill.validator.iter_errors(dict(call.arguments)))
    if error is None:
        return _unfit(call, skill)
    name = str(error.absolute_path[0]) if error.absolute_path else ""
    text = one_line(error.message, 160)
    where = f"{call.name}.{name}" if name else call.name
    span = call.values.get(name, call.inner) if name else call.inner
    return Problem(ErrorCode.BAD_ARGUMENT, f"{where}: {text}", span, call.name, name)


def _unfit(call: Call, skill: Skill) -> Problem | None:
    """What JSON schema lets pass: NaN, integers that no message holds, NUL in a text, a required text that is blank."""
    required = {argument.name for argument in skill.arguments if argument.required}
    for name, value in call.arguments.items():
        wrong = ""
        if isinstance(value, str):
            if "\0" in value:
                wrong = "has a NUL character"
            elif name in required and not value.strip():
                wrong = "is empty, and it is required"
        elif not isinstance(value, bool) and not (math.isfinite(value) and abs(value) < 2**63):
            wrong = f"{str(value)[:40]} is too large"
        if wrong:
            text = f"{call.name}.{name}: {wrong}"
            return Problem(ErrorCode.BAD_ARGUMENT, text, call.values.get(name, call.inner), call.name, name)
    return None


def _step(call: Call, skill: Skill) -> PlanStep:
    arguments: dict[str, Scalar] = {}
    for argument in skill.arguments:  # in the catalogue's order, and typed as it says
        if argument.name in call.arguments:
            value: Any = call.arguments[argument.name]
            arguments[argument.name] = _typed(value, argument.type)
    return PlanStep(call.name, MappingProxyType(arguments), call.confidence)


def _typed(value: Any, kind: str) -> Scalar:
    """JSON schema takes 3.0 for an integer and 3 for a number."""
    return int(value) if kind == "integer" else float(value) if kind == "number" else value


def plan_text(steps: Sequence[PlanStep]) -> str:
    """Steps as people read them, and as a template takes them: ``pick(object="red block"); done()``."""
    return "; ".join(f"{step.skill}({_arguments(step.arguments)})" for step in steps)


def _arguments(arguments: Mapping[str, Scalar]) -> str:
    return ", ".join(f"{key}={_quoted(value)}" for key, value in arguments.items())


def _quoted(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    return repr(value)
