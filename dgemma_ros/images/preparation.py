"""A picture becomes what the vision tower reads: patches, their positions and a count of soft tokens.

Equal to the reference's ``Gemma4ImageProcessorPil``: the largest size of about the same aspect ratio whose sides are
multiples of pooling x patch and whose patches stay within the budget, Pillow's bicubic, bytes times 1/255. Unlike the
reference, a picture is not padded to the full budget, and any budget that a checkpoint asks for is taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dgemma_ros.checkpoint.fields import Section, shown
from dgemma_ros.errors import CheckpointError, ImageError
from dgemma_ros.files import MIB, read_bytes
from dgemma_ros.images.decoding import decode
from dgemma_ros.images.orientation import orientation, upright
from dgemma_ros.images.resample import Pixels, resample

_PROCESSOR_FILE: Final = "processor_config.json"
_IMAGE_PROCESSOR_FILE: Final = "preprocessor_config.json"
_CONFIG_FILE: Final = "config.json"
_BICUBIC: Final = 3  # Pillow's number for it
_CHANNELS: Final = 3
MAX_FILE_BYTES: Final = 256 * MIB
"""Of a picture's file."""
_MAX_BUDGET: Final = 1 << 20  # soft tokens; keeps products of a damaged file's numbers small
_FIXED: Final = {"do_resize": True, "do_rescale": True, "do_normalize": False, "resample": _BICUBIC}


@dataclass(frozen=True, eq=False)
class PreparedImage:
    """One picture, unpadded. ``P`` patches become ``soft_tokens`` rows of the prompt."""

    patches: NDArray[np.float32]
    """[P, 3 * patch**2], values in [0, 1], row by row, channel fastest."""
    positions: NDArray[np.int64]
    """[P, 2], the column (x) and the row (y) of each patch."""
    soft_tokens: int


@dataclass(frozen=True)
class ImagePreparation:
    """How a checkpoint wants its pictures. For another budget: ``dataclasses.replace(preparation, soft_tokens=70)``."""

    patch_size: int = 16
    pooling: int = 3
    """Patches along one side of the square that one soft token stands for."""
    soft_tokens: int = 280
    """Most soft tokens a picture may take."""
    rescale: float = 1 / 255
    """Factor from byte to value."""

    def __post_init__(self) -> None:
        for name in ("patch_size", "pooling", "soft_tokens"):
            value = getattr(self, name)
            if not isinstance(value, int) or not 1 <= value <= _MAX_BUDGET:
                raise ImageError(f"image preparation: {name}: {shown(value)} is not in 1 … {_MAX_BUDGET}")

    @classmethod
    def load(cls, folder: Path) -> ImagePreparation:
        """The preparation that the checkpoint in ``folder`` names.

        Asked in this order: processor_config.json (its image_processor), preprocessor_config.json, and the vision
        part of config.json. Raises :class:`CheckpointError` naming file and field, also for a text-only checkpoint.
        """
        folder = Path(folder)
        config = Section.of_file(folder / _CONFIG_FILE) if (folder / _CONFIG_FILE).exists() else None
        vision = config.section("vision_config") if config is not None and "vision_config" in config else None
        processor = _processor_section(folder)
        if processor is None and vision is None:
            raise CheckpointError(f"{folder}: no {_PROCESSOR_FILE}, and no vision_config in {_CONFIG_FILE}: no images")
        patch, pooling, budget = cls.patch_size, cls.pooling, cls.soft_tokens
        if vision is not None:
            patch = vision.integer("patch_size", 1, 1024, patch)
            pooling = vision.integer("pooling_kernel_size", 1, 1024, pooling)
            budget = vision.integer("default_output_length", 1, _MAX_BUDGET, budget)
        if processor is None:
            return cls(patch, pooling, budget)
        for key, only in _FIXED.items():
            if (value := processor.raw(key, only)) != only:
                processor.fail(key, f"{shown(value)} is not supported; only {shown(only)} is")
        asked = cls(
            processor.integer("patch_size", 1, 1024, patch),
            processor.integer("pooling_kernel_size", 1, 1024, pooling),
            processor.integer("max_soft_tokens", 1, _MAX_BUDGET, budget),
            processor.number("rescale_factor", 1e-9, 1.0, cls.rescale),
        )
        if vision is not None and (asked.patch_size, asked.pooling) != (patch, pooling):
            processor.fail("patch_size", f"differs from {_CONFIG_FILE}, vision_config: {patch}, pooling {pooling}")
        return asked

    def target_size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) in pixels to which a picture of that size is resized, up or down.

        Raises :class:`ImageError` for a picture without pixels and for one too long and thin for the budget.
        """
        if height < 1 or width < 1:
            raise ImageError(f"a picture of {width}x{height} pixels is empty")
        side = self.pooling * self.patch_size
        budget = self.soft_tokens * side * side
        # The reference's own steps: a square root in doubles decides on which side of a multiple a size falls.
        factor = math.sqrt(budget / (height * width))
        high = math.floor(factor * height / side) * side
        wide = math.floor(factor * width / side) * side
        longest = self.soft_tokens * side
        if high == 0 and wide > 0:
            high, wide = side, min(width // height * side, longest)
        elif wide == 0 and high > 0:
            high, wide = min(height // width * side, longest), side
        if not 0 < high * wide <= budget:
            raise ImageError(f"a picture of {width}x{height} pixels does not fit in {self.soft_tokens} soft tokens")
        return high, wide

    def prepare(self, image: NDArray[Any], exact: bool = False) -> PreparedImage:
        """``image`` uint8 [H, W, 3] RGB as patches; [H, W], [H, W, 1] and [H, W, 4] are converted (:func:`to_rgb`).

        ``exact`` gives the reference's values bit for bit; without it a byte may be off by 2 (1/128) before scaling,
        in half the time. Raises :class:`ImageError`. Safe to call from several threads.
        """
        rgb = to_rgb(image)
        height, width = self.target_size(*rgb.shape[:2])
        pixels = resample(rgb, height, width, exact)
        patch, rows, columns = self.patch_size, height // self.patch_size, width // self.patch_size
        tiles = pixels.reshape(rows, patch, columns, patch * _CHANNELS).transpose(0, 2, 1, 3)
        flat = np.ascontiguousarray(tiles).reshape(rows * columns, patch * patch * _CHANNELS)
        patches: NDArray[np.float32] = cv2.LUT(flat, _byte_values(self.rescale))
        grid = np.indices((rows, columns)).reshape(2, -1)
        positions = np.ascontiguousarray(grid[::-1].T, np.int64)
        return PreparedImage(patches, positions, rows * columns // self.pooling**2)


def to_rgb(image: NDArray[Any]) -> Pixels:
    """``image`` as uint8 [H, W, 3]: grey is repeated, transparency is laid on white, as the reference does.

    Raises :class:`ImageError` for any other type or shape; floats are refused, because their range is anyone's guess.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        kind = f"{image.dtype} values" if isinstance(image, np.ndarray) else type(image).__name__
        raise ImageError(f"a picture must be an array of uint8, not {kind}")
    if image.ndim == 2:
        image = image[:, :, None]
    if image.ndim != 3 or image.shape[2] not in (1, 3, 4):
        raise ImageError(f"a picture must have shape [height, width, 3] (or 1 or 4 channels), not {list(image.shape)}")
    if image.shape[2] == 1:
        return np.repeat(image, _CHANNELS, axis=2)
    if image.shape[2] == 4:
        alpha = image[:, :, 3:] / 255
        image = np.round(alpha * image[:, :, :3] + (1 - alpha) * 255).astype(np.uint8)
    pixels: Pixels = image
    return pixels


def read_image(path: Path) -> Pixels:
    """The picture file ``path`` as uint8 [H, W, 3] RGB, turned upright by its EXIF tag, transparency laid on white.

    Any format that OpenCV reads. Raises :class:`ImageError` naming the file.
    """
    file = read_bytes(path, MAX_FILE_BYTES, ImageError)
    try:
        decoded = decode(file, cv2.IMREAD_UNCHANGED)
        if decoded is not None and (decoded.ndim != 3 or decoded.shape[2] != 4):
            # Decoded again, because this flag makes grey and 16 bit what we want.
            decoded = decode(file, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error
    if decoded is None:
        raise ImageError(f"{path}: not a picture in a format that OpenCV reads")
    decoded = np.ascontiguousarray(upright(decoded, orientation(file)))
    if decoded.dtype == np.uint16:
        decoded = (decoded >> 8).astype(np.uint8)
    try:
        return to_rgb(cv2.cvtColor(decoded, cv2.COLOR_BGRA2RGBA if decoded.shape[2] == 4 else cv2.COLOR_BGR2RGB))
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error


def _processor_section(folder: Path) -> Section | None:
    path = folder / _PROCESSOR_FILE
    if path.exists() and "image_processor" in (whole := Section.of_file(path)):
        return whole.section("image_processor")
    path = folder / _IMAGE_PROCESSOR_FILE
    return Section.of_file(path) if path.exists() else None


@lru_cache(maxsize=8)
def _byte_values(scale: float) -> NDArray[np.float32]:
    """float32 [256]: each byte scaled in double, then rounded, as the reference does."""
    values = (np.arange(256, dtype=np.float64) * scale).astype(np.float32)
    values.flags.writeable = False
    return values
