"""What a call's confidence comes of: the last step's entropy, or where the checkpoint says so the highest of all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dgemma_ros.checkpoint.generation import Calibration
from dgemma_ros.model import Model
from dgemma_ros.planning import Planner, Settings, SkillCatalogue, Task
from tests.desk import Recorder
from tests.scripted import Asked, Says, call, scripted


def confidences(model: Model, skills: SkillCatalogue, calibration: Calibration | None) -> list[float | None]:
    """Of two calls; over the first one's argument the model hesitates in its first step."""
    says = Says(model, call("pick{object:'red cube'}") + call("stop{}"))
    count = len(model.chat.tokenizer.encode(call("pick{object:'red cube'}"), trusted=True))

    def script(asked: Asked) -> Any:
        ids, _ = says(asked)
        unsure = 0.5 if asked.step == 0 else 0.0
        return ids, [unsure if place == count - 3 else 0.0 for place in range(len(ids))]

    mind = scripted(replace(model, generation=replace(model.generation, calibration=calibration)), script)
    seen = Recorder()
    planner = Planner(mind, skills, Settings(), None, seen.on_plan)
    planner.start()
    try:
        planner.submit(Task("t", "pick up the red cube and stop", 30.0))
        return [step.confidence for step in seen.plan("t").steps]
    finally:
        planner.close()


def test_the_last_steps_entropy_is_what_counts_by_default(model: Model, skills: SkillCatalogue) -> None:
    assert confidences(model, skills, None) == [1.0, 1.0]
    certain = Calibration(0.0, 1.0)(0.0)
    assert confidences(model, skills, Calibration(0.0, 1.0)) == [certain, certain]


def test_a_checkpoint_may_count_the_highest_of_all_steps(model: Model, skills: SkillCatalogue) -> None:
    told = Calibration(0.0, 1.0, highest=True)
    first, second = confidences(model, skills, told)
    assert first == pytest.approx(told(0.5)) and second == pytest.approx(told(0.0)) and told(0.5) < told(0.0)
