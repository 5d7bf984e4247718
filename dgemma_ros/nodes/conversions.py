"""Camera messages to pictures and back.

Messages are untrusted: whatever they hold, the outcome is a picture or :class:`Refused` with a reason that can be
counted. Nothing here knows a node.
"""

from __future__ import annotations

import array
import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image

from dgemma_ros.errors import ImageError
from dgemma_ros.images import container

MAX_PIXELS = 1 << 26
# Read when OpenCV is loaded: a small file that unpacks to gigabytes is refused by its header, whatever its format.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PIXELS))

import cv2  # noqa: E402

from dgemma_ros.images.decoding import decode  # noqa: E402

Picture = NDArray[np.uint8]
"""uint8 [H, W, 3], RGB."""


@dataclass(frozen=True)
class Limits:
    """What a picture may take: pixels once decoded, and bytes as it comes."""

    pixels: int = MAX_PIXELS
    bytes: int = 1 << 28


class Reason(StrEnum):
    """Why a camera message was not taken; the keys of the drop counts."""

    ENCODING = "encoding"
    SIZE = "size"
    STEP = "step"
    DECODE = "decode"


class Refused(ImageError):  # noqa: N818 - the message is at fault, not the program
    """A camera message that holds no picture we can use. ``reason`` is for counting, the text for people."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True)
class _Encoding:
    """Bytes a pixel, and the way to RGB. ``even``: two pixels share their colour, so the width must be even."""

    depth: int
    to_rgb: Callable[[Picture], Any]
    even: bool = False


def _by(code: int) -> Callable[[Picture], Any]:
    return lambda picture: cv2.cvtColor(picture, code)


_RGB = _Encoding(3, lambda picture: picture)
_BGR = _Encoding(3, _by(cv2.COLOR_BGR2RGB))
_MONO = _Encoding(1, _by(cv2.COLOR_GRAY2RGB))
_UYVY = _Encoding(2, _by(cv2.COLOR_YUV2RGB_UYVY), even=True)
_YUYV = _Encoding(2, _by(cv2.COLOR_YUV2RGB_YUY2), even=True)
ENCODINGS = {
    "rgb8": _RGB,
    "bgr8": _BGR,
    "8UC3": _BGR,  # OpenCV's own order, as cv_bridge takes it
    "rgba8": _Encoding(4, _by(cv2.COLOR_RGBA2RGB)),
    "bgra8": _Encoding(4, _by(cv2.COLOR_BGRA2RGB)),
    "8UC4": _Encoding(4, _by(cv2.COLOR_BGRA2RGB)),
    "mono8": _MONO,
    "8UC1": _MONO,
    "yuv422": _UYVY,
    "uyvy": _UYVY,
    "yuv422_yuy2": _YUYV,
    "yuyv": _YUYV,
    # OpenCV names Bayer patterns by their second row, ROS by their first.
    "bayer_rggb8": _Encoding(1, _by(cv2.COLOR_BayerBG2RGB), even=True),
    "bayer_bggr8": _Encoding(1, _by(cv2.COLOR_BayerRG2RGB), even=True),
    "bayer_gbrg8": _Encoding(1, _by(cv2.COLOR_BayerGR2RGB), even=True),
    "bayer_grbg8": _Encoding(1, _by(cv2.COLOR_BayerGB2RGB), even=True),
}


def picture_of(message: Image, limits: Limits = Limits()) -> Picture:
    """The picture of a raw image; it may share the message's memory. Raises :class:`Refused`."""
    _check_bytes(len(message.data), limits)
    encoding = ENCODINGS.get(message.encoding)
    if encoding is None:
        hint = (
            "depth and 16-bit images are not pictures" if "16" in message.encoding or "32" in message.encoding else ""
        )
        hint = hint or f"there are {', '.join(ENCODINGS)}"
        raise Refused(Reason.ENCODING, f"encoding {message.encoding[:40]!r} is not taken: {hint}")
    height, width, step = message.height, message.width, message.step
    _check_size(width, height, limits)
    if encoding.even and (width % 2 or (height % 2 and encoding.depth == 1)):
        raise Refused(Reason.SIZE, f"{message.encoding} of {width} × {height} pixels: colour is shared, sides are even")

    if step < width * encoding.depth:
        raise Refused(Reason.STEP, f"step {step} is less than a row of {width} pixels of {encoding.depth} bytes")
    if len(message.data) != step * height:
        raise Refused(Reason.SIZE, f"{len(message.data)} bytes of data, but {height} rows of {step} bytes")
    rows = np.frombuffer(message.data, np.uint8).reshape(height, step)[:, : width * encoding.depth]
    pixels = rows if encoding.depth == 1 else rows.reshape(height, width, encoding.depth)
    return np.ascontiguousarray(encoding.to_rgb(pixels))


def picture_of_compressed(message: CompressedImage, limits: Limits = Limits()) -> Picture:
    """The picture of a JPEG, PNG or any other file that OpenCV reads. Raises :class:`Refused`.

    What is too large is refused before it is decoded where the header of a JPEG, PNG or WebP says so, else afterwards.
    """
    _check_bytes(len(message.data), limits)
    if "compressedDepth" in message.format or message.format.startswith(("16UC1", "mono16", "32FC1")):
        raise Refused(Reason.ENCODING, f"format {message.format[:60]!r}: depth and 16-bit images are not pictures")
    content = np.frombuffer(message.data, np.uint8).tobytes()
    if (size := container.stated_size(content)) is not None:
        _check_size(*size, limits)
    try:
        # Camera drivers send pixels as they stand; a rotation written into the file is not theirs.
        picture = decode(content, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION, limits.pixels)
    except ImageError as error:
        raise Refused(Reason.DECODE, f"a compressed image that is {error}") from error
    if picture is None:
        raise Refused(Reason.DECODE, f"{len(content)} bytes that are no image (format {message.format[:40]!r})")
    _check_size(picture.shape[1], picture.shape[0], limits)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def _check_bytes(count: int, limits: Limits) -> None:
    if count > limits.bytes:
        raise Refused(Reason.SIZE, f"an image of {count} bytes; max_image_bytes is {limits.bytes}")


def _check_size(width: int, height: int, limits: Limits) -> None:
    if not (height and width) or height * width > limits.pixels:
        raise Refused(Reason.SIZE, f"an image of {width} × {height} pixels; max_image_pixels is {limits.pixels}")


def image_message(bgr: Picture, stamp: Time, frame_id: str) -> Image:
    """A raw image, ``bgr8``, of a picture as OpenCV gives it: uint8 [H, W, 3], BGR."""
    message = Image(height=bgr.shape[0], width=bgr.shape[1], encoding="bgr8", step=bgr.shape[1] * 3)
    message.header.stamp, message.header.frame_id = stamp, frame_id
    message.data = _bytes(bgr)
    return message


def compressed_message(bgr: Picture, stamp: Time, frame_id: str, quality: int) -> CompressedImage:
    """A JPEG image of a picture as OpenCV gives it. ``quality`` 1 … 100."""
    encoded, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not encoded:
        raise ImageError("OpenCV could not write a JPEG")
    message = CompressedImage(format="bgr8; jpeg compressed bgr8")
    message.header.stamp, message.header.frame_id = stamp, frame_id
    message.data = _bytes(data)
    return message


def _bytes(data: NDArray[np.uint8]) -> array.array[int]:
    """As a message takes it without a look at each byte, which costs an ndarray 200 ms."""
    result = array.array("B")
    result.frombytes(np.ascontiguousarray(data).data.cast("B"))
    return result
