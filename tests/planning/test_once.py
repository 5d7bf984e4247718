"""One task from beginning to end, without threads of one's own."""

from __future__ import annotations

import pytest

from dgemma_ros.model import Model
from dgemma_ros.planning import PlanDraft, Settings, SkillCatalogue, Status, Task, plan_once
from tests.desk import picture
from tests.scripted import Says, call, scripted

TASK = Task("t", "stop at once", budget=60.0)


def test_pictures_are_read_and_drafts_shown(model: Model, skills: SkillCatalogue) -> None:
    drafts: list[PlanDraft] = []
    said = Says(model, call("stop{}"))
    plan = plan_once(scripted(model, said), skills, Settings(), TASK, [picture(1), picture(2)], drafts.append)
    assert plan.valid and len(drafts) == plan.denoising_steps == 2
    assert said.read().count("<image|>") == 2 and plan.latency.total > plan.latency.vision > 0


def test_a_drafts_listener_that_fails_ends_the_plan_and_its_error_is_raised(
    model: Model, skills: SkillCatalogue
) -> None:
    drafts: list[PlanDraft] = []

    def show(draft: PlanDraft) -> None:
        drafts.append(draft)
        if draft.step == 2:
            raise OSError("no screen any more")

    mind = scripted(model, Says(model, call("stop{}"), entropy=1.0))
    with pytest.raises(OSError, match="no screen any more"):
        plan_once(mind, skills, Settings(), TASK, on_draft=show)
    assert len(drafts) == 3
    assert plan_once(mind, skills, Settings(), TASK).status is Status.STEP_LIMIT  # the model is free again
