"""Notes and skills' results for a planner, at a rate, until it is ended; started by a test as a process."""

from __future__ import annotations

import sys
import time

import rclpy
from dgemma_msgs.msg import SkillResult
from std_msgs.msg import String

from tests.nodes.graph import DEEP


def main(space: str, rate: float) -> None:
    rclpy.init()
    node = rclpy.create_node("flood")
    notes = node.create_publisher(String, f"/{space}/note", DEEP)
    results = node.create_publisher(SkillResult, f"/{space}/skill_result", DEEP)
    began, sent = time.monotonic(), 0
    while True:
        for _ in range(int((time.monotonic() - began) * rate) - sent):
            sent += 1
            notes.publish(String(data=f"note {sent}: somebody said something that nobody asked for"))
            if sent % 10 == 0:
                results.publish(SkillResult(dispatch_id=f"d{sent}", plan_id="p", skill="pick"))
        time.sleep(0.001)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
