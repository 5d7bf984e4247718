"""What a planner node says of itself: plans and events as lines of the log, its health once a second."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node

from dgemma_ros.nodes import plan_messages
from dgemma_ros.nodes.diagnostics import Health
from dgemma_ros.planning.types import Confirmation, Event, EventKind, Plan, Status

_LOUD = {EventKind.DEADLINE_MISSED, EventKind.ERROR, EventKind.JOURNAL}


class Report:
    """The log of a planner node, and what its diagnostics say besides the planner's own figures."""

    def __init__(self, node: Node) -> None:
        self._node, self._logger = node, node.get_logger()
        self.lost: Counter[str] = Counter()
        """Messages that never reached the node, by topic."""
        self._namesakes = 0
        self._unread = 0

    def plan(self, plan: Plan) -> None:
        """One line a plan; a flood of tasks that are refused is no flood of lines."""
        said = f"plan of {plan.task_id}: {plan.status}, {'valid' if plan.valid else plan.error or 'not valid'}"
        if not plan.denoising_steps and plan.status in (Status.REJECTED, Status.PREEMPTED):
            self._logger.info(plan_messages.excerpt(said), throttle_duration_sec=1.0)
        else:
            figures = f"{len(plan.steps)} steps, {1e3 * plan.latency.total:.0f} ms"
            if plan.confirmation is Confirmation.DIFFERED:
                figures += f"; another seed: {plan.other_text or 'no plan'}"
            if plan.recalled:
                figures += f"; recalled: {', '.join(frame.label for frame in plan.recalled)}"
            self._logger.info(plan_messages.excerpt(f"{said}, {figures}"))

    def event(self, event: Event) -> None:
        """What the planner tells."""
        text = f"{event.kind.lower().replace('_', ' ')}: {event.text}"
        if event.kind is EventKind.STEP_TIME_DRIFT:
            self._logger.warning(text, throttle_duration_sec=30.0)
        elif event.kind in _LOUD:
            self._logger.warning(text)
        elif event.kind is EventKind.TASK_STARTED:
            self._logger.info(f"task {event.task_id}: {' '.join(event.text.split())}")
        else:
            self._logger.debug(text)

    def look(self, health: Health, callback_errors: int, skewed: int) -> None:
        """Adds what went wrong around the planner: callbacks, lost messages, other clocks, other nodes of its name."""
        if callback_errors:
            health.put({"callback errors": callback_errors})
            health.raise_to(DiagnosticStatus.WARN, f"{callback_errors} callbacks failed; the log says where")
        for topic, count in sorted(self.lost.items()):
            health.put({f"{topic} lost": count})
            health.raise_to(DiagnosticStatus.WARN, f"{topic}: {count} messages were lost before they were read")
        if skewed:
            health.put({"tasks from other clocks": skewed})
        self._look_for_namesakes(health)

    def look_at_words(self, health: Health, dropped: Mapping[str, int]) -> None:
        """Adds that notes or results come faster than they are read, while they do."""
        count = sum(dropped.values())
        if count > self._unread:
            text = f"{count} notes and results went unread so far: they come faster than they can be read"
            health.raise_to(DiagnosticStatus.WARN, text)
            self._logger.warning(text, throttle_duration_sec=10.0)
        self._unread = count

    def _look_for_namesakes(self, health: Health) -> None:
        """Two planners of one name answer every task twice, and neither's parameters can be told from the other's."""
        own = (self._node.get_name(), self._node.get_namespace())
        others = self._node.get_node_names_and_namespaces().count(own) - 1
        if others > 0:
            name = self._node.get_fully_qualified_name()
            text = f"{others} more nodes call themselves {name}: give each robot a namespace"
            health.raise_to(DiagnosticStatus.WARN, text)
            if others != self._namesakes:
                self._logger.warning(text)
        self._namesakes = others
