"""Rows of the cache as bytes: values as they are, and of keys only in how far they are not what values say.

On full layers a key is its value by the key norm's weight, rotated to its position. Computed anew it is the key but for
rounding: the difference, taken between the numbers' bit patterns, is almost all zeros, and packs to little. So a
journal holds the very keys at about the price of the values alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod
from typing import Any, Final

import numpy as np

from dgemma_ros.checkpoint.config import LayerKind, ModelConfig
from dgemma_ros.journal.errors import DamageError
from dgemma_ros.model import Model
from dgemma_ros.runtime import keys, rotary
from dgemma_ros.runtime.contract import Array, Floats, Ints
from dgemma_ros.runtime.rows import Rows, Window, layers_of

FASTEST: Final = 1
MOST_ROWS: Final = 1 << 24
Shift = tuple[tuple[int, int], ...]
"""Orders from which on rows are shifted, rising, and by how much: a row is turned once, by the sum of what is due."""
CHECK: Final = 4
"""Bytes of the checksum before each blob."""


@dataclass(frozen=True)
class RowCodec:
    """For one model, and the type that its cache has. Pure; safe from any thread."""

    config: ModelConfig
    dtype: np.dtype[Any]
    norms: Mapping[int, Floats]

    @classmethod
    def of(cls, model: Model, dtype: np.dtype[Any]) -> RowCodec:
        """``model`` must have its weights."""
        assert model.weights is not None
        return cls(model.config, dtype, keys.full_key_norms(model.weights, model.config))

    # -- full layers ----------------------------------------------------------------------------------------------

    def pack(self, rows: Rows) -> tuple[bytes, bytes]:
        """Values, and what keys differ from those that values say; the latter empty where they do not."""
        assert rows.keys is not None
        made = self._made(rows.positions, rows.values)
        differences = [self._bits(own) - self._bits(other) for own, other in zip(rows.keys, made, strict=True)]
        packed = b"".join(difference.tobytes() for difference in differences)
        residue = zlib.compress(packed, FASTEST) if packed.strip(b"\0") else b""
        return checked(_bytes(rows.values)), checked(residue)

    def unpack(self, values: Any, residue: Any, first: int, position: int, count: int) -> Rows:
        """Raises :class:`DamageError` for bytes that are not of ``count`` rows."""
        shapes, stored = self._shapes(LayerKind.FULL, count), self.unpack_values(values, count)
        orders, positions = (start + np.arange(count, dtype=np.int64) for start in (first, position))
        made = self._made(positions, stored)
        if packed := proved(residue, "keys"):
            differences = self._arrays(_inflated(packed, sum(array.nbytes for array in stored)), shapes)
            pairs = zip(made, differences, strict=True)
            made = [(self._bits(own) + self._bits(other)).view(self.dtype) for own, other in pairs]
        return Rows(orders, positions, tuple(stored), tuple(made))

    def unpack_values(self, stored: Any, count: int) -> list[Array]:
        """Those of each full layer alone. Raises :class:`DamageError`, as :meth:`unpack` does."""
        return self._arrays(proved(stored, "rows"), self._shapes(LayerKind.FULL, count))

    def shifted(self, rows: Rows, shifts: Sequence[Shift]) -> list[Rows]:
        """Rows as they are after shifts, one after another."""
        parts = [rows]
        for shift in shifts:
            parts = [moved for part in parts for moved in self._shifted(part, shift)]
        return parts

    def _shifted(self, rows: Rows, shift: Shift) -> list[Rows]:
        """As :class:`Sequence` does it: in half precision keys are made from values when they are put back."""
        ends = [0, *np.searchsorted(rows.orders, [first for first, _ in shift]).tolist(), len(rows)]
        found, total = [], 0
        for number, (start, stop) in enumerate(pairwise(ends)):
            total += shift[number - 1][1] if number else 0
            if start < stop:
                found.append(self._turned_rows(rows.part(start, stop), total))
        return found

    def _turned_rows(self, rows: Rows, delta: int) -> Rows:
        if not delta:
            return rows
        turned = None
        if rows.keys is not None and self.dtype.itemsize >= 4:
            turned = self._turned(rows.keys, LayerKind.FULL, delta)
        return replace(rows, positions=rows.positions + delta, keys=turned)

    def _made(self, positions: Ints, values: Sequence[Array]) -> list[Array]:
        if not values:
            return []
        cos, sin = rotary.angles(positions, self.config.text.rope[LayerKind.FULL].inverse_frequencies())
        layers = layers_of(self.config, LayerKind.FULL)
        return [
            keys.from_values(array, self.norms[layer.index], cos[0], sin[0]).astype(self.dtype)
            for layer, array in zip(layers, values, strict=True)
        ]

    # -- sliding layers -------------------------------------------------------------------------------------------

    def pack_window(self, window: Window) -> bytes:
        """Keys of all layers, then values."""
        return checked(_bytes([*window.keys, *window.values]))

    def unpack_window(self, stored: Any, order: int, position: int, count: int) -> Window:
        """``order`` and ``position`` of the next row. Raises :class:`DamageError` for bytes not of ``count`` rows."""
        shapes = self._shapes(LayerKind.SLIDING, count)
        arrays = tuple(self._arrays(proved(stored, "a window"), [*shapes, *shapes]))
        return Window(order, position, arrays[: len(shapes)], arrays[len(shapes) :])

    def shifted_window(self, window: Window, shifts: Sequence[Shift]) -> Window:
        """After shifts, in turn."""
        turned = window.keys
        for shift in shifts:
            turned = self._turned(turned, LayerKind.SLIDING, sum(delta for _, delta in shift))
        return replace(window, keys=turned)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _turned(self, arrays: Sequence[Array], kind: LayerKind, delta: int) -> tuple[Array, ...]:
        tables = rotary.shift_tables(self.config, delta)[kind]
        copies = tuple(array.copy() for array in arrays)
        for array in copies:
            keys.rotate(array, *tables)
        return copies

    def _bits(self, array: Array) -> Array:
        return np.ascontiguousarray(array).view(f"u{self.dtype.itemsize}")

    def _shapes(self, kind: LayerKind, count: int) -> list[tuple[int, int, int]]:
        if not 0 < count < MOST_ROWS:
            raise DamageError(f"{count} rows are none that a cache holds")
        return [(layer.kv_heads, count, layer.head_dim) for layer in layers_of(self.config, kind)]

    def _arrays(self, stored: bytes, shapes: list[tuple[int, int, int]]) -> list[Array]:
        sizes = [self.dtype.itemsize * prod(shape) for shape in shapes]
        if sum(sizes) != len(stored):  # before anything is made so large
            raise DamageError(f"rows of {len(stored)} bytes are none of this model's")
        starts = np.cumsum([0, *sizes]).tolist()
        return [
            np.frombuffer(stored, self.dtype, size // self.dtype.itemsize, start).reshape(shape)
            for start, size, shape in zip(starts, sizes, shapes, strict=False)
        ]


def _bytes(arrays: Sequence[Array]) -> bytes:
    return b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)


def _inflated(packed: bytes, size: int) -> bytes:
    """No more than ``size`` bytes are made of it, whatever it says."""
    unpacker = zlib.decompressobj()
    try:
        found = unpacker.decompress(packed, size)
    except zlib.error:
        raise DamageError("keys cannot be unpacked") from None
    if len(found) != size or not (unpacker.eof or not unpacker.decompress(unpacker.unconsumed_tail, 1)):
        raise DamageError("keys are not as many as the values")
    return found


def checked(content: bytes) -> bytes:
    """Behind its checksum."""
    return zlib.crc32(content).to_bytes(CHECK, "little") + content


def proved(stored: Any, what: str) -> bytes:
    """Raises :class:`DamageError` where content and checksum do not go together."""
    if not isinstance(stored, bytes) or len(stored) < CHECK:
        raise DamageError(f"{what}: nothing is there")
    content = stored[CHECK:]
    if zlib.crc32(content).to_bytes(CHECK, "little") != stored[:CHECK]:
        raise DamageError(f"{what}: damaged, the checksum is another")
    return content
