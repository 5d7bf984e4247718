"""The user's cache of exports, as whoever opens a bare checkpoint meets it."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from dgemma_ros.errors import BackendError, ExportError
from dgemma_ros.graphs.export_cache import cache_folder
from dgemma_ros.model import Model, open_model
from tests.conftest import Folders
from tests.tiny import TINIES, make


def test_the_cache_follows_the_checkpoint(checkpoint: Folders, tmp_path: Path, own_cache: Path) -> None:
    source = shutil.copytree(checkpoint("plain"), tmp_path / "source")
    first = open_model(source, threads=1)
    open_model(source, threads=1)
    assert len(list(own_cache.iterdir())) == 1
    make(source, TINIES["plain"].with_(seed=1))
    second = open_model(source, threads=1)
    assert len(list(own_cache.iterdir())) == 2
    ids = np.arange(5)
    assert not np.array_equal(first.session.embed_tokens(ids), second.session.embed_tokens(ids))


def test_a_cache_that_was_damaged_is_told(checkpoint: Folders, own_cache: Path) -> None:
    open_model(checkpoint("plain"), threads=1)
    (out,) = own_cache.iterdir()
    (out / "backbone.onnx").write_bytes(b"damage")
    with pytest.raises(BackendError, match=r"backbone\.onnx: cannot be read"):
        open_model(checkpoint("plain"), threads=1)


def test_the_cache_is_pruned_of_what_nothing_can_open(checkpoint: Folders, tmp_path: Path, own_cache: Path) -> None:
    def opened(name: str) -> Path:
        before = set(own_cache.iterdir()) if own_cache.exists() else set()
        open_model(tmp_path / name, threads=1)
        (new,) = set(own_cache.iterdir()) - before
        return new

    def age(folder: Path) -> None:
        os.utime(folder / "manifest.json", (0, 0))

    for name in ("gone", "changed", "kept", "young", "last"):
        shutil.copytree(checkpoint("plain"), tmp_path / name)
    gone, changed, kept, young = (opened(name) for name in ("gone", "changed", "kept", "young"))
    for folder in (gone, changed, kept):
        age(folder)
    shutil.rmtree(tmp_path / "gone")
    shutil.rmtree(tmp_path / "young")
    make(tmp_path / "changed", TINIES["plain"].with_(seed=1))
    text = (changed / "manifest.json").read_text()
    (changed / "manifest.json").write_text(text.replace('"format": 2', '"format": 1'))  # of an earlier version
    age(changed)
    foreign = own_cache / "mine"
    foreign.mkdir()
    (foreign / "manifest.json").write_text("{}")
    age(foreign)
    last = opened("last")
    assert set(own_cache.iterdir()) == {kept, young, last, foreign}
    open_model(tmp_path / "kept", threads=1)
    assert (kept / "manifest.json").stat().st_mtime > 1e9  # opening it keeps it


def test_a_cache_that_cannot_be_written(checkpoint: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ExportError, match="set XDG_CACHE_HOME") as caught:
        open_model(checkpoint("plain"), threads=1)
    assert "\n" not in str(caught.value)


def test_two_who_open_at_once(checkpoint: Folders, own_cache: Path) -> None:
    models: list[Model] = []
    folder = checkpoint("images")
    threads = [threading.Thread(target=lambda: models.append(open_model(folder, threads=1))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(models) == 4
    assert len(list(own_cache.iterdir())) == 1


def test_the_cache_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "dgemma_ros" / "exports"
