"""A plan as a py_trees tree that runs: a Sequence with memory, one behaviour a step. py_trees is imported when used.

For teams whose robot is led by a py_trees tree: put the subtree where it belongs, and let ``start`` send the skill the
way everything else there is sent. The executor's gates do not guard such a tree: whoever ticks it answers for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from dgemma_ros.errors import DgemmaError
from dgemma_ros.execution.table import ExecutionTable
from dgemma_ros.execution.types import Outcome
from dgemma_ros.skills.types import PlanStep
from dgemma_ros.skills.validation import plan_text


class Running(Protocol):
    """A skill that was started."""

    @property
    def outcome(self) -> Outcome | None:
        """How it ended; None while it goes on."""

    @property
    def reason(self) -> str:
        """Why it failed."""

    def cancel(self) -> None:
        """Asks for its end."""


def plan_tree(
    steps: Iterable[PlanStep], start: Callable[[PlanStep], Running], table: ExecutionTable | None = None
) -> Any:
    """The tree; ``start`` begins a step. Retries are the table's. Raises :class:`DgemmaError` without py_trees."""
    try:
        import py_trees
    except ImportError as error:
        raise DgemmaError(f"py_trees is not installed ({error}): pip install py_trees") from None
    status = py_trees.common.Status

    class Step(py_trees.behaviour.Behaviour):  # type: ignore[misc]
        """One skill: RUNNING until its outcome is there."""

        def __init__(self, step: PlanStep) -> None:
            super().__init__(plan_text([step]))
            self._step = step
            self._running: Running | None = None

        def initialise(self) -> None:
            self._running = start(self._step)

        def update(self) -> Any:
            running = self._running
            if running is None or running.outcome is None:
                return status.RUNNING
            self.feedback_message = running.reason
            return status.SUCCESS if running.outcome is Outcome.SUCCEEDED else status.FAILURE

        def terminate(self, new_status: Any) -> None:
            if new_status == status.INVALID and self._running is not None and self._running.outcome is None:
                self._running.cancel()

    root = py_trees.composites.Sequence("plan", memory=True)
    for step in steps:
        child: Any = Step(step)
        entry = table.entries.get(step.skill) if table is not None else None
        if entry is not None and entry.retries:
            child = py_trees.decorators.Retry(f"retry {step.skill}", child, entry.retries + 1)
        root.add_child(child)
    return root
