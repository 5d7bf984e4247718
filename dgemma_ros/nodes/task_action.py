"""The action ``generate_plan``: goals become tasks, drafts their feedback, plans their results.

A goal ends when its plan is there, without a thread or a coroutine that waits for it (rclpy's executor would spin at
full speed for as long as a coroutine waits).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from dgemma_msgs import msg
from dgemma_msgs.action import GeneratePlan
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node

from dgemma_ros.nodes import topics
from dgemma_ros.nodes.plan_messages import new_id, task_of
from dgemma_ros.planning.types import Status, Task


class _Deferred(ActionServer):  # type: ignore[misc]
    """An action server whose goals run without a callback, until one is given to end them."""

    def notify_execute(self, goal_handle: ServerGoalHandle, execute_callback: Callable[..., Any] | None) -> None:
        """Schedules nothing for a goal that has just been started."""
        if execute_callback is not None:
            super().notify_execute(goal_handle, execute_callback)


class TaskAction:
    """``submit`` takes a task, ``cancel`` a task's id, and ``refusal`` says why no goal is taken now ("" where one is).

    :meth:`draft` and :meth:`plan` may be called from any thread.
    """

    def __init__(
        self,
        node: Node,
        group: CallbackGroup,
        result_timeout: float,
        submit: Callable[[Task], object],
        cancel: Callable[[str], object],
        refusal: Callable[[], str],
    ) -> None:
        self._node = node
        self._submit, self._cancel, self._refusal = submit, cancel, refusal
        self._goals: dict[str, ServerGoalHandle] = {}
        self._cancelling: set[str] = set()
        self._ending: set[str] = set()
        self._server = _Deferred(
            node,
            GeneratePlan,
            topics.GENERATE_PLAN.name,
            execute_callback=_never,
            callback_group=group,
            goal_callback=self._ask,
            handle_accepted_callback=self._accept,
            cancel_callback=self._on_cancel,
            result_timeout=round(result_timeout),
        )

    @property
    def busy(self) -> bool:
        """Whether goals wait for their plans, or for their plans to be handed over."""
        return bool(self._goals or self._ending)

    def wants_drafts(self, task_id: str) -> bool:
        """Whether a goal listens to this task's drafts."""
        return task_id in self._goals

    def draft(self, draft: msg.PlanDraft) -> None:
        """A draft to the goal whose task it is of, if any."""
        goal = self._goals.get(draft.task_id)
        if goal is not None and goal.is_active:
            goal.publish_feedback(GeneratePlan.Feedback(draft=draft))

    def plan(self, plan: msg.Plan, status: Status) -> None:
        """A plan to the goal whose task it is of, if any."""
        goal = self._goals.pop(plan.task_id, None)
        if goal is not None:
            self._ending.add(plan.task_id)
            self._end(goal, plan, status, time.monotonic() + 1.0)

    def close(self) -> None:
        """Destroys the server; goals that still run are lost to their clients."""
        self._goals.clear()
        self._server.destroy()

    def _ask(self, request: GeneratePlan.Goal) -> GoalResponse:
        refusal = self._refusal()
        if not refusal and request.task.task_id in self._goals:
            refusal = f"task_id {request.task.task_id!r} has a goal that still runs"
        if refusal:
            self._node.get_logger().warning(f"goal refused: {refusal}", throttle_duration_sec=1.0)
        return GoalResponse.REJECT if refusal else GoalResponse.ACCEPT

    def _accept(self, goal: ServerGoalHandle) -> None:
        request = goal.request.task
        request.task_id = request.task_id or new_id()
        self._goals[request.task_id] = goal
        goal.execute()
        self._submit(task_of(request))

    def _on_cancel(self, goal: ServerGoalHandle) -> CancelResponse:
        task_id = goal.request.task.task_id
        if task_id not in self._goals:
            return CancelResponse.REJECT
        self._cancelling.add(task_id)
        self._cancel(task_id)
        return CancelResponse.ACCEPT

    def _end(self, goal: ServerGoalHandle, plan: msg.Plan, status: Status, patience: float) -> None:
        def end(goal: ServerGoalHandle) -> GeneratePlan.Result:
            if plan.valid:
                goal.succeed()
            elif status is Status.CANCELLED and goal.is_cancel_requested:
                goal.canceled()
            else:
                goal.abort()
            self._cancelling.discard(plan.task_id)
            self._ending.discard(plan.task_id)
            return GeneratePlan.Result(plan=plan)

        def when_cancelled() -> None:
            # The server marks a goal as cancelled only after our callback, so the plan may be quicker than the mark.
            if goal.is_cancel_requested or time.monotonic() > patience:
                self._server.notify_execute(goal, end)
            else:
                self._node.executor.create_task(when_cancelled)

        if status is Status.CANCELLED and plan.task_id in self._cancelling:
            when_cancelled()
        else:
            self._server.notify_execute(goal, end)


def _never(goal: ServerGoalHandle) -> GeneratePlan.Result:
    raise AssertionError("goals end by their plans")
