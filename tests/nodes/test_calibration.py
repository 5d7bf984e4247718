"""Calibration files, as camera_calibration writes them, and what is wrong with others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dgemma_ros.nodes.calibration import read_calibration
from dgemma_ros.nodes.sources import SourceError

# Laid out as camera_calibration of ROS 2 does: matrices by numpy.array2string, distortion by %8f.
WRITTEN = """\
image_width: 320
image_height: 240
camera_name: narrow_stereo
camera_matrix:
  rows: 3
  cols: 3
  data: [277.12813,   0.     , 158.31244,
           0.     , 276.90542, 121.70031,
           0.     ,   0.     ,   1.     ]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [0.081250, -0.154370, 0.000912, -0.001733, 0.000000]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1., 0., 0.,
         0., 1., 0.,
         0., 0., 1.]
projection_matrix:
  rows: 3
  cols: 4
  data: [279.45117,   0.     , 157.52093,   0.     ,
           0.     , 280.63742, 121.98304,   0.     ,
           0.     ,   0.     ,   1.     ,   0.     ]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "ost.yaml"
    file.write_text(WRITTEN)
    return file


def test_file_is_read_as_it_stands(file: Path) -> None:
    info = read_calibration(str(file)).info((320, 240), (320, 240))
    assert (info.width, info.height, info.distortion_model) == (320, 240, "plumb_bob")
    assert list(info.k) == [277.12813, 0, 158.31244, 0, 276.90542, 121.70031, 0, 0, 1]
    assert list(info.d) == [0.08125, -0.15437, 0.000912, -0.001733, 0]
    assert list(info.r) == [1, 0, 0, 0, 1, 0, 0, 0, 1]
    assert list(info.p) == [279.45117, 0, 157.52093, 0, 0, 280.63742, 121.98304, 0, 0, 0, 1, 0]


def test_pictures_that_are_resized_take_their_calibration_along(file: Path) -> None:
    calibration = read_calibration(str(file))
    info = calibration.info((320, 240), (160, 60))
    wanted = np.diag([0.5, 0.25, 1.0])
    assert np.allclose(np.reshape(info.k, (3, 3)), wanted @ np.reshape(calibration.k, (3, 3)))
    assert np.allclose(np.reshape(info.p, (3, 4)), wanted @ np.reshape(calibration.p, (3, 4)))
    # Made with the pictures as they go out, the file holds as it stands.
    assert list(calibration.info((1280, 960), (320, 240)).k) == list(calibration.k)


def test_calibration_of_other_pictures_is_refused(file: Path) -> None:
    with pytest.raises(SourceError, match="of 320 × 240 pixels, but the source's have 640 × 480"):
        read_calibration(str(file)).info((640, 480), (640, 480))


def test_without_a_file_the_camera_is_uncalibrated() -> None:
    info = read_calibration("").info((64, 48), (32, 24))
    assert (info.width, info.height) == (32, 24)
    assert info.k[0] == 0.0 and not info.distortion_model and not len(info.d)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("data: [277.12813,   0.     ,", "data: [277.12813,", "camera_matrix has 8 numbers, not 9"),
        ("data: [279.45117,", "data: [279.45117, 1.0,", "projection_matrix has 13 numbers, not 12"),
        ("277.12813", ".nan", "not finite"),
        ("277.12813", "wide", "wide"),
        ("rectification_matrix:", "rotation:", "rectification_matrix"),
        ("image_width: 320", "image_width: broad", "broad"),
        ("camera_matrix:\n", "camera_matrix: [\n", "not YAML"),
        (WRITTEN, "", "not a calibration"),
        (WRITTEN, "[1, 2]", "not a calibration"),
    ],
)
def test_what_is_no_calibration_says_why(file: Path, old: str, new: str, words: str) -> None:
    assert old in WRITTEN
    file.write_text(WRITTEN.replace(old, new))
    with pytest.raises(SourceError, match=r"ost\.yaml: ") as raised:
        read_calibration(str(file))
    assert words in str(raised.value)


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        read_calibration(str(tmp_path / "none.yaml"))
