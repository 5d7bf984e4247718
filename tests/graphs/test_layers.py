"""Norm, gated MLP and attention, each alone against float64."""

from __future__ import annotations

import numpy as np
import pytest

from dgemma_ros.checkpoint.config import LayerKind, read_config
from dgemma_ros.checkpoint.fields import Section
from dgemma_ros.graphs import layers
from dgemma_ros.graphs.attention import attention, declare_cache, declare_cache_outputs, declare_kind
from dgemma_ros.graphs.builder import FLOAT, FLOAT16, GraphBuilder
from tests.cases import GOLDEN
from tests.graphs.run import session
from tests.graphs.test_experts import gelu_tanh
from tests.tiny import Noise, Tiny, config_json


def normed(x: np.ndarray, eps: float = 1e-6) -> np.ndarray:
    wide = x.astype(np.float64)
    return wide / np.sqrt((wide**2).mean(-1, keepdims=True) + eps)


def softmax(scores: np.ndarray) -> np.ndarray:
    weight = np.exp(scores - scores.max(-1, keepdims=True))
    return weight / weight.sum(-1, keepdims=True)


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_rms_norm(weighted: bool, scale: float) -> None:
    noise = Noise("norm")
    b = GraphBuilder("norm")
    x = b.input("x", FLOAT, ("rows", 48))
    b.output(layers.rms_norm(b, x, 48, 1e-6, "norm", "w" if weighted else None), "y", FLOAT, ("rows", 48))
    rows, weight = (scale * noise.normal((9, 48))).astype(np.float32), (3 * noise.normal((48,))).astype(np.float32)
    (y,) = session(b, {"w": weight} if weighted else None).run(None, {"x": rows})
    expected = normed(rows) * (weight if weighted else 1)
    assert np.abs(y - expected).max() < 1e-6 * np.abs(expected).max()


def test_rms_norm_in_half_precision_squares_in_single() -> None:
    b = GraphBuilder("norm", FLOAT16)
    b.output(layers.rms_norm(b, b.input("x", FLOAT16, ("rows", 64)), 64, 1e-6, "norm"), "y", FLOAT16, ("rows", 64))
    rows = np.full((2, 64), 3000, np.float16)  # its square is no float16
    (y,) = session(b).run(None, {"x": rows})
    assert np.abs(y - 1).max() < 1e-3


def test_gated_mlp() -> None:
    noise = Noise("mlp")
    b = GraphBuilder("mlp")
    b.output(layers.gated_mlp(b, b.input("x", FLOAT, ("rows", 24)), 24, 40, "p"), "y", FLOAT, ("rows", 24))
    shapes = {"p.gate_proj.weight": (40, 24), "p.up_proj.weight": (40, 24), "p.down_proj.weight": (24, 40)}
    assert b.weights == shapes
    weights = {name: (noise.normal(shape) / shape[1] ** 0.5).astype(np.float32) for name, shape in shapes.items()}
    x = noise.normal((7, 24)).astype(np.float32)
    (y,) = session(b, weights).run(None, {"x": x})
    gate, up, down = (weights[f"p.{name}_proj.weight"].astype(np.float64) for name in ("gate", "up", "down"))
    assert np.abs(y - (gelu_tanh(x @ gate.T) * (x @ up.T)) @ down.T).max() < 1e-5


def turned(x: np.ndarray, cos: np.ndarray, sin: np.ndarray) -> np.ndarray:
    """rotate_half over the whole head; ``x`` [S, heads, D], tables [S, D/2]."""
    first, second = np.split(x, 2, -1)
    cos, sin = cos[:, None], sin[:, None]
    return np.concatenate([first * cos - second * sin, second * cos + first * sin], -1)


@pytest.mark.parametrize("letter", ["S", "F"])
@pytest.mark.parametrize(("rows", "slot", "capacity"), [(1, 0, 1), (5, 0, 16), (7, 9, 16), (4, 3, 40), (1, 15, 16)])
def test_attention(letter: str, rows: int, slot: int, capacity: int) -> None:
    """Any interval of slots a row, written at any slot, other slots left as they are."""
    noise = Noise("attention", letter, rows, slot)
    tiny = Tiny(layers="SF", heads=6, kv_heads=3, full_kv_heads=2, full_head_dim=24, vision=None)
    config = read_config(Section(GOLDEN, config_json(tiny))).text
    layer = config.layers["SF".index(letter)]
    dim, kv, heads, kind = layer.head_dim, layer.kv_heads, config.heads, layer.kind
    b = GraphBuilder("attention")
    x = b.input("x", FLOAT, ("rows", config.hidden_size))
    cache = declare_cache(b, layer)
    shared = declare_kind(b, kind, config, cache[0])
    y, keys, values = attention(b, x, layer, config, shared, cache, "p")
    b.output(y, "y", FLOAT, ("rows", config.hidden_size))
    declare_cache_outputs(b, layer, (keys, values))

    weights = {name: noise.normal(shape) * (0.5 if "norm" in name else 0.15) for name, shape in b.weights.items()}
    weights = {name: array.astype(np.float32) for name, array in weights.items()}
    stop = slot + rows
    first = noise.integers(0, slot + 1, (rows,)) if kind is LayerKind.SLIDING else np.zeros(rows, np.int64)
    last = np.array([noise.integer(slot + i, stop) for i in range(rows)])
    angle = noise.normal((1, rows, dim // 2))
    key, value = (noise.normal((1, kv, capacity, dim)).astype(np.float32) for _ in range(2))
    feeds = {
        "x": noise.normal((rows, config.hidden_size)).astype(np.float32),
        f"cos_{kind}": np.cos(angle).astype(np.float32),
        f"sin_{kind}": np.sin(angle).astype(np.float32),
        f"write_{kind}": np.array([slot]),
        f"last_{kind}": last,
        f"key_{layer.index}": key,
        f"value_{layer.index}": value,
    }
    if kind is LayerKind.SLIDING:
        feeds[f"first_{kind}"] = first
    y, new_key, new_value = session(b, weights).run(None, feeds)

    def projected(name: str, count: int) -> np.ndarray:
        matrix = weights[f"p.{name}_proj.weight"].astype(np.float64)
        return (feeds["x"] @ matrix.T).reshape(rows, count, dim)

    query = normed(projected("q", heads)) * weights["p.q_norm.weight"]
    raw_key = projected("k", kv)
    raw_value = projected("v", kv) if layer.has_v_proj else raw_key
    cos, sin = np.cos(angle[0]), np.sin(angle[0])
    query, own_key = turned(query, cos, sin), turned(normed(raw_key) * weights["p.k_norm.weight"], cos, sin)
    wide_key, wide_value = key[0].astype(np.float64), value[0].astype(np.float64)
    wide_key[:, slot:stop] = own_key.transpose(1, 0, 2)
    wide_value[:, slot:stop] = normed(raw_value).transpose(1, 0, 2)
    assert np.abs(new_key[0] - wide_key).max() < 1e-5 and np.abs(new_value[0] - wide_value).max() < 1e-5
    elsewhere = np.r_[0:slot, stop:capacity]
    assert np.array_equal(new_key[:, :, elsewhere], key[:, :, elsewhere])

    mixed = np.zeros((rows, heads, dim))
    for row in range(rows):
        seen = slice(first[row], last[row] + 1)
        for head in range(heads):
            of = head * kv // heads
            mixed[row, head] = softmax(wide_key[of, seen] @ query[row, head]) @ wide_value[of, seen]
    expected = mixed.reshape(rows, -1) @ weights["p.o_proj.weight"].T.astype(np.float64)
    assert np.abs(y - expected).max() < 2e-5


def test_heads_go_and_come_back() -> None:
    b = GraphBuilder("heads")
    x = b.input("x", FLOAT, ("rows", 12))
    split = layers.heads_first(b, layers.split_heads(b, x, 3, 4, "x"), "x")
    b.output(layers.merge_heads(b, split, 3, 4), "y", FLOAT, ("rows", 12))
    rows = np.arange(60, dtype=np.float32).reshape(5, 12)
    assert np.array_equal(session(b).run(None, {"x": rows})[0], rows)
