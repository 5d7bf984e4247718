"""Where a camera node's pictures come from: whatever OpenCV opens. Knows no ROS."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from dgemma_ros.errors import DgemmaError, ImageError
from dgemma_ros.files import read_bytes
from dgemma_ros.images.decoding import decode
from dgemma_ros.images.preparation import MAX_FILE_BYTES

Picture = NDArray[np.uint8]
"""uint8 [H, W, 3], BGR."""

IMAGES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
# What it has to say is for its makers; what fails is said here, in one line.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


class SourceError(DgemmaError):
    """A source of pictures cannot be opened; the text says which and why."""


class Source(Protocol):
    """Pictures one after another. For one thread."""

    rate: float
    """Pictures a second that it was made for; 0 where it does not say."""
    live: bool
    """Whether time passes in it by itself, as in a camera."""

    def read(self) -> Picture | None:
        """The next picture; None at the end, or where a live source failed."""

    def skip(self) -> None:
        """Passes over one picture, quicker than reading it."""

    def rewind(self) -> None:
        """Begins again: the first picture, or a live source opened anew. Raises :class:`SourceError`."""

    def close(self) -> None:
        """Lets go of the device or file."""


class Folder:
    """The images of a folder, by name; files that turn out to be none are passed over."""

    live = False
    rate = 0.0

    def __init__(self, files: list[Path]) -> None:
        self._files = files
        self._next = 0

    def read(self) -> Picture | None:
        """The next image that can be read."""
        while self._next < len(self._files):
            file = self._files[self._next]
            self._next += 1
            with suppress(SourceError, ImageError):
                content = read_bytes(file, MAX_FILE_BYTES, SourceError)
                picture = decode(content, cv2.IMREAD_COLOR)
                if picture is not None:
                    return np.asarray(picture, np.uint8)
        return None

    def skip(self) -> None:
        """Passes over one file."""
        self._next += 1

    def rewind(self) -> None:
        """Begins again."""
        self._next = 0

    def close(self) -> None:
        """Nothing is held."""


class Capture:
    """A video file, a device, a stream or a pipeline, by OpenCV's VideoCapture. ``otherwise``: why it may not open."""

    def __init__(self, what: str, backend: int, live: bool, otherwise: str) -> None:
        self.live = live
        self._what, self._backend, self._otherwise = what, backend, otherwise
        self._capture: cv2.VideoCapture | None = None
        self.rewind()
        rate = float(self._opened.get(cv2.CAP_PROP_FPS))
        self.rate = rate if 0.0 < rate <= 1000.0 else 0.0

    @property
    def _opened(self) -> cv2.VideoCapture:
        if self._capture is None:
            raise SourceError(f"{self._what}: closed")
        return self._capture

    def read(self) -> Picture | None:
        """The next picture, always three channels of 8 bits."""
        got, picture = self._opened.read()
        if not got or picture is None:
            return None
        return np.asarray(picture if picture.ndim == 3 else cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), np.uint8)

    def skip(self) -> None:
        """Takes a picture without decoding it, where the backend can."""
        self._opened.grab()

    def rewind(self) -> None:
        """Opens it again: seeking is not exact with every codec, and a device that went away comes back so."""
        self.close()
        capture = cv2.VideoCapture(self._what, self._backend)
        if not capture.isOpened():
            capture.release()
            raise SourceError(f"{self._what}: {self._otherwise}")
        if self.live:
            capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self._capture = capture

    def close(self) -> None:
        """Lets go of it; idempotent."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None


def open_source(source: str) -> Source:
    """A source by what its text looks like: pipeline, address, device, folder or file. Raises :class:`SourceError`."""
    source = source.strip()
    if not source:
        raise SourceError("the parameter source is empty: give a video file, an image folder, a device or a pipeline")
    if " ! " in source:
        if not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
            raise SourceError(
                "source is a GStreamer pipeline, but this OpenCV has no GStreamer: take Ubuntu's python3-opencv, "
                "which has it, in place of opencv-python-headless"
            )
        why = "GStreamer cannot start it with a picture at its appsink; OPENCV_LOG_LEVEL=WARNING says more"
        return Capture(source, cv2.CAP_GSTREAMER, True, why)
    if "://" in source:
        return Capture(source, cv2.CAP_ANY, True, "nothing there that OpenCV can open as video")
    if source.isdigit() or source.startswith("/dev/"):
        return _device(Path(f"/dev/video{source}" if source.isdigit() else source))
    path = Path(source).expanduser()
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in IMAGES)
        if not files:
            raise SourceError(f"{path}: no images in this folder ({', '.join(sorted(IMAGES))})")
        return Folder(files)
    if not path.is_file():
        raise SourceError(f"{path}: no such file or folder")
    if path.suffix.lower() in IMAGES:
        return Folder([path])
    return Capture(str(path), cv2.CAP_ANY, False, "OpenCV cannot open it as video")


def _device(device: Path) -> Source:
    if not device.exists():
        there = ", ".join(sorted(str(path) for path in Path("/dev").glob("video*")))
        hint = f"there are {there}" if there else "there is no /dev/video* at all; a container needs --device"
        raise SourceError(f"{device}: no such device; {hint}")
    if not os.access(device, os.R_OK | os.W_OK):
        raise SourceError(f"{device}: no permission; the user must be in the group video (usermod -aG video)")
    return Capture(str(device), cv2.CAP_V4L2, True, "not a camera, or another program has it open")
