"""Minutes of ``python -m benchmarks.day``: bounds hold after every piece of work, whatever the clocks say."""

from __future__ import annotations

import pytest

from benchmarks.day import Day
from dgemma_ros.model import Model
from dgemma_ros.planning import Settings, SkillCatalogue


@pytest.mark.parametrize("bounds", [{"max_frames": 5}, {"context_tokens": 1024, "frame_ladder": ["20:1", "60:4"]}])
def test_bounds_hold_at_every_moment(model: Model, skills: SkillCatalogue, bounds: dict[str, object]) -> None:
    settings = Settings(budget=20.0, max_steps=2, **bounds)  # type: ignore[arg-type]
    day = Day(model, skills, settings, seed=3, hurry=20.0)
    try:
        found = day.run(120)
    finally:
        day.close()
    assert not found.over and not found.errors
    assert found.looks > 120 and sum(found.statuses.values()) > 20 and found.replaced > 0
    assert found.asked > 3 and found.alike >= found.asked - 1  # a gap may make a random model say something else


def test_it_notices_a_bound_that_does_not_hold(model: Model, skills: SkillCatalogue) -> None:
    day = Day(model, skills, Settings(max_frames=5, max_steps=2), seed=3)
    day.settings = Settings(max_frames=2)  # what is looked for, not what holds
    try:
        assert day.run(20).over
    finally:
        day.close()
