"""Between two namespaces: messages, services and actions handed on, lost, doubled or late, as a test wants it.

Everything is handed on by the test's own node, over DDS on both sides.

A topic is one wire; a service is two, `approve` and `approve answer`; an action is its three services and two topics:
`arm send_goal`, `arm send_goal answer`, …, `arm feedback`, `arm status`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.qos import QoSProfile, qos_profile_action_status_default
from rclpy.task import Future

from tests.nodes.graph import DEEP, Graph

NO_ANSWER = object()


class Fault(StrEnum):
    """What happens on a wire."""

    NONE = "none"
    LOST = "lost"
    TWICE = "twice"
    LATE = "late"


@dataclass(frozen=True)
class Trouble:
    """The fault of a wire: for the first ``times`` messages, all of them where it is 0; ``seconds`` is how late."""

    fault: Fault
    seconds: float = 0.5
    times: int = 0


class Relay:
    """``heard`` counts what came on each wire, ``wires`` says what happens there."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.node = graph, graph.node
        self.group = ReentrantCallbackGroup()
        self.wires: dict[str, Trouble] = {}
        self.heard: Counter[str] = Counter()
        self._publishers: dict[str, Any] = {}
        self._parts: list[Any] = []

    def clear(self) -> None:
        """All wires are well again."""
        self.wires.clear()
        self.heard.clear()

    def close(self) -> None:
        for destroy, part in reversed(self._parts):
            self.graph.in_turn(lambda destroy=destroy, part=part: destroy(part))
        self._parts.clear()

    def topic(self, type_: Any, source: str, target: str, wire: str, profile: QoSProfile = DEEP) -> None:
        """Hands a topic on."""
        publisher = self._publishers[wire] = self.node.create_publisher(type_, target, profile)

        def hear(message: Any) -> None:
            fault, seconds = self._fault(wire)
            if fault is Fault.LATE:
                self._after(seconds, lambda: publisher.publish(message))
            for _ in range({Fault.NONE: 1, Fault.TWICE: 2}.get(fault, 0)):
                publisher.publish(message)

        subscription = self.node.create_subscription(type_, source, hear, profile, callback_group=self.group)
        self._parts += [(self.node.destroy_publisher, publisher), (self.node.destroy_subscription, subscription)]

    def reaches(self, wire: str) -> bool:
        """Whether somebody listens at the other end of a topic: before that, what is handed on is lost by itself."""
        return bool(self._publishers[wire].get_subscription_count())

    def service(self, type_: Any, source: str, target: str, wire: str) -> None:
        """Offers ``source`` and asks ``target``, its true server."""
        client = self.node.create_client(type_, target, callback_group=self.group)

        async def answer(request: Any, response: Any) -> Any:
            fault, seconds = self._fault(wire)
            if fault is Fault.LOST:
                return NO_ANSWER
            if fault is Fault.LATE:
                await self._wait(seconds)
            asked = [client.call_async(request) for _ in range(2 if fault is Fault.TWICE else 1)]
            answered = await asked[0]
            fault, seconds = self._fault(f"{wire} answer")
            if fault is Fault.LATE:
                await self._wait(seconds)
            return NO_ANSWER if fault is Fault.LOST else answered

        server = self.node.create_service(type_, source, answer, callback_group=self.group)
        send = server.send_response
        server.send_response = lambda response, header: response is NO_ANSWER or send(response, header)
        self._parts += [(self.node.destroy_client, client), (self.node.destroy_service, server)]

    def action(self, type_: Any, source: str, target: str, wire: str) -> None:
        """Offers the action ``source``, which ``target`` carries out."""
        kind = type_.Impl
        for service, name in (
            (kind.SendGoalService, "send_goal"),
            (kind.CancelGoalService, "cancel_goal"),
            (kind.GetResultService, "get_result"),
        ):
            self.service(service, f"{source}/_action/{name}", f"{target}/_action/{name}", f"{wire} {name}")
        status = qos_profile_action_status_default
        self.topic(kind.FeedbackMessage, f"{target}/_action/feedback", f"{source}/_action/feedback", f"{wire} feedback")
        self.topic(
            kind.GoalStatusMessage, f"{target}/_action/status", f"{source}/_action/status", f"{wire} status", status
        )

    def _fault(self, wire: str) -> tuple[Fault, float]:
        self.heard[wire] += 1
        trouble = self.wires.get(wire)
        if trouble is None or (trouble.times and self.heard[wire] > trouble.times):
            return Fault.NONE, 0.0
        return trouble.fault, trouble.seconds

    def _after(self, seconds: float, do: Any) -> None:
        def once() -> None:
            self.node.destroy_timer(timer)
            do()

        timer = self.node.create_timer(seconds, once, callback_group=self.group)

    async def _wait(self, seconds: float) -> None:
        future: Any = Future()
        self._after(seconds, lambda: future.set_result(None))
        await future
