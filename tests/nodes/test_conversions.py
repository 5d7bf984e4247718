"""Camera messages to pictures: every encoding, and everything that is wrong with them."""

from __future__ import annotations

from array import array

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import CompressedImage, Image

from dgemma_ros.images.container import stated_size
from dgemma_ros.nodes.conversions import (
    ENCODINGS,
    Limits,
    Reason,
    Refused,
    compressed_message,
    image_message,
    picture_of,
    picture_of_compressed,
)

HEIGHT, WIDTH = 24, 32


def scene() -> np.ndarray:
    """A smooth picture, RGB: halved colour resolution does it little harm."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    return np.stack([40 + 5 * x, 60 + 6 * y, 200 - 4 * x], -1).clip(0, 255).astype(np.uint8)


def encoded(encoding: str, rgb: np.ndarray) -> np.ndarray:
    """The picture as a camera would send it, [H, W, bytes], by arithmetic and not by what is tested."""
    r, g, b = (rgb[..., i].astype(np.float32) for i in range(3))
    luma = 0.299 * r + 0.587 * g + 0.114 * b
    full = np.full((*rgb.shape[:2], 1), 255, np.uint8)
    if encoding in ("mono8", "8UC1"):
        return luma.round().astype(np.uint8)[..., None]
    if encoding in ("yuv422", "uyvy", "yuv422_yuy2", "yuyv"):
        y = (16 + luma * 219 / 255).round()
        u = (128 + (b - luma) / 1.772 * 224 / 255).reshape(HEIGHT, -1, 2).mean(-1).round()
        v = (128 + (r - luma) / 1.402 * 224 / 255).reshape(HEIGHT, -1, 2).mean(-1).round()
        colour = np.stack([u, v], -1).reshape(HEIGHT, WIDTH)
        pair = (colour, y) if encoding in ("yuv422", "uyvy") else (y, colour)
        return np.stack(pair, -1).clip(0, 255).astype(np.uint8)
    if encoding.startswith("bayer"):
        pattern = ["rgb".index(letter) for letter in encoding.split("_")[1][:4]]
        out = np.empty((HEIGHT, WIDTH), np.uint8)
        for i, channel in enumerate(pattern):
            out[i // 2 :: 2, i % 2 :: 2] = rgb[i // 2 :: 2, i % 2 :: 2, channel]
        return out[..., None]
    order = rgb if encoding.startswith("rgb") else rgb[..., ::-1]
    return np.concatenate([order, full], -1) if encoding in ("rgba8", "bgra8", "8UC4") else order


def message(encoding: str, pixels: np.ndarray, padding: int = 0) -> Image:
    rows = np.pad(pixels.reshape(pixels.shape[0], -1), ((0, 0), (0, padding)), constant_values=77)
    image = Image(encoding=encoding, height=pixels.shape[0], width=pixels.shape[1], step=rows.shape[1])
    image.data = array("B", rows.tobytes())
    return image


@pytest.mark.parametrize("padding", [0, 12])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding(encoding: str, padding: int) -> None:
    rgb = scene()
    pixels = encoded(encoding, rgb)
    picture = picture_of(message(encoding, pixels, padding))
    assert (picture.dtype, picture.shape, picture.flags.c_contiguous) == (np.uint8, rgb.shape, True)
    if encoding in ("mono8", "8UC1"):
        assert (picture == pixels).all()
    elif "y" in encoding or encoding.startswith("bayer"):
        assert np.abs(picture[2:-2, 2:-2].astype(int) - rgb[2:-2, 2:-2]).max() <= 12
    else:
        assert (picture == rgb).all()


@pytest.mark.parametrize(
    ("encoding", "change", "reason"),
    [
        ("mono16", {}, Reason.ENCODING),
        ("16UC1", {}, Reason.ENCODING),
        ("32FC1", {}, Reason.ENCODING),
        ("", {}, Reason.ENCODING),
        ("x" * 10_000, {}, Reason.ENCODING),
        ("rgb8", {"step": WIDTH * 3 - 1}, Reason.STEP),
        ("rgb8", {"step": 0}, Reason.STEP),
        ("rgb8", {"height": HEIGHT + 1}, Reason.SIZE),
        ("rgb8", {"width": 0}, Reason.SIZE),
        ("rgb8", {"height": 0}, Reason.SIZE),
        ("rgb8", {"height": 2**32 - 1, "width": 2**32 - 1, "step": 2**32 - 1}, Reason.SIZE),
        ("yuv422", {"width": WIDTH - 1}, Reason.SIZE),
        ("bayer_rggb8", {"height": HEIGHT - 1}, Reason.SIZE),
    ],
)
def test_what_is_refused_says_why(encoding: str, change: dict[str, int], reason: Reason) -> None:
    image = message(encoding if encoding in ENCODINGS else "rgb8", encoded("rgb8", scene()))
    image.encoding = encoding
    for field, value in change.items():
        setattr(image, field, value)
    with pytest.raises(Refused) as refused:
        picture_of(image)
    assert refused.value.reason is reason
    assert 0 < len(str(refused.value)) < 400


@settings(max_examples=150, deadline=None)
@given(
    encoding=st.sampled_from([*ENCODINGS, "nonsense"]),
    height=st.integers(0, 70),
    width=st.integers(0, 70),
    step=st.integers(0, 300),
    size=st.integers(0, 3000),
)
def test_any_message_is_a_picture_or_refused(encoding: str, height: int, width: int, step: int, size: int) -> None:
    image = Image(encoding=encoding, height=height, width=width, step=step, data=array("B", bytes(size)))
    try:
        assert picture_of(image).shape == (height, width, 3)
    except Refused as refused:
        assert refused.reason in Reason


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=300), cut=st.integers(0, 400))
def test_any_compressed_message_is_a_picture_or_refused(data: bytes, cut: int) -> None:
    whole = cv2.imencode(".png", scene())[1].tobytes()
    for content in (data, whole[:cut] + data):
        try:
            assert picture_of_compressed(CompressedImage(format="png", data=array("B", content))).shape[2] == 3
        except Refused as refused:
            assert refused.reason in Reason


def test_pictures_survive_the_way_there_and_back() -> None:
    rgb = scene()
    raw = image_message(rgb[..., ::-1], Time(sec=5), "optical")
    assert (picture_of(raw) == rgb).all() and raw.header.frame_id == "optical"
    jpeg = compressed_message(np.ascontiguousarray(rgb[..., ::-1]), Time(sec=5), "optical", 95)
    assert np.abs(picture_of_compressed(jpeg).astype(int) - rgb).max() < 40
    depth = CompressedImage(format="16UC1; compressedDepth png", data=jpeg.data)
    with pytest.raises(Refused, match="16-bit"):
        picture_of_compressed(depth)


def test_a_bomb_is_refused_by_its_header() -> None:
    """A PNG of 30000 × 30000 pixels is a few bytes long until it is unpacked."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    png = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )
    with pytest.raises(Refused) as refused:
        picture_of_compressed(CompressedImage(format="png", data=array("B", png)))
    assert refused.value.reason in (Reason.SIZE, Reason.DECODE)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_the_size_is_read_from_the_header(suffix: str) -> None:
    data = cv2.imencode(suffix, np.zeros((37, 91, 3), np.uint8))[1].tobytes()
    assert stated_size(data) == (91, 37)
    assert all(stated_size(data[:length]) in (None, (91, 37)) for length in range(len(data)))


@given(st.binary(max_size=200))
def test_any_header_is_a_size_or_nothing(data: bytes) -> None:
    for start in (b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"):
        assert stated_size(start + data) is None or len(stated_size(start + data) or ()) == 2


def test_too_large_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    message = compressed_message(np.zeros((60, 80, 3), np.uint8), Time(), "", 90)
    assert picture_of_compressed(message, Limits(pixels=60 * 80)).shape == (60, 80, 3)
    monkeypatch.setattr(cv2, "imdecode", lambda *arguments: pytest.fail("was decoded"))
    with pytest.raises(Refused, match="80 × 60 pixels; max_image_pixels is 4799"):
        picture_of_compressed(message, Limits(pixels=60 * 80 - 1))
    with pytest.raises(Refused, match=r"bytes; max_image_bytes is 10"):
        picture_of_compressed(message, Limits(bytes=10))


def test_other_formats_are_held_to_the_limit_too() -> None:
    data = array("B", cv2.imencode(".bmp", np.zeros((60, 80, 3), np.uint8))[1].tobytes())
    with pytest.raises(Refused, match="max_image_pixels"):
        picture_of_compressed(CompressedImage(format="bmp", data=data), Limits(pixels=100))
    with pytest.raises(Refused, match="max_image_pixels"):
        picture_of(image_message(np.zeros((60, 80, 3), np.uint8), Time(), ""), Limits(pixels=100))
