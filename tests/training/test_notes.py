"""What notes change, and how a task behind one is judged."""

from __future__ import annotations

import re

import numpy as np
import pytest

from dgemma_ros.tabletop.scenes import Object
from training import evaluate, notes, tasks, words
from training.tasks import View

TABLE = (
    Object("red", "ball", "middle", 0.0, 0.0, 0.0, 1.0),
    Object("blue", "block", "left side", -0.2, 0.0, 0.0, 1.0),
)
PUT = (tasks.place("red ball", "left tray"),)
KINDS = [(source, kind) for source, kinds in words.NOTES.items() for kind in kinds]


def told(kind: str, view: View, seed: int, source: words.Source = "known") -> tuple[str, View]:
    return notes.told(np.random.default_rng(seed), view, kind, ["red ball"], source)


@pytest.mark.parametrize(("source", "kind"), KINDS)
def test_a_note_forbids_what_it_says(source: words.Source, kind: str) -> None:
    plain, allowed = View((TABLE,)), set()
    for seed in range(40):
        text, view = told(kind, plain, seed, source)
        assert text and "{" not in text
        assert (view == plain) == (kind in ("works", "near", "neutral"))
        assert all(named in text.lower() for named in (*view.hands_off, *view.closed)), text
        allowed.add(view.allows(PUT))
        assert view.allows((tasks.say("nothing"),))
    forbids = {"broken": {False}, "hands_off": {False}, "closed": {False, True}}  # closed: this tray, or the other
    assert allowed == forbids.get(kind, {True})


def test_what_works_again_may_be_used() -> None:
    _, view = told("broken", View((TABLE,)), 1)
    assert told("works", view, 1)[1].allows(PUT)
    for kind in ("near", "neutral"):
        assert not told(kind, view, 1, "others")[1].allows(PUT)


def test_a_fresh_scene_behind_a_note_is_judged_by_what_it_forbids() -> None:
    plain = list(evaluate.questions(5, 50))
    moving = [any(skill in tasks.MOVING for skill, _ in question.task.plan) for question in plain]
    assert any(moving) and not all(moving)
    for kind in ("near", "broken"):
        noted = list(evaluate.questions(5, 50, note=kind))
        assert all(question.note for question in noted)
        assert [question.task.forbidden for question in noted] == [kind == "broken" and moves for moves in moving]
        for before, after in zip(plain, noted, strict=True):
            assert after.task.text == before.task.text
            right = (tasks.say(tasks.CANNOT),) if after.task.forbidden else before.task.plan
            assert after.task.plan == right


@pytest.mark.parametrize("written", [words.OTHERS, words.UNSEEN], ids=["others", "unseen"])
def test_others_say_as_much_as_the_wordings_that_are_known(written: dict[str, list[str]]) -> None:
    """A wording without its object would be asked, and have no right plan."""

    def slots(wording: str) -> frozenset[str]:
        return frozenset(re.findall(r"{(\w)}", wording))

    assert set(written) == set(words.WORDINGS)
    for kind, wordings in written.items():
        assert {slots(wording) for wording in wordings} <= {slots(wording) for wording in words.WORDINGS[kind]}, kind
