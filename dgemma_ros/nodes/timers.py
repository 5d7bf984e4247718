"""Something done once, a little later, in turn with a callback group's other callbacks."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node

from dgemma_ros.nodes.diagnostics import steady

SOON = 0.001


def once(node: Node, group: CallbackGroup, do: Callable[[], object], seconds: float = SOON) -> None:
    """Calls ``do`` after so many seconds of a clock that does not stop with the simulation."""

    def call() -> None:
        timer.cancel()
        node.destroy_timer(timer)
        do()

    timer = node.create_timer(seconds, call, callback_group=group, clock=steady())
