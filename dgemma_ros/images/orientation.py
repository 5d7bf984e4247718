"""Which way up a picture file is, by its EXIF tag, in the containers that carry one: JPEG, PNG and WebP.

Decoders disagree about the tag (OpenCV turns JPEG, and others only in some versions), so it is read here and pictures
are decoded as they lie. Formats: Exif 2.32 section 4.6.4 (tag 274), PNG's eXIf chunk, RIFF's EXIF chunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from numpy.typing import NDArray

_ORIENTATION: Final = 274
_MAX_ENTRIES: Final = 1000
"""Of a directory; real ones have a few dozen."""
_PNG: Final = b"\x89PNG\r\n\x1a\n"


def orientation(content: bytes) -> int:
    """The tag's value, 1 … 8; 1 (as it lies) where there is none, or none that can be read. Never raises."""
    for block in _exif_blocks(content):
        value = _read_tag(block)
        if value is not None:
            return value
    return 1


def upright(picture: NDArray[Any], value: int) -> NDArray[Any]:
    """``picture`` [H, W, …] turned and mirrored as the tag's ``value`` asks; a view, sides swapped for 5 … 8."""
    if value in (5, 6, 7, 8):
        picture = picture.swapaxes(0, 1)
    if value in (3, 4, 7, 8):
        picture = picture[::-1]
    if value in (2, 3, 6, 7):
        picture = picture[:, ::-1]
    return picture


def _exif_blocks(content: bytes) -> Iterator[bytes]:
    """The TIFF blocks that the container holds."""
    if content[:2] == b"\xff\xd8":
        at = 2
        while content[at : at + 1] == b"\xff" and at + 4 <= len(content):
            marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
            if marker == 0xDA or length < 2:  # the picture's data begin
                return
            if marker == 0xE1 and content[at + 4 : at + 10] == b"Exif\0\0":
                yield content[at + 10 : at + 2 + length]
            at += 2 + length
    elif content[:8] == _PNG:
        at = 8
        while at + 8 <= len(content):
            length, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
            if kind == b"eXIf":
                yield content[at + 8 : at + 8 + length]
            at += 12 + length
    elif content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        at = 12
        while at + 8 <= len(content):
            kind, length = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
            if kind == b"EXIF":
                block = content[at + 8 : at + 8 + length]
                yield block.removeprefix(b"Exif\0\0")
            at += 8 + length + (length & 1)


def _read_tag(block: bytes) -> int | None:
    """The orientation in a TIFF block's first directory."""
    order = {b"II*\0": "little", b"MM\0*": "big"}.get(block[:4])
    if order is None:
        return None

    def number(at: int, size: int) -> int:
        return int.from_bytes(block[at : at + size], "little" if order == "little" else "big")

    start = number(4, 4)
    for entry in range(start + 2, start + 2 + 12 * min(number(start, 2), _MAX_ENTRIES), 12):
        if number(entry, 2) == _ORIENTATION and number(entry + 2, 2) == 3:  # 3: a short
            value = number(entry + 8, 2)
            return value if 1 <= value <= 8 else None
    return None
