"""Where the camera node's pictures come from, and what is said where none can. Needs no device and no GStreamer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from dgemma_ros.nodes.sources import Capture, SourceError, open_source


def write_clip(file: Path, shades: range) -> Path:
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"mp4v"), 25, (64, 48))
    assert writer.isOpened()
    for shade in shades:
        writer.write(np.full((48, 64, 3), shade, np.uint8))
    writer.release()
    return file


def test_video_file_is_read_skipped_and_begun_again(tmp_path: Path) -> None:
    source = open_source(f"  {write_clip(tmp_path / 'clip.mp4', range(0, 250, 25))} ")
    assert (source.rate, source.live) == (25.0, False)
    first = source.read()
    assert first is not None and first.shape == (48, 64, 3) and first.dtype == np.uint8
    source.skip()
    later = source.read()
    assert later is not None and later.mean() > first.mean() + 30
    while source.read() is not None:
        pass
    source.rewind()
    again = source.read()
    assert again is not None and (again == first).all()
    source.close()
    with pytest.raises(SourceError, match="closed"):
        source.read()


def test_folder_is_read_by_name_and_passes_over_what_is_no_image(tmp_path: Path) -> None:
    for name, shade in (("10.png", 100), ("02.PNG", 20), ("30.bmp", 200)):
        cv2.imwrite(str(tmp_path / name.lower()), np.full((4, 6), shade, np.uint8))
        (tmp_path / name.lower()).rename(tmp_path / name)
    (tmp_path / "20.jpg").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("no picture either")
    source = open_source(str(tmp_path))
    shades = []
    while (picture := source.read()) is not None:
        shades.append(int(picture[0, 0, 0]))
    assert shades == [20, 100, 200]
    source.rewind()
    source.skip()
    picture = source.read()
    assert picture is not None and picture.shape == (4, 6, 3) and picture[0, 0, 0] == 100


def test_one_image_is_a_folder_of_one(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "still.png"), np.zeros((4, 6, 3), np.uint8))
    source = open_source(str(tmp_path / "still.png"))
    assert source.read() is not None and source.read() is None


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", "source is empty"),
        ("/nowhere/clip.mp4", "no such file or folder"),
        ("/dev/video77", "/dev/video77: no such device"),
        ("77", "/dev/video77: no such device"),
        ("/dev/null", "not a camera, or another program has it open"),
        ("no-such-scheme://camera", "nothing there that OpenCV can open"),
    ],
)
def test_what_cannot_be_opened_is_said_in_one_line(source: str, words: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SourceError) as raised:
        open_source(source)
    assert words in str(raised.value) and "\n" not in str(raised.value)
    assert capfd.readouterr() == ("", "")  # OpenCV keeps quiet


def test_files_that_hold_no_pictures(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no images in this folder \(.*\.png"):
        open_source(str(tmp_path))
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    with pytest.raises(SourceError, match=r"clip\.mp4: OpenCV cannot open it as video"):
        open_source(str(tmp_path / "clip.mp4"))


def test_device_without_permission_names_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *arguments: False)  # root may open everything
    with pytest.raises(SourceError, match="no permission; the user must be in the group video"):
        open_source("/dev/null")


def test_device_that_is_not_there_names_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter([Path("/dev/video2"), Path("/dev/video0")]))
    with pytest.raises(SourceError, match="there are /dev/video0, /dev/video2"):
        open_source("1")


@pytest.mark.parametrize("has_it", [False, True])
def test_pipeline_that_cannot_start(has_it: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without GStreamer in OpenCV, which the wheels have not, and with it and a pipeline that does not run."""
    monkeypatch.setattr(cv2.videoio_registry, "hasBackend", lambda backend: has_it)
    with pytest.raises(SourceError, match="GStreamer cannot start it" if has_it else "Ubuntu's python3-opencv"):
        open_source("nosuchsrc ! appsink")


def test_device_that_goes_away_can_be_opened_anew(tmp_path: Path) -> None:
    """A live source is the same class; a file that comes and goes stands for the device."""
    clip = write_clip(tmp_path / "device.mp4", range(3))
    source = Capture(str(clip), cv2.CAP_FFMPEG, True, "gone")
    while source.read() is not None:
        pass
    content = clip.read_bytes()
    clip.unlink()
    with pytest.raises(SourceError, match="gone"):
        source.rewind()
    clip.write_bytes(content)
    source.rewind()
    picture: Any = source.read()
    assert picture is not None
    source.close()
    source.close()
