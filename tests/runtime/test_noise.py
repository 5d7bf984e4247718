"""The noise is part of what a plan can be made again from: its streams are fixed for ever."""

from __future__ import annotations

import hashlib
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgemma_ros.runtime.noise import Noise

WORD = 2**64 - 1


def philox(counter: int, key: tuple[int, int]) -> tuple[int, int, int, int]:
    """Philox4x64-10 (Salmon et al. 2011): four words of a 256-bit counter."""
    a, b, c, d = (counter >> (64 * i) & WORD for i in range(4))
    low, high = key
    for _ in range(10):
        first, second = a * 0xD2E7470EE14C6C93, c * 0xCA5A826395121157
        a, b, c, d = second >> 64 ^ b ^ low, second & WORD, first >> 64 ^ d ^ high, first & WORD
        low, high = low + 0x9E3779B97F4A7C15 & WORD, high + 0xBB67AE8584CAA73B & WORD
    return a, b, c, d


def words(seed: int, canvas: int, step: int, count: int) -> list[int]:
    """As the module says it: keyed by the seed, counted from (1, 0, step, canvas) on."""
    start = (canvas << 192) + (step << 128)
    blocks = (philox(start + i, (seed, 0)) for i in itertools.count(1))
    return list(itertools.islice(itertools.chain.from_iterable(blocks), count))


def plainly(seed: int, length: int, vocab: int, canvas: int, step: int) -> tuple[list[float], list[int]]:
    raw = words(seed, canvas, step, 2 * length)
    return [(w >> 40) * 2.0**-24 for w in raw[:length]], [(w >> 32) * vocab >> 32 for w in raw[length:]]


def test_literal_values() -> None:
    noise = Noise(0, 4, 262_144)
    assert noise.canvas(0).tolist() == [216608, 72970, 244056, 244008]
    uniform, tokens = noise.step(0, 0)
    assert (uniform * 2**24).tolist() == [193722, 4052523, 1869415, 9469306]
    assert tokens.tolist() == [131695, 72772, 248130, 258491]
    noise = Noise(2**64 - 1, 4, 97)
    assert noise.canvas(3).tolist() == [94, 10, 75, 71]
    uniform, tokens = noise.step(3, 47)
    assert (uniform * 2**24).tolist() == [7158425, 3604219, 7834072, 8577958]
    assert tokens.tolist() == [4, 89, 75, 67]


def test_whole_streams() -> None:
    noise, total = Noise(123_456_789, 256, 262_144), hashlib.sha256()
    for canvas in range(3):
        total.update(noise.canvas(canvas).astype("<i8").tobytes())
        for step in range(5):
            uniform, tokens = noise.step(canvas, step)
            total.update(uniform.astype("<f4").tobytes() + tokens.astype("<i8").tobytes())
    assert total.hexdigest() == "8e1f9c27791e89170dfdacab0a831a073bca37159ed98352792fe9ae71d8cb3d"


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**64 - 1),
    length=st.integers(1, 9),
    vocab=st.sampled_from([2, 97, 262_144, 1 << 24]),
    canvas=st.integers(0, 1000),
    step=st.integers(0, 100_000),
)
def test_any_stream_is_the_published_generators(seed: int, length: int, vocab: int, canvas: int, step: int) -> None:
    noise = Noise(seed, length, vocab)
    uniform, tokens = noise.step(canvas, step)
    assert (uniform.tolist(), tokens.tolist()) == plainly(seed, length, vocab, canvas, step)
    raw = words(seed, canvas, 2**32 - 1, length)
    assert noise.canvas(canvas).tolist() == [(word >> 32) * vocab >> 32 for word in raw]


def test_types_and_ranges() -> None:
    noise = Noise(5, 4096, 97)
    uniform, tokens = noise.step(1, 2)
    assert uniform.dtype == np.float32 and tokens.dtype == noise.canvas(0).dtype == np.int64
    assert uniform.shape == tokens.shape == noise.canvas(0).shape == (4096,)
    assert uniform.min() >= 0 and uniform.max() < 1
    assert set(tokens.tolist()) == set(range(97)) == set(noise.canvas(0).tolist())
    assert abs(uniform.mean() - 0.5) < 0.02 and abs(tokens.mean() - 48) < 2


def test_the_largest_word_is_still_below_one() -> None:
    """All bits set: rounding must not make a 1 of it, nor a token beyond the vocabulary."""

    class Full(Noise):
        def _words(self, canvas: int, step: int) -> np.ndarray:
            return np.full(2 * self._length, WORD, np.uint64)

    for vocab in (2, 97, 262_144, 1 << 24):
        uniform, tokens = Full(0, 3, vocab).step(0, 0)
        assert uniform.tolist() == [1 - 2.0**-24] * 3 and tokens.tolist() == [vocab - 1] * 3


def test_order_does_not_matter() -> None:
    """A step can be drawn without those before it, and again."""
    first, second = Noise(9, 16, 128), Noise(9, 16, 128)
    steps = [(canvas, step) for canvas in range(3) for step in range(4)]
    forward = {key: first.step(*key) for key in steps}
    backward = {key: (second.canvas(key[0]), second.step(*key))[1] for key in reversed(steps)}
    for key in steps:
        for left, right in zip(forward[key], backward[key], strict=True):
            assert np.array_equal(left, right)


def test_streams_share_nothing() -> None:
    rows = [Noise(seed, 64, 1 << 24) for seed in (0, 1, 2**63)]
    seen = [tuple(noise.canvas(canvas)) for noise in rows for canvas in range(3)]
    seen += [tuple(noise.step(canvas, step)[1]) for noise in rows for canvas in range(3) for step in range(3)]
    assert len(set(seen)) == len(seen)
    assert len({token for row in seen for token in row}) > 0.99 * sum(map(len, seen))


def test_what_is_random_does_not_depend_on_the_vocabulary() -> None:
    assert np.array_equal(Noise(3, 8, 97).step(0, 0)[0], Noise(3, 8, 262_144).step(0, 0)[0])


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seeds_out_of_range(seed: int) -> None:
    with pytest.raises(ValueError, match="seed"):
        Noise(seed, 8, 97)
