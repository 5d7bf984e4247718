"""The cache's buffers: rows kept, moved and brought back; and written in place, whatever is already there."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dgemma_ros.checkpoint.config import LayerKind, read_config
from dgemma_ros.checkpoint.fields import Section
from dgemma_ros.runtime.ort_cache import OrtCache
from tests.cases import GOLDEN
from tests.conftest import Folders, Models
from tests.tiny import TINIES, Noise, Tiny, config_json

ROOT = Path(__file__).parents[2]
LONG = Tiny(layers="FF", hidden=16, inner=16, experts=2, expert_inner=16, full_head_dim=16, canvas=8, vision=None)


def cache_of(name: str = "odd_pattern") -> OrtCache:
    """With every slot of every buffer another number."""
    cache = OrtCache(read_config(Section(GOLDEN, config_json(TINIES[name]))), np.float32, "cpu")
    for kind in LayerKind:
        cache.resize(kind, 10, 0)
        shapes = [rows.shape for rows in cache.save(kind, 0, 10)]
        cache.load(kind, 0, [Noise("cache", kind, i).normal(shape) for i, shape in enumerate(shapes)])
    return cache


def test_it_begins_empty() -> None:
    cache = OrtCache(read_config(Section(GOLDEN, config_json(TINIES["odd_pattern"]))), np.float32, "cpu")
    assert {cache.capacity(kind) for kind in LayerKind} == {0}
    assert cache.read(0, 0, 0)[0].shape == (2, 0, 24) and cache.read(1, 0, 0)[1].shape == (3, 0, 16)


def test_a_kind_without_layers_has_no_capacity() -> None:
    cache = OrtCache(read_config(Section(GOLDEN, config_json(TINIES["all_full"]))), np.float32, "cpu")
    cache.resize(LayerKind.SLIDING, 10, 0)
    assert cache.capacity(LayerKind.SLIDING) == 0 and cache.save(LayerKind.SLIDING, 0, 0) == []


@pytest.mark.parametrize(("capacity", "used"), [(16, 10), (16, 4), (10, 10), (5, 5), (12, 0)])
def test_resize_keeps_what_is_used_and_zeroes_the_rest(capacity: int, used: int) -> None:
    cache = cache_of()
    before, other = cache.save(LayerKind.FULL, 0, 10), cache.save(LayerKind.SLIDING, 0, 10)
    cache.resize(LayerKind.FULL, capacity, used)
    assert cache.capacity(LayerKind.FULL) == capacity and cache.capacity(LayerKind.SLIDING) == 10
    for new, old in zip(cache.save(LayerKind.FULL, 0, capacity), before, strict=True):
        assert np.array_equal(new[:, :, :used], old[:, :, :used]) and not new[:, :, used:].any()
    for new, old in zip(cache.save(LayerKind.SLIDING, 0, 10), other, strict=True):
        assert np.array_equal(new, old)


@pytest.mark.parametrize(("source", "target", "count"), [(3, 0, 7), (0, 3, 7), (5, 0, 5), (2, 2, 3), (4, 1, 0)])
def test_move_copes_with_overlap(source: int, target: int, count: int) -> None:
    cache = cache_of()
    before = cache.save(LayerKind.SLIDING, 0, 10)
    cache.move(LayerKind.SLIDING, source, target, count)
    for new, old in zip(cache.save(LayerKind.SLIDING, 0, 10), before, strict=True):
        expected = old.copy()
        expected[:, :, target : target + count] = old[:, :, source : source + count]
        assert np.array_equal(new, expected)


def test_save_is_a_copy_and_load_brings_it_back_anywhere() -> None:
    cache = cache_of()
    saved = cache.save(LayerKind.SLIDING, 4, 3)
    kept = [rows.copy() for rows in saved]
    cache.resize(LayerKind.SLIDING, 8, 0)
    assert all(np.array_equal(rows, old) for rows, old in zip(saved, kept, strict=True))
    cache.load(LayerKind.SLIDING, 5, saved)
    for new, old in zip(cache.save(LayerKind.SLIDING, 0, 8), kept, strict=True):
        assert np.array_equal(new[:, :, 5:], old) and not new[:, :, :5].any()


def test_read_is_of_one_layer() -> None:
    cache = cache_of()
    key, value = cache.read(0, 2, 5)
    saved = cache.save(LayerKind.FULL, 2, 5)
    assert np.array_equal(key, saved[0][0]) and np.array_equal(value, saved[1][0])
    key[:] = 0
    assert cache.read(0, 2, 5)[0].any()


def test_half_precision_is_read_as_single() -> None:
    cache = OrtCache(read_config(Section(GOLDEN, config_json(TINIES["plain"]))), np.float16, "cpu")
    cache.resize(LayerKind.FULL, 4, 0)
    assert {rows.dtype for rows in cache.save(LayerKind.FULL, 0, 4)} == {np.dtype(np.float16)}
    assert cache.read(2, 0, 4)[0].dtype == np.float32


# -- in place -----------------------------------------------------------------------------------------------------


def test_rows_are_written_into_the_very_buffers_that_are_bound(opened: Models) -> None:
    model = opened("images")
    sequence = model.sequence()
    sequence.append(np.arange(10))
    cache = sequence.cache
    assert isinstance(cache, OrtCache)
    arrays, values = dict(cache._arrays), dict(cache._values)
    assert all(values[name].data_ptr() == array.ctypes.data for name, array in arrays.items())
    assert not arrays["key_1"][:, :, 10:20].any()
    for length in (11, 20):
        sequence.append(np.arange(sequence.length, length))
        sequence.open_canvas({}).step({})
        for name, array in arrays.items():
            assert cache._arrays[name] is array and cache._values[name] is values[name]
            assert array[:, :, :length].any(axis=(1, 3)).all()
    assert arrays["key_1"][:, :, 20:36].any(axis=(1, 3)).all()  # a canvas's scratch rows


def protected(folder: Path, length: int, what: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.runtime.write_protected", str(folder), str(length), what]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.mark.skipif(sys.platform != "linux", reason="protects pages by mprotect")
def test_what_is_written_does_not_grow_with_the_cache(checkpoint: Folders) -> None:
    """No time is measured: all memory but the pages of the new rows is write-protected, so a copy ends the process."""
    folder = checkpoint(LONG)
    copied = protected(folder, 1000, "copy")
    assert copied.returncode == -signal.SIGSEGV, copied.stderr  # the trap does catch
    for what in ("append", "denoise"):
        runs = [protected(folder, length, what) for length in (1_000, 100_000)]
        assert [run.returncode for run in runs] == [0, 0], runs[1].stderr
        (short_bytes, short_peak), (long_bytes, long_peak) = (map(int, run.stdout.split()) for run in runs)
        assert long_bytes <= 2 * short_bytes  # rows may lie across a page's end
        assert long_peak < 2 * short_peak < 1_000_000  # nor does the host make anything as long as the cache
