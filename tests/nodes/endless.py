"""A node that never comes to its end by itself; started by a test."""

from __future__ import annotations

import sys
import threading

from rclpy.node import Node

from dgemma_ros.nodes import process


class Endless(Node):  # type: ignore[misc]
    def stop(self) -> None:
        threading.Event().wait()


def make(finish: process.Finish) -> Node:
    node = Endless("endless")
    node.get_logger().info("ready: for ever")
    return node


if __name__ == "__main__":
    sys.exit(process.run(make))
