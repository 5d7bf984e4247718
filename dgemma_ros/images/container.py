"""A picture file looked at before it is decoded: how many pixels it says that it has, and whether it holds together.

Decoders trust the numbers in a file: a few bytes can ask for gigabytes, and OpenCV reads a PNG chunk that claims more
than the file has for many seconds. Formats: PNG section 5, JPEG (T.81) annex B, RIFF WebP.
"""

from __future__ import annotations

from typing import Final

from dgemma_ros.errors import ImageError

MAX_PIXELS: Final = 1 << 27
"""134 million: 16384 by 8192."""
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_JPEG_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def check(content: bytes, max_pixels: int = MAX_PIXELS) -> None:
    """Raises :class:`ImageError` for a JPEG, PNG or WebP of more pixels than that, or a PNG that is cut or damaged.

    Other formats pass; the decoder knows them or not.
    """
    if (size := stated_size(content)) is not None and size[0] * size[1] > max_pixels:
        raise ImageError(f"a picture of {size[0]}x{size[1]} pixels is larger than {max_pixels} pixels")
    if content.startswith(_PNG):
        _check_chunks(content)


def stated_size(content: bytes) -> tuple[int, int] | None:
    """Width and height that a PNG, JPEG or WebP states in its first bytes; None where it does not. Never raises."""
    if content.startswith(_PNG) and len(content) >= 24:
        return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")
    if content.startswith(b"\xff\xd8"):
        return _jpeg(content)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP" and len(content) >= 30:
        return _webp(content)
    return None


def _check_chunks(content: bytes) -> None:
    at = len(_PNG)
    while at + 12 <= len(content):
        length, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        if at + 12 + length > len(content):
            break
        if kind == b"IEND":
            return
        at += 12 + length
    raise ImageError("a PNG that is cut or damaged")


def _jpeg(content: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        if marker in _JPEG_FRAMES:
            return int.from_bytes(content[at + 7 : at + 9], "big"), int.from_bytes(content[at + 5 : at + 7], "big")
        at += 1 if marker == 0xFF else 2 + max(length, 2)  # any number of 0xff may come before a marker
    return None


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
