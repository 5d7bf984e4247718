"""CanvasUpdate as ONNX Runtime runs it, against numpy and a plain statement of what is accepted."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgemma_ros.graphs import diffusion, diffusion_numpy
from dgemma_ros.graphs.builder import BOOL, FLOAT, INT64, GraphBuilder
from tests.graphs.run import session
from tests.tiny import Noise

SEEDS = st.integers(0, 2**32 - 1)


class Canvas(NamedTuple):
    """The inputs of CanvasUpdate."""

    argmax: np.ndarray
    drawn: np.ndarray
    entropy: np.ndarray
    random_tokens: np.ndarray
    entropy_bound: float
    pin: np.ndarray
    pin_ids: np.ndarray


@lru_cache(maxsize=1)
def canvas_session() -> ort.InferenceSession:
    b = GraphBuilder("canvas_update")
    types = {"entropy": FLOAT, "entropy_bound": FLOAT, "pin": BOOL}
    inputs = [
        b.input(name, types.get(name, INT64), (1,) if name == "entropy_bound" else ("rows",))
        for name in diffusion.CANVAS_UPDATE_INPUTS
    ]
    types = {"entropy_out": FLOAT, "mean_entropy": FLOAT, "accepted": BOOL}
    outputs = b.call(diffusion.canvas_update(), *inputs, name="canvas_update")
    for value, name in zip(outputs, diffusion.CANVAS_UPDATE_OUTPUTS, strict=True):
        b.output(value, name, types.get(name, INT64), (1,) if name == "mean_entropy" else ("rows",))
    return session(b)


def update_in_onnx(canvas: Canvas) -> diffusion_numpy.CanvasUpdate:
    feeds = canvas._asdict() | {"entropy_bound": np.array([canvas.entropy_bound], np.float32)}
    *arrays, mean = canvas_session().run(None, feeds)
    return diffusion_numpy.CanvasUpdate(*arrays, float(mean[0]))


def accepted_plainly(entropy: np.ndarray, bound: float, pin: np.ndarray) -> np.ndarray:
    """From the surest position on, as long as those before it sum to at most the bound; float32 as the reference."""
    accepted, running = pin.copy(), 0.0
    for position in sorted(range(len(entropy)), key=lambda i: (entropy[i], i)):
        running += float(entropy[position])
        if np.float32(running) - entropy[position] <= np.float32(bound):
            accepted[position] = True
    return accepted


def check_canvas(canvas: Canvas) -> diffusion_numpy.CanvasUpdate:
    ours, plain = update_in_onnx(canvas), diffusion_numpy.canvas_update(*canvas)
    pin = canvas.pin
    for name in ("next_canvas", "argmax", "drawn", "accepted", "entropy"):
        assert np.array_equal(getattr(ours, name), getattr(plain, name)), name
    assert ours.mean_entropy == pytest.approx(plain.mean_entropy, abs=1e-6, rel=1e-6)
    assert np.array_equal(ours.accepted, accepted_plainly(ours.entropy, canvas.entropy_bound, pin))
    assert ours.accepted.any() and ours.accepted[pin].all()
    for array in (ours.next_canvas, ours.argmax, ours.drawn):
        assert np.array_equal(array[pin], canvas.pin_ids[pin])
    assert (ours.entropy[pin] == 0).all() and np.array_equal(ours.entropy[~pin], canvas.entropy[~pin])
    free = ours.accepted & ~pin
    assert np.array_equal(ours.next_canvas[free], canvas.drawn[free])
    assert np.array_equal(ours.next_canvas[~ours.accepted], canvas.random_tokens[~ours.accepted])
    return ours


def canvas_of(entropy: Any, bound: float, noise: Noise, pinned: float = 0.0) -> Canvas:
    entropy = np.asarray(entropy, np.float32)
    shape = entropy.shape
    tokens = {name: noise.integers(0, 50, shape) for name in ("argmax", "drawn", "random_tokens", "pin_ids")}
    return Canvas(entropy=entropy, entropy_bound=bound, pin=noise.uniform(shape) < pinned, **tokens)


@settings(max_examples=250, deadline=None)
@given(
    kind=st.sampled_from(["random", "eighths", "equal", "zero", "sure", "huge", "mixed"]),
    length=st.sampled_from([1, 2, 8, 16, 33, 256]),
    bound=st.one_of(st.sampled_from([1e-12, 0.1, 0.125, 0.5, 1.0, 2.0, 1e6]), st.floats(0, 20)),
    pinned=st.sampled_from([0.0, 0.3, 1.0]),
    seed=SEEDS,
)
def test_canvases(kind: str, length: int, bound: float, pinned: float, seed: int) -> None:
    noise = Noise("canvas", seed)
    entropy = {
        "random": lambda: noise.uniform((length,)) * 12,
        "eighths": lambda: noise.integers(0, 5, (length,)) / 8,  # sums are exact, and many are equal
        "equal": lambda: np.full(length, 0.1),
        "zero": lambda: np.zeros(length),
        "sure": lambda: noise.uniform((length,)) * 1e-6,
        "huge": lambda: 1e30 * noise.uniform((length,)),
        "mixed": lambda: np.where(noise.uniform((length,)) < 0.5, 1e-7, 8.0) * noise.uniform((length,)),
    }[kind]()
    check_canvas(canvas_of(entropy, bound, noise, pinned))


def test_a_bound_exactly_met_is_met() -> None:
    noise = Noise("bound")
    entropy = [0.5, 0.25, 0.25, 1.0, 0.125]
    # Before each, ascending: 0, 0.125, 0.375, 0.625, 1.125
    for bound, count in ((0.0, 1), (0.125, 2), (0.374, 2), (0.375, 3), (0.625, 4), (1.125, 5), (1.1249999, 4)):
        assert check_canvas(canvas_of(entropy, bound, noise)).accepted.sum() == count
    accepted = check_canvas(canvas_of(entropy, 0.125, noise)).accepted
    assert accepted.tolist() == [False, True, False, False, True]  # of two equal ones the first


def test_an_entropy_above_the_bound_is_accepted_where_it_comes_first() -> None:
    assert check_canvas(canvas_of([9.0, 8.0, 7.0], 0.1, Noise("first"))).accepted.tolist() == [False, False, True]


def test_pins_cost_no_entropy_and_leave_the_bound_to_the_others() -> None:
    noise = Noise("pins")
    canvas = canvas_of([5.0, 0.25, 5.0, 0.5], 0.25, noise)
    free = check_canvas(canvas)
    pinned = check_canvas(canvas._replace(pin=np.array([True, False, True, False])))
    assert free.accepted.tolist() == [False, True, False, True]
    assert pinned.accepted.all()
    assert pinned.mean_entropy == pytest.approx(0.75 / 4)
