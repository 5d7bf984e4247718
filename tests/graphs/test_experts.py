"""The two bodies of the experts and the router, against a loop in numpy."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgemma_ros.checkpoint.config import read_config
from dgemma_ros.checkpoint.fields import Section
from dgemma_ros.graphs import experts
from dgemma_ros.graphs.builder import FLOAT, INT64, GraphBuilder
from tests.cases import GOLDEN
from tests.graphs.run import session
from tests.tiny import Noise, Tiny, config_json

BODIES = ("sparse", "dense")


@lru_cache(maxsize=2)
def body(name: str) -> ort.InferenceSession:
    b = GraphBuilder(name)
    x, weights = b.input("x", FLOAT, ("rows", "hidden")), b.input("weights", FLOAT, ("rows", "k"))
    index = b.input("index", INT64, ("rows", "k"))
    gate_up, down = b.input("gate_up", FLOAT, ("e", "2i", "hidden")), b.input("down", FLOAT, ("e", "hidden", "i"))
    function = experts.sparse_experts() if name == "sparse" else experts.dense_experts()
    assert function.name == experts.NAME and tuple(function.input) == experts.INPUTS
    b.output(b.call(function, x, weights, index, gate_up, down, name="experts"), "y", FLOAT, ("rows", "hidden"))
    return session(b)


def gelu_tanh(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def plainly(x: np.ndarray, weights: np.ndarray, index: np.ndarray, gate_up: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Row by row, expert by expert, in float64."""
    x, weights, gate_up, down = (array.astype(np.float64) for array in (x, weights, gate_up, down))
    y = np.zeros_like(x)
    for row in range(len(x)):
        for weight, expert in zip(weights[row], index[row], strict=True):
            gate, up = np.split(gate_up[expert] @ x[row], 2)
            y[row] += weight * (down[expert] @ (gelu_tanh(gate) * up))
    return y


def check(index: np.ndarray, count: int, noise: Noise, hidden: int = 12, inner: int = 10) -> None:
    rows, k = index.shape
    feeds = {
        "x": noise.normal((rows, hidden)).astype(np.float32),
        "weights": (noise.uniform((rows, k)) + 0.1).astype(np.float32),
        "index": index,
        "gate_up": (noise.normal((count, 2 * inner, hidden)) / hidden**0.5).astype(np.float32),
        "down": (noise.normal((count, hidden, inner)) / inner**0.5).astype(np.float32),
    }
    expected = plainly(**feeds)
    for name in BODIES:
        (y,) = body(name).run(None, feeds)
        assert y.shape == expected.shape
        assert np.abs(y - expected).max(initial=0) < 2e-5, name


@settings(max_examples=80, deadline=None)
@given(
    rows=st.sampled_from([1, 2, 3, 17, 64]),
    count=st.integers(1, 9),
    k=st.integers(1, 9),
    hidden=st.sampled_from([1, 12, 33]),
    inner=st.sampled_from([1, 10, 16]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_routing(rows: int, count: int, k: int, hidden: int, inner: int, seed: int) -> None:
    noise = Noise("experts", seed)
    order = noise.uniform((rows, count)).argsort(-1)  # each row's experts are different ones
    check(order[:, : min(k, count)], count, noise, hidden, inner)


@pytest.mark.parametrize("rows", [1, 20])
def test_an_expert_with_no_row_and_one_with_all(rows: int) -> None:
    noise = Noise("uneven", rows)
    check(np.full((rows, 1), 2), 5, noise)  # all rows choose one, four experts stay idle
    check(np.tile([[4, 0]], (rows, 1)), 5, noise)
    check(np.tile(np.arange(5), (rows, 1)), 5, noise)  # every expert gets every row


def test_a_weight_of_zero_is_an_expert_that_adds_nothing() -> None:
    feeds = {
        "x": np.ones((3, 4), np.float32),
        "weights": np.zeros((3, 2), np.float32),
        "index": np.array([[0, 1]] * 3),
        "gate_up": np.ones((2, 6, 4), np.float32),
        "down": np.ones((2, 4, 3), np.float32),
    }
    for name in BODIES:
        assert (body(name).run(None, feeds)[0] == 0).all()


@pytest.mark.parametrize(("count", "k"), [(4, 2), (16, 4), (5, 5), (3, 1)])
def test_router(count: int, k: int) -> None:
    noise = Noise("router", count)
    config = read_config(Section(GOLDEN, config_json(Tiny(experts=count, top_k=k, vision=None)))).text
    hidden = config.hidden_size
    b = GraphBuilder("router")
    weights, index = experts.router(b, b.input("x", FLOAT, ("rows", hidden)), config, "r")
    b.output(weights, "weights", FLOAT, ("rows", k))
    b.output(index, "index", INT64, ("rows", k))
    own = {
        "r.scale": 8 * (1 + 0.2 * noise.normal((hidden,))),
        "r.proj.weight": noise.normal((count, hidden)) / hidden**0.5,
        "r.per_expert_scale": 1 + 0.3 * noise.normal((count,)),
    }
    assert b.weights == {name: array.shape for name, array in own.items()}
    own = {name: array.astype(np.float32) for name, array in own.items()}
    x = (5 * noise.normal((40, hidden))).astype(np.float32)
    ours, chosen = session(b, own).run(None, {"x": x})

    wide = x.astype(np.float64)
    normed = wide / np.sqrt((wide**2).mean(-1, keepdims=True) + config.rms_norm_eps)
    scores = normed * own["r.scale"] * hidden**-0.5 @ own["r.proj.weight"].T.astype(np.float64)
    probabilities = np.exp(scores - scores.max(-1, keepdims=True))
    probabilities /= probabilities.sum(-1, keepdims=True)
    expected = np.argsort(-probabilities, axis=-1)[:, :k]
    assert np.array_equal(np.sort(chosen, -1), np.sort(expected, -1))
    best = np.take_along_axis(probabilities, chosen, -1)
    best = best / best.sum(-1, keepdims=True) * own["r.per_expert_scale"][chosen]
    assert np.abs(ours - best).max() < 1e-5
