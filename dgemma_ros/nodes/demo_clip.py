"""The demo on a video: a camera node plays a clip, tasks go to the planner, and each plan is held to the right one."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dgemma_ros.console.listening import Listener
from dgemma_ros.console.processes import START_WITHIN, Nodes
from dgemma_ros.nodes.demo_view import View

PLAN_WITHIN = 30.0


@dataclass(frozen=True)
class Question:
    """A task, and the right plan for it: skill and arguments of each step; in any order unless ``ordered``."""

    task: str
    plan: list[tuple[str, dict[str, Any]]]
    ordered: bool

    def right(self, message: Any) -> bool:
        """Whether the plan is valid and says just this."""
        steps = [(step.skill, json.loads(step.arguments_json)) for step in message.steps]
        if not message.valid:
            return False
        return steps == self.plan if self.ordered else sorted(map(repr, steps)) == sorted(map(repr, self.plan))


def questions(file: Path) -> list[Question]:
    """The demo's tasks, from the file beside its clip."""
    return [
        Question(entry["task"], [(step.pop("skill"), step) for step in entry["plan"]], entry.get("ordered", True))
        for entry in yaml.safe_load(file.read_text())["tasks"]
    ]


def run(view: View, nodes: Nodes, listener: Listener, model: Path, clip: Path) -> bool:
    """The whole demo; whether every plan was right."""
    began = time.monotonic()
    view.tell("A camera plays a video, and the planner watches it:", "bold")
    nodes.start("camera", source=clip)
    # Each task stands alone: nano has learned earlier plans only where they are to be changed.
    nodes.start("planner", model=model, threads=1, budget=10.0, max_turns=0)
    nodes.wait(lambda: listener.figures.get("state") == "active", "the planner to be ready")
    nodes.wait(lambda: float(listener.figures.get("context frames", 0)) >= 2, "pictures")
    figures = listener.figures
    view.tell(f"Ready after {time.monotonic() - began:.1f} s: {figures['model']} on {figures['backend']}.")
    right = [_ask(view, nodes, listener, question) for question in questions(clip.with_suffix(".yaml"))]
    view.tell()
    verdict = f"{sum(right)} of {len(right)} plans are right."
    view.tell(verdict, "bold green" if all(right) else "bold red")
    view.tell("The clip was chosen for that; engines/nano/README.md says how often nano is right at all.", "dim")
    return all(right)


def _ask(view: View, nodes: Nodes, listener: Listener, question: Question) -> bool:
    """Sends one task and shows what comes back; whether it is right."""
    view.tell()
    view.tell(f"$ ros2 topic pub -1 /task std_msgs/msg/String \"data: '{question.task}'\"", "bold cyan")
    nodes.wait(lambda: listener.say(question.task), "the planner to listen", START_WITHIN)

    def answered() -> Any:
        view.drafts_so_far()
        plan = listener.plan
        return plan if plan is not None and plan.task == question.task and not view.drafts else None

    plan = nodes.wait(answered, "the plan", PLAN_WITHIN)
    view.plan(plan)
    right = question.right(plan)
    if not right:
        wanted = "; ".join(f"{skill} {json.dumps(arguments)}" for skill, arguments in question.plan)
        view.tell(f"This is wrong. Right would be: {wanted}", "red")
    return right
