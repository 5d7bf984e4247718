"""A planner's topics as a terminal hears them. The only module of this room that needs ROS, when it is used."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

from dgemma_ros.errors import DgemmaError, one_line

ASKED_AGAIN: Final = 3.0
"""Seconds without an answer after which a service is asked again."""


class RosError(DgemmaError):
    """ROS 2 or our interfaces are not there."""


class Listener:
    """The newest draft, plan and diagnostics of one planner, and a way to send it tasks. A context manager.

    A thread of its own listens; attributes are replaced as wholes and may be read at any time.
    """

    def __init__(
        self,
        namespace: str = "",
        on_plan: Callable[[Any], None] | None = None,
        on_draft: Callable[[Any], None] | None = None,
    ) -> None:
        try:
            import rclpy
            from dgemma_msgs.msg import Plan, PlanDraft
            from diagnostic_msgs.msg import DiagnosticArray
            from rclpy.exceptions import InvalidNamespaceException
            from rclpy.executors import SingleThreadedExecutor
            from rclpy.qos import DurabilityPolicy, QoSProfile
            from rclpy.signals import SignalHandlerOptions
            from rclpy.validate_namespace import validate_namespace
        except ImportError as error:
            raise RosError(
                f"ROS 2 is not to be found ({error}); `make ros` brings it, or source your workspace"
            ) from error
        self._rclpy = rclpy
        self.namespace = namespace.strip("/")
        self.draft: Any = None
        self.drafts_began = 0.0
        """``time.monotonic()`` of the first draft of its task."""
        self.plan: Any = None
        self.draft_came = self.plan_came = 0.0
        """``time.monotonic()`` when the newest of each came."""
        self.figures: dict[str, str] = {}
        self.message = ""
        self._on_plan, self._on_draft = on_plan, on_draft
        self._publishers: dict[str, Any] = {}
        prefix = f"/{self.namespace}" if self.namespace else "/"
        try:
            validate_namespace(prefix)
        except InvalidNamespaceException as error:
            raise RosError(f"namespace {namespace!r}: {one_line(error)}") from error
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self.node = rclpy.create_node("watch", namespace=prefix, start_parameter_services=False)
        latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.node.create_subscription(Plan, "plan", self._hear_plan, latched)
        self.node.create_subscription(PlanDraft, "plan_draft", self._hear_draft, 50)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._hear_diagnostics, 10)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, name="listener", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._executor.shutdown(timeout_sec=1.0)
        self._thread.join(1.0)
        self.node.destroy_node()
        self._rclpy.try_shutdown()

    @property
    def heard(self) -> bool:
        """Whether a planner is there."""
        return bool(self.figures)

    def say(self, task: str) -> bool:
        """Sends a task, as any shell would; False where nobody listens."""
        from std_msgs.msg import String

        return self._give("task", String(data=task))

    def send(self, task: Any) -> bool:
        """Sends a ``dgemma_msgs/Task``; False where nobody listens."""
        return self._give("task_request", task)

    def _give(self, topic: str, message: Any) -> bool:
        """A publisher is made when it is needed: under DDS security a terminal that only looks on may not have one."""
        if topic not in self._publishers:
            self._publishers[topic] = self.node.create_publisher(type(message), topic, 10)
        if not self._publishers[topic].get_subscription_count():
            return False
        self._publishers[topic].publish(message)
        return True

    def answer(self, ask: Callable[[], Any], within: float) -> Any:
        """What comes of ``ask``, which asks a service and gives the future; None where nothing does within so long.

        It is asked again where no answer comes, so it must not matter how often: a server that has not met its client
        yet drops the answer.
        """
        end = time.monotonic() + within
        while True:
            future, again = ask(), time.monotonic() + ASKED_AGAIN
            while not future.done() and time.monotonic() < min(again, end):
                time.sleep(0.002)
            if future.done():
                return future.result()
            future.cancel()
            if time.monotonic() >= end:
                return None

    @property
    def state(self) -> str:
        """The planner's lifecycle state, as its diagnostics tell it; empty where none is heard."""
        return self.figures.get("state", "")

    def subscriptions(self) -> dict[str, list[str]]:
        """Types by topic that the planner hears, as the ROS graph tells it so far: empty before its node is in there.

        A node's messages may come before the graph tells of it, and its subscriptions one by one.
        """
        from rclpy.node import NodeNameNonExistentError

        try:
            pairs = self.node.get_subscriber_names_and_types_by_node("planner", self.node.get_namespace())
        except NodeNameNonExistentError:
            return {}
        return dict(pairs)

    def now(self) -> int:
        """Nanoseconds of ROS time."""
        return int(self.node.get_clock().now().nanoseconds)

    def _spin(self) -> None:
        from rclpy.executors import ExternalShutdownException

        try:
            self._executor.spin()
        except ExternalShutdownException:
            return

    def _hear_plan(self, plan: Any) -> None:
        self.plan, self.plan_came = plan, time.monotonic()
        if self._on_plan is not None:
            self._on_plan(plan)

    def _hear_draft(self, draft: Any) -> None:
        if self.draft is None or self.draft.task_id != draft.task_id:
            self.drafts_began = time.monotonic()
        self.draft, self.draft_came = draft, time.monotonic()
        if self._on_draft is not None:
            self._on_draft(draft)

    def _hear_diagnostics(self, message: Any) -> None:
        wanted = f"{self.namespace}/planner" if self.namespace else "planner"
        for status in message.status:
            if status.name.split(":")[0] == wanted:
                self.message = status.message
                self.figures = {value.key: value.value for value in status.values}
