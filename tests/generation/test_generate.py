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
from dgemma_ros.generation.canvas_loop import Draft, Ended, Pins
from dgemma_ros.generation.generate import Generation, commit, generate, until_eos
from dgemma_ros.model import Model
from dgemma_ros.runtime.noise import Noise
from dgemma_ros.runtime.sampling import Sampling
from dgemma_ros.runtime.sequence import Sequence
from tests.conftest import Models
from tests.runtime.test_sequence import assert_same
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
    noise = Noise(seed, model.config.canvas_length, model.config.text.vocab_size)
    settings = replace(model.generation, eos_ids=eos)
    options.setdefault("max_new_tokens", 3 * CANVAS)
    return sequence, generate(sequence, settings, Sampling.of(settings), noise, **options)


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
    for limit, canvases in ((1, 1), (16, 1), (17, 2), (48, 3), (0, 1)):
        sequence, result = generated(model, max_new_tokens=limit)
        assert len(result.canvases) == canvases and len(result.tokens) == canvases * CANVAS
        assert result.eos is None and result.committed == (canvases - 1) * CANVAS
        assert sequence.length == len(PROMPT) + result.committed
        assert result.steps == sum(canvas.steps for canvas in result.canvases)
    assert len(generated(model, max_new_tokens=None)[1].canvases) == 3  # the checkpoint's own limit


def test_each_canvas_sees_those_before_it(model: Model) -> None:
    """And is denoised with the noise of its own number: alone, behind the same tokens, it comes out the same."""
    _, result = generated(model)
    first, second = result.tokens[:CANVAS], result.tokens[CANVAS : 2 * CANVAS]
    assert not np.array_equal(first, second)
    assert all(canvas.draft is not None for canvas in result.canvases)
    _, one = generated(model, max_new_tokens=CANVAS)
    assert np.array_equal(one.tokens, first)


@pytest.mark.parametrize("place", [0, 5, 15, 16, 20])
def test_an_end_token_ends_it_and_is_not_part_of_it(model: Model, place: int) -> None:
    _, free = generated(model)
    end = int(free.tokens[place])
    at = int(np.flatnonzero(free.tokens == end)[0])  # it may come earlier
    sequence, result = generated(model, eos=(end, 9999))
    assert result.eos == end and np.array_equal(result.tokens, free.tokens[:at])
    assert len(result.canvases) == at // CANVAS + 1
    assert result.committed == at // CANVAS * CANVAS == sequence.length - len(PROMPT)


def test_drafts_say_their_canvas(model: Model) -> None:
    drafts: list[tuple[int, Draft]] = []
    _, result = generated(model, on_draft=lambda canvas, draft: drafts.append((canvas, draft)))
    expected = [(number, step) for number, canvas in enumerate(result.canvases) for step in range(canvas.steps)]
    assert [(canvas, draft.step) for canvas, draft in drafts] == expected
    last = {canvas: draft.argmax for canvas, draft in drafts}
    assert np.array_equal(np.concatenate([last[0], last[1], last[2]]), result.tokens)


@pytest.mark.parametrize(("canvas", "step"), [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 1)])
def test_a_cancel_takes_effect_within_one_step(model: Model, canvas: int, step: int) -> None:
    asked: list[tuple[int, int]] = []

    def keep_going(*now: int) -> bool:
        asked.append(now)
        return now < (canvas, step)

    drafts: list[int] = []
    sequence, result = generated(model, keep_going=keep_going, on_draft=lambda number, _: drafts.append(number))
    assert asked[-1] == (canvas, step) and len(asked) == len(drafts) + 1 == result.steps + 1
    assert result.canvases[-1].ended is Ended.STOPPED and len(result.canvases) == canvas + 1
    # What was there by then is the answer: whole canvases, and the draft of the one that was cut short.
    assert len(result.tokens) == CANVAS * (canvas + (step > 0))
    assert result.committed == CANVAS * canvas == sequence.length - len(PROMPT)
    assert result.eos is None


def test_a_draft_that_was_cut_short_ends_at_its_end_token_too(model: Model) -> None:
    _, free = generated(model, keep_going=lambda canvas, step: step < 2)
    end = int(free.tokens[4])
    _, result = generated(model, eos=(end,), keep_going=lambda canvas, step: step < 2)
    assert result.eos == end and len(result.tokens) <= 4
    assert result.canvases[-1].ended is Ended.STOPPED


def test_it_stops_early_when_stable_and_sure(model: Model) -> None:
    patient = replace(model, generation=replace(model.generation, max_steps=40, entropy_bound=2.0, confidence=0.2))
    for seed in range(3):
        drafts: list[tuple[int, Draft]] = []
        _, result = generated(patient, seed, on_draft=lambda *now, drafts=drafts: drafts.append(now))
        for number, canvas in enumerate(result.canvases):
            own = [draft for at, draft in drafts if at == number]
            stops = [
                np.array_equal(before.argmax, draft.argmax) and draft.mean_entropy < 0.2
                for before, draft in pairwise(own)
            ]
            assert not any(stops[:-1]) and stops[-1] == (canvas.ended is Ended.CONVERGED)
            assert canvas.steps == len(own) and (canvas.steps < 40 or not stops[-1])
    assert result.canvases[0].ended is Ended.CONVERGED


def test_pins_hold_for_the_first_canvas_alone(model: Model) -> None:
    mask = np.arange(CANVAS) < 4
    _, result = generated(model, pins=Pins(mask, np.full(CANVAS, 77)))
    assert (result.tokens[:4] == 77).all()
    assert not (result.tokens[CANVAS : CANVAS + 4] == 77).all()


def test_allowed_tokens_hold_for_every_canvas(model: Model) -> None:
    allowed = np.zeros((1, model.config.text.vocab_size), np.bool_)
    allowed[0, 40:60] = True
    _, result = generated(model, allowed=allowed)
    assert ((result.tokens >= 40) & (result.tokens < 60)).all()


# -- commit -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [None, 0, 5, 20])
@pytest.mark.parametrize("then", [None, [7, 8]])
def test_after_a_commit_the_cache_is_that_of_prompt_and_answer(
    model: Model, place: int | None, then: list[int] | None
) -> None:
    """Up to the end token, never its padding, and behind it what closes the turn."""
    _, free = generated(model)
    eos = () if place is None else (int(free.tokens[place]),)
    sequence, result = generated(model, eos=eos)
    before = sequence.length
    commit(sequence, result, None if then is None else np.array(then))
    assert sequence.length == before + len(result.tokens) - result.committed + len(then or [])
    fresh = model.sequence()
    fresh.append(np.concatenate([PROMPT, result.tokens, np.array(then or [], np.int64)]))
    assert_same(sequence, fresh)


def test_without_a_commit_the_last_canvas_is_not_in_the_cache(model: Model) -> None:
    sequence, result = generated(model, max_new_tokens=CANVAS)
    assert sequence.length == len(PROMPT) and len(result.tokens) == CANVAS
    fresh = model.sequence()
    fresh.append(PROMPT)
    assert_same(sequence, fresh)


def test_a_generation_that_was_never_begun_commits_nothing(model: Model) -> None:
    sequence, result = generated(model, keep_going=lambda canvas, step: False)
    assert len(result.tokens) == 0 and result.canvases[0].draft is None and result.steps == 0
    commit(sequence, result)
    assert sequence.length == len(PROMPT)


def test_the_context_limit_ends_it_with_what_is_there(opened: Models) -> None:
    """A canvas that would not fit is not begun, and those before it are not lost."""
    for limit, canvases in ((36, 1), (51, 1), (52, 2), (68, 3), (500, 3)):
        own = opened(TINIES["contractive"].with_(positions=limit))
        sequence, result = generated(own)
        assert len(result.canvases) == canvases and len(result.tokens) == canvases * CANVAS
        assert sequence.length == len(PROMPT) + result.committed <= limit
    with pytest.raises(ContextError, match="a canvas of 16 tokens does not fit"):
        generated(opened(TINIES["contractive"].with_(positions=35)))
