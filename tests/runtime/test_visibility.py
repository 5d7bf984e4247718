"""Intervals against boolean masks, written down as each convention says it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgemma_ros.errors import ContextError
from dgemma_ros.runtime.visibility import (
    VisionMask,
    blocks,
    check_chunks,
    denoising,
    encoding,
    plan_chunks,
)


@st.composite
def prompts(draw: st.DrawFn) -> np.ndarray:
    """Token types with images anywhere, also side by side with one text token between, at the start and at the end."""
    types: list[int] = []
    for _ in range(draw(st.integers(0, 4))):
        types += [0] * draw(st.integers(1 if types else 0, 9)) + [1] * draw(st.integers(1, 12))
    return np.array(types + [0] * draw(st.integers(0, 9)), np.int64)


def whole_masks(types: np.ndarray, window: int, bidirectional: bool, mask: VisionMask) -> tuple[np.ndarray, np.ndarray]:
    """Of the whole prompt: what a row sees in full layers and in sliding layers."""
    row, column = np.arange(len(types))[:, None], np.arange(len(types))[None]
    starts = np.flatnonzero(np.diff(np.r_[0, types]) == 1)
    image = np.where(types == 1, np.searchsorted(starts, np.arange(len(types)), "right"), 0)
    block = (image[row] == image[column]) & (image[row] > 0) & bidirectional
    causal, near = column <= row, column > row - window
    if mask is VisionMask.TRANSFORMERS:
        return causal | block, (causal & near) | block
    return causal, (causal | block) & near


@settings(max_examples=300, deadline=None)
@given(prompts(), st.integers(2, 20), st.booleans(), st.sampled_from(VisionMask), st.integers(1, 30))
def test_encoding(types: np.ndarray, window: int, bidirectional: bool, convention: VisionMask, size: int) -> None:
    """Chunk by chunk, the intervals say what the mask of the whole prompt says."""
    full, sliding = whole_masks(types, window, bidirectional, convention)
    start = 0
    columns = np.arange(len(types))
    for length in plan_chunks(types, size):
        stop = start + length
        seen = encoding(types[start:stop], window, bidirectional, convention)
        assert len(seen.first_sliding) == len(seen.last_sliding) == len(seen.last_full) == length
        first, last = start + seen.first_sliding[:, None], start + seen.last_sliding[:, None]
        assert (((columns >= first) & (columns <= last)) == sliding[start:stop]).all()
        assert ((columns <= start + seen.last_full[:, None]) == full[start:stop]).all()
        assert max(seen.last_full.max(), seen.last_sliding.max()) < length  # nothing beyond the chunk's end
        start = stop


@given(st.integers(0, 60), st.integers(1, 20), st.integers(2, 30))
def test_denoising(past: int, length: int, window: int) -> None:
    seen = denoising(length, window)
    for row in range(length):
        full = list(range(past + length))
        near = [slot for slot in full if slot >= past or slot > past - window]
        assert list(range(past + seen.last_full[row] + 1)) == full
        assert list(range(max(0, past + seen.first_sliding[row]), past + seen.last_sliding[row] + 1)) == near
        assert sum(slot < past for slot in near) == min(past, window - 1)


@settings(max_examples=300, deadline=None)
@given(prompts(), st.integers(1, 30))
def test_plan_chunks_never_cuts_an_image(types: np.ndarray, size: int) -> None:
    chunks = plan_chunks(types, size)
    assert chunks.dtype == np.int64 and (chunks > 0).all() and chunks.sum() == len(types)
    check_chunks(types, chunks)
    longest = max((stop - start for start, stop in blocks(types)), default=0)
    assert (chunks <= max(size, longest)).all()
    assert len(chunks) <= 2 * (len(types) // size + 1) + len(blocks(types))  # no crumbs


def test_plan_chunks_of_text_alone_are_even() -> None:
    assert plan_chunks(np.zeros(10, np.int64), 4).tolist() == [4, 4, 2]
    assert plan_chunks(np.zeros(0, np.int64), 4).tolist() == []
    assert plan_chunks(np.array([0, 0, 0, 1, 1, 0]), 4).tolist() == [3, 3]
    assert plan_chunks(np.array([1, 1, 1, 1, 1, 0]), 4).tolist() == [5, 1]


@given(prompts(), st.data())
def test_check_chunks_finds_every_cut(types: np.ndarray, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(types) - 1)), max_size=4))) if len(types) > 1 else []
    chunks = np.diff([0, *cuts, len(types)])
    inside = [cut for cut in cuts if types[cut - 1] == types[cut] == 1]
    if inside:
        with pytest.raises(ContextError, match=rf"token {inside[0]}, inside the image"):
            check_chunks(types, chunks)
    else:
        check_chunks(types, chunks)


def test_blocks() -> None:
    assert blocks(np.array([1, 1, 0, 1, 0, 0, 1])) == [(0, 2), (3, 4), (6, 7)]
    assert blocks(np.zeros(3, np.int64)) == blocks(np.zeros(0, np.int64)) == []
