"""The loop of one canvas: what it feeds, when it ends, and what it promises of pins, sets and seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from dgemma_ros.generation.canvas_loop import CanvasDraft, CanvasResult, FinishReason, LogitsMask, Pins, denoise
from dgemma_ros.model import Model
from dgemma_ros.runtime.contract import StepResult
from dgemma_ros.runtime.noise import Noise
from dgemma_ros.runtime.sampling import Sampling
from tests.conftest import Models

LENGTH, VOCAB = 4, 50
SAMPLING = Sampling(steps=6, t_min=0.4, t_max=0.8, entropy_bound=0.1, stability=1, confidence=0.5)


class Script:
    """A sequence and its canvas: keeps what it is fed, and answers with given argmax tokens and mean entropies."""

    def __init__(self, answers: list[tuple[int, float]]) -> None:
        self.answers = answers
        self.opened: list[Mapping[str, np.ndarray]] = []
        self.fed: list[dict[str, np.ndarray]] = []

    def open_canvas(self, feeds: Mapping[str, np.ndarray]) -> Script:
        self.opened.append(feeds)
        return self

    def step(self, feeds: Mapping[str, np.ndarray]) -> StepResult:
        number = len(self.fed)
        self.fed.append({name: value.copy() for name, value in feeds.items()})
        token, entropy = self.answers[number]
        row = np.full(LENGTH, token)
        return StepResult(row + 100 + number, row, row + 50, np.full(LENGTH, entropy), row > 0, entropy, LENGTH)


def run(answers: list[tuple[int, float]], **options: Any) -> tuple[Script, CanvasResult, list[CanvasDraft]]:
    script, drafts = Script(answers), []
    noise = Noise(7, LENGTH, VOCAB)
    result = denoise(script, SAMPLING, noise, on_draft=drafts.append, **options)  # type: ignore[arg-type]
    return script, result, drafts


def test_each_step_is_fed_its_own_noise_and_temperature() -> None:
    script, result, _ = run([(i, 9.0) for i in range(6)], canvas=3)
    assert result.finish_reason is FinishReason.STEP_LIMIT and result.steps == 6
    noise = Noise(7, LENGTH, VOCAB)
    for step, feeds in enumerate(script.fed):
        uniform, tokens = noise.step(3, step)
        assert np.array_equal(feeds["uniform"], uniform) and np.array_equal(feeds["random_tokens"], tokens)
        assert feeds["temperature"] == np.float32(0.4 + 0.4 * (6 - step) / 6)
        expected = noise.canvas(3) if step == 0 else np.full(LENGTH, step - 1 + 100 + step - 1)
        assert np.array_equal(feeds["canvas"], expected)
    (opened,) = script.opened
    assert opened.keys() == {"entropy_bound"} and opened["entropy_bound"] == np.float32(0.1)


def test_it_stops_when_stable_and_sure() -> None:
    script, result, drafts = run([(1, 0.1), (2, 0.1), (2, 0.9), (2, 0.4), (2, 0.4), (2, 0.4)])
    assert result.finish_reason is FinishReason.CONVERGED and result.steps == len(script.fed) == 4
    assert result.draft is drafts[-1] and result.draft.argmax.tolist() == [2] * LENGTH


def test_the_result_is_the_argmax_not_the_sampled_canvas() -> None:
    _, result, _ = run([(i, 9.0) for i in range(6)])
    assert result.draft is not None and result.draft.argmax.tolist() == [5] * LENGTH


def test_drafts_come_in_order_one_a_step() -> None:
    _, _, drafts = run([(i, 9.0 - i) for i in range(6)])
    assert [draft.step for draft in drafts] == list(range(6)) and {draft.steps for draft in drafts} == {6}
    assert [draft.argmax[0] for draft in drafts] == list(range(6))
    assert [draft.mean_entropy for draft in drafts] == [9.0, 8.0, 7.0, 6.0, 5.0, 4.0]


@pytest.mark.parametrize("steps", [0, 1, 4])
def test_it_asks_before_every_step_whether_to_go_on(steps: int) -> None:
    asked: list[int] = []

    def keep_going(step: int) -> bool:
        asked.append(step)
        return step < steps

    script, result, drafts = run([(i, 9.0) for i in range(6)], keep_going=keep_going)
    assert asked == list(range(steps + 1))
    assert result.finish_reason is FinishReason.INTERRUPTED and result.steps == len(script.fed) == len(drafts) == steps
    assert result.draft is (drafts[-1] if steps else None)


def test_pins_and_sets_are_fed_once_and_the_first_canvas_holds_the_pins() -> None:
    pins = Pins(np.array([True, False, True, False]), np.array([40, 0, 41, 0]))
    allowed, row = np.ones((2, VOCAB), np.bool_), np.array([0, 1, 0, 1])
    script, _, _ = run([(i, 9.0) for i in range(6)], pins=pins, mask=LogitsMask(allowed, row))
    (opened,) = script.opened
    assert opened["pin"] is pins.mask and opened["pin_ids"] is pins.ids
    assert opened["allowed"] is allowed and opened["allowed_row"] is row
    first, random = script.fed[0]["canvas"], Noise(7, LENGTH, VOCAB).canvas(0)
    assert first.tolist() == [40, random[1], 41, random[3]]
    assert all(feeds.keys() == {"canvas", "uniform", "random_tokens", "temperature"} for feeds in script.fed)


def test_what_is_pinned_on_the_way_is_fed_from_the_next_step_on() -> None:
    """Also on the canvas that is presented, where the model would otherwise still see what it sampled there."""
    pins = Pins(np.array([False, True, True, False]), np.array([0, 41, 42, 0]))
    script, result, _ = run([(i, 9.0) for i in range(6)], repin=lambda draft: pins if draft.step == 1 else None)
    sampled = [step + 100 + step for step in range(6)]
    assert [feeds["canvas"].tolist() for feeds in script.fed[1:4]] == [
        [sampled[0]] * LENGTH,
        [sampled[1], 41, 42, sampled[1]],
        [sampled[2]] * LENGTH,
    ]
    assert [set(feeds) & {"pin", "pin_ids"} for feeds in script.fed] == [set(), set(), {"pin", "pin_ids"}] + [set()] * 3
    assert np.array_equal(script.fed[2]["pin"], pins.mask) and np.array_equal(script.fed[2]["pin_ids"], pins.ids)
    assert result.finish_reason is FinishReason.STEP_LIMIT


def test_a_canvas_is_not_done_in_the_step_that_pins_more() -> None:
    pins = Pins(np.zeros(LENGTH, np.bool_), np.zeros(LENGTH, np.int64))
    _, result, _ = run([(2, 0.1)] * 6, repin=lambda draft: pins if draft.step == 1 else None)
    assert result.finish_reason is FinishReason.CONVERGED and result.steps == 3


# -- on a model ---------------------------------------------------------------------------------------------------


def canvas_of(model: Model, seed: int = 0, length: int = 12, **options: Any) -> tuple[CanvasResult, list[CanvasDraft]]:
    sequence = model.sequence()
    sequence.append(np.arange(length))
    drafts: list[CanvasDraft] = []
    noise = Noise(seed, model.config.canvas_length, model.config.text.vocab_size)
    sampling = options.pop("sampling", Sampling.of(model.generation))
    result = denoise(sequence, sampling, noise, on_draft=drafts.append, **options)
    assert sequence.length == length
    return result, drafts


@pytest.mark.parametrize("name", ["images", "contractive", "many_experts"])
def test_the_seed_decides_everything(name: str, opened: Models) -> None:
    model = opened(name)
    (first, drafts), (again, same), (_, others) = (canvas_of(model, seed) for seed in (1, 1, 2))
    assert first.steps == again.steps and first.finish_reason == again.finish_reason
    for left, right in zip(drafts, same, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(vars(left).values(), vars(right).values(), strict=True))
    assert not np.array_equal(drafts[0].argmax, others[0].argmax)


def test_canvases_of_one_generation_differ(opened: Models) -> None:
    drafts = [canvas_of(opened("images"), 1, canvas=number)[1][0].argmax for number in (0, 1)]
    assert not np.array_equal(*drafts)


def test_pinned_positions_never_change(opened: Models) -> None:
    model = opened("many_experts")
    mask = np.arange(32) % 3 == 0
    pins = Pins(mask, np.where(mask, 70 + np.arange(32), -5))  # what stands at free positions is not looked at
    _, drafts = canvas_of(model, pins=pins)
    for draft in drafts:
        assert np.array_equal(draft.argmax[mask], pins.ids[mask])
        assert draft.accepted[mask].all() and not draft.entropy[mask].any()
    _, free = canvas_of(model)
    assert not np.array_equal(drafts[-1].argmax[~mask], free[-1].argmax[~mask])  # the others do see them


def test_all_pinned_is_done_at_once(opened: Models) -> None:
    model = opened("contractive")
    ids = np.arange(16) + 20
    result, _ = canvas_of(model, pins=Pins(np.ones(16, np.bool_), ids))
    assert result.finish_reason is FinishReason.CONVERGED and result.steps == 2
    assert result.draft is not None and np.array_equal(result.draft.argmax, ids)


def test_each_position_samples_from_its_own_set(opened: Models) -> None:
    model = opened("images")
    vocab, length = model.config.text.vocab_size, model.config.canvas_length
    allowed = np.zeros((3, vocab), np.bool_)
    allowed[0], allowed[1, 30:40], allowed[2, 99] = True, True, True
    row = np.arange(length) % 3
    _, drafts = canvas_of(model, mask=LogitsMask(allowed, row))
    for draft in drafts:
        assert ((draft.argmax[row == 1] >= 30) & (draft.argmax[row == 1] < 40)).all()
        assert (draft.argmax[row == 2] == 99).all() and not draft.entropy[row == 2].any()
    assert len({int(token) for draft in drafts for token in draft.argmax[row == 0]}) > 3
    first, _ = canvas_of(model, mask=LogitsMask(allowed))  # without rows, the first set is everyone's
    free, _ = canvas_of(model)
    assert first.draft is not None and free.draft is not None
    assert np.array_equal(first.draft.argmax, free.draft.argmax)


def test_media_tokens_are_never_sampled(opened: Models) -> None:
    model = opened("images")
    media = [model.config.begin_image_id, model.config.image_id, model.config.end_image_id]
    assert not model.allowed[0, media].any() and model.allowed.sum() == model.config.text.vocab_size - 3
    for seed in range(4):
        _, drafts = canvas_of(model, seed, mask=LogitsMask(model.allowed))
        assert not any(np.isin(draft.argmax, media).any() for draft in drafts)


def test_a_smaller_budget_is_used_up_to_its_end(opened: Models) -> None:
    model = opened("images")
    unsure = Sampling(steps=3, t_min=0.4, t_max=0.8, entropy_bound=0.4, stability=1, confidence=1e-9)
    result, drafts = canvas_of(model, sampling=unsure)
    assert (result.finish_reason, result.steps, len(drafts)) == (FinishReason.STEP_LIMIT, 3, 3)
