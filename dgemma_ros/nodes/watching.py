"""Signs of life: of a planner by its diagnostics, of cameras by their pictures. For one thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from dgemma_ros.nodes import qos, topics


class Watch:
    """What is watched, and since when nothing was heard of it. ``lose`` and ``find`` are told of every change."""

    def __init__(self, node: Node, lose: Callable[[str, str], None], find: Callable[[str], None]) -> None:
        self._node, self._lose, self._find = node, lose, find
        self._subscriptions: list[Any] = []
        self._heard: dict[str, float | None] = {}
        self._patience: dict[str, float] = {}
        self._kinds: dict[str, str] = {}
        self._ill: dict[str, str] = {}

    def planner(self, name: str, patience: float) -> None:
        """Watches the node of that name, in our namespace unless it is absolute; 0 does not."""
        if patience <= 0:
            return
        space = self._node.get_namespace().strip("/")
        full = name.strip("/") if name.startswith("/") or not space else f"{space}/{name}"
        self._add("planner", "planner", patience)

        def hear(message: DiagnosticArray) -> None:
            for status in message.status:
                if status.name.split(":")[0] == full:
                    state = {value.key: value.value for value in status.values}.get("state", "")
                    well = status.level != DiagnosticStatus.ERROR and state == "active"
                    self._ill["planner"] = "" if well else status.message or f"is {state}"
                    self._heard["planner"] = time.monotonic()

        self._listen(DiagnosticArray, topics.DIAGNOSTICS.name, hear, qos.of(topics.DIAGNOSTICS))

    def cameras(self, names: Sequence[str], transport: str, patience: float) -> None:
        """Watches the topics of these cameras; pictures are counted, not looked at."""
        if patience <= 0:
            return
        type_, topic = (Image, topics.IMAGE) if transport == "raw" else (CompressedImage, topics.IMAGE_COMPRESSED)
        for name in names:
            key = topics.of_camera(name, topic)
            self._add(key, "camera", patience)
            self._listen(type_, key, partial(self._picture, key), qos.of(topics.IMAGE), raw=True)

    def requirement(self, topic: str, said: Callable[[str, bool], None]) -> None:
        """Hears a topic of std_msgs/Bool that a skill requires."""
        from std_msgs.msg import Bool

        self._listen(Bool, topic, lambda message: said(topic, bool(message.data)), qos.INHIBIT)

    def look(self) -> None:
        """Tells what has become silent or ill, and what is well again."""
        now = time.monotonic()
        wrong: dict[str, str] = {}
        for key, patience in self._patience.items():
            heard = self._heard[key]
            if heard is None:
                why = "nothing was heard of it yet"
            elif now - heard > patience:
                why = f"nothing was heard of it for {patience:g} s"
            else:
                why = self._ill.get(key, "")
            if why:
                wrong.setdefault(self._kinds[key], f"{key} {why}" if key != self._kinds[key] else why)
        for kind in set(self._kinds.values()):
            if kind in wrong:
                self._lose(kind, wrong[kind])
            else:
                self._find(kind)

    def close(self) -> None:
        """Stops listening."""
        while self._subscriptions:
            self._node.destroy_subscription(self._subscriptions.pop())

    def _add(self, key: str, kind: str, patience: float) -> None:
        self._heard[key], self._kinds[key], self._patience[key] = None, kind, patience

    def _picture(self, key: str, data: bytes) -> None:
        self._heard[key] = time.monotonic()

    def _listen(self, type_: Any, topic: str, heard: Callable[[Any], None], profile: Any, raw: bool = False) -> None:
        overrides = None if topic == topics.DIAGNOSTICS.name else qos.OVERRIDES
        self._subscriptions.append(
            self._node.create_subscription(type_, topic, heard, profile, raw=raw, qos_overriding_options=overrides)
        )
