"""Cards say what is so, in words that the tokenizer has whole."""

from __future__ import annotations

import numpy as np

from dgemma_ros.tabletop.scenes import sample_scene
from training import batches, cards, tasks
from training.tokenizer import build, corpus


def test_a_name_alone_is_answered_with_its_place_now_and_at_first() -> None:
    rng = np.random.default_rng(0)
    for event in ("moved", "gone", "new", ""):
        scene = sample_scene(rng, 3, event)
        answers = dict(cards.sample(rng, scene, []))
        for when, moment in (("", scene.now), (cards.BEFORE, scene.moments[0])):
            places = {o.name: o.place for o in moment}
            told = {
                q.removeprefix(f"{when} "): a for q, a in answers.items() if q.startswith(cards.BEFORE) == bool(when)
            }
            assert set(places) < set(told)
            assert all(a == (f" {places[n]}" if n in places else cards.NOTHING) for n, a in told.items())


def test_a_task_is_answered_with_the_words_of_its_plan() -> None:
    assert cards.answer((tasks.place("red ring", "middle"), tasks.DONE)) == " place red ring middle done<turn|>"


def test_rows_hold_their_cards_and_tell_the_answers_only() -> None:
    tokenizer = build(corpus(600))
    rows = [
        [(" red ring", " middle")],
        [(" first blue ball", cards.NOTHING), ("what is gone?", " say red ring<turn|>")],
    ]
    made = batches.Writer(tokenizer).cards(rows)
    for row, given in enumerate(rows):
        for number, (question, answer) in enumerate(given):
            mine = made.valid[row] & (made.card[row] == number)
            text = tokenizer.decode(made.ids[row][mine], skip_special_tokens=False)
            assert text == question + answer
            assert tokenizer.decode(made.ids[row][mine & made.answer[row]], skip_special_tokens=False) == answer
            assert made.place[row][mine].tolist() == list(range(mine.sum()))
    assert not made.answer[~made.valid].any()
