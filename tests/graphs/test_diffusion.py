"""RowStats as ONNX Runtime runs it, against numpy and float64."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from dgemma_ros.graphs import diffusion, diffusion_numpy
from dgemma_ros.graphs.builder import BOOL, FLOAT, INT64, GraphBuilder
from dgemma_ros.graphs.diffusion import MASKED, cdf_blocks
from tests.graphs.run import session
from tests.tiny import Noise

BELOW_ONE = np.float32(1 - 2**-24)  # the largest float32 below 1
TIE = 1e-6
VOCABS = (1, 2, 3, 7, 16, 97, 128, 150, 251, 1000, 4093, 4096)  # 97, 251 and 4093 are prime
SIZES = st.sampled_from(VOCABS)
SEEDS = st.integers(0, 2**32 - 1)


@lru_cache(maxsize=64)
def row_stats_session(vocab: int, softcap: float) -> ort.InferenceSession:
    """RowStats alone, and beside it, as in the head, the scaled logits that it sees."""
    b = GraphBuilder("row_stats")
    over_cap = b.input("over_cap", FLOAT, ("rows", vocab))
    temperature, uniform = b.input("temperature", FLOAT, (1,)), b.input("uniform", FLOAT, ("rows",))
    allowed, allowed_row = b.input("allowed", BOOL, ("sets", vocab)), b.input("allowed_row", INT64, ("rows_or_one",))
    scaled = b.call(diffusion.scaled_logits(softcap), over_cap, temperature, allowed, allowed_row, name="scaled")
    function = diffusion.row_stats(softcap, vocab)
    stats = b.call(function, over_cap, temperature, uniform, allowed, allowed_row, name="row_stats")
    b.output(scaled, "scaled_out", FLOAT, ("rows", vocab))
    for value, name in zip(stats, diffusion.ROW_STATS_OUTPUTS, strict=True):
        shape = ("rows", 1) if name in ("largest", "total") else ("rows",)
        b.output(value, name, INT64 if name in ("argmax", "drawn") else FLOAT, shape)
    return session(b)


class Rows(NamedTuple):
    """The inputs of RowStats."""

    over_cap: np.ndarray
    temperature: float
    uniform: np.ndarray
    allowed: np.ndarray
    allowed_row: np.ndarray
    softcap: float


def stats_in_onnx(rows: Rows) -> tuple[diffusion_numpy.RowStats, np.ndarray]:
    feeds = rows._asdict() | {"temperature": np.array([rows.temperature], np.float32)}
    del feeds["softcap"]
    scaled, *stats = row_stats_session(rows.over_cap.shape[1], rows.softcap).run(None, feeds)
    return diffusion_numpy.RowStats(*stats), scaled


class Exact(NamedTuple):
    """In float64, from the processed logits as they were rounded to float32."""

    drawn: np.ndarray
    margin: np.ndarray
    """Distance of the uniform number from the nearest boundary of the CDF."""
    entropy: np.ndarray
    total: np.ndarray


def exact(scaled: np.ndarray, uniform: np.ndarray) -> Exact:
    wide = scaled.astype(np.float64)
    centred = wide - wide.max(-1, keepdims=True)
    weight = np.exp(centred)
    total = weight.sum(-1, keepdims=True)
    cdf = (weight / total).cumsum(-1)
    drawn = np.array([np.searchsorted(row, u, "right") for row, u in zip(cdf, uniform, strict=True)])
    margin = np.abs(cdf - uniform[:, None]).min(-1)
    entropy = np.log(total[:, 0]) - (weight * centred).sum(-1) / total[:, 0]
    return Exact(drawn, margin, entropy, total)


def check_rows(rows: Rows) -> int:
    """All that must hold of any rows; how many draws were ties."""
    ours, scaled = stats_in_onnx(rows)
    plain = diffusion_numpy.row_stats(*rows)
    truth = exact(scaled, rows.uniform)
    each, allowed = np.arange(len(scaled)), np.broadcast_to(rows.allowed[rows.allowed_row], scaled.shape)
    for stats in (ours, plain):
        assert allowed[each, stats.argmax].all() and allowed[each, stats.drawn].all()
        assert (stats.entropy >= 0).all()
    assert (ours.argmax == scaled.argmax(-1)).all()  # the first of the largest
    assert np.abs(ours.entropy - truth.entropy).max() <= 1e-5
    assert np.array_equal(ours.largest, scaled.max(-1, keepdims=True))
    assert np.abs(ours.total / truth.total - 1).max() <= 1e-5
    different = ours.drawn != truth.drawn
    assert (truth.margin[different] <= TIE).all()

    # Numpy's tanh is not ONNX Runtime's: what a unit in the last place of the largest logit moves is allowed, too.
    unit = max(1e-12, float(np.spacing(np.abs(np.where(allowed, scaled, 0)).max())))
    best = np.take_along_axis(scaled, plain.argmax[:, None], -1)[:, 0]
    assert (scaled.max(-1) - best <= 4 * unit).all()
    assert np.abs(plain.entropy - ours.entropy).max() <= 1e-5 + 40 * unit
    assert np.abs(plain.largest - ours.largest).max() <= 4 * unit
    assert np.abs(plain.total / ours.total - 1).max() <= 1e-5 + 10 * unit
    assert (truth.margin[plain.drawn != ours.drawn] <= TIE + 4 * unit).all()
    return int(different.sum())


def rows_of(kind: str, vocab: int, noise: Noise, count: int = 8) -> np.ndarray:
    """Logits over the softcap, [count, vocab], of one kind."""
    logits = {
        "random": lambda: 4 * noise.normal((count, vocab)),
        "flat": lambda: np.full((count, vocab), 2.5),
        "peaked": lambda: np.where(np.arange(vocab) == noise.integers(0, vocab, (count, 1)), 60.0, -60.0),
        "tied": lambda: np.round(noise.normal((count, vocab))),
        "huge": lambda: noise.normal((count, vocab)) * 1e30,
        "endless": lambda: np.where(noise.uniform((count, vocab)) < 0.5, -np.inf, np.inf),
        "tiny": lambda: noise.normal((count, vocab)) * 1e-30,
        "subnormal": lambda: noise.normal((count, vocab)) * 1e-41,
        "steep": lambda: np.linspace(-80, 80, vocab) * np.ones((count, 1)),
        "two": lambda: np.where(np.arange(vocab) % max(1, vocab - 1) == 0, 5.0, -40.0) * np.ones((count, 1)),
    }[kind]()
    return (logits / 30).astype(np.float32)


KINDS = ("random", "flat", "peaked", "tied", "huge", "endless", "tiny", "subnormal", "steep", "two")


def sets_of(kind: str, vocab: int, noise: Noise) -> np.ndarray:
    """Three sets of allowed tokens, none empty."""
    allowed = {
        "all": lambda: np.ones((3, vocab), np.bool_),
        "one": lambda: np.zeros((3, vocab), np.bool_),
        "some": lambda: noise.uniform((3, vocab)) < 0.5,
        "few": lambda: noise.uniform((3, vocab)) < 0.02,
    }[kind]()
    allowed[np.arange(3), noise.integers(0, vocab, (3,))] = True
    return allowed


@settings(max_examples=250, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    sets=st.sampled_from(["all", "one", "some", "few"]),
    vocab=SIZES,
    uniform=st.sampled_from(["random", "zero", "last", "halves"]),
    temperature=st.one_of(st.floats(0.4, 0.8), st.sampled_from([1e-6, 0.01, 0.1, 1.0, 3.0])),
    softcap=st.sampled_from([30.0, 12.0]),
    one_set=st.booleans(),
    seed=SEEDS,
)
# Its sum in float32 is larger than in float64, and the uniform number lies between the two.
@example(kind="random", sets="all", vocab=7, uniform="last", temperature=0.4375, softcap=30.0, one_set=False, seed=0)
def test_rows(
    kind: str, sets: str, vocab: int, uniform: str, temperature: float, softcap: float, one_set: bool, seed: int
) -> None:
    noise = Noise("rows", seed)
    over_cap = rows_of(kind, vocab, noise)
    count = len(over_cap)
    drawn = {
        "random": lambda: noise.uniform((count,)),
        "zero": lambda: np.zeros(count, np.float32),
        "last": lambda: np.full(count, BELOW_ONE),
        "halves": lambda: (noise.integers(0, 16, (count,)) / 16).astype(np.float32),
    }[uniform]()
    allowed, allowed_row = sets_of(sets, vocab, noise), noise.integers(0, 3, (1 if one_set else count,))
    rows = Rows(over_cap, temperature, drawn, allowed, allowed_row, softcap)
    event(f"draws that were ties: {check_rows(rows)}")


def test_a_tie_of_the_largest_is_the_first() -> None:
    for vocab in (16, 97, 4096):
        over_cap = np.zeros((2, vocab), np.float32)
        over_cap[0, [5, vocab - 2, vocab - 1]] = 0.1
        rows = Rows(over_cap, 0.7, np.zeros(2, np.float32), np.ones((1, vocab), np.bool_), np.zeros(2, np.int64), 30.0)
        assert stats_in_onnx(rows)[0].argmax.tolist() == diffusion_numpy.row_stats(*rows).argmax.tolist() == [5, 0]


def test_flat_rows_draw_by_their_share() -> None:
    """Flat logits: the draw is floor(u · V), whatever the padding."""
    for vocab in (16, 97, 4093):
        uniform = np.array([0, 0.25, 0.5, 0.999, BELOW_ONE], np.float32)
        over_cap = np.zeros((5, vocab), np.float32)
        rows = Rows(over_cap, 0.5, uniform, np.ones((1, vocab), np.bool_), np.zeros(5, np.int64), 30.0)
        ours, _ = stats_in_onnx(rows)
        assert ours.drawn.tolist() == np.floor(uniform.astype(np.float64) * vocab).astype(int).tolist()
        assert np.allclose(ours.entropy, np.log(vocab), atol=1e-6)


def test_a_rounding_at_a_border_of_blocks_does_not_reach_a_masked_token() -> None:
    """Block 2's sum is rounded up by half a unit, so that the target lies before it, at a token of no weight."""
    softcap = 10_000.0
    over_cap = np.zeros((1, 16), np.float32)
    over_cap[0, [4, 12]] = np.log([3 * 2.0**-52, 2.0**-51]) / softcap
    allowed = np.zeros((1, 16), np.bool_)
    allowed[0, [0, 4, 9, 12]] = True
    rows = Rows(over_cap, 1.0, np.array([0.5], np.float32), allowed, np.zeros(1, np.int64), softcap)
    assert stats_in_onnx(rows)[0].drawn.tolist() == diffusion_numpy.row_stats(*rows).drawn.tolist() == [9]


@pytest.fixture(scope="module")
def wide() -> tuple[Rows, diffusion_numpy.RowStats, Exact]:
    """Rows over the released vocabulary."""
    noise, vocab = Noise("wide"), 262_144
    over_cap = rows_of("random", vocab, noise, 24)
    allowed = np.ones((1, vocab), np.bool_)
    allowed[0, [255_999, 256_000, *range(258_880, 258_885)]] = False
    rows = Rows(over_cap, 0.8, noise.uniform((24,)), allowed, np.zeros(24, np.int64), 30.0)
    ours, scaled = stats_in_onnx(rows)
    return rows, ours, exact(scaled, rows.uniform)


def test_the_released_vocabulary(wide: tuple[Rows, diffusion_numpy.RowStats, Exact]) -> None:
    rows, ours, truth = wide
    assert (truth.margin > TIE).sum() >= 8  # of so many draws no tie can be claimed
    assert check_rows(rows) <= 2
    assert np.abs(ours.entropy - truth.entropy).max() <= 1e-5


def test_a_flat_sum_in_float32_would_draw_wrongly(wide: tuple[Rows, diffusion_numpy.RowStats, Exact]) -> None:
    """What the two levels are for: the same check, failed by the obvious way."""
    rows, ours, truth = wide
    _, scaled = stats_in_onnx(rows)
    weight = np.exp(scaled - scaled.max(-1, keepdims=True))
    cdf = weight.cumsum(-1, dtype=np.float32)
    flat = (cdf <= (rows.uniform * cdf[:, -1])[:, None]).sum(-1)
    certain = truth.margin > TIE
    assert (flat != truth.drawn)[certain].sum() >= 3
    assert (ours.drawn == truth.drawn)[certain].all()


@given(st.integers(1, 300_000))
def test_the_blocks_cover_the_vocabulary(vocab: int) -> None:
    blocks, size = cdf_blocks(vocab)
    assert (blocks - 1) * size < vocab <= blocks * size
    assert max(blocks, size) <= 4 * round(vocab**0.5) + 1  # both levels are short


def test_the_released_vocabulary_needs_no_padding() -> None:
    assert cdf_blocks(262_144) == (512, 512)


def test_the_mask_outweighs_every_logit_and_leaves_all_others_as_they_are() -> None:
    largest = np.float32(1e6) / np.float32(1e-6)  # the widest softcap over the lowest temperature that are read
    assert np.exp(largest + MASKED - np.float32(-largest)) == 0
    assert np.isfinite(MASKED - largest)
