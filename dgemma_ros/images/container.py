"""A picture file looked at before it is decoded: how many pixels it says that it has, and whether it holds together.

Decoders trust the numbers in a file: a few bytes can ask for gigabytes, and OpenCV reads a PNG chunk that claims more
than the file has for many seconds. Formats: PNG section 5, JPEG (T.81) annex B, RIFF WebP.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dgemma_ros.errors import ImageError

MAX_PIXELS: Final = 1 << 27
"""134 million: 16384 by 8192."""
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_JPEG: Final = b"\xff\xd8"
_JPEG_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_SCAN: Final = 0xDA
_JPEG_END: Final = b"\xff\xd9"


def check(content: bytes, max_pixels: int = MAX_PIXELS) -> None:
    """Raises :class:`ImageError` for a JPEG, PNG or WebP of more pixels than that, or a PNG that is cut or damaged.

    Other formats pass; the decoder knows them or not.
    """
    if (size := stated_size(content)) is not None and size[0] * size[1] > max_pixels:
        raise ImageError(f"a picture of {size[0]}x{size[1]} pixels is larger than {max_pixels} pixels")
    if content.startswith(_PNG) and b"IEND" not in (kind for kind, _ in blocks(content)):
        raise ImageError("a PNG that is cut or damaged")


def jpeg_is_cut(content: bytes) -> bool:
    """Whether a JPEG ends before its end marker, which only some of OpenCV's versions say. Never raises.

    Entropy-coded data has no such marker (T.81, B.1.1.5); a preview's, in a header, does not count.
    """
    if not content.startswith(_JPEG):
        return False
    headers = sum(4 + len(body) for _, body in blocks(content))
    return content.find(_JPEG_END, len(_JPEG) + headers) < 0


def stated_size(content: bytes) -> tuple[int, int] | None:
    """Width and height that a PNG, JPEG or WebP states in its first bytes; None where it does not. Never raises."""
    if content.startswith(_PNG) and len(content) >= 24:
        return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")
    if content.startswith(_JPEG):
        frames = (body for kind, body in blocks(content) if kind[0] in _JPEG_FRAMES and len(body) >= 5)
        frame = next(frames, None)
        if frame is None:
            return None
        return int.from_bytes(frame[3:5], "big"), int.from_bytes(frame[1:3], "big")
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP" and len(content) >= 30:
        return _webp(content)
    return None


def blocks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and body of each block before a JPEG's scan, of each whole chunk of a PNG or WebP. Never raises.

    A JPEG's kind is its marker's second byte; its last body may be cut by the content's end.
    """
    if content.startswith(_JPEG):
        at = len(_JPEG)
        while at + 4 <= len(content) and content[at] == 0xFF:
            marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
            if marker == 0xFF:  # any number of these may come before a marker
                at += 1
                continue
            if marker == _JPEG_SCAN or length < 2:
                return
            yield content[at + 1 : at + 2], content[at + 4 : at + 2 + length]
            at += 2 + length
    elif content.startswith(_PNG):
        at = len(_PNG)
        while at + 12 <= len(content):
            length = int.from_bytes(content[at : at + 4], "big")
            if at + 12 + length > len(content):
                return
            yield content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
            at += 12 + length
    elif content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        at = 12
        while at + 8 <= len(content):
            length = int.from_bytes(content[at + 4 : at + 8], "little")
            yield content[at : at + 4], content[at + 8 : at + 8 + length]
            at += 8 + length + (length & 1)


def _webp(content: bytes) -> tuple[int, int] | None:
    kind, body = content[12:16], content[20:]
    if kind == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    return None
