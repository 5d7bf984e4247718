"""The CUDA kernels run as C++ and held to numpy."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from dgemma_ros.checkpoint.config import LayerConfig, LayerKind
from dgemma_ros.graphs import diffusion_numpy as reference
from dgemma_ros.graphs.diffusion import MASKED, cdf_blocks
from dgemma_ros.runtime import keys
from dgemma_ros.trt.key_kernels import KeyKernels
from tests.trt.emulated import Emulated
from tests.trt.simulated_device import SimulatedDevice

SOFTCAP = 30.0
BORDER = 2e-6  # of a CDF: closer to a border of two tokens, rounding may draw the neighbour


def logits(kind: str, rows: int, vocab: int) -> NDArray[np.float32]:
    """Logits over the softcap."""
    random = np.random.Generator(np.random.Philox(key=rows * 7919 + vocab))
    x = random.standard_normal((rows, vocab), np.float32)
    if kind == "flat":
        return x * np.float32(1e-4)
    if kind == "peaked":
        x *= np.float32(0.1)
        x[np.arange(rows), random.integers(0, vocab, rows)] = 3
    elif kind == "tied":
        return np.round(x).astype(np.float32)
    elif kind == "equal":
        return np.full((rows, vocab), 0.25, np.float32)
    elif kind == "one token":
        x[:] = -10
        x[np.arange(rows), (np.arange(rows) * 37 + vocab - 1) % vocab] = 10
    elif kind == "infinite":
        x[:, ::3] = np.inf
        x[:, 1::3] = -np.inf
    elif kind == "ascending":
        return np.broadcast_to(np.linspace(-2, 2, vocab, dtype=np.float32), (rows, vocab)).copy()
    elif kind == "descending":
        return np.broadcast_to(np.linspace(2, -2, vocab, dtype=np.float32), (rows, vocab)).copy()
    return x


KINDS = ("random", "flat", "peaked", "tied", "equal", "one token", "infinite", "ascending", "descending")


def uniforms(rows: int) -> NDArray[np.float32]:
    """Numbers in [0, 1), both ends among them."""
    u = np.random.Generator(np.random.Philox(key=rows)).random(rows, np.float32)
    u[0], u[-1] = 0, np.nextafter(np.float32(1), np.float32(0))
    return u


def check(ours: reference.RowStats, over_cap: NDArray[Any], temperature: float, uniform: Any, allowed: Any, row: Any):
    exact = scaled(over_cap, temperature, allowed, row)
    theirs = reference.row_stats(np.asarray(over_cap, np.float32), temperature, uniform, allowed, row, SOFTCAP)
    rows = np.arange(len(exact))
    # The likeliest token, or one whose logit rounds to the same; of equal inputs the first.
    assert np.allclose(exact[rows, ours.argmax], exact.max(-1), rtol=0, atol=1e-5)
    same_input = (
        np.asarray(over_cap, np.float32)[rows, ours.argmax] == np.asarray(over_cap, np.float32)[rows, theirs.argmax]
    )
    assert np.array_equal(ours.argmax[same_input], theirs.argmax[same_input])
    assert np.allclose(ours.largest, theirs.largest, rtol=1e-6, atol=1e-5)
    assert np.allclose(ours.total, theirs.total, rtol=2e-5)
    weight = np.exp(exact - exact.max(-1, keepdims=True))
    share = weight / weight.sum(-1, keepdims=True)
    entropy = -(share * np.log(np.maximum(share, 1e-300))).sum(-1)
    assert np.allclose(ours.entropy, entropy, rtol=2e-5, atol=2e-5)
    cdf = share.cumsum(-1)
    low = np.where(ours.drawn > 0, cdf[rows, np.maximum(ours.drawn - 1, 0)], 0)
    assert (share[rows, ours.drawn] > 0).all()
    assert ((low - BORDER <= uniform) & (uniform <= cdf[rows, ours.drawn] + BORDER)).all()
    off = ours.drawn != theirs.drawn
    distance = np.abs(cdf[rows, np.minimum(ours.drawn, theirs.drawn)] - uniform)
    assert (distance[off] < BORDER).all()


def scaled(over_cap: NDArray[Any], temperature: float, allowed: Any, row: Any) -> NDArray[np.float64]:
    x = np.tanh(np.asarray(over_cap, np.float64)) * (SOFTCAP / np.float64(np.float32(temperature)))
    return np.where(allowed[np.broadcast_to(row, len(x))], x, np.float64(MASKED))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("vocab", [128, 1000, 2048])
def test_rows_equal_numpy(emulated: Emulated, kind: str, vocab: int) -> None:
    rows = 5
    x, u = logits(kind, rows, vocab), uniforms(rows)
    allowed, row = np.ones((1, vocab), np.bool_), np.zeros(1, np.int64)
    for temperature in (0.4, 0.8):
        check(emulated.row_stats(x, temperature, u, allowed, row, SOFTCAP), x, temperature, u, allowed, row)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("vocab", [127, 640, 2048])
def test_half_types(emulated: Emulated, dtype: Any, vocab: int) -> None:
    rows = 4
    x, u = logits("random", rows, vocab).astype(dtype), uniforms(rows)
    allowed, row = np.ones((1, vocab), np.bool_), np.zeros(1, np.int64)
    check(emulated.row_stats(x, 0.7, u, allowed, row, SOFTCAP), x, 0.7, u, allowed, row)


@pytest.mark.parametrize("vocab", [7, 127, 1009, 2047])
def test_vocabularies_without_divisors(emulated: Emulated, vocab: int) -> None:
    x, u = logits("random", 3, vocab), uniforms(3)
    allowed, row = np.ones((1, vocab), np.bool_), np.zeros(3, np.int64)
    check(emulated.row_stats(x, 0.5, u, allowed, row, SOFTCAP, threads=128), x, 0.5, u, allowed, row)


def test_each_row_draws_from_its_own_set(emulated: Emulated) -> None:
    rows, vocab = 6, 768
    random = np.random.Generator(np.random.Philox(key=3))
    allowed = random.random((4, vocab)) < 0.02
    allowed[2] = False
    allowed[2, vocab - 1] = True
    allowed[3, :] = True
    row = np.array([0, 1, 2, 3, 2, 0])
    for seed in range(20):
        x = logits(KINDS[seed % len(KINDS)], rows, vocab)
        u = uniforms(rows)
        ours = emulated.row_stats(x, 0.6, u, allowed, row, SOFTCAP)
        assert allowed[row, ours.drawn].all()
        assert allowed[row, ours.argmax].all()
        check(ours, x, 0.6, u, allowed, row)


def test_a_set_without_tokens_is_uniform_and_stays_in_the_row(emulated: Emulated) -> None:
    x, allowed = logits("random", 3, 256), np.zeros((1, 256), np.bool_)
    u, row = uniforms(3), np.zeros(1, np.int64)
    ours = emulated.row_stats(x, 0.6, u, allowed, row, SOFTCAP)
    assert np.allclose(ours.entropy, np.log(256), atol=1e-4)
    assert np.array_equal(ours.drawn, (u.astype(np.float64) * 256).astype(np.int64))


def test_nan_is_not_drawn_out_of_the_row(emulated: Emulated) -> None:
    x = np.full((2, 512), np.nan, np.float32)
    ours = emulated.row_stats(x, 0.6, uniforms(2), np.ones((1, 512), np.bool_), np.zeros(1, np.int64), SOFTCAP)
    assert ((ours.drawn >= 0) & (ours.drawn < 512) & (ours.argmax >= 0) & (ours.argmax < 512)).all()


def test_the_real_vocabulary(emulated: Emulated) -> None:
    vocab = 262_144
    assert cdf_blocks(vocab) == (512, 512)
    u, allowed, row = uniforms(3), np.ones((1, vocab), np.bool_), np.zeros(1, np.int64)
    allowed[0, 255_999:258_885] = False
    for kind in ("random", "flat", "peaked"):
        x = logits(kind, 3, vocab)
        check(emulated.row_stats(x, 0.8, u, allowed, row, SOFTCAP, threads=512), x, 0.8, u, allowed, row)


def test_the_number_of_threads_changes_rounding_only(emulated: Emulated) -> None:
    x, u = logits("random", 2, 1024), uniforms(2)
    allowed, row = np.ones((1, 1024), np.bool_), np.zeros(1, np.int64)
    runs = [emulated.row_stats(x, 0.6, u, allowed, row, SOFTCAP, threads=threads) for threads in (32, 96, 512)]
    for run in runs[1:]:
        assert np.array_equal(run.argmax, runs[0].argmax) and np.array_equal(run.drawn, runs[0].drawn)
        assert all(np.allclose(a, b, rtol=1e-5) for a, b in zip(run[2:], runs[0][2:], strict=True))


@pytest.mark.parametrize("count", [1, 16, 33, 256, 1000])
@pytest.mark.parametrize("kind", ["random", "tied", "zero", "nan"])
def test_canvas_equals_numpy(emulated: Emulated, count: int, kind: str) -> None:
    random = np.random.Generator(np.random.Philox(key=count))
    argmax, drawn, other, pins = random.integers(0, 9, (4, count))
    entropy = random.random(count, np.float32) * np.float32(0.1)
    if kind == "tied":
        entropy = np.round(entropy, 2).astype(np.float32)
    elif kind == "zero":
        entropy[:] = 0
    elif kind == "nan":
        entropy[::3] = np.nan
    for bound in (0.0, 0.1, 3.0):
        for pin in (np.zeros(count, np.bool_), random.random(count) < 0.3, np.ones(count, np.bool_)):
            ours = emulated.canvas_update(argmax, drawn, entropy, other, np.array([bound], np.float32), pin, pins)
            theirs = reference.canvas_update(argmax, drawn, entropy, other, bound, pin, pins)
            for a, b in zip(ours[:5], theirs[:5], strict=True):
                assert np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
            assert np.isclose(ours.mean_entropy, theirs.mean_entropy, rtol=1e-5, atol=1e-8, equal_nan=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize(
    ("heads", "dim", "start", "count"), [(1, 8, 0, 9), (3, 24, 4, 1), (2, 512, 2, 5), (2, 16, 3, 0)]
)
def test_keys_turn_where_they_lie(emulated: Emulated, dtype: Any, heads: int, dim: int, start: int, count: int) -> None:
    """Through the device's own way of launching; rotated and rebuilt as numpy does, and nothing else touched."""
    device, half, capacity = SimulatedDevice(eager=True), dim // 2, 12
    random = np.random.Generator(np.random.Philox(key=dim))
    layer = LayerConfig(7, LayerKind.FULL, heads, dim)
    buffers = [random.standard_normal((heads, capacity, dim), np.float32).astype(dtype) for _ in range(2)]
    places = [device.allocate(array.nbytes, "a buffer") for array in buffers]
    for array, place in zip(buffers, places, strict=True):
        device.upload(place, array, 1)
    norm = random.standard_normal(dim, np.float32)
    key_kernels = KeyKernels(device, 1, np.dtype(dtype), {7: norm})
    at, here = start * dim * np.dtype(dtype).itemsize, slice(start, start + count)

    angles = random.standard_normal((count, half), np.float32)
    key_kernels.rebuild({(places[0] + at, places[1] + at): layer}, capacity, np.cos(angles), np.sin(angles))
    made = buffers[1][:, here].astype(np.float32) * norm
    keys.rotate(made, np.cos(angles), np.sin(angles))
    expected = buffers[0].copy()
    expected[:, here] = made.astype(dtype)
    assert_near(device, places, [expected, buffers[1]])

    turn = random.standard_normal(half - 1, np.float32)
    device.upload(places[0], buffers[0], 1)
    key_kernels.rotate({places[0] + at: layer}, capacity, count, np.cos(turn), np.sin(turn))
    expected = buffers[0].copy()
    keys.rotate(expected[:, here], np.cos(turn), np.sin(turn))
    assert_near(device, places, [expected, buffers[1]])
    assert len(device.memory) == 2  # the tables are gone


def assert_near(device: SimulatedDevice, places: list[int], expected: list[NDArray[Any]]) -> None:
    """Equal, but where fused products round the other way."""
    for place, array in zip(places, expected, strict=True):
        found = np.empty_like(array)
        device.download(found, place, 1)
        step = float(ml_dtypes.finfo(array.dtype).eps)
        close = np.isclose(found.astype(np.float32), array.astype(np.float32), rtol=step, atol=1e-6)
        assert close.all()
        assert array.dtype == np.float32 or (found == array).mean() > 0.9


def test_halves_are_rounded_as_numpy_does(emulated: Emulated) -> None:
    """Ties, subnormal numbers and both ends among them: keys of one pair, turned by nothing."""
    values = np.array([1 + 2**-11, 1 + 3 * 2**-11, 6e-8, 2**-24 * 0.5, 65504, 1e-5, 0.1, -1 / 3], np.float32)
    for dtype in (np.float16, ml_dtypes.bfloat16):
        device = SimulatedDevice(eager=True)
        layer = LayerConfig(0, LayerKind.FULL, 1, len(values))
        ones = np.ones(len(values), dtype)
        places = [device.allocate(ones.nbytes, "a buffer") for _ in range(2)]
        device.upload(places[1], ones, 1)
        straight = np.ones((1, len(values) // 2), np.float32), np.zeros((1, len(values) // 2), np.float32)
        KeyKernels(device, 1, np.dtype(dtype), {0: values}).rebuild({tuple(places): layer}, 1, *straight)
        found = np.empty_like(ones)
        device.download(found, places[0], 1)
        assert np.array_equal(found.view(np.uint16), values.astype(dtype).view(np.uint16))
