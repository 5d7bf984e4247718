"""A dispatcher with a clock that is set by hand and hands that write down what they are told to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dgemma_ros.execution.approvals import Asked, Request
from dgemma_ros.execution.dispatch import Dispatcher
from dgemma_ros.execution.gates import Terms
from dgemma_ros.execution.hands import Limits
from dgemma_ros.execution.journal import Journal
from dgemma_ros.execution.table import ExecutionTable
from dgemma_ros.execution.types import Dispatch, NextTask, Order, Progress, Result
from dgemma_ros.skills.catalogue import SkillCatalogue
from dgemma_ros.skills.types import PlanStep

SKILLS = """
skills:
  - {name: pick, description: d, arguments: {object: {type: string, required: true}}}
  - name: place
    description: d
    arguments:
      object: {type: string, required: true}
      target: {type: string, required: true, choices: [left, right]}
  - {name: cut, description: d, arguments: {object: {type: string, required: true}}}
  - {name: weld, description: d}
  - {name: say, description: d, arguments: {text: {type: string, required: true}}}
  - {name: done, description: d}
  - {name: fly, description: d}
execution:
  defaults: {action: execute_skill, timeout: 10, feedback_timeout: 2}
  skills:
    pick: {retries: 1, retry_on: [slipped]}
    place:
    cut: {approval: step}
    weld: {approval: plan}
    say: {effect: false}
    done: {action: none, effect: false, idle: true}
"""


class Recorder:
    """Hands that do nothing but remember."""

    def __init__(self) -> None:
        self.sent: list[Dispatch] = []
        self.cancelled: list[str] = []
        self.told: list[Result] = []
        self.asked: list[Request] = []
        self.shown: list[Progress] = []
        self.planned: list[NextTask] = []
        self.rule = False

    def send(self, dispatch: Dispatch, entry: Any) -> None:
        self.sent.append(dispatch)

    def cancel(self, dispatch: Dispatch, entry: Any) -> None:
        self.cancelled.append(dispatch.dispatch_id)

    def tell(self, result: Result) -> None:
        self.told.append(result)

    def ask(self, request: Request) -> None:
        self.asked.append(request)

    def show(self, progress: Progress) -> None:
        self.shown.append(progress)

    def plan(self, task: NextTask) -> None:
        self.planned.append(task)

    def ask_rule(self, task_id: str, task: str, plan_id: str) -> bool:
        return self.rule

    @property
    def pending(self) -> Request:
        assert self.asked[-1].state is Asked.PENDING
        return self.asked[-1]


class Desk:
    """The dispatcher and all round it."""

    def __init__(self, folder: Path, skills: str = SKILLS, **limits: Any) -> None:
        self.now, self.number = 1000.0, 0
        self.file = folder / "skills.yaml"
        folder.mkdir(exist_ok=True)
        self.file.write_text(skills)
        self.catalogue = SkillCatalogue.load(self.file)
        self.terms = Terms(ExecutionTable.load(self.file, self.catalogue), self.catalogue)
        self.path = folder / "journal.jsonl"
        self.limits = Limits(**limits)
        self.open()

    def open(self) -> list[Dispatch]:
        """A new executor on the journal that is there."""
        self.hands = Recorder()
        self.journal = Journal(self.path)
        self.dispatcher = Dispatcher(self.terms, self.journal, self.hands, lambda: self.now, self.limits)
        return self.dispatcher.recover()

    def kill(self) -> list[Dispatch]:
        """As SIGKILL: nothing is said, and another one starts."""
        self.journal.close()
        return self.open()

    def order(self, *calls: str, **changes: Any) -> Order:
        """A plan of calls such as ``place a left``, good for 10 s."""
        self.number += 1
        values: dict[str, Any] = {
            **{"plan_id": f"p{self.number}", "task_id": f"t{self.number}", "task": "do it", "valid": True},
            **{"stale": False, "begin_before": self.now + 10.0, "observation_stamp_ns": 7},
            "steps": tuple(step(call) for call in calls),
        }
        return Order(**(values | changes))

    def give(self, *calls: str, **changes: Any) -> Order:
        order = self.order(*calls, **changes)
        self.dispatcher.plan(order)
        return order

    def answer(self, *calls: str, **changes: Any) -> Order:
        """The plan that was asked for last."""
        task = self.hands.planned[-1]
        return self.give(*calls, task_id=task.task_id, parent_plan_id=task.parent_plan_id, **changes)


def step(call: str) -> PlanStep:
    skill, *values = call.split()
    names = {"say": ["text"]}.get(skill, ["object", "target"])
    return PlanStep(skill, dict(zip(names, values, strict=False)), 0.9)
