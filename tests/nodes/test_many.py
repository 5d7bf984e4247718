"""Much at once: two robots, floods, a clock that jumps."""

from __future__ import annotations

import time
from array import array
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from dgemma_msgs.msg import Plan, Task
from dgemma_msgs.srv import ContextInfo
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image

from tests.nodes.graph import DEEP, LATCHED, ROOT, SENSOR, Graph, until


def test_two_robots_side_by_side(graph: Graph, model: Path) -> None:
    """By the shipped configuration: `left` has two cameras and a queue, `right` a compressed camera."""
    more = ["--params-file", str(ROOT / "launch" / "config" / "two_robots.yaml")]
    plans = {}
    for side in ("left", "right"):
        process = graph.start("planner", side, *more, model=model, threads=1, budget=30.0, max_steps=4)
        graph.until_active(process)
        plans[side] = graph.hear(Plan, f"{side}/plan", LATCHED)
    for side in plans:
        graph.say(Task(task_id=side, text="tidy up"), f"{side}/task_request")
    for side, heard in plans.items():
        assert heard.one(lambda p, own=side: p.task_id == own, f"the plan of {side}")
    assert {p.task_id for heard in plans.values() for p in heard} == {"left", "right"}
    assert [len(heard) for heard in plans.values()] == [1, 1]
    cameras = [f"/{topic}" for topic in ("left/front/image_raw", "left/rear/image_raw", "right/image_raw/compressed")]
    ask = graph.node.get_subscriptions_info_by_topic
    until(lambda: all(ask(camera) for camera in cameras), "their cameras' subscriptions")
    image = Image(encoding="mono8", width=64, height=48, step=64, data=array("B", bytes(64 * 48)))
    image.header.stamp.sec, image.header.frame_id = 77, "rear_lens"

    def rests_on_rear() -> bool:
        graph.say(image, "left/rear/image_raw", SENSOR)
        return int(graph.ask(ContextInfo, "/left/planner/context_info").newest_stamp.sec) == 77

    until(rests_on_rear, "a frame of the rear camera")
    graph.say(Task(task_id="rear", text="tidy up"), "left/task_request")
    plan = plans["left"].one(lambda p: p.task_id == "rear")
    assert (plan.camera, plan.frame_id, plan.observation_stamp.sec) == ("rear", "rear_lens", 77)
    assert graph.ask(ContextInfo, "/right/planner/context_info").frames == 0
    for process in graph.processes:
        process.end()


def test_floods_are_survived(graph: Graph, model: Path) -> None:
    process = graph.start("planner", "flooded", model=model, threads=1, budget=30.0, max_steps=4, frame_rate=10)
    graph.until_active(process)
    plans = graph.hear(Plan, "flooded/plan", LATCHED)
    graph.say(Task(task_id="first", text="tidy up"), "flooded/task_request")
    plans.one(lambda p: p.task_id == "first")
    images = graph.node.create_publisher(Image, "flooded/image_raw", SENSOR)
    junk = [
        Image(encoding="rgb8", width=9, height=9, step=1, data=array("B", b"x")),
        Image(encoding="\x00☃", width=2**32 - 1, height=2**32 - 1, step=2**32 - 1),
        Image(encoding="yuv422", width=3, height=1, step=6, data=array("B", bytes(6))),
        Image(encoding="rgb8", width=1, height=1, step=3, data=array("B", bytes(3))),
        Image(encoding="mono8", width=5000, height=1, step=5000, data=array("B", bytes(5000))),
    ]
    began = time.monotonic()
    for number in range(1000):
        graph.say(Task(task_id=f"flood{number}", text=f"tidy up {number}"), "flooded/task_request")
        images.publish(junk[number % len(junk)])
    sent_in = time.monotonic() - began
    graph.say(Task(task_id="last", text="tidy up"), "flooded/task_request")
    assert plans.one(lambda p: p.task_id == "last", "a plan after the flood").status in (
        Plan.STEP_LIMIT,
        Plan.CONVERGED,
    )
    until(lambda: len(plans) >= 1002, f"a plan for each of 1,000 tasks sent in {sent_in:.2f} s")
    times = Counter(plan.task_id for plan in plans)
    assert len(times) == 1002 and set(times.values()) == {1}
    assert process.popen.poll() is None and "Traceback" not in process.output
    process.end()


def test_compressed_images_are_seen_and_broken_ones_survived(graph: Graph, model: Path) -> None:
    process = graph.start("planner", "junk", model=model, threads=1, image_transport="compressed")
    graph.until_active(process)

    def junk(head: bytes) -> None:
        for number in range(200):
            data = head + bytes([number]) * number
            graph.say(CompressedImage(format="jpeg", data=array("B", data)), "junk/image_raw/compressed", SENSOR)

    def complains() -> bool:
        junk(b"\xff\xd8\xff\xe0")
        return "that are no image" in process.output

    until(complains, "the planner to complain")
    junk(b"\x89PNG\r\n\x1a\n")  # within ten seconds of the complaint nothing is said of these
    whole = CompressedImage(format="jpeg", data=array("B", cv2.imencode(".jpg", np.zeros((48, 64, 3)))[1].tobytes()))
    whole.header.stamp.sec = 55

    def seen() -> bool:
        graph.say(whole, "junk/image_raw/compressed", SENSOR)
        return int(graph.ask(ContextInfo, "/junk/planner/context_info").newest_stamp.sec) == 55

    until(seen, "a whole picture in the context")
    plans = graph.hear(Plan, "junk/plan", LATCHED)
    graph.say(Task(task_id="after", text="tidy up"), "junk/task_request")
    assert plans.one(lambda p: p.task_id == "after")
    process.end()


def test_clock_of_a_simulation_may_jump(graph: Graph, model: Path) -> None:
    process = graph.start("planner", "simulated", model=model, threads=1, use_sim_time=True, max_steps=4)
    graph.until_active(process)
    plans = graph.hear(Plan, "simulated/plan", LATCHED)
    for second in (1000, 1010, 400):  # a bag that loops
        for _ in range(3):
            graph.say(Clock(clock=Time(sec=second)), "/clock", DEEP)
        task_id = f"at{second}"

        def planned(task_id: str = task_id, second: int = second) -> bool:
            graph.say(Clock(clock=Time(sec=second)), "/clock", DEEP)
            graph.say(Task(task_id=task_id, text="tidy up"), "simulated/task_request")
            plan = plans.one(lambda p: p.task_id == task_id, "its plan")
            plans.clear()
            return bool(plan.header.stamp.sec == second and second <= plan.deadline.sec <= second + 5)

        until(planned, f"a plan at {second} s")
    until(lambda: "clock jumped back" in process.output, "the jump in the log")
    process.end()
