"""One camera as the planner hears it: messages in, frames out, every message that is not taken counted by reason."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from rclpy.callback_groups import CallbackGroup
from rclpy.event_handler import QoSRequestedIncompatibleQoSInfo, SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import qos_policy_name_from_kind
from sensor_msgs.msg import CompressedImage, Image

from dgemma_ros.nodes import qos, ros_time, topics
from dgemma_ros.nodes.conversions import Limits, Refused, picture_of, picture_of_compressed
from dgemma_ros.planning.types import Frame

RETRY = 0.1
"""Seconds from a picture that is refused to the next one that is looked at, unless frames are wanted more often."""


@dataclass(frozen=True)
class PictureGate:
    """What decides about a camera's messages; all may be called from the pictures' thread at any time."""

    due: Callable[[str], float]
    """When the next frame of a camera is wanted, of ``time.monotonic()``."""
    rate: Callable[[], float]
    """Frames a second that are wanted of each camera."""
    limits: Callable[[], Limits]
    take: Callable[[Frame], object]
    """Gets the frames that were wanted."""


class CameraInput:
    """Listens to one camera until closed, and decodes only what is wanted.

    Counts are read by others without a lock: they may be a frame behind.
    """

    def __init__(self, node: Node, camera: str, transport: str, gate: PictureGate, group: CallbackGroup) -> None:
        self.camera = camera
        self.received = self.skipped = 0
        self.refused: Counter[str] = Counter()
        self.last_received: float | None = None
        self.incompatible = 0
        self._not_before = 0.0
        self._node = node
        self._gate = gate
        compressed = transport == "compressed"
        topic = topics.IMAGE_COMPRESSED if compressed else topics.IMAGE
        self._subscription = node.create_subscription(
            CompressedImage if compressed else Image,
            topics.of_camera(camera, topic),
            self._hear,
            qos.of(topic),
            callback_group=group,
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._warn),
            qos_overriding_options=qos.OVERRIDES,
        )

    @property
    def topic(self) -> str:
        """Where it listens, with namespace and remapping."""
        return str(self._subscription.topic_name)

    def close(self) -> None:
        """Stops listening."""
        self._node.destroy_subscription(self._subscription)

    def _hear(self, message: Image | CompressedImage) -> None:
        received = time.monotonic()
        self.received += 1
        self.last_received = received
        if received < max(self._gate.due(self.camera), self._not_before):
            self.skipped += 1
            return
        limits = self._gate.limits()
        try:
            if isinstance(message, CompressedImage):
                picture = picture_of_compressed(message, limits)
            else:
                picture = picture_of(message, limits)
        except Refused as refused:
            self.refused[refused.reason.value] += 1
            self._not_before = received + min(RETRY, 1.0 / max(self._gate.rate(), 1.0))
            self._node.get_logger().warning(f"{self.topic}: {refused}", throttle_duration_sec=10.0)
            return
        stamp = ros_time.nanoseconds(message.header.stamp) or self._node.get_clock().now().nanoseconds
        self._gate.take(Frame(picture, stamp, self.camera, message.header.frame_id, received))

    def _warn(self, event: QoSRequestedIncompatibleQoSInfo) -> None:
        self.incompatible = event.total_count
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        self._node.get_logger().warning(
            f"{self.topic}: a publisher's quality of service does not fit ({policy}), so none of its pictures arrive; "
            f"set the parameter qos_overrides.{self.topic}.subscription.{policy.lower()}"
        )
