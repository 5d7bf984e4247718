"""Which way up a picture file is, by its EXIF tag, in the containers that carry one: JPEG, PNG and WebP.

Decoders disagree about the tag (OpenCV turns JPEG, and others only in some versions), so it is read here and pictures
are decoded as they lie. Formats: Exif 2.32 section 4.6.4 (tag 274), PNG's eXIf chunk, RIFF's EXIF chunk.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from numpy.typing import NDArray

from dgemma_ros.images.container import blocks

_ORIENTATION: Final = 274
_MAX_ENTRIES: Final = 1000
"""Of a directory; real ones have a few dozen."""
_LABEL: Final = b"Exif\0\0"
_APP1: Final = b"\xe1"
_EXIF: Final = (_APP1, b"eXIf", b"EXIF")
"""The blocks of a JPEG, a PNG and a WebP that hold it."""


def orientation(content: bytes) -> int:
    """The tag's value, 1 … 8; 1 (as it lies) where there is none, or none that can be read. Never raises."""
    for kind, body in blocks(content):
        if kind in _EXIF and (kind != _APP1 or body.startswith(_LABEL)):
            value = _read_tag(body.removeprefix(_LABEL))
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


def _read_tag(block: bytes) -> int | None:
    """The orientation in a TIFF block's first directory."""
    if block[:4] not in (b"II*\0", b"MM\0*"):
        return None
    order: Literal["little", "big"] = "little" if block.startswith(b"II") else "big"

    def number(at: int, size: int) -> int:
        return int.from_bytes(block[at : at + size], order)

    start = number(4, 4)
    for entry in range(start + 2, start + 2 + 12 * min(number(start, 2), _MAX_ENTRIES), 12):
        if number(entry, 2) == _ORIENTATION and number(entry + 2, 2) == 3:  # 3: a short
            value = number(entry + 8, 2)
            return value if 1 <= value <= 8 else None
    return None
