"""Buffers that grow where they lie: nothing is copied to a larger one, and memory is taken only as rows come."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgemma_ros.checkpoint.config import LayerKind, read_config
from dgemma_ros.checkpoint.fields import Section
from dgemma_ros.model import Model
from dgemma_ros.runtime.ort_cache import OrtCache
from dgemma_ros.runtime.reserved import Reserved
from tests.cases import GOLDEN
from tests.tiny import Noise, Tiny, config_json

MIB = 1 << 20
ROWS = 1 << 18
WIDE = Tiny(layers="SFF", full_kv_heads=2, full_head_dim=128, positions=ROWS, vision=None)


def memory(name: str) -> int:
    """MiB of the process, of /proc/self/status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1]) // 1024


@contextmanager
def peak() -> Iterator[list[int]]:
    """MiB that were there at most, beyond those before: of the process, and in numpy's own arrays."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before, found = memory("VmRSS"), [0, 0]
    tracemalloc.start()
    try:
        yield found
        found[:] = memory("VmHWM") - before, tracemalloc.get_traced_memory()[1] // MIB
    finally:
        tracemalloc.stop()


def wide() -> OrtCache:
    config = read_config(Section(GOLDEN, config_json(WIDE)))
    return OrtCache(config, np.float32, "cpu", {}, ROWS)


def test_addresses_of_the_whole_bound_cost_nothing() -> None:
    with peak() as found:
        cache = wide()
        cache.resize(LayerKind.FULL, 64, 0)
    assert 4 * 2 * ROWS * 128 * 4 == 1024 * MIB  # what is reserved
    assert max(found) < 16
    assert cache.nbytes < MIB


def test_growing_copies_nothing_to_another_place() -> None:
    cache, used = wide(), 40_000
    cache.resize(LayerKind.FULL, used, 0)
    rows = Noise("rows").normal((2, used, 128)).astype(np.float32)
    for layer in (1, 2):
        cache.put(layer, 0, rows, -rows)
    held = 2 * 2 * rows.nbytes // MIB
    assert held > 150
    with peak() as found:
        cache.resize(LayerKind.FULL, used + used // 8, used)
    # A copy of all would be 156 MiB more, one of a single buffer 39. What is new is an eighth, of which only the part
    # is written to into which the second head moves.
    assert found[0] < 30 and found[1] < 4
    for layer in (1, 2):
        keys, values = cache.fetch(layer, 0, used)
        np.testing.assert_array_equal(keys, rows)
        np.testing.assert_array_equal(values, -rows)


@given(st.integers(1, 4), st.integers(0, 9), st.lists(st.integers(0, 30), min_size=1, max_size=6), st.integers(1, 5))
def test_rows_are_where_they_were_whatever_the_size_becomes(
    heads: int, used: int, sizes: list[int], width: int
) -> None:
    room = Reserved(heads * 60 * width, np.dtype(np.float32), 0)
    rows = np.arange(1, heads * used * width + 1, dtype=np.float32).reshape(heads, used, width)
    before = used + 3
    room.array((heads, before, width))[:, :used] = rows
    for size in (used + more for more in sizes):
        room.spread(heads, used * width, before * width, size * width)
        before = size
        np.testing.assert_array_equal(room.array((heads, size, width))[:, :used], rows)
        assert np.isfinite(room.array((heads, size, width))).all()


def test_an_array_outlives_what_it_was_made_of() -> None:
    array = Reserved(10, np.dtype(np.float32), 10).array((2, 5))
    gc.collect()
    array[:] = 7
    assert array.sum() == 70


def test_where_no_more_addresses_are_to_be_had_it_takes_what_is_needed() -> None:
    room = Reserved(1 << 62, np.dtype(np.float32), 100)
    assert room.elements == 100
    with pytest.raises(MemoryError):
        Reserved(1 << 62, np.dtype(np.float32), 1 << 61)


def test_room_for_nothing_is_none() -> None:
    room = Reserved(0, np.dtype(np.float32), 0)
    assert room.elements == 0 and room.array((3, 0)).shape == (3, 0)


def test_a_sequence_that_grows_keeps_its_rows(model: Model) -> None:
    sequence = model.sequence()
    ids = Noise("ids").integers(5, model.config.text.vocab_size, (700,))
    sequence.append(ids[:100])
    rows = sequence.rows(2)
    full = model.config.text.layers[2].kind
    assert full is LayerKind.FULL
    for start in range(100, 700, 100):
        sequence.append(ids[start : start + 100])
        for one, two in zip(rows, sequence.rows(2), strict=True):
            np.testing.assert_array_equal(one, two[:, :100])
