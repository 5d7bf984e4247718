from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dgemma_ros.model import Model
from dgemma_ros.planning import Settings, SkillCatalogue
from dgemma_ros.planning.budget import StepTimes
from tests.desk import Desk
from tests.scripted import Script, scripted


@pytest.fixture
def desk_of(model: Model, skills: SkillCatalogue) -> Iterator[Callable[..., Desk]]:
    """Started planners on scripted models."""
    made: list[Desk] = []

    def make(script: Script, times: StepTimes | None = None, **settings: Any) -> Desk:
        start = settings.pop("start", True)
        given = {name: settings.pop(name) for name in ("clock",) if name in settings}
        mind, wanted = scripted(model, script), Settings(**{"frame_rate": 1000.0, **settings})
        desk = Desk(mind, skills, wanted, times=times, **given)
        made.append(desk)
        if start:
            desk.planner.start()
        return desk

    yield make
    for desk in made:
        desk.planner.close()
