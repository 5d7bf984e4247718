"""Scenes are fair questions: reproducible, unambiguous, and with one event at most."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dgemma_ros.tabletop import render
from dgemma_ros.tabletop.scenes import MOST, PLACES, SIDES, TRAYS, Scene, sample_scene


def scenes(count: int, frames: int, event: str | None = None) -> list[Scene]:
    rng = np.random.default_rng(5)
    return [sample_scene(rng, frames, event) for _ in range(count)]


def test_names_are_distinct_and_places_agree_with_coordinates() -> None:
    for scene in scenes(200, 2):
        for moment in scene.moments:
            assert len({o.name for o in moment}) == len(moment) <= MOST
            for obj in moment:
                assert obj.place in PLACES
                if obj.place in SIDES:
                    assert SIDES.index(obj.place) == int(obj.x * 3)
                    assert obj.y < 0.65
                else:
                    assert TRAYS.index(obj.place) == int(obj.x * 2)
                    assert obj.y > 0.75


@pytest.mark.parametrize("event", ["moved", "gone", "new", ""])
def test_one_event_and_the_scene_says_which(event: str) -> None:
    for scene in scenes(50, 3, event):
        first, last = ({o.name: o.place for o in m} for m in (scene.moments[0], scene.moments[-1]))
        changed = {n for n in first.keys() | last.keys() if first.get(n) != last.get(n)}
        assert changed == ({scene.subject} if event else set())
        assert scene.event == event
        if event == "moved":
            assert first[scene.subject] == scene.origin != last[scene.subject]
        assert len(scene.now) >= 2 or event != "gone"


def test_the_same_scene_gives_the_same_pictures() -> None:
    scene = scenes(1, 2)[0]
    once, again = render.render_scene(scene), render.render_scene(scene)
    assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))
    assert once[0].shape == (240, 320, 3)
    assert once[0].dtype == np.uint8


def test_objects_are_where_the_scene_says() -> None:
    """Remove an object: the picture changes around its place and nowhere else (noise apart)."""
    for scene in [s for s in scenes(20, 1) if s.now]:
        look = render.Look.draw(scene.seed)
        full = render.draw_moment(scene.now, look, np.random.default_rng(1))
        less = render.draw_moment(scene.now[1:], look, np.random.default_rng(1))
        rows, columns = np.nonzero(np.abs(full.astype(int) - less).max(-1) > 12)
        x, y = render.picture_point(scene.now[0].x, scene.now[0].y, look)
        assert abs(columns.mean() / 320 - x) < 0.03
        assert abs(rows.mean() / 240 - y) < 0.04


def test_a_clip_starts_and_ends_with_the_scene() -> None:
    scene = scenes(1, 2, "moved")[0]
    frames = list(render.render_clip(scene, (320, 240), steps=6))
    assert len(frames) == 7
    ends = render.render_scene(scene)
    for frame, end in ((frames[0], ends[0]), (frames[-1], ends[-1])):
        assert np.abs(frame.astype(int) - end).mean() < 8


@pytest.mark.parametrize("camera", [render.FRONT, render.REAR])
@pytest.mark.parametrize("size", [(320, 240), (320, 180)])
def test_every_camera_sees_objects_where_it_is_said(camera: str, size: tuple[int, int]) -> None:
    for number, scene in enumerate(s for s in scenes(20, 1) if s.now):
        look = replace(render.Look.draw(scene.seed, rough=True), noise=0.0, jpeg=0, gain=np.ones(3, np.float32))
        rng = [np.random.default_rng(number) for _ in range(2)]
        full = render.draw_moment(scene.now, look, rng[0], size, camera).astype(int)
        less = render.draw_moment(scene.now[1:], look, rng[1], size, camera)
        weight = np.abs(full - less).max(-1)
        rows, columns = np.nonzero(weight > 12)
        x, y = render.picture_point(scene.now[0].x, scene.now[0].y, look, size, camera)
        assert abs(columns.mean() / size[0] - x) < 0.04 and abs(rows.mean() / size[1] - y) < 0.06


def test_there_may_be_nothing_and_there_may_be_twins() -> None:
    rng = np.random.default_rng(3)
    assert {len(sample_scene(rng).now) for _ in range(200)} == set(range(MOST + 1))
    for _ in range(20):
        names = [o.name for o in sample_scene(rng, twins=True).now]
        assert len(names) - len(set(names)) == 1
