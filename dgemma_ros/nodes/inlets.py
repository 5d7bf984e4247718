"""What the planner node listens to: tasks, cameras, notes, and the word to stop."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from dgemma_msgs import msg
from rclpy.callback_groups import CallbackGroup, MutuallyExclusiveCallbackGroup
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from std_msgs.msg import Bool, String

from dgemma_ros.nodes import diagnostics, plan_messages, qos, topics
from dgemma_ros.nodes.arrival import Arrival
from dgemma_ros.nodes.camera_input import CameraInput, PictureGate
from dgemma_ros.planning.types import Task

DISPATCHES_KNOWN = 1000
"""Dispatches that are remembered as heard."""
WORDS_EVERY = 0.1
"""Seconds between two looks for notes and results; each task has one before it, too."""
Heard = Callable[[Any, Any], object]
"""Gets a message and what the middleware says of it."""


class _Losses:
    """Counts a topic's messages that never reached us.

    The middleware tells of those that it gave up, and not of those that newer ones pushed out of a full queue. Those
    leave a gap in the sender's count, which can be read where there is one sender.
    """

    def __init__(self, node: Node, topic: str, lost: Counter[str]) -> None:
        self._node, self._topic, self._lost = node, topic, lost
        self._last = 0
        self._told = 0

    def tell(self, count: int) -> None:
        """The middleware says that so many were lost."""
        self._told += count
        self._add(count)

    def heard(self, info: Any) -> None:
        """A message came, with this count of its sender's."""
        number, last = int((info or {}).get("publication_sequence_number") or 0), self._last
        self._last = number
        gap = number - last - 1
        if last and gap > 0 and self._node.count_publishers(self._topic) == 1:
            self._add(max(0, gap - self._told))
            self._told = max(0, self._told - gap)

    def _add(self, count: int) -> None:
        if count:
            self._lost[self._topic] += count
            self._node.get_logger().warning(
                f"{self._topic}: {self._lost[self._topic]} messages lost so far: they came faster than they were read",
                throttle_duration_sec=5.0,
            )


class _Unserved(CallbackGroup):  # type: ignore[misc]
    """Messages that no executor takes: they wait in the middleware, which keeps the newest, until somebody drains."""

    def can_execute(self, entity: Any) -> bool:
        return False

    def beginning_execution(self, entity: Any) -> bool:
        return False

    def ending_execution(self, entity: Any) -> None:
        pass


class Listening:
    """Subscriptions that are closed together. Messages that never came are counted in ``lost``, by topic.

    :meth:`drain` and :meth:`close` may be called from any thread.
    """

    def __init__(self, node: Node, lost: Counter[str]) -> None:
        self._node, self._lost = node, lost
        self._subscriptions: list[tuple[Any, Any, int, Heard]] = []
        self._draining = threading.Lock()

    def to(
        self, type_: Any, topic: topics.Name, heard: Heard, group: CallbackGroup, only_drained: bool = False
    ) -> None:
        """Calls ``heard`` with each message and its info, in ``group``; where ``only_drained``, in :meth:`drain`."""
        losses = _Losses(self._node, self._node.resolve_topic_name(topic.name), self._lost)

        def on_message(message: Any, info: Any) -> None:
            losses.heard(info)
            heard(message, info)

        subscription = self._node.create_subscription(
            type_,
            topic.name,
            on_message,
            qos.of(topic),
            callback_group=group,
            event_callbacks=SubscriptionEventCallbacks(message_lost=lambda e: losses.tell(e.total_count_change)),
            qos_overriding_options=qos.OVERRIDES,
        )
        if only_drained:
            subscription.callback_group = _Unserved()  # what the middleware says of losses is served all the same
        self._subscriptions.append((subscription, type_, topic.qos.depth if topic.qos else 1, on_message))

    def drain(self) -> None:
        """Hears what has come and was not served yet; of a flood that goes on, no more than waited."""
        with self._draining:
            self._drain()

    def close(self) -> None:
        """Stops listening; what came before is heard."""
        with self._draining:
            self._drain()
            while self._subscriptions:
                self._node.destroy_subscription(self._subscriptions.pop()[0])

    def _drain(self) -> None:
        for subscription, type_, depth, heard in self._subscriptions:
            with subscription.handle:
                for _ in range(depth):
                    if (taken := subscription.handle.take_message(type_, False)) is None:
                        break
                    heard(*taken)


class TaskInlets:
    """Tasks on both topics. Each that arrives is handed on, up to the last one before :meth:`close`."""

    def __init__(
        self, node: Node, lost: Counter[str], arrival: Arrival, group: CallbackGroup, on_task: Callable[[Task], object]
    ) -> None:
        self._listening = Listening(node, lost)

        def hear_text(message: String, info: Any) -> None:
            sent = arrival.of_message(info, topics.TASK.name)
            on_task(replace(plan_messages.task_of_text(message.data), received=sent))

        def hear_request(message: msg.Task, info: Any) -> None:
            sent = arrival.of_message(info, topics.TASK_REQUEST.name)
            on_task(replace(plan_messages.task_of(message), received=sent))

        self._listening.to(String, topics.TASK, hear_text, group)
        self._listening.to(msg.Task, topics.TASK_REQUEST, hear_request, group)

    def drain(self) -> None:
        """Hands on what has come and was not served yet."""
        self._listening.drain()

    def close(self) -> None:
        """Stops listening."""
        self._listening.close()


def once(heard: Callable[[msg.SkillResult], object]) -> Callable[[msg.SkillResult], None]:
    """Passes each dispatch's outcome on once: an executor that was killed may tell it again."""
    seen: OrderedDict[str, None] = OrderedDict()

    def hear(message: msg.SkillResult) -> None:
        if message.retried or message.dispatch_id in seen:
            return
        seen[message.dispatch_id] = None
        while len(seen) > DISPATCHES_KNOWN:
            seen.popitem(last=False)
        heard(message)

    return hear


class Inlets:
    """Cameras, words and inhibit, while the node is active. Pictures have a thread of their own, ``pictures``.

    Words, which are notes and skills' results, are looked for ten times a second in ``words``, and by
    :meth:`hear_words`: however many come, they cost no more than what the middleware keeps of them.
    """

    def __init__(
        self,
        node: Node,
        lost: Counter[str],
        cameras: Sequence[str],
        transport: str,
        pictures: CallbackGroup,
        words: CallbackGroup,
        gate: PictureGate,
        on_note: Callable[[str], object],
        on_inhibit: Callable[[bool], object],
        on_result: Callable[[msg.SkillResult], object] | None,
    ) -> None:
        self._node = node
        self._listening, self._words = Listening(node, lost), Listening(node, lost)
        self.cameras: list[CameraInput] = []
        self._timer = node.create_timer(
            WORDS_EVERY, self._words.drain, callback_group=words, clock=diagnostics.steady()
        )
        try:
            for name in cameras:
                self.cameras.append(CameraInput(node, name, transport, gate, pictures))
            self._words.to(String, topics.NOTE, lambda m, info: on_note(m.data), words, only_drained=True)
            if on_result is not None:
                tell, type_ = once(on_result), msg.SkillResult
                self._words.to(type_, topics.RESULT_OF_SKILL, lambda m, info: tell(m), words, only_drained=True)
            stops = MutuallyExclusiveCallbackGroup()
            self._listening.to(Bool, topics.INHIBIT, lambda m, info: on_inhibit(m.data), stops)
        except BaseException:  # a camera's name that is no topic
            self.close()
            raise

    def hear_words(self) -> None:
        """Hears the notes and results that have come so far; from any thread."""
        self._words.drain()

    def close(self) -> None:
        """Stops listening."""
        self._node.destroy_timer(self._timer)
        while self.cameras:
            self.cameras.pop().close()
        self._words.close()
        self._listening.close()
