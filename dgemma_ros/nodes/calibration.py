"""A camera's calibration: from the file that camera_calibration writes to camera_info messages."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensor_msgs.msg import CameraInfo

from dgemma_ros.nodes.sources import SourceError
from dgemma_ros.yaml_files import read_yaml

Size = tuple[int, int]
"""Pixels: width, height."""


@dataclass(frozen=True)
class Calibration:
    """As it stands, that of a camera which was never calibrated: ROS knows it by a ``k`` of zeros.

    Matrices are row-major, in pixels: ``k`` [3, 3], ``r`` [3, 3], ``p`` [3, 4]; ``d`` as long as the model wants it.
    """

    file: str = ""
    size: Size = (0, 0)
    """Of the pictures that it was made with; (0, 0) where the file does not say, and then it is taken to fit."""
    distortion_model: str = ""
    d: tuple[float, ...] = ()
    k: tuple[float, ...] = (0.0,) * 9
    r: tuple[float, ...] = (0.0,) * 9
    p: tuple[float, ...] = (0.0,) * 12

    def info(self, taken: Size, published: Size) -> CameraInfo:
        """For pictures that were taken with one size and go out with another; no header yet.

        Raises :class:`SourceError` where the calibration is of neither size: its numbers would be wrong in silence.
        """
        if self.size not in ((0, 0), taken, published):
            sizes = " × ".join(map(str, self.size)), " × ".join(map(str, taken))
            raise SourceError(f"{self.file}: made with pictures of {sizes[0]} pixels, but the source's have {sizes[1]}")
        x, y = (published[0] / taken[0], published[1] / taken[1]) if self.size == taken else (1.0, 1.0)
        return CameraInfo(
            width=published[0],
            height=published[1],
            distortion_model=self.distortion_model,
            d=self.d,
            k=_scaled(self.k, x, y),
            r=self.r,
            p=_scaled(self.p, x, y),
        )


def _scaled(matrix: tuple[float, ...], x: float, y: float) -> list[float]:
    """A row-major matrix of three rows; the first is of the columns of pixels, the second of their rows."""
    row = len(matrix) // 3
    return [value * (x, y, 1.0)[place // row] for place, value in enumerate(matrix)]


def read_calibration(file: str) -> Calibration:
    """A calibration as camera_calibration writes it; no file, an uncalibrated one. Raises :class:`SourceError`."""
    if not file:
        return Calibration()
    try:
        content: dict[str, Any] = read_yaml(Path(file).expanduser(), SourceError)
        return Calibration(
            file,
            (int(content.get("image_width", 0)), int(content.get("image_height", 0))),
            str(content.get("distortion_model", "plumb_bob")),
            _numbers(content, "distortion_coefficients"),
            _numbers(content, "camera_matrix", 9),
            _numbers(content, "rectification_matrix", 9),
            _numbers(content, "projection_matrix", 12),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SourceError(f"{file}: not a calibration as camera_calibration writes it ({error})") from error


def _numbers(content: dict[str, Any], name: str, count: int | None = None) -> tuple[float, ...]:
    """A matrix by its name. Counted here, because messages take a wrong length and fall over it when they are sent."""
    numbers = tuple(float(value) for value in content[name]["data"])
    if count is not None and len(numbers) != count:
        raise ValueError(f"{name} has {len(numbers)} numbers, not {count}")
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"{name} has numbers that are not finite")
    return numbers
