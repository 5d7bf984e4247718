"""The attention kernels, run as C++ and held to float64 over intervals of every shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dgemma_ros.trt.kernels.launches import TILE, Heads, attention, attention_merge, attention_split
from tests.trt.emulated import BF16, Emulated

Array = NDArray[Any]
KEYS = {32: 32, 64: 32, 128: 32, 256: 16, 512: 16}
"""Slots that a block loads at once, by head size."""


def inputs(sizes: Heads, first: Array, last: Array, spread: float = 1.0) -> list[Array]:
    """Random heads; what no row sees is no number."""
    random = np.random.Generator(np.random.Philox(key=sizes.rows * 1000 + sizes.capacity + sizes.size))
    query = random.standard_normal((1, sizes.heads, sizes.rows, sizes.size)) * (spread / sizes.size**0.5)
    keys, values = random.standard_normal((2, 1, sizes.kv_heads, sizes.capacity, sizes.size))
    seen = np.zeros(sizes.capacity, np.bool_)
    for low, high in zip(np.broadcast_to(first, last.shape), last, strict=True):
        seen[max(low, 0) : max(high + 1, 0)] = True
    span = np.flatnonzero(seen)
    outside = np.ones(sizes.capacity, np.bool_)
    if len(span):
        outside[span[0] : span[-1] + 1] = False
    keys[:, :, outside], values[:, :, outside] = np.nan, np.nan
    return [*(x.astype(BF16) for x in (query, keys, values)), first.astype(np.int64), last.astype(np.int64)]


def exact(query: Array, keys: Array, values: Array, first: Array, last: Array) -> NDArray[np.float64]:
    """[heads, S, D]; zeros for a row that sees nothing."""
    _, heads, rows, size = query.shape
    group = heads // keys.shape[1]
    out = np.zeros((heads, rows, size))
    for row, (low, high) in enumerate(zip(np.broadcast_to(first, last.shape), last, strict=True)):
        visible = slice(max(int(low), 0), max(int(high) + 1, 0))
        for head in range(heads):
            k, v = (x[0, head // group, visible].astype(np.float64) for x in (keys, values))
            if len(k):
                score = k @ query[0, head, row].astype(np.float64)
                weight = np.exp(score - score.max())
                out[head, row] = weight @ v / weight.sum()
    return out


def near(ours: Array, wanted: NDArray[np.float64]) -> None:
    ours = ours[0].astype(np.float64)
    assert np.isfinite(ours).all()
    assert np.abs(ours - wanted).max() <= 2**-7 * max(1e-9, np.abs(wanted).max())
    assert np.linalg.norm(ours - wanted) <= 5e-3 * np.linalg.norm(wanted)


def loaded(sizes: Heads, first: Array, last: Array) -> int:
    """Bytes of keys and values that the design says are read: for each tile of queries what some row of it sees."""
    group = sizes.heads // sizes.kv_heads
    low, high = np.maximum(np.broadcast_to(first, last.shape), 0), np.minimum(last, sizes.capacity - 1)
    total = 0
    for tile in range(sizes.tiles):
        rows = np.unique(np.minimum(np.arange(tile * TILE, (tile + 1) * TILE) // group, sizes.rows - 1))
        rows = rows[low[rows] <= high[rows]]
        total += int(high[rows].max() - low[rows].min() + 1) if len(rows) else 0
    return total * sizes.kv_heads * sizes.size * 2 * 2


def check(emulated: Emulated, sizes: Heads, first: Array, last: Array, spread: float = 1.0) -> None:
    given = inputs(sizes, first, last, spread)
    wanted = exact(*given)
    (y,) = emulated.run(attention(sizes, len(first)), *given)
    near(y, wanted)
    assert emulated.copied == loaded(sizes, first, last)
    for splits, enough in ((2, 1 << 20), (3, 1 << 20), (3, 1)):
        partial, stats = emulated.run(attention_split(sizes, len(first), splits, enough), *given)
        assert emulated.copied == loaded(sizes, first, last)
        (merged,) = emulated.run(attention_merge(sizes, splits), partial, stats)
        near(merged, wanted)
        if enough == 1:
            assert np.isnan(partial[1:]).all()  # left alone, and not read


FULL = {32: (4, 2), 64: (4, 1), 128: (2, 2), 256: (4, 2), 512: (8, 1)}


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("size", list(KEYS))
def test_a_canvas_sees_all(emulated: Emulated, size: int, eager: bool) -> None:
    emulated.eager = eager
    heads, kv = FULL[size]
    sizes = Heads(heads, kv, size, 9, 96)
    check(emulated, sizes, np.array([0]), np.full(9, 76))


@pytest.mark.parametrize("size", [32, 256, 512])
def test_causal_rows_in_a_window(emulated: Emulated, size: int) -> None:
    emulated.eager = False
    heads, kv = FULL[size]
    last = np.arange(20, 20 + 37)
    check(emulated, Heads(heads, kv, size, 37, 64), np.maximum(last - 15, 0), last)


@pytest.mark.parametrize("spread", [0.01, 30.0])
def test_flat_and_peaked_scores(emulated: Emulated, spread: float) -> None:
    emulated.eager = False
    check(emulated, Heads(4, 2, 64, 5, 160), np.array([3]), np.full(5, 150), spread)


def test_rising_scores_raise_the_maximum_in_every_tile(emulated: Emulated) -> None:
    emulated.eager = False
    sizes = Heads(1, 1, 32, 2, 128)
    first, last = np.array([0]), np.array([127, 100])
    query, keys, values, *_ = inputs(sizes, first, last)
    query[...], keys[...] = 1, (np.arange(128) / 16)[None, None, :, None]
    given = [query, keys, values, first, last]
    (y,) = emulated.run(attention(sizes, 1), *given)
    near(y, exact(*given))


def test_rows_that_see_nothing_are_zero(emulated: Emulated) -> None:
    emulated.eager = False
    first, last = np.array([0, 5, 7, 90, -9]), np.array([3, 4, 60, 200, -1])
    sizes = Heads(2, 1, 64, 5, 64)
    given = inputs(sizes, first, np.minimum(last, 63))
    given[4] = last
    (y,) = emulated.run(attention(sizes, 5), *given)
    near(y, exact(*given[:3], first, np.minimum(last, 63)))
    assert not y[0, :, [1, 3, 4]].any()


def test_one_row_and_1280(emulated: Emulated) -> None:
    emulated.eager = False
    check(emulated, Heads(2, 1, 32, 1, 33), np.array([0]), np.array([0]))
    last = np.arange(1280)
    check(emulated, Heads(1, 1, 32, 1280, 1280), np.maximum(last - 63, 0), last)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_intervals_of_every_shape(emulated: Emulated, data: st.DataObject) -> None:
    kv, group = data.draw(st.integers(1, 2)), data.draw(st.sampled_from([1, 2, 3, 8]))
    rows, capacity = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 130))
    ends = st.lists(st.integers(0, capacity - 1), min_size=rows, max_size=rows)
    a, b = np.array(data.draw(ends)), np.array(data.draw(ends))
    if data.draw(st.booleans()):
        first, last = np.minimum(a, b), np.maximum(a, b)
    else:  # as the model's are: one start, or ascending
        last = np.sort(b)
        first = np.array([int(min(a.min(), last[0]))])
    emulated.eager = data.draw(st.booleans())
    check(emulated, Heads(kv * group, kv, data.draw(st.sampled_from([32, 64])), rows, capacity), first, last)
