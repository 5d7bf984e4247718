"""The head's soft embedding in half precision: no flat row overflows it, and none is lost in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import helper

from dgemma_ros.checkpoint.config import read_config
from dgemma_ros.checkpoint.fields import Section
from dgemma_ros.graphs.builder import FLOAT, FLOAT16
from dgemma_ros.graphs.embed import TABLE
from dgemma_ros.graphs.head import head
from tests.graphs.run import session
from tests.tiny import TINIES, config_json

VOCAB, HIDDEN, ROWS = 65_536, 48, 4
NORM = "model.decoder.norm.weight"


def soft(dtype: int, table: NDArray[np.float32], hidden: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
    """The soft embeddings, and the product that they are made from: between two nodes ONNX Runtime's CPU keeps float32
    where the graph says float16, not in an output.
    """
    config = read_config(Section(Path("config.json"), config_json(TINIES["plain"])))
    config = replace(config, canvas_length=ROWS, text=replace(config.text, vocab_size=VOCAB, hidden_size=HIDDEN))
    kind = np.float32 if dtype == FLOAT else np.float16
    model = head(config, dtype)
    (product,) = [node.output[0] for node in model.graph.node if node.name.endswith("weighted_embedding")]
    model.graph.output.append(helper.make_tensor_value_info(product, dtype, ["canvas_length", HIDDEN]))
    run = session(model, {TABLE: table.astype(kind), NORM: np.ones(HIDDEN, kind)})
    zeros = np.zeros(ROWS, np.int64)
    feeds = {
        "hidden": hidden[None].astype(kind),
        "uniform": np.full(ROWS, 0.5, np.float32),
        "random_tokens": zeros,
        "temperature": np.array([0.4], np.float32),
        "entropy_bound": np.zeros(1, np.float32),
        "pin": np.zeros(ROWS, np.bool_),
        "pin_ids": zeros,
        "allowed": np.ones((1, VOCAB), np.bool_),
        "allowed_row": np.zeros(1, np.int64),
    }
    out, weighted = run.run(["soft", product], feeds)
    return np.asarray(out[0], np.float32), np.asarray(weighted, np.float32)


@pytest.mark.parametrize("kind", ["flat", "random", "peaked"])
def test_half_precision_is_near_float32(kind: str) -> None:
    """Embeddings that have much in common: their unnormalised sum over a flat row would be 200,000."""
    random = np.random.Generator(np.random.Philox(key=11))
    table = random.standard_normal((VOCAB, HIDDEN), np.float32) * np.float32(0.05) + np.float32(3)
    hidden = random.standard_normal((ROWS, HIDDEN), np.float32)
    hidden -= hidden.mean(-1, keepdims=True)  # what the embeddings have in common is in no logit
    if kind == "flat":
        hidden *= 0
    elif kind == "peaked":
        table[:ROWS] += 8 * hidden
    table = table.astype(np.float16).astype(np.float32)
    (exact, unnormalised), (half, product) = soft(FLOAT, table, hidden), soft(FLOAT16, table, hidden)
    assert (np.abs(unnormalised).max() > np.finfo(np.float16).max) == (kind == "flat")
    assert np.isfinite(product).all() and np.isfinite(half).all()
    assert np.abs(half - exact).max() < 4e-3 * np.abs(exact).max()
