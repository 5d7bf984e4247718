"""A camera for ``large_pictures``, in a process of its own: publishes one encoded picture at a rate until it ends."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import rclpy
from rclpy.qos import qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage

from benchmarks.large_pictures import TOPIC


def send(picture: Path, rate: float) -> None:
    """Never returns."""
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("sender")
    publisher = node.create_publisher(CompressedImage, TOPIC, qos_profile_sensor_data)
    message = CompressedImage(format=picture.suffix.strip("."), data=picture.read_bytes())
    due = time.monotonic()
    while True:
        message.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(message)
        due = max(due + 1 / rate, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    send(Path(sys.argv[1]), float(sys.argv[2]))
