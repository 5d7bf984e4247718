"""The experts' kernels, run as C++ and held to float64: Route, Up, Down, Combine, in both weight formats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from dgemma_ros.checkpoint.nvfp4 import PackedExperts
from dgemma_ros.trt.kernels import launches
from tests.trt.emulated import BF16, Emulated

Array = NDArray[Any]
E4M3 = np.dtype(ml_dtypes.float8_e4m3fn)


@dataclass(frozen=True)
class Case:
    """Sizes, and how rows choose: at random, all the same ones, most of them one, or leaving some out."""

    rows: int
    hidden: int = 128
    inner: int = 64
    experts: int = 8
    top_k: int = 2
    routing: str = "random"

    def index(self, random: np.random.Generator) -> NDArray[np.int64]:
        choices = range(self.experts)
        if self.routing == "same":
            return np.tile(np.arange(self.top_k)[::-1] + self.experts - self.top_k, (self.rows, 1))
        if self.routing == "gaps":
            choices = range(1, self.experts, 2)
        rows = np.stack([random.permutation(choices)[: self.top_k] for _ in range(self.rows)])
        if self.routing == "skewed":
            rows[: self.rows * 7 // 8, 0] = 0
            rows[: self.rows * 7 // 8, 1:] = 1 + np.arange(self.top_k - 1)
        return rows


def bf16(array: Array) -> Array:
    return np.asarray(array).astype(BF16)


def packed(random: np.random.Generator, experts: int, out: int, width: int, parts: int) -> PackedExperts:
    """Random NVFP4 weights with every nibble, scales from subnormal to the largest, and uneven global scales."""
    weight = random.integers(0, 256, (experts, out, width // 2)).astype(np.uint8)
    scale = (2.0 ** random.integers(-9, 9, (experts, out, width // 16)) * random.uniform(1, 1.75, (1,))).astype(E4M3)
    scale[:, :, 0] = np.array(448, E4M3)
    scale[:, 0, -1] = np.array(2**-9, E4M3)
    scale[:, 1, -1] = np.array(0, E4M3)
    # Kept small, so that GeGLU sees both its sides.
    return PackedExperts(
        weight, scale, (0.0004 * (1 + np.arange(experts * parts))).astype(np.float32).reshape(experts, parts)
    )


def words(array: Array) -> Array:
    return np.ascontiguousarray(array).view(np.int32)


@dataclass(frozen=True)
class Weights:
    """One projection of all experts: what the kernel is given, and what it stands for."""

    kernel: tuple[Array, ...]
    exact: NDArray[np.float64]

    @classmethod
    def of(cls, kind: str, random: np.random.Generator, experts: int, out: int, width: int, parts: int) -> Weights:
        if kind == "bf16":
            weight = bf16(random.standard_normal((experts, out, width)) / width**0.5)
            return cls((weight,), weight.astype(np.float64))
        stack = packed(random, experts, out, width, parts)
        exact = stack.dequantised().astype(np.float64)
        return cls((words(stack.weight), words(stack.block_scale), stack.global_scale), exact)


def gelu(x: Array) -> Array:
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def sorted_pairs(index: Array, experts: int) -> tuple[Array, Array]:
    """offsets and pairs, plainly."""
    flat = index.reshape(-1)
    counts = [int((flat == expert).sum()) for expert in range(experts)]
    pairs = [pair for expert in range(experts) for pair in np.flatnonzero(flat == expert)]
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32), np.array(pairs, np.int32)


@pytest.mark.parametrize("kind", ["i64", "i32"])
@pytest.mark.parametrize(
    "case",
    [
        Case(1), Case(1, experts=1, top_k=1), Case(5, routing="same"), Case(256, experts=128, top_k=8),
        Case(256, experts=128, top_k=8, routing="gaps"), Case(1280, experts=128, top_k=8, routing="skewed"),
        Case(77, experts=256, top_k=32), Case(33, experts=3, top_k=3),
    ],
)  # fmt: skip
def test_route_sorts_the_pairs(emulated: Emulated, case: Case, kind: str) -> None:
    index = case.index(np.random.Generator(np.random.Philox(key=case.rows)))
    index = index.astype(np.int64 if kind == "i64" else np.int32)
    offsets, pairs = emulated.run(launches.route(case.rows, case.top_k, case.experts, kind), index)
    wanted = sorted_pairs(index, case.experts)
    assert np.array_equal(offsets, wanted[0]) and np.array_equal(pairs, wanted[1])


def test_an_index_that_is_no_expert_stays_inside(emulated: Emulated) -> None:
    index = np.array([[0, 9], [-5, 1 << 40]])
    offsets, pairs = emulated.run(launches.route(2, 2, 4), index)
    assert list(offsets) == [0, 2, 2, 2, 4] and sorted(pairs) == [0, 1, 2, 3]


CASES = [
    Case(1), Case(2, experts=2, top_k=2), Case(16, routing="same"), Case(17, routing="same"),
    Case(40, routing="skewed"), Case(70, routing="same"), Case(64, routing="gaps"),
    Case(130, hidden=64, inner=64, experts=4, routing="skewed"), Case(24, hidden=192, inner=192),
    Case(9, hidden=320, inner=64, experts=5, top_k=3),
]  # fmt: skip


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("kind", ["bf16", "nvfp4"])
@pytest.mark.parametrize("case", CASES)
def test_experts_equal_float64(emulated: Emulated, case: Case, kind: str, eager: bool) -> None:
    emulated.eager = eager
    check(emulated, case, kind)


@pytest.mark.parametrize("kind", ["bf16", "nvfp4"])
def test_1280_rows(emulated: Emulated, kind: str) -> None:
    emulated.eager = False
    check(emulated, Case(1280, hidden=64, inner=64, experts=16, top_k=2), kind)


@pytest.mark.parametrize("case", [Case(6, hidden=48, inner=32), Case(6, hidden=40, inner=8, experts=4)])
def test_sizes_of_tiny_models(emulated: Emulated, case: Case) -> None:
    emulated.eager = False
    check(emulated, case, "bf16")


def check(emulated: Emulated, case: Case, kind: str) -> None:
    random = np.random.Generator(np.random.Philox(key=case.rows))
    index, sizes = case.index(random), (case.rows, case.top_k, case.experts)
    x = bf16(random.standard_normal((case.rows, case.hidden)))
    gate_up = Weights.of(kind, random, case.experts, 2 * case.inner, case.hidden, 2)
    down = Weights.of(kind, random, case.experts, case.hidden, case.inner, 1)
    weights = random.random((case.rows, case.top_k), np.float32)
    offsets, pairs = emulated.run(launches.route(*sizes), index)

    (inner,) = emulated.run(launches.up(*sizes, case.hidden, case.inner, kind), x, offsets, pairs, *gate_up.kernel)
    check_bytes(emulated.copied, case, index, kind, case.hidden, 2 * case.inner, 32)
    chosen, exact = pairs // case.top_k, np.empty((len(pairs), case.inner))
    for expert in range(case.experts):
        rows = slice(offsets[expert], offsets[expert + 1])
        both = x[chosen[rows]].astype(np.float64) @ gate_up.exact[expert].T
        exact[rows] = gelu(both[:, : case.inner]) * both[:, case.inner :]
    near(inner, exact)

    (out,) = emulated.run(launches.down(*sizes, case.hidden, case.inner, kind), inner, offsets, pairs, *down.kernel)
    check_bytes(emulated.copied, case, index, kind, case.inner, case.hidden, 64)
    exact = np.empty((len(pairs), case.hidden))
    for expert in range(case.experts):
        rows = slice(offsets[expert], offsets[expert + 1])
        exact[pairs[rows]] = inner[rows].astype(np.float64) @ down.exact[expert].T
    near(out, exact)

    parts = out.astype(np.float64).reshape(case.rows, case.top_k, case.hidden)
    for suffix, factor in (("f32", weights), ("bf16", bf16(weights))):
        (y,) = emulated.run(launches.combine(case.rows, case.top_k, case.hidden, suffix), out, factor)
        near(y, (parts * factor.astype(np.float64)[:, :, None]).sum(1))


def near(ours: Array, exact: NDArray[np.float64]) -> None:
    """Equal but for bfloat16's rounding of the result, and float32's of the sums, which is relative to their terms."""
    ours = ours.astype(np.float64)
    assert np.isfinite(ours).all()
    scale = np.sqrt((exact**2).mean()) if exact.size else 0
    assert np.allclose(ours, exact, rtol=2**-8, atol=1e-4 * scale)
    assert np.linalg.norm(ours - exact) <= 3e-3 * np.linalg.norm(exact)


def check_bytes(copied: int, case: Case, index: Array, kind: str, width: int, out: int, per_tile: int) -> None:
    """Each weight of a chosen expert once for every 64 of its rows, and each of those rows once a tile of weights."""
    counts = np.bincount(index.reshape(-1), minlength=case.experts)
    weight = width * 2 if kind == "bf16" else width // 2 + width // 16
    tiles = -(-(out // 2 if per_tile == 32 else out) // per_tile)
    assert copied == sum(-(-count // 64) * out * weight + count * tiles * width * 2 for count in counts)


def test_results_do_not_depend_on_other_rows(emulated: Emulated) -> None:
    """A row computed alone and among others is the same, bit for bit: tiles differ, sums do not."""
    random = np.random.Generator(np.random.Philox(key=5))
    case = Case(40, routing="skewed")
    x, index = bf16(random.standard_normal((40, case.hidden))), case.index(random)
    gate_up = Weights.of("nvfp4", random, case.experts, 2 * case.inner, case.hidden, 2)

    def inner(rows: slice) -> Array:
        count = len(x[rows])
        offsets, pairs = emulated.run(launches.route(count, case.top_k, case.experts), index[rows])
        launch = launches.up(count, case.top_k, case.experts, case.hidden, case.inner, "nvfp4")
        (result,) = emulated.run(launch, x[rows], offsets, pairs, *gate_up.kernel)
        by_pair = np.empty_like(result)
        by_pair[pairs] = result
        return by_pair.reshape(count, case.top_k, case.inner)

    whole = inner(slice(None))
    for row in (0, 7, 39):
        assert np.array_equal(inner(slice(row, row + 1))[0].view(np.int16), whole[row].view(np.int16))


def test_every_product_of_nvfp4_is_exact(emulated: Emulated) -> None:
    """All 16 numbers times all scales, one column at a time: what bfloat16 and float32 hold is the product itself."""
    inner = 128
    nibbles = (np.arange(inner) % 16).astype(np.uint8)
    weight = np.tile(nibbles[0::2] | nibbles[1::2] << 4, (1, 128, 1))
    block = np.zeros((1, 128, inner // 16), np.uint8)
    block[0, :127] = np.arange(127)[:, None]  # every finite one that is not negative
    stack = PackedExperts(weight, block.view(E4M3), np.ones((1, 1), np.float32))
    x = bf16(np.eye(inner))
    offsets, pairs = np.array([0, inner], np.int32), np.arange(inner, dtype=np.int32)
    launch = launches.down(inner, 1, 1, 128, inner, "nvfp4")
    (out,) = emulated.run(launch, x, offsets, pairs, words(weight), words(block), stack.global_scale)
    assert np.array_equal(out.astype(np.float32).T, stack.dequantised()[0])
