"""Several canvases: eos and padding, limits, cancellation, and what is committed when."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgemma_ros.errors import ContextError
from dgemma_ros.generation.canvas_loop import CanvasDraft, FinishReason, LogitsMask, Pins
from dgemma_ros.generation.generate import Decoding, Generation, NoDeadline, generate, redo_last_canvas, until_eos
from dgemma_ros.generation.pins import PinnedCanvas
from dgemma_ros.model import Model
from dgemma_ros.runtime.sequence import Sequence
from tests.conftest import Models
from tests.runtime.alike import assert_same
from tests.tiny import TINIES

CANVAS = 16
PROMPT = np.arange(20) + 5


@pytest.fixture
def model(opened: Models) -> Model:
    """Without end tokens: each test names its own."""
    own = opened("contractive")
    return replace(own, generation=replace(own.generation, eos_ids=()))


def generated(model: Model, seed: int = 3, eos: tuple[int, ...] = (), **options: Any) -> tuple[Sequence, Generation]:
    sequence = model.sequence()
    sequence.append(PROMPT)
    decoding = Decoding.of(replace(model, generation=replace(model.generation, eos_ids=eos)), seed)
    return sequence, generate(sequence, replace(decoding, mask=None, **options))


class Until:
    """A stop that says so before step ``step`` of canvas ``canvas``; and what it saw on the way."""

    def __init__(self, canvas: int, step: int) -> None:
        self.last, self.now = (canvas, step), (0, 0)
        self.seen: list[Generation] = []
        self.asked = 0

    def __call__(self) -> bool:
        self.asked += 1
        return self.now >= self.last

    def on_step(self, answer: Generation) -> None:
        self.seen.append(answer)
        result = answer.canvases[-1]
        assert result.draft is not None
        done = result.draft.step + 1 == result.draft.steps
        self.now = (len(answer.canvases), 0) if done else (len(answer.canvases) - 1, result.steps)


@given(st.lists(st.integers(0, 5), max_size=12), st.sets(st.integers(0, 7)))
def test_until_eos(canvas: list[int], eos: set[int]) -> None:
    ours, end = until_eos(np.array(canvas, np.int64), tuple(eos))
    expected = next((i for i, token in enumerate(canvas) if token in eos), None)
    assert ours.tolist() == canvas[:expected]
    assert end == (None if expected is None else canvas[expected])


def test_the_seed_decides_everything(model: Model) -> None:
    first, again, other = (generated(model, seed)[1] for seed in (3, 3, 4))
    assert np.array_equal(first.tokens, again.tokens) and first.steps == again.steps
    assert not np.array_equal(first.tokens, other.tokens)


def test_canvases_without_an_end_go_to_the_limit(model: Model) -> None:
    for canvases in (1, 2, 3):
        sequence, result = generated(model, max_canvases=canvases)
        assert len(result.canvases) == canvases and len(result.tokens) == canvases * CANVAS
        assert not result.complete and result.finish_reason is result.canvases[-1].finish_reason
        assert sequence.length == len(PROMPT) + (canvases - 1) * CANVAS == len(PROMPT) + (result.positions < 0).sum()
        assert result.steps == sum(canvas.steps for canvas in result.canvases)


@pytest.mark.parametrize(("tokens", "canvases"), [(1, 1), (16, 1), (17, 2), (48, 3)])
def test_the_checkpoints_own_limit_is_rounded_up_to_canvases(model: Model, tokens: int, canvases: int) -> None:
    own = replace(model, generation=replace(model.generation, max_new_tokens=tokens))
    assert Decoding.of(own, 0).max_canvases == canvases
    length = model.config.canvas_length
    short = replace(model, generation=replace(model.generation, max_new_tokens=256, max_length=100 + length))
    assert Decoding.of(short, 0, prompt=100).max_canvases == 1


def test_each_canvas_sees_those_before_it(model: Model) -> None:
    """And is denoised with the noise of its own number: alone, behind the same tokens, it comes out the same."""
    _, result = generated(model)
    first, second = result.tokens[:CANVAS], result.tokens[CANVAS : 2 * CANVAS]
    assert not np.array_equal(first, second)
    assert all(canvas.draft is not None for canvas in result.canvases)
    _, one = generated(model, max_canvases=1)
    assert np.array_equal(one.tokens, first)


@pytest.mark.parametrize("place", [0, 5, 15, 16, 20])
def test_an_end_token_ends_it_and_is_not_part_of_it(model: Model, place: int) -> None:
    _, free = generated(model)
    end = int(free.tokens[place])
    at = int(np.flatnonzero(free.tokens == end)[0])  # it may come earlier
    sequence, result = generated(model, eos=(end, 9999))
    assert result.eos == end and np.array_equal(result.tokens, free.tokens[:at])
    assert len(result.canvases) == at // CANVAS + 1
    assert at // CANVAS * CANVAS == sequence.length - len(PROMPT) == (result.positions < 0).sum()
    for values in (result.entropy, result.accepted, result.positions):
        assert len(values) == at


def test_steps_are_told_in_order(model: Model) -> None:
    seen: list[Generation] = []
    _, result = generated(model, on_step=seen.append)
    expected = [(number, step) for number, canvas in enumerate(result.canvases) for step in range(canvas.steps)]
    drafts = [answer.draft for answer in seen]
    assert [
        (len(answer.canvases) - 1, draft.step) for answer, draft in zip(seen, drafts, strict=True) if draft
    ] == expected
    assert [answer.steps for answer in seen] == list(range(1, result.steps + 1))
    last = {len(answer.canvases): answer for answer in seen}
    assert np.array_equal(last[3].tokens, result.tokens) and np.array_equal(last[1].tokens, result.tokens[:CANVAS])


@pytest.mark.parametrize(("canvas", "step"), [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 1)])
def test_a_stop_takes_effect_within_one_step(model: Model, canvas: int, step: int) -> None:
    until = Until(canvas, step)
    sequence, result = generated(model, stop=until, on_step=until.on_step)
    assert result.finish_reason is FinishReason.INTERRUPTED and len(until.seen) == result.steps
    assert len(result.canvases) == canvas + (step > 0)
    # What was there by then is the answer: whole canvases, and the draft of the one that was cut short.
    assert len(result.tokens) == CANVAS * (canvas + (step > 0))
    assert sequence.length - len(PROMPT) == CANVAS * canvas
    assert result.eos is None


class Unhurried(NoDeadline):
    """Time for every step; remembers for which it was asked as for an answer's first."""

    def __init__(self) -> None:
        self.first: list[bool] = []

    def allows(self, tokens: int, first: bool = False) -> bool:
        self.first.append(first)
        return True


def test_only_an_answers_very_first_step_may_be_tried_against_the_odds(model: Model) -> None:
    budget = Unhurried()
    _, result = generated(model, budget=budget, max_canvases=2)
    assert len(result.canvases) == 2 and result.canvases[0].steps > 1
    assert budget.first == [True] + [False] * (result.steps - 1)


def test_a_draft_that_was_cut_short_ends_at_its_end_token_too(model: Model) -> None:
    until = Until(0, 2)
    _, free = generated(model, stop=until, on_step=until.on_step)
    end = int(free.tokens[4])
    until = Until(0, 2)
    _, result = generated(model, eos=(end,), stop=until, on_step=until.on_step)
    assert result.eos == end and len(result.tokens) <= 4
    assert result.finish_reason is FinishReason.INTERRUPTED


def test_it_stops_early_when_stable_and_sure(model: Model) -> None:
    patient = replace(model, generation=replace(model.generation, max_steps=40, entropy_bound=2.0, confidence=0.2))
    for seed in range(3):
        drafts: list[tuple[int, CanvasDraft]] = []

        def on_step(answer: Generation, drafts: list[tuple[int, CanvasDraft]] = drafts) -> None:
            assert answer.draft is not None
            drafts.append((len(answer.canvases) - 1, answer.draft))

        _, result = generated(patient, seed, on_step=on_step)
        for number, canvas in enumerate(result.canvases):
            own = [draft for at, draft in drafts if at == number]
            stops = [
                np.array_equal(before.argmax, draft.argmax) and draft.mean_entropy < 0.2
                for before, draft in pairwise(own)
            ]
            assert not any(stops[:-1]) and stops[-1] == (canvas.finish_reason is FinishReason.CONVERGED)
            assert canvas.steps == len(own) and (canvas.steps < 40 or not stops[-1])
    assert result.canvases[0].finish_reason is FinishReason.CONVERGED


def test_pins_hold_for_the_first_canvas_alone(model: Model) -> None:
    mask, vocab = np.arange(CANVAS) < 4, model.config.text.vocab_size
    pinned = PinnedCanvas(Pins(mask, np.full(CANVAS, 77)), LogitsMask(np.ones((1, vocab), np.bool_)), ())
    _, result = generated(model, pinned=pinned)
    assert (result.tokens[:4] == 77).all()
    assert not (result.tokens[CANVAS : CANVAS + 4] == 77).all()


def test_the_mask_holds_for_every_canvas(model: Model) -> None:
    allowed = np.zeros((1, model.config.text.vocab_size), np.bool_)
    allowed[0, 40:60] = True
    sequence = model.sequence()
    sequence.append(PROMPT)
    result = generate(sequence, replace(Decoding.of(model, 3), mask=LogitsMask(allowed)))
    assert len(result.canvases) == 3 and ((result.tokens >= 40) & (result.tokens < 60)).all()


def test_the_last_canvas_is_not_in_the_cache(model: Model) -> None:
    sequence, result = generated(model, max_canvases=1)
    assert sequence.length == len(PROMPT) and len(result.tokens) == CANVAS
    fresh = model.sequence()
    fresh.append(PROMPT)
    assert_same(sequence, fresh)


def test_an_answer_that_was_never_begun_is_empty(model: Model) -> None:
    sequence, result = generated(model, stop=lambda: True)
    assert len(result.tokens) == 0 and result.draft is None and result.steps == 0 and not result.canvases
    assert sequence.length == len(PROMPT)


def test_the_context_limit_ends_it_with_what_is_there(opened: Models) -> None:
    """A canvas that would not fit is not begun, and those before it are not lost."""
    for limit, canvases in ((36, 1), (51, 1), (52, 2), (68, 3), (500, 3)):
        own = opened(TINIES["contractive"].with_(positions=limit))
        sequence, result = generated(own)
        assert len(result.canvases) == canvases and len(result.tokens) == canvases * CANVAS
        assert sequence.length == len(PROMPT) + (canvases - 1) * CANVAS <= limit
    with pytest.raises(ContextError, match="a canvas of 16 tokens does not fit"):
        generated(opened(TINIES["contractive"].with_(positions=35)))


class NoTime(NoDeadline):
    def steps(self, tokens: int, most: int) -> int:
        return 0


def test_a_last_canvas_done_again_stands_behind_those_before_it(model: Model) -> None:
    sequence, old = generated(model, max_canvases=2)
    assert old.draft is not None
    decoding = replace(Decoding.of(model, 3), mask=None, max_canvases=2)
    free = LogitsMask(np.ones((1, model.config.text.vocab_size), np.bool_))
    for place in (None, 0, CANVAS - 1):
        pinned = PinnedCanvas(Pins(np.arange(CANVAS) != place, old.draft.argmax), free, ())
        again = redo_last_canvas(sequence, decoding, 1000, old, old, pinned)
        assert again is not None and again.steps > old.steps and len(again.canvases) == 2
        same = np.arange(2 * CANVAS) != (None if place is None else CANVAS + place)
        assert len(again.tokens) == 2 * CANVAS and np.array_equal(again.tokens[same], old.tokens[same])
        assert again.positions.tolist() == [-1] * CANVAS + list(range(CANVAS))
        assert len(again.entropy) == len(again.accepted) == 2 * CANVAS
        assert sequence.length == len(PROMPT) + CANVAS
    for hopeless in (replace(decoding, stop=lambda: True), replace(decoding, budget=NoTime())):
        assert redo_last_canvas(sequence, hopeless, 1000, old, old, pinned) is None
