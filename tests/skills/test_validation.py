"""Nothing but what the catalogue allows becomes a step."""

from __future__ import annotations

import math
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgemma_ros.model import Model
from dgemma_ros.planning import ErrorCode, SkillCatalogue
from dgemma_ros.skills.calls import CallFormat
from dgemma_ros.skills.validation import Checked, check, plan_text
from tests.scripted import call


def checked(model: Model, skills: SkillCatalogue, text: str, complete: bool = True) -> Checked:
    ids = model.chat.tokenizer.encode(text, trusted=True)
    return check(CallFormat(model.chat.tokenizer).read(ids), skills, 3, complete)


def test_a_right_plan_is_valid(model: Model, skills: SkillCatalogue) -> None:
    text = call("place{object:'red cube',target:'left'}") + call("turn{by:-90,fast:true,speed:1}") + call("stop{}")
    result = checked(model, skills, text)
    assert result.valid and [s.skill for s in result.steps] == ["place", "turn", "stop"]
    assert result.steps[1].arguments == {"by": -90, "fast": True, "speed": 1.0}
    assert type(result.steps[1].arguments["speed"]) is float
    assert plan_text(result.steps) == (
        'place(object="red cube", target="left"); turn(by=-90, fast=true, speed=1.0); stop()'
    )


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (call("fly{}"), ErrorCode.UNKNOWN_SKILL, "'fly' is no skill of this robot"),
        (call("pick{}"), ErrorCode.BAD_ARGUMENT, "'object' is a required property"),
        (call("pick{object:3}"), ErrorCode.BAD_ARGUMENT, "pick.object: 3 is not of type 'string'"),
        (call("pick{object:'a',to:'b'}"), ErrorCode.BAD_ARGUMENT, "'to' was unexpected"),
        (call("place{object:'a',target:'sky'}"), ErrorCode.BAD_ARGUMENT, "place.target: 'sky' is not one of"),
        (call("turn{by:91}"), ErrorCode.BAD_ARGUMENT, "turn.by: 91 is greater than the maximum"),
        (call("turn{by:1.5}"), ErrorCode.BAD_ARGUMENT, "turn.by: 1.5 is not of type 'integer'"),
        (call("turn{by:true}"), ErrorCode.BAD_ARGUMENT, "turn.by: True is not of type 'integer'"),
        (call("turn{by:[1]}"), ErrorCode.BAD_ARGUMENT, "turn.by"),
        (call("turn{fast:null}"), ErrorCode.BAD_ARGUMENT, "turn.fast"),
        (call("pick{object:''}"), ErrorCode.BAD_ARGUMENT, "pick.object: is empty, and it is required"),
        (call("pick{object:'   '}"), ErrorCode.BAD_ARGUMENT, "pick.object: is empty, and it is required"),
        (call("pick{object:'a\0b'}"), ErrorCode.BAD_ARGUMENT, "pick.object: has a NUL character"),
        ("I will do it.", ErrorCode.NO_CALLS, "calls no skill: 'I will do it.'"),
        ("", ErrorCode.NO_CALLS, "calls no skill"),
        (call("stop{}") * 4, ErrorCode.TOO_MANY_STEPS, "4 steps; max_plan_steps allows 3"),
        ("<|tool_call>stop<tool_call|>", ErrorCode.MALFORMED, "'call:'"),
    ],
)
def test_what_is_wrong_is_said(model: Model, skills: SkillCatalogue, text: str, code: ErrorCode, said: str) -> None:
    result = checked(model, skills, text)
    assert not result.valid and result.problems[0].code is code and said in result.problems[0].text


@pytest.mark.parametrize(("number", "fits"), [(2**63 - 1, True), (1 - 2**63, True), (2**63, False), (-(2**64), False)])
def test_integers_are_those_that_a_message_holds(model: Model, number: int, fits: bool) -> None:
    counting = {"name": "count", "description": "Count.", "arguments": {"to": {"type": "integer"}}}
    result = checked(model, SkillCatalogue.of({"skills": [counting]}), call(f"count{{to:{number}}}"))
    assert result.valid == fits
    if not fits:
        assert result.problems[0].code is ErrorCode.BAD_ARGUMENT and f"{number} is too large" in result.problems[0].text


def test_what_is_wrong_is_said_with_its_tokens(model: Model, skills: SkillCatalogue) -> None:
    """A value where it is a value that is wrong, the call where something is missing or nobody knows the skill."""
    wrong = ("place{object:'a',target:'sky'}", "pick{}", "fly{}", "pick{object:' '}", "turn{by:99}")
    text = "".join(map(call, wrong))
    tokens = model.chat.tokenizer.encode(text, trusted=True)
    problems = checked(model, skills, text).problems
    spans = [tokens[slice(*problem.span)] for problem in problems if problem.span]
    said = [model.chat.tokenizer.decode(span) for span in spans]
    assert said[:4] == ["sky", "call:pick{}", "call:fly{}", " "] and "99" in said[4] and "call" not in said[4]


def test_a_skill_switched_off_is_refused(model: Model, skills: SkillCatalogue) -> None:
    result = checked(model, skills.without(["stop"]), call("stop{}"))
    assert result.problems[0].code is ErrorCode.UNKNOWN_SKILL and "switched off" in result.problems[0].text


def test_a_cut_answer_is_never_valid(model: Model, skills: SkillCatalogue) -> None:
    whole = call("stop{}") * 2
    between = checked(model, skills, whole, complete=False)
    inside = checked(model, skills, whole + "<|tool_call>call:pick{", complete=False)
    for result in (between, inside):
        assert len(result.steps) == 2 and [p.code for p in result.problems] == [ErrorCode.TRUNCATED]


def test_confidence_is_that_of_the_least_sure_token(model: Model, skills: SkillCatalogue) -> None:
    ids = model.chat.tokenizer.encode(call("stop{}") * 2, trusted=True)
    entropy = [0.0] * len(ids)
    entropy[1], entropy[-2] = 0.5, 2.0
    steps = check(CallFormat(model.chat.tokenizer).read(ids, entropy=entropy), skills, 3).steps
    assert [s.confidence for s in steps] == pytest.approx([math.exp(-0.5), math.exp(-2.0)])
    assert [s.confidence for s in check(CallFormat(model.chat.tokenizer).read(ids), skills, 3).steps] == [None, None]


WORDS = [
    "pick",
    "place",
    "turn",
    "stop",
    "fly",
    "call:",
    "{",
    "}",
    ",",
    "object:",
    "target:",
    "by:",
    "fast:",
    "speed:",
    '<|"|>',
    "<|tool_call>",
    "<tool_call|>",
    "true",
    "null",
    "9",
    "-",
    "1e400",
    "left",
    "table",
    "<|channel>",
    "[",
    "<|tool_call>call:pick{object:",
    "<|tool_call>call:turn{by:",
    '<|"|>left<|"|>',
    "}<tool_call|>",
    "nan",
    "]",
]


@given(words=st.lists(st.sampled_from(WORDS), max_size=30), ended=st.booleans(), off=st.sets(st.sampled_from(["turn"])))
@settings(deadline=None, max_examples=400)
def test_no_answer_makes_a_step_outside_the_catalogue(
    model: Model, skills: SkillCatalogue, words: list[str], ended: bool, off: set[str]
) -> None:
    usable = skills.without(off)
    result = checked(model, usable, "".join(words), ended)
    for step in result.steps:
        assert step.skill in usable.usable
        jsonschema.validate(dict(step.arguments), usable.skills[step.skill].schema)
        assert all(_plain(value) for value in step.arguments.values())
    assert not (result.valid and (not ended or not result.steps))


def _plain(value: Any) -> bool:
    return isinstance(value, str | bool) or (isinstance(value, int | float) and math.isfinite(value))
