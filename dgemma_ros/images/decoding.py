"""OpenCV's decoders with their mouths held: what libpng and libjpeg write about a picture comes back as text.

They write to file descriptor 2 from C, where it would reach the user, a line for each picture of a broken camera. While
a picture is decoded the descriptor leads into memory, a few kilobytes at most; what other threads wrote meanwhile is
passed on behind it.
"""

from __future__ import annotations

import fcntl
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dgemma_ros.errors import ImageError, one_line
from dgemma_ros.images.container import MAX_PIXELS, check, jpeg_is_cut, stated_size

_MOST: Final = 1 << 16
"""Bytes that are kept of what is written meanwhile."""
_THEIRS: Final = re.compile(
    rb"libpng (warning|error)|Corrupt JPEG data|Premature end of JPEG|Invalid SOS|Inconsistent progression"
    rb"|Unknown Adobe color|Unsupported (marker|JPEG)|Warning: unknown JFIF|Caution: quantization|\[ ?[A-Z]+:\d+[@\]]"
)
"""How lines of libpng, libjpeg and OpenCV's own log begin."""
_DAMAGE: Final = re.compile(r"premature end|huffman|progression|libpng error|\d{3,} extraneous", re.IGNORECASE)
"""Complaints behind which a part of the picture is grey or noise; others are of what does not show."""
_HOLDING: Final = threading.Lock()

if "OPENCV_LOG_LEVEL" not in os.environ and hasattr(cv2, "setLogLevel"):
    cv2.setLogLevel(1)  # fatal errors only: what fails is said by us, in one line


_LATE: Final = 0.001
"""Seconds in which a write of another thread ends that had its descriptor before it was given back."""


def decode(content: bytes, flags: int, max_pixels: int = MAX_PIXELS) -> NDArray[Any] | None:
    """As ``cv2.imdecode``, of a file's bytes: [H, W, …], BGR; None where it is no picture.

    Raises :class:`ImageError` for what :func:`~dgemma_ros.images.container.check` or OpenCV refuses, and for a picture
    of which a part is missing or damaged, which OpenCV would give with the rest grey. Thread-safe, one at a time.
    """
    if not content:
        return None
    check(content, max_pixels)
    with _held() as said:
        try:
            picture: NDArray[Any] | None = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
        except cv2.error as error:
            raise ImageError(f"cannot be decoded ({one_line(error.err)})") from error
    complaint = next(filter(_DAMAGE.search, said), "")
    damaged = jpeg_is_cut(content) if picture is not None else stated_size(content) is not None
    if complaint or damaged:
        raise ImageError(f"cut or damaged{f' ({complaint})' if complaint else ''}")
    return picture


@contextmanager
def _held() -> Iterator[list[str]]:
    """Within, nothing reaches file descriptor 2; afterwards the list holds what the decoders said."""
    said: list[str] = []
    with _HOLDING:
        try:
            real = os.dup(2)
        except OSError:  # closed: nobody reads it
            yield said
            return
        memory = os.memfd_create("decoders", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
        try:
            os.ftruncate(memory, _MOST)
            fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)
            os.dup2(memory, 2)
            try:
                yield said
            finally:
                os.dup2(real, 2)
                time.sleep(_LATE)
                written = os.pread(memory, os.lseek(memory, 0, os.SEEK_CUR), 0)
                others = []
                for line in written.splitlines(keepends=True):
                    if _THEIRS.match(line):
                        said.append(line.decode("utf-8", "replace").strip()[:120])
                    else:
                        others.append(line)
                with suppress(OSError):
                    os.write(real, b"".join(others))
        finally:
            os.close(memory)
            os.close(real)
