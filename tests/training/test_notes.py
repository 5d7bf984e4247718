"""What notes change, and how a task behind one is judged."""

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


def told(kind, view, seed, source="known"):
    return notes.told(np.random.default_rng(seed), view, kind, ["red ball"], source)


@pytest.mark.parametrize(("source", "kind"), KINDS)
def test_a_note_is_whole_and_forbids_what_its_kind_does(source, kind):
    plain, allowed = View((TABLE,)), set()
    for seed in range(40):
        text, view = told(kind, plain, seed, source)
        assert text and "{" not in text
        assert (view == plain) == (kind in ("works", "near", "neutral"))
        allowed.add(view.allows(PUT))
        assert view.allows((tasks.say("nothing"),))
    forbids = {"broken": {False}, "hands_off": {False}, "closed": {False, True}}  # closed: this tray, or the other
    assert allowed == forbids.get(kind, {True})


def test_what_works_again_may_be_used():
    _, view = told("broken", View((TABLE,)), 1)
    assert told("works", view, 1)[1].allows(PUT)
    for kind in ("near", "neutral"):
        assert not told(kind, view, 1, "others")[1].allows(PUT)


def test_a_fresh_scene_behind_a_note_is_judged_by_what_it_forbids():
    plain = list(evaluate.questions(5, 50))
    moving = [any(skill in tasks.MOVING for skill, _ in question.task.plan) for question in plain]
    assert any(moving) and not all(moving)
    for kind in ("near", "broken"):
        noted = list(evaluate.questions(5, 50, note=kind))
        assert all(question.note for question in noted)
        for before, after, moves in zip(plain, noted, moving, strict=True):
            assert after.task.text == before.task.text
            refused = kind == "broken" and moves
            assert after.task.plan == ((tasks.say(tasks.CANNOT),) if refused else before.task.plan)


def test_others_have_words_for_every_kind():
    assert set(words.OTHERS) == set(words.WORDINGS)
    rng = np.random.default_rng(3)
    for kind in tasks.KINDS:
        _, task = tasks.fresh(rng, kind, "others")
        assert task.text and "{" not in task.text
