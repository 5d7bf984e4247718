"""What the planner node listens to while it is active: cameras, tasks, notes, and the word to stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dgemma_msgs import msg
from rclpy.callback_groups import CallbackGroup, MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from std_msgs.msg import Bool, String

from dgemma_ros.nodes import plan_messages, qos, topics
from dgemma_ros.nodes.camera_input import CameraInput
from dgemma_ros.planning.types import Frame, Task


class Inlets:
    """Listens until closed. Cameras, tasks and inhibit are served apart, so that a flood of one holds up no other."""

    def __init__(
        self,
        node: Node,
        cameras: Sequence[str],
        transport: str,
        on_frame: Callable[[Frame], object],
        on_task: Callable[[Task], object],
        on_note: Callable[[str], object],
        on_inhibit: Callable[[bool], object],
    ) -> None:
        self._node = node
        self._subscriptions: list[Any] = []
        self.cameras: list[CameraInput] = []
        tasks, stops = MutuallyExclusiveCallbackGroup(), MutuallyExclusiveCallbackGroup()
        try:
            for name in cameras:
                group = MutuallyExclusiveCallbackGroup()
                self.cameras.append(CameraInput(node, name, transport, on_frame, group))
            self._listen(String, topics.TASK, lambda m: on_task(plan_messages.task_of_text(m.data)), qos.TASKS, tasks)
            self._listen(msg.Task, topics.TASK_REQUEST, lambda m: on_task(plan_messages.task_of(m)), qos.TASKS, tasks)
            self._listen(String, topics.NOTE, lambda m: on_note(m.data), qos.NOTES, tasks)
            self._listen(Bool, topics.INHIBIT, lambda m: on_inhibit(m.data), qos.INHIBIT, stops)
        except BaseException:  # a camera's name that is no topic
            self.close()
            raise

    def _listen(
        self, type_: Any, topic: topics.Name, heard: Callable[[Any], object], profile: Any, group: CallbackGroup
    ) -> None:
        subscription = self._node.create_subscription(
            type_, topic.name, heard, profile, callback_group=group, qos_overriding_options=qos.OVERRIDES
        )
        self._subscriptions.append(subscription)

    def close(self) -> None:
        """Stops listening."""
        while self.cameras:
            self.cameras.pop().close()
        while self._subscriptions:
            self._node.destroy_subscription(self._subscriptions.pop())
