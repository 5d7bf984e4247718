"""Which pictures are keyframes: those where something changed, not light, noise or a shaking camera."""

from __future__ import annotations

import numpy as np
import pytest

from dgemma_ros.context.difference import Changes, difference, small
from dgemma_ros.planning import Settings
from dgemma_ros.tabletop.render import render_scene
from dgemma_ros.tabletop.scenes import sample_scene

THRESHOLD = Settings().keyframe_change


@pytest.mark.parametrize("rough", [False, True])
@pytest.mark.parametrize("event", ["moved", "gone", "new"])
def test_what_happens_on_the_table_is_told_from_a_camera_that_shakes(event: str, rough: bool) -> None:
    for seed in range(6):
        scene = sample_scene(np.random.default_rng(seed), 3, event)
        pictures = [small(picture) for picture in render_scene(scene, (160, 120), rough)]
        for before, after, one, other in zip(scene.moments, scene.moments[1:], pictures, pictures[1:], strict=False):
            assert (difference(one, other) >= THRESHOLD) is (before != after)


def test_light_lifts_all_cells_and_is_no_change() -> None:
    picture = np.random.default_rng(1).integers(60, 160, (120, 160, 3), np.uint8)
    assert difference(small(picture), small(picture + 40)) < 0.01
    assert difference(small(picture), small(picture)) == 0.0
    assert difference(small(np.zeros_like(picture)), small(np.full_like(picture, 255))) == 0.0


def test_pictures_are_compared_with_the_last_keyframe_of_their_camera() -> None:
    changes, grey = Changes(), np.full((60, 80, 3), 100, np.uint8)

    def shade(by: int) -> np.ndarray:
        picture = grey.copy()
        picture[:20, :20] += by
        return picture

    first = changes.of("front", grey)
    assert first.reason(0.07) == "first" == changes.of("rear", grey).reason(0.07)
    changes.keep("front", first)
    assert changes.of("front", shade(10)).reason(0.07) == ""
    slow = changes.of("front", shade(30))  # as if it had come in small steps
    assert slow.reason(0.07).startswith("changed by 0.1")
    changes.keep("front", slow)
    assert changes.of("front", shade(30)).reason(0.07) == "" and changes.of("front", shade(30)).reason(0.0)
    changes.clear()
    assert changes.of("front", shade(30)).reason(0.07) == "first"


@pytest.mark.parametrize("shape", [(1, 1), (2, 3000), (480, 640)])
def test_pictures_of_any_size_can_be_compared(shape: tuple[int, int]) -> None:
    assert small(np.zeros((*shape, 3), np.uint8)).shape == (18, 24, 3)
