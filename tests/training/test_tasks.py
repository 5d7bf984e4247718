"""Every kind of task has a right plan of allowed calls, and the checker knows right from wrong."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from training import prompt, tasks, words
from training.checkpoint_sizes import CANVAS
from training.tokenizer import SPECIAL, build, corpus

SKILLS = {s["name"]: s["arguments"] for s in yaml.safe_load((prompt.NANO / "skills.yaml").read_text())["skills"]}


def samples(kind: str, count: int = 60) -> list[tasks.Task]:
    rng = np.random.default_rng(tasks.KINDS.index(kind))
    return [tasks.fresh(rng, kind)[1] for _ in range(count)]


@pytest.mark.parametrize("kind", tasks.KINDS)
def test_right_plans_are_right_and_stay_within_the_skills(kind: str) -> None:
    for task in samples(kind):
        assert task.right(task.plan)
        assert not task.right([*task.plan, tasks.DONE])
        assert not task.right([])
        assert prompt.parse_plan(prompt.plan_text(task.plan) + "<turn|>") == list(task.plan)
        for skill, arguments in task.plan:
            assert arguments.keys() == SKILLS[skill].keys()
            for name, value in arguments.items():
                rule = SKILLS[skill][name]
                assert value in rule.get("choices", [value])
                assert isinstance(value, {"string": str, "integer": int}[rule["type"]])
                low, high = rule.get("range", (0, 0))
                assert isinstance(value, str) or low <= value <= high


def test_any_order_is_right_only_where_the_task_says_so() -> None:
    swapped = {
        kind: [t.right(t.plan[::-1]) for t in samples(kind) if len(t.plan) > 1]
        for kind in ("clear", "sort", "all_of", "edit_order")
    }
    assert all(swapped["clear"])
    assert all(swapped["sort"])
    assert not any(swapped["edit_order"])


def test_what_is_so_already_may_be_left_out_or_done_again() -> None:
    one, two, done = tasks.place("red ball", "middle"), tasks.place("blue bar", "middle"), tasks.DONE
    task = tasks.Task("pair", "", (two,), optional=(one,))
    assert task.right([two]) and task.right([one, two])
    assert task.needless([one, two]) and not task.needless([two])
    assert not task.right([one]) and not task.right([one, one, two]) and not task.right([done])
    nothing = tasks.Task("put", "", (done,), optional=(one,))
    assert nothing.right([done]) and nothing.right([one]) and not nothing.right([]) and not nothing.right([two])
    for kind in ("put", "pair", "sort", "all_of"):
        for drawn in samples(kind):
            assert not drawn.optional or all(skill == "place" for skill, _ in drawn.optional)
            assert drawn.right([*drawn.plan, *drawn.optional]) or drawn.plan == (done,)


def test_one_order_is_taught_where_any_is_right() -> None:
    def rank(call: tasks.Call) -> int:
        return tasks.NAMES.index(call[1]["object"])

    for kind in tasks.UNORDERED:
        for task in samples(kind):
            by_tray: dict[str, list[int]] = {}
            for call in (c for c in task.plan if c[0] == "place"):
                by_tray.setdefault(call[1]["target"], []).append(rank(call))
            assert all(ranks == sorted(ranks) for ranks in by_tray.values())
            trays = [c[1]["target"] for c in task.plan if c[0] == "place"]
            assert trays == sorted(trays, key=trays.index)  # one tray after the other


def test_a_spoiled_plan_is_mostly_wrong_and_never_too_long() -> None:
    rng = np.random.default_rng(5)
    wrong = []
    for kind in tasks.KINDS:
        for task in samples(kind, 20):
            made = tasks.spoiled(rng, task.plan, ["red ball", "blue bar"])
            assert 1 <= len(made) <= max(tasks.LONGEST_PLAN, len(task.plan))
            assert prompt.parse_plan(prompt.plan_text(made) + "<turn|>") == list(made)
            wrong.append(not task.right(made))
    assert np.mean(wrong) > 0.7


def test_at_least_half_of_the_kinds_need_the_picture() -> None:
    assert len(tasks.KINDS) >= 25
    assert 2 * len(tasks.NEEDS_PICTURE) >= len(tasks.KINDS)


def test_every_kind_has_ten_wordings_some_of_them_held_out() -> None:
    for kind, lines in words.WORDINGS.items():
        assert len(lines) + len(words.HELD_WORDINGS[kind]) >= (5 if kind == "count_tray" else 8), kind
        assert words.HELD_WORDINGS[kind], kind


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pick up the ball",
        "<|tool_call>call:pick{object:red}",
        '<|tool_call>call:pick{object:<|"|>a<tool_call|>',
        "x<|tool_call>call:done{}<tool_call|>",
    ],
)
def test_what_is_no_plan_is_not_taken_for_one(text: str) -> None:
    assert not prompt.parse_plan(text)


def test_a_plan_fits_the_canvas_and_every_text_comes_back() -> None:
    tokenizer = build(corpus())
    for kind in tasks.KINDS:
        for task in samples(kind, 20):
            ids = tokenizer.encode(prompt.plan_text(task.plan) + "<turn|>", add_special_tokens=False).ids
            assert len(ids) <= CANVAS
    for text in ("Grüße, Łukasz! 日本 😀\ttab", "pick up the red block", 'a "b" {c: [d]}', prompt.system_text()):
        assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False).ids, skip_special_tokens=False) == text
    for token in SPECIAL:
        assert tokenizer.encode(f"a{token}b", add_special_tokens=False).tokens[1] == token


def test_the_shipped_tokenizer_is_the_one_that_the_recipe_builds() -> None:
    from tokenizers import Tokenizer

    shipped = Tokenizer.from_file(str(prompt.NANO / "tokenizer.json"))
    assert shipped.get_vocab() == build(corpus()).get_vocab()
    assert shipped.token_to_id("<unk>") not in shipped.encode("Grüße\x00日本", add_special_tokens=False).ids
