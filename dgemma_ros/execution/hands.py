"""What a dispatcher has done, and how long and how often it lets that be tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from dgemma_ros.execution.approvals import Request
from dgemma_ros.execution.entry import Entry
from dgemma_ros.execution.types import Dispatch, NextTask, Progress, Result


class Hands(Protocol):
    """What the dispatcher has done. Nothing here may call back before it has returned."""

    def send(self, dispatch: Dispatch, entry: Entry) -> None:
        """Sends a skill's goal; then accepted, rejected or lost, and ended are told."""

    def cancel(self, dispatch: Dispatch, entry: Entry) -> None:
        """Asks for a goal's end, whether or not it was accepted."""

    def tell(self, result: Result) -> None:
        """Publishes an outcome."""

    def ask(self, request: Request) -> None:
        """Publishes a request for approval, or how it was settled."""

    def show(self, progress: Progress) -> None:
        """Publishes where things stand."""

    def plan(self, task: NextTask) -> None:
        """Asks the planner for the rest of a task, or whether it is reached."""

    def ask_rule(self, task_id: str, task: str, plan_id: str) -> bool:
        """Asks a rule whether the goal is reached; False where there is none, otherwise its answer is told."""


@dataclass(frozen=True)
class Limits:
    """How long and how often; seconds."""

    accept: float = 3.0
    """From sending a goal to its acceptance."""
    cancel: float = 5.0
    """From cancel to the end."""
    approval: float = 60.0
    """For which an approval may be given."""
    plan: float = 30.0
    """For the planner's answer to what it was asked."""
    rule: float = 2.0
    attempts: int = 3
    """Plans for one task."""
    same_priority_replaces: bool = True
    """A new plan of the same priority takes the running one's place; otherwise it is refused."""
