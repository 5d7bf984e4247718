"""What decoders write about pictures: nothing of it reaches the user, and nothing of others is lost."""

from __future__ import annotations

import os
import struct
import threading
import zlib
from typing import Any

import cv2
import numpy as np
import pytest

from dgemma_ros.errors import ImageError
from dgemma_ros.images.decoding import decode

NOISE = np.random.default_rng(3).integers(0, 256, (120, 160, 3), np.uint8)
JPEG = cv2.imencode(".jpg", NOISE)[1].tobytes()
PNG = cv2.imencode(".png", NOISE)[1].tobytes()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunks(chunks: bytes) -> bytes:
    """Behind the header, where a profile may stand."""
    return PNG[:33] + chunks + PNG[33:]


def decoded(content: bytes) -> Any:
    return decode(content, cv2.IMREAD_COLOR)


def test_whole_pictures_are_as_opencv_decodes_them() -> None:
    for content in (JPEG, PNG):
        wanted = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        np.testing.assert_array_equal(decoded(content), wanted)
    assert decoded(b"") is None and decoded(b"no picture") is None


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.95])
def test_a_jpeg_that_is_cut_is_refused_in_silence(cut: float, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ImageError, match="cut or damaged"):
        decoded(JPEG[: int(cut * len(JPEG))])
    assert capfd.readouterr().err == ""


def test_a_jpeg_with_a_hole_is_refused_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    middle = len(JPEG) // 2
    with pytest.raises(ImageError, match=r"cut or damaged \(Corrupt JPEG data: \d+ extraneous bytes"):
        decoded(JPEG[:middle] + bytes(40) + JPEG[middle + 40 :])
    assert capfd.readouterr().err == ""


def test_what_does_not_show_is_passed_over_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    at = len(JPEG) - 2
    assert decoded(JPEG[:at] + b"\x12\x34\x56" + JPEG[at:]) is not None  # extraneous bytes before a marker
    assert decoded(with_chunks(chunk(b"iCCP", b"icc\0\0" + zlib.compress(b"no profile")))) is not None
    assert capfd.readouterr().err == ""


def test_any_amount_of_complaints_is_held(capfd: pytest.CaptureFixture[str]) -> None:
    bad = chunk(b"gAMA", b"\0\0") + chunk(b"cHRM", b"\0" * 5)
    decoded(with_chunks(bad * 20_000))
    assert capfd.readouterr().err == ""


def test_what_others_write_meanwhile_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    ended = threading.Event()

    def write() -> None:
        for number in range(500):
            os.write(2, b"line %d\n" % number)
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not ended.is_set():
        with pytest.raises(ImageError):
            decoded(JPEG[: len(JPEG) // 2])
    writer.join()
    assert sorted(capfd.readouterr().err.splitlines()) == sorted(f"line {number}" for number in range(500))


def test_without_a_standard_error_it_decodes_all_the_same() -> None:
    kept = os.dup(2)
    os.close(2)
    try:
        assert decoded(JPEG) is not None
    finally:
        os.dup2(kept, 2)
        os.close(kept)
