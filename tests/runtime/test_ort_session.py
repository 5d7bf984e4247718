"""The session on ONNX Runtime: what it refuses, and in which words; weights that exist once."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from dgemma_ros.errors import BackendError
from dgemma_ros.graphs.export import export
from dgemma_ros.model import open_model
from dgemma_ros.runtime.ort_session import OrtSession
from tests.conftest import Folders, Models


def test_an_unknown_device(exported: Folders) -> None:
    with pytest.raises(BackendError, match=r"device 'tpu' is neither cpu nor cuda"):
        open_model(exported("plain"), device="tpu")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_types_that_the_cpu_cannot_run(dtype: str, checkpoint: Folders, tmp_path: Path) -> None:
    folder = export(checkpoint("plain"), tmp_path / dtype, dtype)
    with pytest.raises(BackendError, match=rf"cannot run {dtype} graphs .* export the checkpoint again as float32"):
        open_model(folder)


@pytest.mark.parametrize("damage", [None, b"", b"no graph", b"\x08\x0b"])
def test_a_graph_that_is_missing_or_damaged(damage: bytes | None, exported: Folders, tmp_path: Path) -> None:
    folder = shutil.copytree(exported("plain"), tmp_path / "exported")
    if damage is None:
        (folder / "backbone.onnx").unlink()
    else:
        (folder / "backbone.onnx").write_bytes(damage)
    with pytest.raises(BackendError, match=r"backbone\.onnx: .*") as error:
        open_model(folder)
    assert "\n" not in str(error.value)


def test_inputs_of_a_wrong_shape_are_one_line(opened: Models) -> None:
    sequence = opened("plain").sequence()
    sequence.append(np.arange(4))
    with pytest.raises(BackendError, match="ONNX Runtime could not run head") as error:
        sequence.open_canvas({"allowed": np.ones((1, 5), np.bool_)}).step({})
    assert "\n" not in str(error.value)


def test_a_step_takes_numbers_of_any_width(opened: Models) -> None:
    """A float64 must not be taken for two float32."""
    sequence = opened("plain").sequence()
    sequence.append(np.arange(4))
    canvas = np.arange(16)
    results = []
    for wide, narrow in ((np.float64, np.int32), (np.float32, np.int64)):
        feeds = {
            "canvas": canvas.astype(narrow),
            "uniform": np.linspace(0, 0.9, 16, dtype=wide),
            "random_tokens": canvas[::-1].astype(narrow),
            "temperature": np.array([0.5], wide),
        }
        results.append(sequence.open_canvas({}, with_logits=True).step(feeds))
    for left, right in zip(*(vars(result).values() for result in results), strict=True):
        assert np.array_equal(left, right)


def test_results_are_copies(opened: Models) -> None:
    sequence = opened("plain").sequence()
    canvas = sequence.open_canvas({}, with_logits=True)
    first = canvas.step({"canvas": np.arange(16), "uniform": np.full(16, 0.3)})
    kept = {name: np.copy(value) for name, value in vars(first).items()}
    canvas.step({"canvas": np.arange(16)[::-1], "uniform": np.full(16, 0.9)})
    assert all(np.array_equal(value, kept[name]) for name, value in vars(first).items())


def test_logits_only_where_they_are_asked_for(opened: Models) -> None:
    sequence = opened("plain").sequence()
    assert sequence.open_canvas({}).step({}).logits is None
    logits = sequence.open_canvas({}, with_logits=True).step({}).logits
    assert logits is not None and logits.shape == (16, 97) and np.abs(logits).max() <= 30


def test_embed_tokens_are_scaled_embeddings(opened: Models) -> None:
    session = opened("plain").session
    rows = session.embed_tokens(np.array([3, 3, 0]))
    assert rows.dtype == np.float32 and rows.shape == (3, 48) and np.array_equal(rows[0], rows[1])


def test_a_weight_is_one_value_for_all_graphs(exported: Folders) -> None:
    """And it stands over the mapped file where no cast is needed: nothing is copied."""
    session = open_model(exported("images"), threads=1).session
    assert isinstance(session, OrtSession)
    for name in ("vision", "embed", "backbone", "encoder", "head", "head_with_logits"):
        assert session.graphs[name]
    values = session.graphs._values
    table = values["model.decoder.embed_tokens.weight"]
    mapped = session.graphs._weights.array("model.decoder.embed_tokens.weight")
    assert table.data_ptr() == mapped.ctypes.data and not mapped.flags.writeable
    assert len(values) == len([name for name in session.graphs._weights.shapes if "layer_scalar" not in name])


def test_close_twice(exported: Folders) -> None:
    session = open_model(exported("plain"), threads=1).session
    session.close()
    session.close()


def test_what_runs_it_is_said_in_words(opened: Models) -> None:
    assert opened("plain").session.backend.startswith("ONNX Runtime 1.")
