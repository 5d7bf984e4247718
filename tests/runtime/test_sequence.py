"""A sequence on ONNX Runtime: what was appended decides, not how it got there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgemma_ros.checkpoint.config import LayerKind
from dgemma_ros.errors import ContextError
from dgemma_ros.runtime.sequence import Sequence
from dgemma_ros.runtime.visibility import VisionMask
from tests.conftest import Models
from tests.runtime.alike import CLOSE_LOGITS, FIXED, NAMES, assert_same, logits, prompt_of, rows, text_of
from tests.runtime.test_visibility import prompts
from tests.tiny import TINIES


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
