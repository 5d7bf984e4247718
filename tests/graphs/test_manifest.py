"""manifest.json: written whole, read with suspicion, and it notices when the weights are other ones."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgemma_ros.checkpoint.config import load_config
from dgemma_ros.checkpoint.tensors import TensorEntry
from dgemma_ros.checkpoint.weights import Weights
from dgemma_ros.errors import CheckpointError, ExportError
from dgemma_ros.graphs.manifest import PAGE, PAGES, describe, fingerprint, load, relocated, verify, write
from tests.tiny import TINIES, make

NORM = "model.decoder.norm.weight"


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A checkpoint of three shards, and what an export of it leaves."""
    checkpoint, export = make(tmp_path / "checkpoint", TINIES["odd_pattern"]), tmp_path / "export"
    export.mkdir()
    view = Weights.open(checkpoint, load_config(checkpoint))
    write(export, describe(checkpoint, {name: view.entry(name) for name in view.shapes}, {"vision_mask": "gemma"}))
    return checkpoint, export


def test_round_trip(folders: tuple[Path, Path]) -> None:
    checkpoint, export = folders
    view = Weights.open(checkpoint, load_config(checkpoint))
    manifest = load(export)
    verify(manifest)
    assert manifest.checkpoint == checkpoint and manifest.settings == {"vision_mask": "gemma"}
    assert list(manifest.tensors) == list(view.shapes)
    assert all(record.entry == view.entry(name) for name, record in manifest.tensors.items())
    assert [file.name for file in export.iterdir()] == ["manifest.json"]


def test_a_moved_checkpoint_is_said_to_be_gone_or_shown_where_it_is(folders: tuple[Path, Path]) -> None:
    checkpoint, export = folders
    moved = checkpoint.rename(checkpoint.with_name("moved"))
    with pytest.raises(CheckpointError, match="checkpoint is gone"):
        verify(load(export))
    verify(load(export, moved))


def test_a_linked_checkpoint_folder(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """The folder may be reached through a link, and its files may be links to elsewhere."""
    checkpoint, export = folders
    heap = tmp_path / "heap"
    heap.mkdir()
    for file in list(checkpoint.glob("*.safetensors")):
        file.rename(heap / file.name)
        file.symlink_to(heap / file.name)
    (tmp_path / "link").symlink_to(checkpoint)
    view = Weights.open(tmp_path / "link", load_config(tmp_path / "link"))
    write(export, describe(tmp_path / "link", {name: view.entry(name) for name in view.shapes}, {}))
    verify(load(export))


@pytest.mark.parametrize("name", TINIES)
def test_another_seed_is_another_checkpoint(name: str, tmp_path: Path) -> None:
    first, second = (make(tmp_path / str(seed), TINIES[name].with_(seed=seed)) for seed in (0, 1))
    view = Weights.open(first, load_config(first))
    write(tmp_path, describe(first, {key: view.entry(key) for key in view.shapes}, {}))
    verify(load(tmp_path, first))
    with pytest.raises(CheckpointError, match="has changed since the export; export again"):
        verify(load(tmp_path, second))


def test_missing_and_truncated_files_are_noticed(folders: tuple[Path, Path]) -> None:
    checkpoint, export = folders
    shard = sorted(checkpoint.glob("*.safetensors"))[2]
    whole = shard.read_bytes()
    os.truncate(shard, len(whole) - 100)
    with pytest.raises(CheckpointError, match=f"{shard.name}: .* has changed"):
        verify(load(export))
    shard.unlink()
    with pytest.raises(CheckpointError, match=f"{shard.name}: no such file"):
        verify(load(export))


@settings(deadline=None)
@given(length=st.integers(0, 40 * PAGE), seed=st.integers(0, 1000))
def test_fingerprint_covers_both_ends(length: int, seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.getbasetemp() / "data"
    random = np.random.default_rng(seed)
    content = bytearray(random.integers(0, 256, length + 10, dtype=np.uint8).tobytes())

    def of(data: bytes, size: int = length) -> str:
        file.write_bytes(data)
        with file.open("rb") as stream:
            return fingerprint(stream, 10, size)

    original = of(bytes(content))
    assert original == of(bytes(10) + bytes(content[10:]))  # what lies before does not count
    if length:
        assert of(bytes(content), length - 1) != original
        places = [10, length + 9]
        if length <= PAGE * PAGES:  # then every byte is read
            places.append(10 + int(random.integers(0, length)))
        for place in places:
            other = content.copy()
            other[place] ^= 1
            assert of(bytes(other)) != original


def test_stacked_tensors_may_lie_in_the_exported_folder(folders: tuple[Path, Path]) -> None:
    _, export = folders
    file = export / "stacked.bin"
    file.write_bytes(bytes(range(24)))
    entry = TensorEntry(NORM, file, 8, 16, "F32", (4,))
    write(export, relocated(load(export), NORM, entry))
    manifest = load(export)
    assert manifest.tensors[NORM].entry == entry
    verify(manifest)
    file.write_bytes(bytes(24))
    with pytest.raises(CheckpointError, match="has changed"):
        verify(manifest)


def test_files_elsewhere_are_not_written_down(folders: tuple[Path, Path], tmp_path: Path) -> None:
    _, export = folders
    other = tmp_path / "other.bin"
    other.write_bytes(bytes(16))
    manifest = relocated(load(export), NORM, TensorEntry(NORM, other, 0, 16, "F32", (4,)))
    with pytest.raises(ExportError, match="neither in"):
        write(export, manifest)


def test_a_failed_write_leaves_the_old_manifest(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    _, export = folders
    before = (export / "manifest.json").read_bytes()

    def full(self: Path, *args: object, **kwargs: object) -> int:
        self.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    manifest = load(export)
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ExportError, match="No space left on device"):
        write(export, manifest)
    assert (export / "manifest.json").read_bytes() == before
    assert [file.name for file in export.iterdir()] == ["manifest.json"]


def test_no_folder_to_write_to(folders: tuple[Path, Path]) -> None:
    _, export = folders
    manifest = load(export)
    shutil.rmtree(export)
    with pytest.raises(ExportError, match="cannot be written"):
        write(export, manifest)


BROKEN: list[tuple[tuple[str, ...], Any, str]] = [
    (("format",), 1, "format: 1 is not 2; export"),
    (("format",), "1", "format: '1' is not a whole number"),
    (("checkpoint",), 3, "checkpoint: 3 is not a string"),
    (("settings",), [], "settings: "),
    (("tensors",), [], "tensors: "),
    (("tensors", NORM), 1, "not a JSON object"),
    (("tensors", NORM, "root"), "/", "root: '/' is neither"),
    (("tensors", NORM, "file"), "../x.safetensors", "file: "),
    (("tensors", NORM, "file"), "/etc/passwd", "file: "),
    (("tensors", NORM, "file"), "..", "file: "),
    (("tensors", NORM, "file"), "", "file: "),
    (("tensors", NORM, "file"), "a\0b", "file: "),
    (("tensors", NORM, "offset"), -1, "offset: "),
    (("tensors", NORM, "offset"), 1.5, "offset: "),
    (("tensors", NORM, "length"), 191, "length: 191 bytes, but F32"),
    (("tensors", NORM, "dtype"), "F4", "dtype: 'F4' is not known"),
    (("tensors", NORM, "shape"), [-48], "shape: "),
    (("tensors", NORM, "shape"), 48, "shape: "),
    (("tensors", NORM, "fingerprint"), "00", "fingerprint: "),
    (("tensors", NORM, "fingerprint"), None, "fingerprint: "),
]


@pytest.mark.parametrize(("path", "value", "why"), BROKEN)
def test_broken_manifests(path: tuple[str, ...], value: Any, why: str, folders: tuple[Path, Path]) -> None:
    _, export = folders
    content = json.loads((export / "manifest.json").read_text())
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    (export / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(CheckpointError) as caught:
        load(export)
    assert why in str(caught.value) and "manifest.json" in str(caught.value) and "\n" not in str(caught.value)


def test_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file; is this a folder that `dgemma export` wrote"):
        load(tmp_path)
