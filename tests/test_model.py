from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from dgemma_ros.errors import BackendError, CheckpointError, ContextError, DgemmaError, ExportError
from dgemma_ros.graphs import manifest
from dgemma_ros.graphs.export import DTYPES, export, first_layers
from dgemma_ros.model import Excerpt, described, open_model
from tests.conftest import Folders, Models
from tests.tiny import TINIES, make
from tests.tokenizers import write_tokenizer

# -- export -----------------------------------------------------------------------------------------------------------


def test_an_export_holds_graphs_manifest_and_copies(checkpoint: Folders, tmp_path: Path) -> None:
    begun: list[str] = []
    source = checkpoint("images")
    assert export(source, tmp_path / "out", on_progress=begun.append) == tmp_path / "out"
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert set(begun) <= names and begun[-1] == "manifest.json"
    assert {"vision.onnx", "embed.onnx", "backbone.onnx", "head.onnx", "head_with_logits.onnx"} <= names
    for name in ("config.json", "generation_config.json"):
        assert (tmp_path / "out" / name).read_bytes() == (source / name).read_bytes()
    assert sum(path.stat().st_size for path in (tmp_path / "out").iterdir()) < 300_000


def test_a_text_only_model_has_no_vision_graph(exported: Folders) -> None:
    assert not (exported("plain") / "vision.onnx").exists()


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_type_of_the_graphs_is_remembered(dtype: str, checkpoint: Folders, tmp_path: Path) -> None:
    out = export(checkpoint("plain"), tmp_path / "out", dtype)
    assert manifest.load(out).settings["dtype"] == dtype and described(out)[1] == dtype
    weights = onnx.load(out / "backbone.onnx", load_external_data=False).graph.initializer
    external = {tensor.data_type for tensor in weights if tensor.data_location == onnx.TensorProto.EXTERNAL}
    assert DTYPES[dtype] in external


def test_an_unknown_type_is_refused(checkpoint: Folders, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="'int4' is none of float32, float16, bfloat16"):
        export(checkpoint("plain"), tmp_path / "out", "int4")


def test_an_export_can_be_moved_and_the_checkpoint_cannot(checkpoint: Folders, tmp_path: Path) -> None:
    source = shutil.copytree(checkpoint("plain"), tmp_path / "source")
    export(source, tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / "moved")
    assert open_model(tmp_path / "moved", threads=1).folder == tmp_path / "moved"
    source.rename(tmp_path / "elsewhere")
    with pytest.raises(CheckpointError, match="the checkpoint is gone from where it was exported"):
        open_model(tmp_path / "moved", threads=1)


# -- opening ----------------------------------------------------------------------------------------------------------


def test_a_model_is_named_by_the_folder_that_was_given(checkpoint: Folders, exported: Folders) -> None:
    """Not by that of the cache: what is wrong with a file must be said of the file that the user can fix."""
    assert open_model(checkpoint("plain"), threads=1).folder == checkpoint("plain")
    assert open_model(str(exported("plain")), threads=1).folder == exported("plain")


def test_an_edited_file_in_an_export_is_told(exported: Folders, tmp_path: Path) -> None:
    """What the graphs rest on; the settings that they do not rest on may be tuned there."""
    folder = shutil.copytree(exported("plain"), tmp_path / "out")
    file = folder / "generation_config.json"
    file.write_text(file.read_text().rstrip() + "\n\n")
    open_model(folder, threads=1)
    file = folder / "config.json"
    kept = file.read_text()
    file.write_text(kept + " ")
    with pytest.raises(CheckpointError, match=r"out/config\.json: has changed since the export; change it in .*plain"):
        open_model(folder, threads=1)
    file.unlink()
    with pytest.raises(CheckpointError, match=r"out/config\.json: no such file"):
        open_model(folder, threads=1)


@pytest.mark.parametrize("device", ["tpu", "cuda", ""])
def test_devices_that_are_not_there(device: str, exported: Folders) -> None:
    import onnxruntime

    if device == "cuda" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine has it")
    with pytest.raises(BackendError, match="device"):
        open_model(exported("plain"), device)


def test_what_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such folder"):
        open_model(tmp_path / "absent")
    with pytest.raises(CheckpointError, match=r"config\.json: no such file"):
        open_model(tmp_path)
    with pytest.raises(CheckpointError, match=r"config\.json: no such file"):
        described(tmp_path)


# -- excerpts ---------------------------------------------------------------------------------------------------------


def test_an_excerpt_computes_what_the_whole_model_does(checkpoint: Folders, exported: Folders, opened: Models) -> None:
    """The keys of its layers, that is; from a checkpoint and from an export of it."""
    ids = np.arange(20)
    whole = opened("odd_pattern").sequence()
    whole.append(ids)
    for folder in (checkpoint("odd_pattern"), exported("odd_pattern")):
        excerpt = open_model(folder, threads=1, excerpt=Excerpt(2))
        assert excerpt.config == first_layers(opened("odd_pattern").config, 2)
        part = excerpt.sequence()
        part.append(ids)
        for layer in range(2):
            for ours, theirs in zip(part.rows(layer), whole.rows(layer), strict=True):
                assert np.allclose(ours, theirs, atol=1e-6)


def test_an_excerpt_is_not_taken_for_the_model(checkpoint: Folders, own_cache: Path) -> None:
    excerpt = open_model(checkpoint("plain"), threads=1, excerpt=Excerpt(2))
    assert len(excerpt.config.text.layers) == 2
    assert len(open_model(checkpoint("plain"), threads=1).config.text.layers) == 3
    folders = sorted(own_cache.iterdir())
    assert len(folders) == 2 and folders[1].name == f"{folders[0].name}-first2-float32"
    assert described(folders[1])[0] == excerpt.config
    assert open_model(folders[1], threads=1).config == excerpt.config


def test_an_excerpt_of_an_export_whose_weights_changed(checkpoint: Folders, tmp_path: Path) -> None:
    source = shutil.copytree(checkpoint("plain"), tmp_path / "source")
    out = export(source, tmp_path / "out")
    make(source, TINIES["plain"].with_(seed=1))
    with pytest.raises(CheckpointError, match="changed since the export"):
        open_model(out, threads=1, excerpt=Excerpt(2))


# -- what a model gives -----------------------------------------------------------------------------------------------


def test_tokenizer_and_template_are_read_when_they_are_asked_for(checkpoint: Folders, tmp_path: Path) -> None:
    model = open_model(checkpoint("plain"), threads=1)
    with pytest.raises(DgemmaError, match=r"tokenizer\.json: no such file"):
        _ = model.tokenizer
    talking = write_tokenizer(shutil.copytree(checkpoint("plain"), tmp_path / "talking"))
    model = open_model(talking, threads=1)
    assert model.tokenizer is model.tokenizer and model.chat.tokenizer is model.tokenizer


def test_media_are_not_allowed(opened: Models) -> None:
    allowed = opened("images").allowed
    assert allowed.shape == (1, 128) and np.flatnonzero(~allowed[0]).tolist() == [125, 126, 127]


def grid(columns: int, rows: int) -> np.ndarray:
    return np.array([(x, y) for y in range(rows) for x in range(columns)], np.int64)


def test_soft_tokens_of_a_picture(opened: Models) -> None:
    model = opened("images")
    patches = np.random.default_rng(0).random((54, 48), np.float32)
    soft = model.soft_tokens(patches, grid(9, 6))
    assert soft.shape == (6, 48) and soft.dtype == np.float32
    padded = model.soft_tokens(
        np.concatenate([patches, np.ones((7, 48), np.float32)]), np.concatenate([grid(9, 6), np.full((7, 2), -1)])
    )
    assert np.array_equal(padded, soft)


@pytest.mark.parametrize(
    "positions", [grid(9, 5), grid(8, 6), grid(9, 6)[:-1], grid(9, 6) + 20, np.zeros((0, 2), np.int64), grid(1, 1) - 1]
)
def test_pictures_that_do_not_fit_the_tower(positions: np.ndarray, opened: Models) -> None:
    with pytest.raises(ContextError, match="patch_positions"):
        opened("images").soft_tokens(np.zeros((len(positions), 48), np.float32), positions)


def test_no_pictures_without_a_tower(opened: Models) -> None:
    with pytest.raises(ContextError, match="no vision tower"):
        opened("plain").soft_tokens(np.zeros((9, 48), np.float32), grid(3, 3))


# -- what importing does ----------------------------------------------------------------------------------------------


def child(code: str, **variables: str) -> str:
    usual = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    root = Path(__file__).parents[1]
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=usual | variables, cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_onnx_runtime_reports_nothing(tmp_path: Path) -> None:
    """Its wheels write a device id and a database of events into the cache, from their import on."""
    assert child("import dgemma_ros.model, onnxruntime; print(onnxruntime.__name__)", XDG_CACHE_HOME=str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    asked = "import os, dgemma_ros; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    assert child(asked) == "1" and child(asked, ORT_DISABLE_TELEMETRY="0") == "0"


def test_no_torch_and_no_transformers() -> None:
    modules = child("import sys, dgemma_ros.model, dgemma_ros.verification.verify; print(*sys.modules)")
    assert {"torch", "transformers", "rclpy", "tensorrt"}.isdisjoint(modules.split())
