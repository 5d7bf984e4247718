"""Pillow's antialiased bicubic on uint8, in numpy.

Models of this family were trained on pictures that Pillow resized, and no flag of OpenCV does the same. Pillow works
in fixed point: weights rounded to 22 bits, one pass along each side, each pass rounded and clipped to a byte. An output
row needs only a few neighbouring input rows, so a pass is a band matrix, here cut into small dense blocks that BLAS
multiplies. In float64 all sums are whole numbers below 2**53, hence exact in whatever order BLAS adds them: the result
is Pillow's, bit for bit. In float32 rounding may flip a byte that lies within 1e-4 of one half: at most 1 a pass, in
practice one byte in 100,000.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

_PRECISION: Final = 22  # bits after the point; Pillow's 32 bit accumulators leave 8 for the byte and 2 for overshoot
_ONE: Final = float(1 << _PRECISION)
_BLOCK: Final = 16  # output rows a matrix; measured best of 8 to 48 at VGA and HD
_SINGLE_THREAD: Final = 1 << 18  # OpenBLAS shares no product of fewer multiplications among threads
_SUPPORT: Final = 2.0  # bicubic looks two pixels to each side, of the coarser of the two grids

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class _Block:
    """Rows ``out`` of the result are ``weights`` [len(out), len(source)] times rows ``source`` of the input."""

    out: slice
    source: slice
    weights: NDArray[Any]


def resample(image: Pixels, height: int, width: int, exact: bool = False) -> Pixels:
    """``image`` uint8 [H, W, 3] resized to [height, width, 3] as ``PIL.Image.resize(..., BICUBIC)`` does.

    ``exact`` computes in float64: equal to Pillow at twice the time. Otherwise float32: off by 2 at most.
    All four sides must be at least 1. Safe to call from several threads.
    """
    image = np.ascontiguousarray(image)
    # Clipping makes the order matter: the width comes first, but since Pillow 13 the height does where far more rows
    # than columns are lost. (VGA and 16:9 frames, upright or not, come out the same with any Pillow.)
    lost_rows, lost_columns = image.shape[0] - height, image.shape[1] - width
    if lost_rows > max(0, 2 * lost_columns):
        return _resample_columns(_resample_rows(image, height, exact), width, exact)
    return _resample_rows(_resample_columns(image, width, exact), height, exact)


def _resample_columns(image: Pixels, columns: int, exact: bool) -> Pixels:
    if image.shape[1] == columns:
        return image
    # With columns as rows, the pass is a product from the left on long contiguous rows, as the other one is.
    turned: Pixels = cv2.transpose(_resample_rows(cv2.transpose(image), columns, exact))
    return turned


def _resample_rows(image: Pixels, rows: int, exact: bool) -> Pixels:
    """One pass: uint8 [H, W, 3] to [rows, W, 3]."""
    if image.shape[0] == rows:
        return image
    flat = image.reshape(image.shape[0], -1)
    result = np.empty((rows, flat.shape[1]), np.uint8)
    for block in _blocks(image.shape[0], rows, exact):
        sums = _product(block.weights, flat[block.source].astype(block.weights.dtype))
        if exact:
            sums += _ONE / 2  # Pillow rounds halves up: add one half, shift right, which rounds down
            sums *= 1 / _ONE
        else:
            sums += np.float32(0.5)
        np.clip(sums, 0, 255, out=sums)
        result[block.out] = sums  # after the clip, the cast's truncation is Pillow's shift
    return result.reshape(rows, *image.shape[1:])


def _product(weights: NDArray[Any], rows: NDArray[Any]) -> NDArray[Any]:
    """``weights @ rows`` in pieces so small that BLAS keeps to the calling thread.

    They take microseconds; its threads, woken for each of them, spin, and on a busy machine a frame then took seconds.
    """
    width = rows.shape[1]
    piece = min(width, max(_BLOCK, _SINGLE_THREAD // weights.size))
    pieces, end = width // piece, width // piece * piece
    result = np.empty((len(weights), width), weights.dtype)
    stack = rows[:, :end].reshape(len(rows), pieces, piece).transpose(1, 0, 2)
    np.matmul(weights, stack, out=result[:, :end].reshape(len(weights), pieces, piece).transpose(1, 0, 2))
    np.matmul(weights, rows[:, end:], out=result[:, end:])
    return result


@lru_cache(maxsize=64)
def _blocks(source: int, rows: int, exact: bool) -> tuple[_Block, ...]:
    """The band matrix from ``source`` rows to ``rows``, in dense blocks; at most a few hundred KB for camera sizes."""
    first, taps = _weights(source, rows)
    blocks = []
    for start in range(0, rows, _BLOCK):
        stop = min(start + _BLOCK, rows)
        low, high = int(first[start]), min(int(first[stop - 1]) + taps.shape[1], source)
        # Taps beyond the input have weight zero: a spare column takes them, so that no row needs a length of its own.
        dense = np.zeros((stop - start, high - low + 1))
        columns = np.minimum(first[start:stop, None] - low + np.arange(taps.shape[1]), high - low)
        np.put_along_axis(dense, columns, taps[start:stop], axis=1)
        weights = dense[:, :-1] if exact else (dense[:, :-1] / _ONE).astype(np.float32)
        weights = np.ascontiguousarray(weights)
        weights.flags.writeable = False
        blocks.append(_Block(slice(start, stop), slice(low, high), weights))
    return tuple(blocks)


def _weights(source: int, rows: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For each output row the first input row that it looks at, int64 [rows], and its weights times 2**22 [rows, taps].

    Every operation, and the order of the sum, is that of Pillow's ``precompute_coeffs``: the last bit of a double can
    decide how a weight is rounded.
    """
    scale = source / rows
    stretch = max(scale, 1.0)  # shrinking widens the filter: this is the antialiasing
    centre = (np.arange(rows) + 0.5) * scale
    reach = _SUPPORT * stretch
    first = np.maximum((centre - reach + 0.5).astype(np.int64), 0)
    count = np.minimum((centre + reach + 0.5).astype(np.int64), source) - first
    taps = np.zeros((rows, int(count.max())))
    total = np.zeros(rows)
    for tap in range(taps.shape[1]):
        weight = np.where(tap < count, _bicubic((tap + first - centre + 0.5) * (1.0 / stretch)), 0.0)
        taps[:, tap] = weight
        total += weight
    taps /= np.where(total == 0.0, 1.0, total)[:, None]
    taps *= _ONE
    return first, np.trunc(taps + np.where(taps < 0, -0.5, 0.5))


def _bicubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic with a = -0.5, in Pillow's order of operations."""
    a = -0.5
    x = np.abs(x)
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    far = (((x - 5.0) * x + 8.0) * x - 4.0) * a
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))
