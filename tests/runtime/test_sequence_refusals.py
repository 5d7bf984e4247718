"""What a sequence refuses, with nothing appended; and what it takes though it looks much the same."""

from __future__ import annotations

import numpy as np
import pytest

from dgemma_ros.errors import ContextError
from dgemma_ros.runtime.sequence import Sequence
from tests.conftest import Models
from tests.runtime.alike import assert_same, logits, prompt_of, rows, text_of
from tests.tiny import TINIES


def assert_refused(sequence: Sequence, message: str, *append: object) -> None:
    length, before = sequence.length, rows(sequence)
    with pytest.raises(ContextError, match=message):
        sequence.append(*append)  # type: ignore[arg-type]
    assert sequence.length == length
    assert all(np.array_equal(left, right) for left, right in zip(rows(sequence), before, strict=True))


def test_the_context_limit(opened: Models) -> None:
    model = opened(TINIES["small_window"].with_(positions=50))
    sequence = model.sequence()
    sequence.append(text_of(model, 42))
    logits(sequence)  # a canvas of 8 just fits
    assert_refused(sequence, r"the prompt of 9 tokens does not fit: 42 .* limit is 50", text_of(model, 9))
    sequence.append(text_of(model, 1))
    with pytest.raises(ContextError, match=r"a canvas of 8 tokens does not fit: 43 .* limit is 50"):
        sequence.open_canvas({})
    sequence.append(text_of(model, 7))
    assert sequence.length == 50
    assert_refused(sequence, "does not fit", text_of(model, 1))
    sequence.rollback(42)
    logits(sequence)


@pytest.mark.parametrize(("images", "soft"), [([1, 1, 0], 1), ([1, 1, 0], 3), ([0, 0], 1), ([0, 1], 0)])
def test_soft_tokens_must_be_as_many_as_image_tokens(images: list[int], soft: int, opened: Models) -> None:
    model = opened("images")
    sequence = model.sequence()
    sequence.append(text_of(model, 5))
    given = np.zeros((soft, model.config.text.hidden_size), np.float32) if soft else None
    message = rf"{sum(images)} tokens are of type image, but {soft} soft tokens are given"
    assert_refused(sequence, message, np.zeros(len(images), np.int64), np.array(images), given)


def test_an_image_is_not_cut(opened: Models) -> None:
    model = opened("images")
    sequence = model.sequence()
    prompt = prompt_of(model, np.array([0, 0, 1, 1, 1, 0]))
    assert_refused(sequence, r"ends at token 3, inside the image at 2\.\.4", *prompt, np.array([3, 3]))
    sequence.append(*prompt, np.array([2, 3, 1]))


def test_chunks_must_sum_to_the_prompt(opened: Models) -> None:
    model = opened("plain")
    sequence = model.sequence()
    assert_refused(sequence, r"chunks: sum to 5, but 6 tokens", text_of(model, 6), None, None, np.array([2, 3]))


def test_where_images_are_causal_they_can_be_cut(opened: Models) -> None:
    model = opened("all_full")
    prompt = prompt_of(model, np.array([0, 0, 1, 1, 1, 0]))
    cut, whole = model.sequence(), model.sequence()
    cut.append(*prompt, np.array([3, 3]))
    whole.append(*prompt)
    assert_same(cut, whole)


def test_soft_tokens_are_placed_by_type_not_by_id(opened: Models) -> None:
    """A drawn token may be the image token; and under a soft token any id may stand."""
    model = opened("images")
    types = np.array([0, 1, 1, 0, 0])
    prompt = prompt_of(model, types)
    sequences = []
    for under in (model.config.image_id, 7):
        ids = np.where(types == 1, under, prompt.ids)
        ids[4] = model.config.image_id
        sequences.append(model.sequence())
        sequences[-1].append(ids, types, prompt.soft)
    assert_same(*sequences)
    text = model.sequence()
    text.append(np.where(types == 1, model.config.image_id, prompt.ids))
    assert np.abs(logits(text) - logits(sequences[0])).max() > 0.1


def test_nothing_appended_is_nothing(opened: Models) -> None:
    model = opened("images")
    sequence = model.sequence()
    sequence.append(np.zeros(0, np.int64))
    assert sequence.length == 0 and all(not array.size for array in rows(sequence))
    logits(sequence)


def test_a_snapshot_is_of_its_own_sequence(opened: Models) -> None:
    model = opened("small_window")
    first, second = model.sequence(), model.sequence()
    first.append(text_of(model, 12))
    second.append(text_of(model, 12))
    snapshot = first.snapshot()
    before = rows(second)
    with pytest.raises(ContextError, match="of 12 tokens is of another sequence"):
        second.restore(snapshot)
    assert all(np.array_equal(left, right) for left, right in zip(rows(second), before, strict=True))
    first.restore(snapshot)


def test_a_position_that_nothing_may_be_drawn_at_is_refused(opened: Models) -> None:
    model = opened("small_window")
    sequence = model.sequence()
    sequence.append(text_of(model, 5))
    length, vocab = model.config.canvas_length, model.config.text.vocab_size
    allowed = np.zeros((3, vocab), np.bool_)
    allowed[0, 7] = allowed[1, 3] = True
    row = np.arange(length) % 3
    with pytest.raises(ContextError, match="set 2 holds no token"):
        sequence.open_canvas({"allowed": allowed, "allowed_row": row})
    with pytest.raises(ContextError, match="set 0 holds no token"):
        sequence.open_canvas({"allowed": allowed[2:]})
    for wrong in (row + 1, row - 1):
        with pytest.raises(ContextError, match=r"allowed_row: names sets .* but there are 3"):
            sequence.open_canvas({"allowed": allowed, "allowed_row": wrong})
    result = sequence.open_canvas({"allowed": allowed, "allowed_row": row % 2}).step({})  # a set that nobody uses
    assert set(result.argmax.tolist()) <= {3, 7}
