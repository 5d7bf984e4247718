"""What the log takes of a frame: its time, its camera where there are several, its number, and whether it changed."""

from __future__ import annotations

import numpy as np
import pytest

from dgemma_ros.context.frame_segments import FrameSegments
from dgemma_ros.context.retention import CameraRecord
from dgemma_ros.context.segments import FrameSegment
from dgemma_ros.context.types import Frame

SOFT = np.ones((2, 4), np.float32)
DARK, LIGHT = (np.full((24, 32, 3), grey, np.uint8) for grey in (30, 30))
LIGHT[:, :16] = 220


def frame(picture: np.ndarray, seconds: float, camera: str = "front") -> Frame:
    return Frame(picture, int(seconds * 1e9), camera, "", 100.0 + seconds, arrival=3)


def take(
    made: FrameSegments, new: Frame, cameras: dict[str, CameraRecord] | None = None, least: float = 0.07
) -> FrameSegment:
    with made.taking(new, SOFT, cameras or {}, least) as segment:
        return segment


def test_pixels_and_what_was_made_of_them_stay_behind() -> None:
    segment = take(FrameSegments(), frame(DARK, 5.0))
    assert segment.frame.rgb.size == 0 and segment.frame.arrival == 0 and segment.soft is SOFT
    assert (segment.frame.stamp_ns, segment.frame.camera) == (5 * 10**9, "front")


def test_times_count_from_the_first_frame_and_again_after_a_restart() -> None:
    made = FrameSegments()
    assert [take(made, frame(DARK, at)).label for at in (5.0, 8.5, 70.0)] == ["00:00", "00:03", "01:05"]
    made.restart()
    assert take(made, frame(DARK, 90.0)).label == "00:00"
    assert take(made, frame(DARK, 100.0)).seconds == 10.0
    other = FrameSegments()
    other.resume(take(made, frame(DARK, 130.0)))
    assert take(other, frame(DARK, 140.0)).seconds == 50.0
    assert made.replaced_stamps == other.replaced_stamps == 0
    take(made, Frame(DARK, 2**62, "front", "", 231.0))
    assert made.replaced_stamps == 1


def test_the_camera_is_named_where_another_is_remembered() -> None:
    cameras = {"front": CameraRecord(count=7, kept=2), "rear": CameraRecord(count=4, kept=0)}
    made = FrameSegments()
    front, rear, side = (take(made, frame(DARK, 1.0, camera), cameras) for camera in ("front", "rear", "side"))
    assert [one.label for one in (front, rear, side)] == ["00:00", "00:00 rear", "00:00 side"]
    assert [one.number for one in (front, rear, side)] == [7, 4, 0]


def test_a_frame_is_compared_with_its_cameras_last_keyframe_that_got_in() -> None:
    made = FrameSegments()
    assert take(made, frame(DARK, 1.0)).kept == "first"
    assert take(made, frame(DARK, 2.0)).kept == ""
    with pytest.raises(ValueError, match="no room"), made.taking(frame(LIGHT, 3.0), SOFT, {}, 0.07) as lost:
        assert lost.kept.startswith("changed by")
        raise ValueError("no room")
    assert take(made, frame(LIGHT, 4.0)).kept.startswith("changed by")
    assert take(made, frame(LIGHT, 5.0)).kept == ""
    assert take(made, frame(LIGHT, 5.0, "rear")).kept == "first"
    assert take(made, frame(LIGHT, 6.0), least=0.0).kept == "every frame"
    made.clear()
    assert take(made, frame(LIGHT, 7.0)).kept == "first"
