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
from dgemma_ros.runtime import keys, rotary
from dgemma_ros.runtime.ort_cache import OrtCache, OrtSavedRows
from tests.cases import GOLDEN
from tests.conftest import Folders, Models
from tests.tiny import TINIES, Noise, Tiny, config_json

ROOT = Path(__file__).parents[2]
LONG = Tiny(layers="FF", hidden=16, inner=16, experts=2, expert_inner=16, full_head_dim=16, canvas=8, vision=None)


def empty(name: str, dtype: type = np.float32) -> OrtCache:
    config = read_config(Section(GOLDEN, config_json(TINIES[name])))
    norms = {
        layer.index: Noise("norm", layer.index).normal((layer.head_dim,)).astype(np.float32)
        for layer in config.text.layers
        if layer.kind is LayerKind.FULL
    }
    return OrtCache(config, dtype, "cpu", norms)


def saved(cache: OrtCache, kind: LayerKind, start: int, count: int) -> tuple[np.ndarray, ...]:
    rows = cache.save(kind, start, count)
    assert isinstance(rows, OrtSavedRows) and rows.nbytes == sum(array.nbytes for array in rows.arrays)
    return rows.arrays


def cache_of(name: str = "odd_pattern") -> OrtCache:
    """With every slot of every buffer another number."""
    cache = empty(name)
    for kind in LayerKind:
        cache.resize(kind, 10, 0)
        shapes = [rows.shape for rows in saved(cache, kind, 0, 10)]
        noise = [Noise("cache", kind, i).normal(shape).astype(np.float32) for i, shape in enumerate(shapes)]
        cache.load(kind, 0, OrtSavedRows(tuple(noise)))
    return cache


def test_it_begins_empty() -> None:
    cache = empty("odd_pattern")
    assert {cache.capacity(kind) for kind in LayerKind} == {0}
    assert cache.fetch(0, 0, 0)[0].shape == (2, 0, 24) and cache.fetch(1, 0, 0)[1].shape == (3, 0, 16)


def test_a_kind_without_layers_has_no_capacity() -> None:
    cache = empty("all_full")
    cache.resize(LayerKind.SLIDING, 10, 0)
    assert cache.capacity(LayerKind.SLIDING) == 0 and saved(cache, LayerKind.SLIDING, 0, 0) == ()


@pytest.mark.parametrize(("capacity", "used"), [(16, 10), (16, 4), (10, 10), (5, 5), (12, 0)])
def test_resize_keeps_what_is_used_and_zeroes_the_rest(capacity: int, used: int) -> None:
    cache = cache_of()
    before, other = saved(cache, LayerKind.FULL, 0, 10), saved(cache, LayerKind.SLIDING, 0, 10)
    cache.resize(LayerKind.FULL, capacity, used)
    assert cache.capacity(LayerKind.FULL) == capacity and cache.capacity(LayerKind.SLIDING) == 10
    for new, old in zip(saved(cache, LayerKind.FULL, 0, capacity), before, strict=True):
        assert np.array_equal(new[:, :, :used], old[:, :, :used]) and not new[:, :, used:].any()
    for new, old in zip(saved(cache, LayerKind.SLIDING, 0, 10), other, strict=True):
        assert np.array_equal(new, old)


@pytest.mark.parametrize(("source", "target", "count"), [(3, 0, 7), (0, 3, 7), (5, 0, 5), (2, 2, 3), (4, 1, 0)])
def test_move_copes_with_overlap(source: int, target: int, count: int) -> None:
    cache = cache_of()
    before = saved(cache, LayerKind.SLIDING, 0, 10)
    cache.move(LayerKind.SLIDING, source, target, count)
    for new, old in zip(saved(cache, LayerKind.SLIDING, 0, 10), before, strict=True):
        expected = old.copy()
        expected[:, :, target : target + count] = old[:, :, source : source + count]
        assert np.array_equal(new, expected)


def test_save_is_a_copy_and_load_brings_it_back_anywhere() -> None:
    cache = cache_of()
    rows = cache.save(LayerKind.SLIDING, 4, 3)
    kept = [row.copy() for row in rows.arrays]
    cache.resize(LayerKind.SLIDING, 8, 0)
    assert all(np.array_equal(row, old) for row, old in zip(rows.arrays, kept, strict=True))
    cache.load(LayerKind.SLIDING, 5, rows)
    for new, old in zip(saved(cache, LayerKind.SLIDING, 0, 8), kept, strict=True):
        assert np.array_equal(new[:, :, 5:], old) and not new[:, :, :5].any()


def test_fetch_is_of_one_layer_and_put_brings_it_back() -> None:
    cache = cache_of()
    key, value = cache.fetch(0, 2, 5)
    rows = saved(cache, LayerKind.FULL, 2, 5)
    assert np.array_equal(key, rows[0][0]) and np.array_equal(value, rows[1][0])
    key[:] = 0
    assert cache.fetch(0, 2, 5)[0].any()  # it was a copy
    revision = cache.revision
    cache.put(0, 3, None, 2 * value)
    cache.put(3, 1, key, value)
    assert cache.revision != revision
    assert np.array_equal(cache.fetch(3, 1, 5)[0], key)
    again = saved(cache, LayerKind.FULL, 0, 10)
    assert np.array_equal(again[0][0, :, 2:7], rows[0][0]) and np.array_equal(again[1][0, :, 3:8], 2 * value)


def test_half_precision_is_fetched_as_it_is() -> None:
    cache = empty("plain", np.float16)
    cache.resize(LayerKind.FULL, 4, 0)
    assert {rows.dtype for rows in saved(cache, LayerKind.FULL, 0, 4)} == {np.dtype(np.float16)}
    assert cache.fetch(2, 0, 4)[0].dtype == np.float16


@pytest.mark.parametrize("kind", LayerKind)
def test_rotate_turns_the_first_pairs_of_keys_alone(kind: LayerKind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "BLOCK", 3)
    cache = cache_of()
    before, revision = saved(cache, kind, 0, 10), cache.revision
    angles = np.array([0.3, -2.0, 40.0])
    cache.rotate(kind, 2, 7, np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32))
    assert cache.revision != revision
    for number, (new, old) in enumerate(zip(saved(cache, kind, 0, 10), before, strict=True)):
        expected, half = old.copy(), old.shape[-1] // 2
        if number % 2 == 0:
            turned = (old[..., :3] + 1j * old[..., half : half + 3]) * np.exp(1j * angles)
            expected[:, :, 2:9, :3] = turned.real[:, :, 2:9]
            expected[:, :, 2:9, half : half + 3] = turned.imag[:, :, 2:9]
        assert np.allclose(new, expected, rtol=0, atol=1e-6)
        assert np.array_equal(new[:, :, :2], old[:, :, :2]) and np.array_equal(new[:, :, 9:], old[:, :, 9:])


@pytest.mark.parametrize("name", ["plain", "odd_pattern", "all_full"])
def test_keys_of_full_layers_follow_from_their_values(name: str, opened: Models) -> None:
    """As the encoder wrote them, at the positions at which it did."""
    sequence = opened(name).sequence()
    sequence.append(np.arange(40))
    before = [sequence.rows(layer.index) for layer in sequence.config.text.layers]
    cache, revision = sequence.cache, sequence.cache.revision
    frequencies = sequence.config.text.rope[LayerKind.FULL].inverse_frequencies()
    cache.rotate(LayerKind.FULL, 5, 35, *np.ones((2, 1), np.float32))  # spoilt
    cos, sin = rotary.angles(np.arange(5, 40), frequencies)
    cache.rebuild_keys(5, cos[0], sin[0])
    assert cache.revision != revision
    for layer, (key, value) in zip(sequence.config.text.layers, before, strict=True):
        again = sequence.rows(layer.index)
        assert np.array_equal(again[1], value)
        assert np.array_equal(again[0][:, :5], key[:, :5])
        assert np.abs(again[0] - key).max() < 1e-6


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
