"""A sequence on ONNX Runtime: what was appended decides, not how it got there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgemma_ros.checkpoint.config import LayerKind
from dgemma_ros.errors import ContextError
from dgemma_ros.model import Model
from dgemma_ros.runtime.sequence import Sequence
from dgemma_ros.runtime.visibility import VisionMask
from tests.conftest import Models
from tests.runtime.test_visibility import prompts
from tests.tiny import TINIES, Noise

CLOSE = 5e-5  # float32, summed in another order
CLOSE_LOGITS = 2e-4  # which the self-conditioning amplifies
# Always the same examples: where two experts are equally likely but for rounding, a row may go to either.
FIXED = settings(max_examples=30, deadline=None, derandomize=True)
NAMES = st.sampled_from(["small_window", "odd_pattern", "all_full", "images"])


class Prompt(NamedTuple):
    ids: np.ndarray
    types: np.ndarray
    soft: np.ndarray | None


def prompt_of(model: Model, types: np.ndarray, seed: int = 0) -> Prompt:
    noise, text = Noise("prompt", seed), model.config.text
    soft = noise.normal((int(types.sum()), text.hidden_size)).astype(np.float32)
    return Prompt(noise.integers(0, text.vocab_size, types.shape), types, soft if len(soft) else None)


def text_of(model: Model, length: int, seed: int = 0) -> np.ndarray:
    return prompt_of(model, np.zeros(length, np.int64), seed).ids


def rows(sequence: Sequence) -> list[np.ndarray]:
    return [array for layer in sequence.config.text.layers for array in sequence.rows(layer.index)]


def logits(sequence: Sequence) -> np.ndarray:
    """Of two denoising steps, the second with self-conditioning."""
    noise, config = Noise("canvas"), sequence.config
    canvas = sequence.open_canvas({}, with_logits=True)
    tokens = noise.integers(0, config.text.vocab_size, (2, config.canvas_length))
    steps = [canvas.step({"canvas": row, "temperature": np.array([0.7], np.float32)}) for row in tokens]
    return np.stack([step.logits for step in steps])


def assert_same(ours: Sequence, other: Sequence) -> None:
    assert ours.length == other.length
    for left, right in zip(rows(ours), rows(other), strict=True):
        assert left.shape == right.shape
        assert np.abs(left - right).max(initial=0) < CLOSE
    assert np.abs(logits(ours) - logits(other)).max() < CLOSE_LOGITS


@FIXED
@given(NAMES, prompts(), st.sampled_from(VisionMask), st.integers(1, 12), st.integers(0, 9), st.data())
def test_chunks_do_not_matter(
    opened: Models,
    name: str,
    types: np.ndarray,
    mask: VisionMask,
    chunk: int,
    slack: int,
    data: st.DataObject,
) -> None:
    """Planned or given, with a roomy buffer or one that is moved to its front all the time."""
    model = opened(name)
    prompt = prompt_of(model, types)
    whole = Sequence(model.session, mask, chunk=1000, slack=1000)
    whole.append(*prompt)
    planned = Sequence(model.session, mask, chunk, slack)
    planned.append(*prompt)
    assert_same(planned, whole)
    is_cut = [i for i in range(1, len(types)) if types[i - 1] == types[i] == 1]
    allowed = [i for i in range(1, len(types)) if i not in is_cut]
    cuts = sorted(data.draw(st.sets(st.sampled_from(allowed), max_size=6))) if allowed else []
    given = Sequence(model.session, mask, chunk, slack)
    given.append(*prompt, np.diff([0, *cuts, len(types)]) if len(types) else None)
    assert_same(given, whole)


@pytest.mark.parametrize("name", ["small_window", "odd_pattern"])
def test_growth_and_compaction_do_not_matter(name: str, opened: Models) -> None:
    """Token by token through several growths of the full layers and many moves of the sliding ones."""
    model = opened(name)
    ids = text_of(model, 150)
    one_by_one = Sequence(model.session, chunk=3, slack=2)
    grown = set()
    for i in range(len(ids)):
        one_by_one.append(ids[i : i + 1])
        grown.add(one_by_one.cache.capacity(LayerKind.FULL))
    assert len(grown) >= 3
    whole = model.sequence()
    whole.append(ids)
    assert_same(one_by_one, whole)
    window = model.config.text.sliding_window
    for layer, (key, value) in enumerate(zip(rows(whole)[::2], rows(whole)[1::2], strict=True)):
        kept = 150 if model.config.text.layers[layer].kind is LayerKind.FULL else window - 1
        assert key.shape[1] == value.shape[1] == kept


@FIXED
@given(NAMES, st.integers(1, 60), st.integers(0, 30), st.integers(0, 30), st.booleans())
def test_rollback_is_as_if_it_had_never_been(
    opened: Models, name: str, before: int, after: int, more: int, denoised: bool
) -> None:
    model = opened(name)
    ids = text_of(model, before + after + more)
    sequence = Sequence(model.session, chunk=5, slack=30)
    sequence.append(ids[:before])
    sequence.append(ids[before : before + after])
    if denoised:
        logits(sequence)
    sequence.rollback(before)
    sequence.append(ids[before + after :])
    fresh = model.sequence()
    fresh.append(np.concatenate([ids[:before], ids[before + after :]]))
    assert_same(sequence, fresh)


@FIXED
@given(NAMES, st.integers(0, 40), st.lists(st.integers(0, 40), max_size=3), st.integers(0, 12))
def test_a_snapshot_brings_back_the_same_bytes(
    opened: Models, name: str, before: int, branches: list[int], more: int
) -> None:
    model = opened(name)
    sequence = Sequence(model.session, chunk=5, slack=0)
    sequence.append(text_of(model, before))
    snapshot, at_branch = sequence.snapshot(), rows(sequence)
    for number, length in enumerate(branches, 1):
        sequence.append(text_of(model, length, number))
        logits(sequence)
        sequence.restore(snapshot)
        for left, right in zip(rows(sequence), at_branch, strict=True):
            assert np.array_equal(left, right)
    ids = text_of(model, more, 99)
    sequence.append(ids)
    fresh = model.sequence()
    fresh.append(np.concatenate([text_of(model, before), ids]))
    assert_same(sequence, fresh)


def test_snapshots_within_snapshots(opened: Models) -> None:
    model = opened("odd_pattern")
    sequence = Sequence(model.session, chunk=4, slack=0)
    ids = text_of(model, 120)
    snapshots = []
    for start in range(0, 120, 30):
        snapshots.append((sequence.snapshot(), rows(sequence)))
        sequence.append(ids[start : start + 30])
    for snapshot, kept in reversed(snapshots):
        sequence.restore(snapshot)
        assert all(np.array_equal(left, right) for left, right in zip(rows(sequence), kept, strict=True))
    with pytest.raises(ContextError, match="void"):
        sequence.restore(snapshots[-1][0])


@pytest.mark.parametrize("name", TINIES)
def test_denoising_leaves_the_cache_as_it_was(name: str, opened: Models) -> None:
    model = opened(name)
    for length in (0, 1, 30, 100):
        sequence = model.sequence()
        sequence.append(text_of(model, length))
        before = rows(sequence)
        first = logits(sequence)
        for left, right in zip(before, rows(sequence), strict=True):
            assert np.array_equal(left, right)
        assert sequence.length == length
        assert np.array_equal(logits(sequence), first)  # another canvas begins from nothing


def test_two_sequences_of_a_session_share_nothing(opened: Models) -> None:
    model = opened("images")
    ids = text_of(model, 40), text_of(model, 40, 1)
    alone = model.sequence()
    alone.append(ids[0])
    expected, left, right = logits(alone), model.sequence(), model.sequence()
    for start in range(0, 40, 10):
        left.append(ids[0][start : start + 10])
        right.append(ids[1][start : start + 10])
        logits(right)
    assert np.abs(logits(left) - expected).max() < CLOSE_LOGITS
    assert np.abs(logits(right) - expected).max() > 0.1


# -- what is refused, with nothing appended -----------------------------------------------------------------------


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


# -- rows and positions apart -------------------------------------------------------------------------------------

ONE_LAYER = TINIES["images"].with_(layers="F")
"""Its keys and values hang on nothing but their own token and position."""


@FIXED
@given(st.integers(0, 30), st.integers(1, 30), st.integers(0, 30), st.booleans())
def test_what_was_evicted_is_as_if_it_had_never_been_seen(
    opened: Models, before: int, gone: int, after: int, closed: bool
) -> None:
    """Where no row has seen another: the rest at its positions, or, once the gap is closed, the rest read afresh."""
    model = opened(ONE_LAYER)
    ids = text_of(model, before + gone + after)
    edited, fresh = Sequence(model.session, chunk=7), model.sequence()
    edited.append(ids)
    edited.evict(before, gone)
    fresh.append(ids[:before])
    if closed:
        edited.shift(before, -gone)
    else:
        fresh.shift(before, gone)  # no row is there to be turned: the next one comes later
    fresh.append(ids[before + gone :])
    assert edited.position == fresh.position == before + after + (0 if closed else gone)
    assert_same(edited, fresh)


@FIXED
@given(NAMES, st.integers(1, 60), st.integers(1, 300), st.integers(0, 12))
def test_shifting_all_changes_no_logits(opened: Models, name: str, length: int, delta: int, more: int) -> None:
    """What attention knows of positions are distances."""
    model = opened(name)
    ids = text_of(model, length + more)
    shifted, left = Sequence(model.session, chunk=5, slack=3), model.sequence()
    for sequence in (shifted, left):
        sequence.append(ids[:length])
    shifted.shift(0, delta)
    for sequence in (shifted, left):
        sequence.append(ids[length:])
    assert shifted.position == left.position + delta
    assert np.abs(logits(shifted) - logits(left)).max() < 1e-2  # angles are float32
    shifted.shift(0, -delta)
    for ours, theirs in zip(rows(shifted), rows(left), strict=True):
        assert np.abs(ours - theirs).max(initial=0) < 1e-4


def test_a_session_runs_on_beyond_its_positions(opened: Models) -> None:
    """A context of 60 positions, frame after frame: what is oldest goes, and positions come back by a shift."""
    model = opened(TINIES["small_window"].with_(positions=60))
    sequence = model.sequence()
    sequence.append(text_of(model, 5))
    for number in range(40):
        if sequence.room < 10 + model.config.canvas_length:
            sequence.evict(5, 10)
            sequence.shift(5, -10)
        sequence.append(text_of(model, 10, number))
        logits(sequence)
    assert sequence.length == sequence.position <= 60


def test_a_thousand_shifts_do_not_wear_the_keys_out(opened: Models) -> None:
    model = opened("odd_pattern")
    sequence = model.sequence()
    sequence.append(text_of(model, 50))
    before = rows(sequence)
    for delta in range(1, 501):
        sequence.shift(20, 7 * delta)
        sequence.shift(20, -7 * delta)
    for new, old in zip(rows(sequence), before, strict=True):
        assert np.abs(new - old).max() < 1e-4


def test_edits_void_canvases_and_are_refused_where_there_are_no_such_rows(opened: Models) -> None:
    model = opened("images")
    sequence = model.sequence()
    sequence.append(text_of(model, 30))
    for edit in (lambda: sequence.evict(25, 5), lambda: sequence.evict(3, 2), lambda: sequence.shift(23, 4)):
        canvas = sequence.open_canvas({})
        canvas.step({})
        edit()
        with pytest.raises(ContextError, match="void"):
            canvas.step({})
    before = rows(sequence)
    for start, count in ((-1, 2), (20, 4), (24, 1), (3, -1)):
        with pytest.raises(ContextError, match=r"cannot evict rows .* the sequence has 23"):
            sequence.evict(start, count)
    for start, delta, message in (
        (-1, 0, "the sequence has 23"),
        (24, 0, "the sequence has 23"),
        (0, -1, "its position 0 would become -1, but 0 is the lowest"),
        (3, -3, "its position 5 would become 2, but 3 is the lowest"),
        (23, -10, "its position 34 would become 24, but 25 is the lowest"),
        (10, 1 << 18, "beyond the model's 262144"),
    ):
        with pytest.raises(ContextError, match=message):
            sequence.shift(start, delta)
    assert sequence.position == 34
    assert all(np.array_equal(new, old) for new, old in zip(rows(sequence), before, strict=True))
    sequence.evict(0, 23)
    assert sequence.length == 0 and sequence.position == 34
    logits(sequence)  # over what the sliding layers still hold


@pytest.mark.parametrize("name", ["small_window", "odd_pattern", "all_full", "images"])
def test_restored_rows_are_those_that_were_exported(name: str, opened: Models) -> None:
    """In another sequence, newest first and in slices, with an eviction and a shift before: as the one they are of."""
    model = opened(name)
    ids = text_of(model, 120)
    ours = Sequence(model.session, chunk=16)
    ours.append(ids[:100])
    ours.evict(30, 20)
    ours.shift(30, -7)
    other = Sequence(model.session, chunk=16)
    other.append(ids[:10])
    for start, stop in ((60, 80), (35, 60), (10, 35)):
        other.restore_rows(ours.export_rows(start, stop - start), 10)
    other.restore_window(ours.export_window())
    assert_same(other, ours)
    assert (other.position, other.room) == (ours.position, ours.room)
    for sequence in (ours, other):
        snapshot = sequence.snapshot()
        sequence.append(ids[100:])
        sequence.restore(snapshot)
        sequence.append(ids[105:])
        sequence.shift(40, -3 if sequence.gap(40) >= 3 else 2)
        sequence.rollback(sequence.length - 4)
    assert_same(other, ours)
