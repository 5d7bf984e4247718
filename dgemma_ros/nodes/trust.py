"""Whether the model can still be relied on: the backend that fails again and again, weights that changed on disk."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node

from dgemma_ros.errors import CheckpointError
from dgemma_ros.model import Model
from dgemma_ros.nodes import timers
from dgemma_ros.nodes.diagnostics import steady
from dgemma_ros.planning.types import ErrorCode, Plan, Status

FAILURES = 3
"""Plans in a row that the backend failed to make, after which it is not trusted any more."""
LOOK_EVERY = 1.0
"""Seconds between two looks at the weights' files."""


class Trust:
    """Calls ``lose`` once with the reason, in ``group``, when ``model()`` is not to be asked any more."""

    def __init__(
        self, node: Node, group: CallbackGroup, model: Callable[[], Model | None], lose: Callable[[str], object]
    ) -> None:
        self.lost = False
        self._node, self._group, self._model, self._lose = node, group, model, lose
        self._failures = 0
        node.create_timer(LOOK_EVERY, self._look, callback_group=group, clock=steady())

    def renew(self) -> None:
        """Another model is being loaded."""
        self.lost, self._failures = False, 0

    def hear(self, plan: Plan) -> None:
        """A plan was made; from any thread, one at a time."""
        if plan.status is Status.FAILED and plan.error_code is ErrorCode.BACKEND:
            self._failures += 1
            if self._failures == FAILURES:
                why = f"{' '.join(plan.error.split())}; the planner gives up and can be configured again"
                timers.once(self._node, self._group, lambda: self._end(why))
        elif plan.denoising_steps:
            self._failures = 0

    def _look(self) -> None:
        model = self._model()
        if model is not None and not self.lost:
            try:
                model.check_weights()
            except CheckpointError as error:
                self._end(f"{error}; the planner plans no more until it is configured again")

    def _end(self, why: str) -> None:
        if not self.lost:
            self.lost = True
            self._lose(why)
