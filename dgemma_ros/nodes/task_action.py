"""The action ``generate_plan``: goals become tasks, drafts their feedback, plans their results.

A goal ends when its plan is there, without a thread or a coroutine that waits for it (rclpy's executor would spin at
full speed for as long as a coroutine waits).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from dgemma_msgs import msg
from dgemma_msgs.action import GeneratePlan
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node

from dgemma_ros.nodes import qos, topics
from dgemma_ros.nodes.plan_messages import new_id, task_of
from dgemma_ros.planning.types import Plan, PlanDraft, Status, Task

Said = TypeVar("Said", Plan, PlanDraft)


class Deferred(ActionServer):  # type: ignore[misc]
    """An action server whose goals run without a callback, until one is given to end them."""

    def notify_execute(self, goal_handle: ServerGoalHandle, execute_callback: Callable[..., Any] | None) -> None:
        """Schedules nothing for a goal that has just been started."""
        if execute_callback is not None:
            super().notify_execute(goal_handle, execute_callback)


class TaskAction:
    """``submit`` takes a task, ``cancel`` a task's id, and ``refusal`` says why no goal is taken now ("" where one is).
    ``sent`` says when a goal's task was sent, of ``time.monotonic()``.

    :meth:`draft` and :meth:`plan` may be called from any thread.
    """

    def __init__(
        self,
        node: Node,
        group: CallbackGroup,
        result_timeout: float,
        submit: Callable[[Task], object],
        sent: Callable[[msg.Task], float],
        cancel: Callable[[str], bool],
        refusal: Callable[[], str],
    ) -> None:
        self._node = node
        self._submit, self._sent, self._cancel, self._refusal = submit, sent, cancel, refusal
        self._goals: dict[str, ServerGoalHandle] = {}
        self._cancelling: set[str] = set()
        self._ending: set[str] = set()
        self._server = Deferred(
            node,
            GeneratePlan,
            topics.GENERATE_PLAN.name,
            execute_callback=_never,
            callback_group=group,
            goal_callback=self._ask,
            handle_accepted_callback=self._accept,
            cancel_callback=self._on_cancel,
            result_timeout=round(result_timeout),
            goal_service_qos_profile=qos.GOALS,
            result_service_qos_profile=qos.GOALS,
            cancel_service_qos_profile=qos.GOALS,
        )

    @property
    def busy(self) -> bool:
        """Whether goals wait for their plans, or for their plans to be handed over."""
        return bool(self._goals or self._ending)

    def under_own_name(self, said: Said) -> Said:
        """A draft or plan under the task_id that its goal asked for; the very same object where it is no goal's."""
        goal = self._goals.get(said.task_id)
        return said if goal is None else replace(said, task_id=goal.request.task.task_id)

    def draft(self, key: str, draft: msg.PlanDraft) -> None:
        """A draft to the goal whose task it is of, if any."""
        goal = self._goals.get(key)
        if goal is not None and goal.is_active:
            goal.publish_feedback(GeneratePlan.Feedback(draft=draft))

    def plan(self, key: str, plan: msg.Plan, status: Status) -> None:
        """A plan to the goal whose task it is of, if any."""
        goal = self._goals.get(key)
        if goal is not None:
            self._ending.add(key)
            del self._goals[key]
            self._end(key, goal, plan, status)

    def _ask(self, request: GeneratePlan.Goal) -> GoalResponse:
        if refusal := self._refusal():
            self._node.get_logger().warning(f"goal refused: {refusal}", throttle_duration_sec=1.0)
        return GoalResponse.REJECT if refusal else GoalResponse.ACCEPT

    def _accept(self, goal: ServerGoalHandle) -> None:
        request = goal.request.task
        request.task_id = request.task_id or new_id()
        key = _key(goal)
        task = replace(task_of(request), task_id=key, received=self._sent(request))
        goal.request.task = msg.Task(task_id=request.task_id)  # kept as long as the result; the words are not
        self._goals[key] = goal
        goal.execute()
        self._submit(task)

    def _on_cancel(self, goal: ServerGoalHandle) -> CancelResponse:
        self._cancelling.add(key := _key(goal))
        if self._cancel(key):
            return CancelResponse.ACCEPT
        self._cancelling.discard(key)
        return CancelResponse.REJECT

    def _end(self, key: str, goal: ServerGoalHandle, plan: msg.Plan, status: Status) -> None:
        patience = time.monotonic() + 1.0

        def end(goal: ServerGoalHandle) -> GeneratePlan.Result:
            if plan.valid:
                goal.succeed()
            elif status is Status.CANCELLED and goal.is_cancel_requested:
                goal.canceled()
            else:
                goal.abort()
            self._cancelling.discard(key)
            self._ending.discard(key)
            return GeneratePlan.Result(plan=plan)

        def when_marked() -> None:
            # The server marks a goal as cancelled only after our callback, so the plan may be quicker than the mark.
            if goal.is_cancel_requested or time.monotonic() > patience:
                self._server.notify_execute(goal, end)
            else:
                self._node.executor.create_task(when_marked)

        if status is Status.CANCELLED and key in self._cancelling:
            when_marked()
        else:
            self._server.notify_execute(goal, end)


def _key(goal: ServerGoalHandle) -> str:
    """The id of a goal's task inside: the goal's own, for a task_id on a topic may be the same as one in a goal."""
    return f"goal {bytes(goal.goal_id.uuid).hex()}"


def _never(goal: ServerGoalHandle) -> GeneratePlan.Result:
    raise AssertionError("goals end by their plans")
