"""The planner as use has it, one question after another: what evaluation asks with."""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dgemma_ros.model import Model, open_model
from dgemma_ros.planning import Event, EventKind, Frame, Plan, Planner, Settings, SkillCatalogue, Task
from dgemma_ros.planning.types import PlanStep
from dgemma_ros.skills.validation import plan_text
from training.tasks import Call, Outcome
from training.tasks import Plan as Calls

LONG = 120.0


class Desk:
    """A planner with its default settings, started; answers are waited for. Close it in the end."""

    def __init__(self, folder: Path, model: Model | None = None, **changes: Any):
        self.model = model or open_model(folder, threads=1)
        self._more = threading.Condition()
        self._plans: dict[str, Plan] = {}
        self._numbers = itertools.count()
        self.errors: list[str] = []
        skills = SkillCatalogue.load(folder / "skills.yaml")
        self.settings = replace(Settings(budget=60.0), **changes)
        self.planner = Planner(self.model, skills, self.settings, None, self._on_plan, self._on_event)
        self.planner.start()

    def _on_plan(self, plan: Plan) -> None:
        with self._more:
            self._plans[plan.task_id] = plan
            self._more.notify_all()

    def _on_event(self, event: Event) -> None:
        if event.kind is EventKind.ERROR:
            self.errors.append(event.text)

    def show(self, picture: np.ndarray, seconds: float, camera: str = "front") -> None:
        self.planner.read_frame(Frame(picture, int(seconds * 1e9), camera, "", time.monotonic()))

    def ask(self, text: str, remember: bool = False, template: str = "") -> Plan:
        name = f"t{next(self._numbers)}"
        task = Task(name, text, LONG, remember=remember, template_text=template, received=time.monotonic())
        self.planner.submit(task)
        with self._more:
            assert self._more.wait_for(lambda: name in self._plans, 2 * LONG), "no plan came"
            return self._plans.pop(name)

    def say(self, text: str, calls: Calls) -> Plan:
        """A turn whose plan is given, so that it is remembered."""
        said = plan_text([PlanStep(skill, arguments, 1.0) for skill, arguments in calls])
        return self.ask(text, remember=True, template=said)

    def tell(self, plan: Plan, outcomes: tuple[Outcome, ...]) -> None:
        """What became of a plan's first steps."""
        for number, outcome in enumerate(outcomes):
            skill, arguments = outcome.call
            self.planner.add_result(plan.plan_id, number, outcome.status, outcome.reason, skill, arguments)

    def close(self) -> None:
        self.planner.close()


def calls_of(plan: Plan) -> list[Call]:
    """A plan as training writes it."""
    return [(step.skill, dict(step.arguments)) for step in plan.steps]


def confidence_of(plan: Plan) -> float:
    """How sure a plan is of its least sure step; 0 without steps."""
    return min((step.confidence or 0.0 for step in plan.steps), default=0.0)
