"""Only what is wrong is free again, and only for what may stand there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dgemma_ros.generation.canvas_loop import CanvasDraft, CanvasResult, FinishReason
from dgemma_ros.generation.generate import Generation
from dgemma_ros.generation.pins import PinnedCanvas, Pinner
from dgemma_ros.generation.repair import Repairer
from dgemma_ros.generation.template import read_template
from dgemma_ros.model import Model
from dgemma_ros.planning import SkillCatalogue
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

    def said(self, text: str, complete: bool = True) -> Generation:
        ids = self.tokenizer.encode(text, trusted=True)
        canvas = np.array(ids + [self.end] + [self.pad] * (LENGTH - len(ids) - 1), np.int64)
        return self.generation(np.array(ids, np.int64), np.arange(len(ids)), canvas, complete)

    def generation(self, tokens: Any, positions: Any, canvas: Any, complete: bool = True) -> Generation:
        sure, accepted = np.zeros(len(canvas), np.float32), np.ones(len(canvas), np.bool_)
        draft = CanvasDraft(0, 1, canvas, sure, accepted, 0.0)
        result = CanvasResult(draft, FinishReason.CONVERGED, 1)
        eos = self.end if complete else None
        count = len(tokens)
        return Generation(tokens, sure[:count], accepted[:count], positions, eos, (result,))

    def filled(self, pinned: PinnedCanvas, text: str) -> Generation:
        """The template with that text in its first slot."""
        start, stop = pinned.slots[0]
        canvas = pinned.pins.ids.copy()
        ids = self.tokenizer.encode(text)[: stop - start]
        canvas[start : start + len(ids)] = ids
        tokens, kept = pinned.squeeze(canvas, self.pad)
        end = int(np.flatnonzero(tokens == self.end)[0])
        return self.generation(tokens[:end], kept[:end], canvas)

    def repaired(self, answer: Generation, pinned: PinnedCanvas | None = None) -> tuple[Any, PinnedCanvas | None]:
        parsed = CallFormat(self.tokenizer).read(answer.tokens.tolist())
        problems = check(parsed, self.skills, 9, answer.complete).problems
        return problems, self.repairer.canvas(answer, problems, self.skills, pinned)

    def freed(self, canvas: PinnedCanvas) -> str:
        return self.tokenizer.decode(canvas.pins.ids[~canvas.pins.mask])


@pytest.fixture(scope="module")
def bench(model: Model, skills: SkillCatalogue) -> Bench:
    return Bench(model, skills)


def test_a_wrong_choice_is_freed_for_the_choices_that_fit(bench: Bench) -> None:
    answer = bench.said(call("pick{object:'a'}") + call("place{object:'red cube',target:'blue sky'}"))
    _, canvas = bench.repaired(answer)
    assert canvas is not None and bench.freed(canvas) == "blue sky"
    first = int(np.flatnonzero(~canvas.pins.mask)[0])
    allowed = np.flatnonzero(canvas.mask.sets[canvas.mask.set_of[first]]).tolist()
    assert allowed == [bench.tokenizer.encode("blue plate")[0]]  # what begins alike
    assert canvas.slots == ((first, first + int((~canvas.pins.mask).sum())),)


def test_a_wrong_skill_frees_its_call(bench: Bench) -> None:
    _, canvas = bench.repaired(bench.said(call("stop{}") + call("fly{}") + call("stop{}")))
    assert canvas is not None and bench.freed(canvas) == "call:fly{}"


def test_a_cut_answer_is_free_from_there_on(bench: Bench) -> None:
    answer = bench.said(call("stop{}") + "<|tool_call>call:pick{obj", complete=False)
    problems, canvas = bench.repaired(answer)
    assert canvas is not None and len(problems) == 1
    free = np.flatnonzero(~canvas.pins.mask)
    assert free[0] == len(bench.tokenizer.encode(call("stop{}"), trusted=True)) and free[-1] == LENGTH - 1


def test_words_instead_of_calls_free_everything(bench: Bench) -> None:
    _, canvas = bench.repaired(bench.said("I will stop."))
    assert canvas is not None and not canvas.pins.mask.any()


def test_too_many_steps_cannot_be_repaired(bench: Bench) -> None:
    assert bench.repaired(bench.said(call("stop{}") * 10))[1] is None


def test_what_stands_in_an_earlier_canvas_cannot_be_repaired(bench: Bench) -> None:
    answer = bench.said(call("fly{}"))
    assert answer.draft is not None
    earlier = bench.generation(answer.tokens, np.full_like(answer.positions, -1), answer.draft.argmax)
    assert bench.repaired(earlier)[1] is None


def test_pinned_tokens_stay_pinned_and_slots_keep_what_they_allow(bench: Bench) -> None:
    pinned = bench.pinner.pin(read_template('place(object="red cube", target=____); stop()'), bench.skills)
    ((start, stop),) = pinned.slots
    problems, again = bench.repaired(bench.filled(pinned, "blue table"), pinned)
    assert problems and again is not None
    assert np.flatnonzero(~again.pins.mask).tolist() == list(range(start, stop))
    for position in range(start, stop):
        narrow, wide = again.mask.sets[again.mask.set_of[position]], pinned.mask.sets[pinned.mask.set_of[position]]
        assert (narrow <= wide).all() and narrow.any()


def test_a_wrong_call_of_a_template_is_free_but_for_what_the_template_pins(bench: Bench) -> None:
    """All of the call is to blame here, so that only the template can keep its tokens where they are."""
    pinned = bench.pinner.pin(read_template("turn(by=____); stop()"), bench.skills)
    ((start, stop),) = pinned.slots
    problems, again = bench.repaired(bench.filled(pinned, "-"), pinned)
    (problem,) = problems
    assert problem.span is not None and problem.span[1] - problem.span[0] > stop - start
    assert again is not None and np.flatnonzero(~again.pins.mask).tolist() == list(range(start, stop))
    assert (again.pins.ids[pinned.pins.mask] == pinned.pins.ids[pinned.pins.mask]).all()
