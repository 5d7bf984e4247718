"""What the executor node's dispatcher decides, done over ROS: goals, results, requests, and questions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from dgemma_msgs import msg, srv
from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node

from dgemma_ros.execution.approvals import Request
from dgemma_ros.execution.dispatch import Dispatcher
from dgemma_ros.execution.entry import Entry
from dgemma_ros.execution.types import Dispatch, NextTask, Progress, Result
from dgemma_ros.nodes import execution_messages as messages
from dgemma_ros.nodes import qos, timers, topics
from dgemma_ros.nodes.skill_clients import SkillClients


class RosHands:
    """The :class:`Hands` of an executor node. They live as long as the node, so that a late joiner finds the last
    result; ``dispatcher`` and ``actions`` give what there is now, ``guard`` wraps every callback of ours."""

    def __init__(
        self,
        node: Node,
        group: CallbackGroup,
        dispatcher: Callable[[], Dispatcher | None],
        actions: Callable[[], SkillClients | None],
        guard: Callable[[Callable[[], object]], None],
    ) -> None:
        self._node, self._group, self._guard = node, group, guard
        self._dispatcher, self._actions = dispatcher, actions
        publisher = functools.partial(node.create_publisher, qos_overriding_options=qos.OVERRIDES)
        self._results = publisher(msg.SkillResult, topics.SKILL_RESULT.name, qos.of(topics.SKILL_RESULT))
        self._progress = publisher(msg.Execution, topics.EXECUTION.name, qos.PLANS)
        self._requests = publisher(msg.ApprovalRequest, topics.APPROVAL_REQUEST.name, qos.PLANS)
        self._tasks = publisher(msg.Task, topics.TASK_REQUEST.name, qos.of(topics.TASK_REQUEST))
        self._rule = node.create_client(srv.GoalReached, topics.GOAL_REACHED.name, callback_group=group)

    def send(self, dispatch: Dispatch, entry: Entry) -> None:
        """Sends a skill's goal."""
        actions, dispatcher = self._actions(), self._dispatcher()
        if actions is not None and dispatcher is not None:
            actions.send(dispatch, entry, dispatcher.flight)

    def cancel(self, dispatch: Dispatch, entry: Entry) -> None:
        """Asks for its end."""
        if (actions := self._actions()) is not None:
            actions.cancel(dispatch, entry)

    def tell(self, result: Result) -> None:
        """Publishes an outcome."""
        self._results.publish(messages.result_message(result, self._node.get_clock()))

    def ask(self, request: Request) -> None:
        """Publishes a request for approval."""
        self._requests.publish(messages.request_message(request, self._node.get_clock()))

    def show(self, progress: Progress) -> None:
        """Publishes where things stand."""
        self._progress.publish(messages.progress_message(progress, self._node.get_clock()))
        if progress.ending:
            ended = f"{progress.ending.value.lower().replace('_', ' ')}: {progress.message or progress.reason}"
            self._node.get_logger().info(f"{progress.task[:60]!r} {ended}")

    def plan(self, task: NextTask) -> None:
        """Asks the planner, when its camera has seen what came of the last skill."""
        remember = bool(self._node.get_parameter("remember").value)
        message = messages.task_message(task, remember)

        def ask() -> None:
            dispatcher = self._dispatcher()
            if dispatcher is not None and dispatcher.awaits(task.task_id):
                self._tasks.publish(message)

        settle = max(timers.SOON, float(self._node.get_parameter("settle").value))
        timers.once(self._node, self._group, ask, settle)

    def ask_rule(self, task_id: str, task: str, plan_id: str) -> bool:
        """Asks whoever offers ``goal_reached``; False where that is nobody, or is not wanted."""
        if not self._node.get_parameter("ask_rule").value or not self._rule.service_is_ready():
            return False
        request = srv.GoalReached.Request(task_id=task_id, task=task, plan_id=plan_id)

        def answered(future: Any) -> None:
            answer = future.result()
            if (dispatcher := self._dispatcher()) is not None:
                dispatcher.rule_said(task_id, answer.known, answer.reached)

        self._rule.call_async(request).add_done_callback(lambda future: self._guard(lambda: answered(future)))
        return True
