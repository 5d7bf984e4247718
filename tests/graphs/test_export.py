"""An exported folder: graphs and a manifest, no weights; whole or not there at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from dgemma_ros.errors import CheckpointError, ExportError
from dgemma_ros.graphs import export as module
from dgemma_ros.graphs.export import GRAPHS_FORMAT, export
from dgemma_ros.model import open_model
from tests.conftest import Folders
from tests.tiny import TINIES, make


def test_what_it_holds(exported: Folders, checkpoint: Folders) -> None:
    folder, source = exported("images"), checkpoint("images")
    names = {"vision", "embed", "backbone", "head", "head_with_logits"}
    own = {f"{name}.onnx" for name in names} | {"manifest.json", "config.json", "generation_config.json"}
    assert {file.name for file in folder.iterdir()} == own
    assert sum(file.stat().st_size for file in folder.iterdir()) < 400_000
    for name in ("config.json", "generation_config.json"):
        assert (folder / name).read_bytes() == (source / name).read_bytes()
    assert json.loads((folder / "manifest.json").read_text())["settings"] == {
        "dtype": "float32",
        "graphs": GRAPHS_FORMAT,
    }


def test_small_files_and_golden_cases_travel(tmp_path: Path) -> None:
    folder = make(tmp_path / "checkpoint", TINIES["plain"])
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "processor_config.json"):
        (folder / name).write_text(name)
    (folder / "golden").mkdir()
    (folder / "golden" / "a.npz").write_bytes(b"case")
    (folder / "README.md").write_text("not ours to copy")
    out = export(folder, tmp_path / "out")
    assert (out / "chat_template.jinja").read_text() == "chat_template.jinja"
    assert (out / "golden" / "a.npz").read_bytes() == b"case"
    assert not (out / "README.md").exists() and not list(out.glob("*.safetensors"))


def test_it_tells_of_its_files(checkpoint: Folders, tmp_path: Path) -> None:
    told: list[str] = []
    export(checkpoint("plain"), tmp_path / "out", on_progress=told.append)
    assert told == ["embed.onnx", "backbone.onnx", "head.onnx", "head_with_logits.onnx", "manifest.json"]


def test_an_export_is_the_same_each_time(checkpoint: Folders, tmp_path: Path) -> None:
    first, second = (export(checkpoint("odd_pattern"), tmp_path / name) for name in "ab")
    for file in first.iterdir():
        assert file.read_bytes() == (second / file.name).read_bytes(), file.name


def test_a_type_that_is_none(checkpoint: Folders, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="'int4' is none of float32, float16, bfloat16"):
        export(checkpoint("plain"), tmp_path / "out", "int4")
    assert not list(tmp_path.iterdir())


def test_a_broken_checkpoint_leaves_nothing(tmp_path: Path) -> None:
    folder = make(tmp_path / "checkpoint", TINIES["plain"])
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError):
        export(folder, tmp_path / "deep" / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


@pytest.mark.parametrize("at", ["embed.onnx", "head.onnx", "manifest.json"])
def test_a_full_disk_leaves_nothing(
    at: str, checkpoint: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(name: str) -> None:
        if name == at:
            raise OSError(28, "No space left on device")

    with pytest.raises(ExportError, match=r"out: cannot be written \(No space left on device\); nothing was left"):
        export(checkpoint("plain"), tmp_path / "out", on_progress=full)
    assert not list(tmp_path.iterdir())


def test_an_export_of_older_graphs_is_not_run(
    checkpoint: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GRAPHS_FORMAT", GRAPHS_FORMAT - 1)
    old = export(checkpoint("plain"), tmp_path / "old")
    with pytest.raises(CheckpointError, match="export the checkpoint again"):
        open_model(old)


def test_a_moved_export_still_finds_its_checkpoint(exported: Folders, tmp_path: Path) -> None:
    moved = shutil.copytree(exported("plain"), tmp_path / "elsewhere")
    assert open_model(moved, threads=1).sequence().length == 0
