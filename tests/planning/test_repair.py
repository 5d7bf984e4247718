"""Only what is wrong is free again, and only for what may stand there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dgemma_ros.generation.pins import PinnedCanvas, Pinner
from dgemma_ros.generation.template import read_template
from dgemma_ros.model import Model
from dgemma_ros.planning import SkillCatalogue
from dgemma_ros.planning.answer import Outcome
from dgemma_ros.planning.repair import Repairer
from dgemma_ros.skills.calls import CallFormat
from dgemma_ros.skills.validation import check
from tests.scripted import call

LENGTH = 96


class Bench:
    def __init__(self, model: Model, skills: SkillCatalogue) -> None:
        self.tokenizer, self.skills = model.chat.tokenizer, skills
        self.end, self.pad = self.tokenizer.id("<turn|>"), self.tokenizer.id("<pad>")
        self.pinner = Pinner(self.tokenizer, model.allowed, LENGTH, self.end, self.pad)
        self.repairer = Repairer(self.pinner, model.allowed)

    def outcome(self, text: str, pinned: PinnedCanvas | None = None, complete: bool = True) -> Outcome:
        if pinned is None:
            ids = self.tokenizer.encode(text, trusted=True)
            canvas = np.array(ids + [self.end] + [self.pad] * (LENGTH - len(ids) - 1), np.int64)
            place = np.arange(len(ids))
        else:
            canvas, place = pinned.pins.ids.copy(), np.arange(0)
        return Outcome(canvas[place], np.zeros(len(place), np.float32), place, canvas, complete=complete, canvases=1)

    def repaired(self, outcome: Outcome, pinned: PinnedCanvas | None = None) -> tuple[Any, PinnedCanvas | None]:
        answer = CallFormat(self.tokenizer).read(outcome.tokens.tolist())
        checked = check(answer, self.skills, [0.0] * len(outcome.tokens), 9, outcome.complete)
        return checked.problems, self.repairer.canvas(outcome, checked.problems, self.skills, pinned)

    def freed(self, canvas: PinnedCanvas) -> str:
        return self.tokenizer.decode(canvas.pins.ids[~canvas.pins.mask])


@pytest.fixture(scope="module")
def bench(model: Model, skills: SkillCatalogue) -> Bench:
    return Bench(model, skills)


def test_a_wrong_choice_is_freed_for_the_choices_that_fit(bench: Bench) -> None:
    outcome = bench.outcome(call("pick{object:'a'}") + call("place{object:'red cube',target:'blue sky'}"))
    _, canvas = bench.repaired(outcome)
    assert canvas is not None and bench.freed(canvas) == "blue sky"
    first = int(np.flatnonzero(~canvas.pins.mask)[0])
    allowed = np.flatnonzero(canvas.allowed[canvas.allowed_row[first]]).tolist()
    assert allowed == [bench.tokenizer.encode("blue plate")[0]]  # what begins alike
    assert canvas.slots == ((first, first + int((~canvas.pins.mask).sum())),)


def test_a_wrong_skill_frees_its_call(bench: Bench) -> None:
    _, canvas = bench.repaired(bench.outcome(call("stop{}") + call("fly{}") + call("stop{}")))
    assert canvas is not None and bench.freed(canvas) == "call:fly{}"


def test_a_cut_answer_is_free_from_there_on(bench: Bench) -> None:
    outcome = bench.outcome(call("stop{}") + "<|tool_call>call:pick{obj", complete=False)
    problems, canvas = bench.repaired(outcome)
    assert canvas is not None and len(problems) == 1
    free = np.flatnonzero(~canvas.pins.mask)
    assert free[0] == len(bench.tokenizer.encode(call("stop{}"), trusted=True)) and free[-1] == LENGTH - 1


def test_words_instead_of_calls_free_everything(bench: Bench) -> None:
    _, canvas = bench.repaired(bench.outcome("I will stop."))
    assert canvas is not None and not canvas.pins.mask.any()


def test_too_many_steps_cannot_be_mended(bench: Bench) -> None:
    assert bench.repaired(bench.outcome(call("stop{}") * 10))[1] is None


def test_what_stands_in_an_earlier_canvas_cannot_be_mended(bench: Bench) -> None:
    outcome = bench.outcome(call("fly{}"))
    before = Outcome(outcome.tokens, outcome.entropy, np.full_like(outcome.place, -1), outcome.canvas, complete=True)
    assert bench.repaired(before)[1] is None


def test_pinned_tokens_stay_pinned_and_slots_keep_what_they_allow(bench: Bench) -> None:
    pinned = bench.pinner.pin(read_template('place(object="red cube", target=____); stop()'), bench.skills)
    ((start, stop),) = pinned.slots
    canvas = pinned.pins.ids.copy()
    mixed = bench.tokenizer.encode("blue table")[: stop - start]
    canvas[start : start + len(mixed)] = mixed
    ids, kept = pinned.squeeze(canvas, bench.pad)
    end = int(np.flatnonzero(ids == bench.end)[0])
    outcome = Outcome(ids[:end], np.zeros(end, np.float32), kept[:end], canvas, complete=True, canvases=1)
    problems, again = bench.repaired(outcome, pinned)
    assert problems and again is not None
    assert np.flatnonzero(~again.pins.mask).tolist() == list(range(start, stop))
    for position in range(start, stop):
        narrow, wide = again.allowed[again.allowed_row[position]], pinned.allowed[pinned.allowed_row[position]]
        assert (narrow <= wide).all() and narrow.any()
