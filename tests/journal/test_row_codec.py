"""Rows as bytes and back, every bit, in every type that a cache has."""

from __future__ import annotations

from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest

from dgemma_ros.journal.errors import DamageError
from dgemma_ros.journal.row_codec import RowCodec
from dgemma_ros.runtime import keys, rotary
from dgemma_ros.runtime.rows import Rows, Window
from tests.conftest import Models

TYPES = [np.float32, np.float16, ml_dtypes.bfloat16]


def made(opened: Models, dtype: type, follow: bool) -> tuple[RowCodec, Rows]:
    """Rows whose keys follow from their values but for rounding, or are anything."""
    model, noise = opened("odd_pattern"), np.random.default_rng(3)
    codec = RowCodec.of(model, np.dtype(dtype))
    positions, count = np.arange(900, 917), 17
    cos, sin = rotary.angles(positions, model.config.text.rope["full"].inverse_frequencies())
    values, own = [], []
    for layer in (layer for layer in model.config.text.layers if layer.kind == "full"):
        exact = noise.standard_normal((layer.kv_heads, count, layer.head_dim)).astype(np.float32)
        values.append(exact.astype(dtype))
        # As a graph makes it: from what was not rounded yet.
        key = keys.from_values(exact, codec.norms[layer.index], cos[0], sin[0])
        own.append((key if follow else noise.standard_normal(key.shape)).astype(dtype))
    return codec, Rows(np.arange(40, 40 + count), positions, tuple(values), tuple(own))


def bits(arrays: object) -> list[bytes]:
    return [np.ascontiguousarray(array).tobytes() for array in arrays]  # type: ignore[attr-defined]


@pytest.mark.parametrize("follow", [True, False])
@pytest.mark.parametrize("dtype", TYPES)
def test_every_bit_comes_back(opened: Models, dtype: type, follow: bool) -> None:
    codec, rows = made(opened, dtype, follow)
    assert rows.keys is not None
    values, residue = codec.pack(rows)
    back = codec.unpack(values, residue, 40, 900, len(rows))
    assert back.keys is not None
    assert bits(back.values) == bits(rows.values) and bits(back.keys) == bits(rows.keys)
    np.testing.assert_array_equal(back.positions, rows.positions)
    np.testing.assert_array_equal(back.orders, rows.orders)
    if follow:  # what rounding makes of keys is a part of what they are
        assert len(residue) < 0.5 * len(values)
    if follow and dtype is np.float32:
        assert len(residue) < 100


def test_damage_is_seen_before_anything_is_made_of_it(opened: Models) -> None:
    codec, rows = made(opened, np.float32, follow=False)
    values, residue = codec.pack(rows)
    for changed in (values[:-4], b"", values[:9] + b"x" + values[10:], None, 7):
        with pytest.raises(DamageError):
            codec.unpack(changed, residue, 40, 900, len(rows))
    for changed in (residue[:-4], residue[:9] + b"x" + residue[10:], values, "text"):
        with pytest.raises(DamageError):
            codec.unpack(values, changed, 40, 900, len(rows))
    for count in (0, -1, 16, 18, 1 << 60):
        with pytest.raises(DamageError):
            codec.unpack(values, residue, 40, 900, count)


def test_windows_come_back_and_shift(opened: Models) -> None:
    codec, _ = made(opened, np.float32, follow=True)
    noise, layers = np.random.default_rng(4), [own for own in codec.config.text.layers if own.kind == "sliding"]
    arrays = [noise.standard_normal((own.kv_heads, 5, own.head_dim)).astype(np.float32) for own in layers]
    window = Window(50, 60, tuple(arrays), tuple(array[::-1].copy() for array in arrays))
    back = codec.unpack_window(codec.pack_window(window), 50, 60, 5)
    assert bits(back.keys) == bits(window.keys) and bits(back.values) == bits(window.values)
    there = codec.shifted_window(codec.shifted_window(back, [((0, -7),)]), [((0, 7),)])
    assert bits(there.values) == bits(window.values)
    for one, two in zip(there.keys, window.keys, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)


def test_a_shift_turns_only_rows_behind_it(opened: Models) -> None:
    codec, rows = made(opened, np.float32, follow=True)
    before, behind = codec.shifted(rows, [((45, -100),)])
    assert (len(before), len(behind)) == (5, 12)
    assert before.keys is not None and behind.keys is not None and rows.keys is not None
    assert bits(before.keys) == bits(array[:, :5] for array in rows.keys)
    np.testing.assert_array_equal(behind.positions, np.arange(905, 917) - 100)
    cos, sin = rotary.angles(behind.positions, codec.config.text.rope["full"].inverse_frequencies())
    for own, values, norm in zip(behind.keys, behind.values, codec.norms.values(), strict=True):
        np.testing.assert_allclose(own, keys.from_values(values, norm, cos[0], sin[0]), atol=2e-4)
    half, given = made(opened, ml_dtypes.bfloat16, follow=True)
    assert half.shifted(given, [((0, -5),)])[0].keys is None  # made from values, as a shift does it there
    assert replace(given, keys=None).keys is None


def test_shifts_that_were_made_together_turn_each_row_once(opened: Models) -> None:
    codec, rows = made(opened, np.float32, follow=True)
    parts = codec.shifted(rows, [((43, -20), (50, -3), (99, -7))])
    assert [len(part) for part in parts] == [3, 7, 7]
    assert parts[0].keys is not None and rows.keys is not None
    assert bits(parts[0].keys) == bits(array[:, :3] for array in rows.keys)
    for part, start, total in ((parts[1], 3, 20), (parts[2], 10, 23)):
        (once,) = codec.shifted(rows.part(start, start + 7), [((0, -total),)])
        assert part.keys is not None and once.keys is not None and bits(part.keys) == bits(once.keys)
        np.testing.assert_array_equal(part.positions, once.positions)
