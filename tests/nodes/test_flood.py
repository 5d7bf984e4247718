"""Floods: whoever sends too much of one thing takes nothing from the others."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Duration
from dgemma_msgs.action import GeneratePlan
from dgemma_msgs.msg import Plan, Task
from dgemma_msgs.srv import ContextInfo
from rclpy.duration import Duration as Patience
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import String

from tests.nodes.graph import DEEP, LATCHED, PATIENCE, ROOT, SENSOR, Graph, Process, until
from tests.nodes.test_hardening import status_of
from tests.nodes.test_lifecycle import ACTIVATE, CLEANUP, CONFIGURE, DEACTIVATE
from tests.patience import in_time
from tests.soak.watch import sample

TASKS = 30


@pytest.mark.parametrize("rate", [200, 8000])
def test_notes_never_starve_tasks(graph: Graph, model: Path, rate: int) -> None:
    space = f"flooded{rate}"
    outputs = []

    def started() -> Process:
        given = {"threads": 1, "max_steps": 4, "repair": False, "max_canvases": 1}
        process = graph.start("planner", space, model=model, **given)
        graph.until_active(process, f"/{space}/planner")
        return process

    def ended() -> float:
        """In the middle of the flood."""
        status, seconds = (running.pop() if running else started()).end(signal.SIGTERM)
        assert status == 0
        outputs.append(graph.processes[-1].output)
        return seconds if "still running" not in outputs[-1] else float("inf")

    def unread() -> int:
        said = status_of(graph, space, lambda status: True)
        return int(said.get("notes unread", 0)) + int(said.get(f"/{space}/note lost", 0))

    running = [started()]
    plans = graph.hear(Plan, f"{space}/plan", LATCHED)
    flood = subprocess.Popen([sys.executable, "-m", "tests.nodes.flood", space, str(rate)], cwd=ROOT)
    try:
        until(lambda: graph.node.count_publishers(f"/{space}/note"), "the flood")
        for number in range(TASKS):
            graph.say(Task(task_id=f"t{number}", text="go on", budget=Duration(sec=5)), f"{space}/task_request")
            plan = plans.one(lambda p, own=f"t{number}": p.task_id == own, "its plan")
            assert plan.status in (Plan.STEP_LIMIT, Plan.CONVERGED) and plan.denoising_steps > 0, plan.error
        if rate > 1000:
            until(lambda: unread() > 1000, "notes that nobody reads, in the diagnostics")
        in_time(2.0, ended)
    finally:
        flood.kill()
        flood.wait()
    assert outputs[0].count("messages lost so far") + outputs[0].count("went unread") < 60


def test_a_note_that_was_said_before_a_task_is_known_to_it(graph: Graph, model: Path) -> None:
    process = graph.start("planner", "noted", model=model, threads=1, max_steps=2, repair=False, max_canvases=1)
    graph.until_active(process, "/noted/planner")
    plans = graph.hear(Plan, "noted/plan", LATCHED)

    def met() -> bool:
        """A topic's first message may come after what was said later: reader and writer have to find each other."""
        return any(s.kind == "note" for s in graph.ask(ContextInfo, "/noted/planner/context_info").segments)

    graph.say(String(data="hello"), "noted/note")
    until(met, "the first note")
    graph.say(Task(task_id="without", text="go on", remember=False), "noted/task_request")
    without = plans.one(lambda p: p.task_id == "without", "its plan").context_tokens
    known = without
    for number in range(7):  # with the first, as many as are kept
        graph.say(String(data="the gripper is broken"), "noted/note")
        graph.say(Task(task_id=f"n{number}", text="go on", remember=False), "noted/task_request")
        tokens = plans.one(lambda p, own=f"n{number}": p.task_id == own, "its plan").context_tokens
        assert tokens > known
        known = tokens
    assert process.end()[0] == 0


def test_a_camera_of_broken_pictures_costs_little(graph: Graph, model: Path) -> None:
    process = graph.start(
        "planner", "spoilt", model=model, threads=1, max_steps=2, image_transport="compressed", frame_rate=1.0
    )
    graph.until_active(process, "/spoilt/planner")
    whole = cv2.imencode(".jpg", np.random.default_rng(1).integers(0, 256, (240, 320, 3), np.uint8))[1].tobytes()
    spoilt = CompressedImage(format="jpeg", data=whole[: len(whole) // 2])
    began = time.monotonic()
    for _ in range(1000):
        graph.say(spoilt, "spoilt/image_raw/compressed", SENSOR)
        time.sleep(0.001)  # the rate is what this is about
    said = status_of(graph, "spoilt", lambda status: any("refused" in v.key for v in status.values))
    refused = int(said["/spoilt/image_raw/compressed refused, decode"])
    assert 1 <= refused <= 2 + (time.monotonic() - began) / 0.1
    for _ in range(50):
        graph.say(CompressedImage(format="jpeg", data=whole), "spoilt/image_raw/compressed", SENSOR)
        time.sleep(0.01)
    until(lambda: "frames taken" in status_of(graph, "spoilt", lambda s: True), "diagnostics")
    until(lambda: int(status_of(graph, "spoilt", lambda s: True)["frames taken"]) >= 1, "a frame")
    assert process.end()[0] == 0
    told = re.findall(r"cut or damaged", process.output)
    assert 1 <= len(told) <= 3, process.output
    assert not re.search(r"^(Corrupt|Premature|libpng|\[ ?WARN:)", process.output, re.MULTILINE)


def test_memory_holds_what_waits_and_nothing_once_it_is_unconfigured(graph: Graph, model: Path) -> None:
    """Each flood brings 57 MiB. A twentieth of that, kept, would show."""
    node, characters, count = "/sated/planner", 300_000, 150
    process = graph.start("planner", "sated", model=model, threads=1, autostart=False, max_steps=2, repair=False)
    notes = graph.node.create_publisher(String, "sated/note", DEEP)
    plans = graph.hear(Plan, "sated/plan", LATCHED)
    listening, unconfigured = [], []
    for trip in range(4):
        assert graph.change(CONFIGURE, node) and graph.change(ACTIVATE, node), process.output
        until(notes.get_subscription_count, "a listener to notes")
        for flood in range(2):
            for _ in range(count):
                notes.publish(String(data="x" * characters))
                graph.say(Task(text="x" * 100_000, remember=False), "sated/task_request")
            assert notes.wait_for_all_acked(Patience(seconds=PATIENCE))
            last = f"last{trip}.{flood}"
            graph.say(Task(task_id=last, text="go on"), "sated/task_request")
            plans.one(lambda plan, own=last: plan.task_id == own, "the plan behind the flood")
            listening.append(sample(process.popen.pid).memory)
        assert graph.change(DEACTIVATE, node) and graph.change(CLEANUP, node)
        unconfigured.append(sample(process.popen.pid).memory)
    mib = 2**20
    pools = (100 * characters + count * 100_000) / mib  # of the notes and tasks that wait at once
    assert max(listening) - listening[0] < pools + 16, f"{listening} MiB"
    assert unconfigured[-1] - unconfigured[1] < 16, f"{unconfigured} MiB"
    assert process.end()[0] == 0


def test_a_kept_result_does_not_keep_what_its_goal_said(graph: Graph, model: Path) -> None:
    """Results stay for whoever asks late. The words of these goals are 46 MiB, where they are kept."""
    node = "/wordy/planner"
    process = graph.start("planner", "wordy", model=model, threads=1, autostart=False, result_timeout=3600.0)
    client = graph.action(GeneratePlan, "wordy/generate_plan")
    unconfigured = []
    for _ in range(2):
        assert graph.change(CONFIGURE, node) and graph.change(ACTIVATE, node), process.output
        for _ in range(40):
            goal = graph.accepted(client, GeneratePlan.Goal(task=Task(text="🤖" * 300_000)))
            plan = graph.result(goal).result.plan
            assert (plan.status, plan.task[0], plan.task[-1]) == (Plan.REJECTED, "🤖", "…")
        assert graph.change(DEACTIVATE, node) and graph.change(CLEANUP, node)
        unconfigured.append(sample(process.popen.pid).memory)
    assert unconfigured[1] - unconfigured[0] < 16, f"{unconfigured} MiB"
    assert process.end()[0] == 0
