from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from dgemma_ros.errors import ExportError, OutputError
from dgemma_ros.output import whole_file, whole_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_bytes(b"old")
    with whole_file(out) as stream:
        stream.write(b"new")
        assert out.read_bytes() == b"old"
    assert out.read_bytes() == b"new" and names(tmp_path) == ["out"]


def test_a_file_has_the_usual_rights(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with whole_file(tmp_path / "out"), whole_folder(tmp_path / "folder"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("x")])
def test_a_failure_leaves_the_old_file(error: BaseException, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_bytes(b"old")
    expected = OutputError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected) as caught, whole_file(out) as stream:
        stream.write(b"half")
        raise error
    if expected is OutputError:
        assert str(caught.value) == f"{out}: cannot be written (No space left on device)"
    assert out.read_bytes() == b"old" and names(tmp_path) == ["out"]


def test_a_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "er" / "out"
    with whole_folder(out) as folder:
        (folder / "a").write_text("a")
        assert not out.exists()
    assert names(out) == ["a"] and names(out.parent) == ["out"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("x")])
def test_a_failure_leaves_no_folder(error: BaseException, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "er" / "out"
    with pytest.raises(ExportError if isinstance(error, OSError) else type(error)), whole_folder(out) as folder:
        (folder / "a").write_text("a")
        raise error
    assert names(tmp_path) == []


def test_folders_that_were_there_stay(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    with pytest.raises(ValueError, match="x"), whole_folder(tmp_path / "deep" / "er" / "out"):
        raise ValueError("x")
    assert names(tmp_path) == ["deep"] and names(tmp_path / "deep") == []


def test_an_error_of_a_file_inside_names_where_it_would_have_been(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(ExportError) as caught, whole_folder(out) as folder:
        raise ExportError(f"{folder / 'manifest.json'}: cannot be written")
    assert str(caught.value) == f"{out / 'manifest.json'}: cannot be written"


def test_an_error_of_copying_a_tree_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "link").symlink_to("nowhere")
    with pytest.raises(ExportError, match="No such file or directory"), whole_folder(tmp_path / "out") as folder:
        shutil.copytree(tmp_path / "source", folder / "golden")
    assert names(tmp_path) == ["source"]


def test_what_exists_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("full", "file", "link"):
        with pytest.raises(ExportError, match="exists already"), whole_folder(tmp_path / name):
            raise AssertionError
    assert names(tmp_path) == ["file", "full", "link"]


def test_another_who_was_quicker_wins(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(ExportError, match="cannot be written"), whole_folder(out) as folder:
        (folder / "a").touch()
        out.mkdir()
        (out / "theirs").touch()
    assert names(tmp_path) == ["out"] and names(out) == ["theirs"]
