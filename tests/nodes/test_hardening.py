"""A bad day: refused requests, a bad clock, signals, floods. The node lives, and every task has its plan."""

from __future__ import annotations

import re
import signal
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Duration, Time
from dgemma_msgs.action import GeneratePlan
from dgemma_msgs.msg import Plan, Task
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from rcl_interfaces.srv import GetLoggerLevels
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import String

from tests.nodes.graph import DEEP, LATCHED, Graph, Process, until

CONFIGURE, ACTIVATE = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE
DEACTIVATE = Transition.TRANSITION_DEACTIVATE


@pytest.fixture(scope="module")
def sturdy(graph: Graph, model: Path) -> Process:
    process = graph.start("planner", "sturdy", model=model, threads=1, budget=20.0, max_steps=2, repair=False)
    graph.until_active(process, "/sturdy/planner")
    return process


def status_of(graph: Graph, space: str, which: Any) -> dict[str, str]:
    """The first diagnostics of a namespace's planner for which ``which(status)`` holds."""
    heard, subscription = graph.hear_for_now(DiagnosticArray, "/diagnostics")
    status = heard.one(lambda m: m.status[0].name.startswith(f"{space}/") and which(m.status[0])).status[0]
    graph.node.destroy_subscription(subscription)
    return {value.key: value.value for value in status.values} | {"": status.message}


def test_a_transition_that_is_not_there_is_refused(graph: Graph, sturdy: Process) -> None:
    assert not graph.change(CONFIGURE, "/sturdy/planner")
    assert not graph.change(ACTIVATE, "/sturdy/planner")
    assert graph.state("/sturdy/planner") == "active" and sturdy.popen.poll() is None
    assert "refused: there is none from active" in sturdy.output


def test_a_clock_that_goes_below_zero_is_one_error(graph: Graph, model: Path) -> None:
    process = graph.start("planner", "timed", model=model, threads=1, max_steps=2, use_sim_time=True)
    graph.until_active(process, "/timed/planner")

    def survived() -> bool:
        graph.say(Clock(clock=Time(sec=-5)), "/clock", DEEP)  # which is heard with best effort only
        return "a callback failed: ValueError" in process.output

    until(survived, "the error")
    said = status_of(graph, "timed", lambda status: "callback" in status.message)
    assert int(said["callback errors"]) >= 1 and process.popen.poll() is None
    assert graph.state("/timed/planner") == "active"
    assert process.end()[0] == 0


def test_tasks_while_the_lifecycle_goes_up_and_down(graph: Graph, sturdy: Process) -> None:
    plans = graph.hear(Plan, "sturdy/plan", LATCHED)
    ended, sent = threading.Event(), []

    def send() -> None:
        while not ended.is_set():
            sent.append(f"thrash{len(sent)}")
            graph.say(Task(task_id=sent[-1], text="tidy up"), "sturdy/task_request")
            ended.wait(0.005)

    sender = threading.Thread(target=send)
    sender.start()
    for _ in range(6):
        assert graph.change(DEACTIVATE, "/sturdy/planner") and graph.change(ACTIVATE, "/sturdy/planner")
    ended.set()
    sender.join()
    until(lambda: {p.task_id for p in list(plans)} >= set(sent), "all plans")
    ids = [p.task_id for p in list(plans) if p.task_id.startswith("thrash")]
    assert sorted(ids) == sorted(sent)


def test_goals_while_it_shuts_down(graph: Graph, model: Path) -> None:
    process = graph.start("planner", "closing", model=model, threads=1, max_steps=4)
    graph.until_active(process, "/closing/planner")
    client = graph.action(GeneratePlan, "closing/generate_plan")
    goal = GeneratePlan.Goal(task=Task(text="tidy up", budget=Duration(sec=20)))
    graph.result(graph.accepted(client, goal))  # the two have met: from now on rclpy's server drops no answer
    sent = [graph.in_turn(lambda: client.send_goal_async(goal)) for _ in range(20)]
    until(lambda: sent[4].done(), "the first answers")  # the shutdown may overtake the others
    shut = threading.Thread(target=graph.change, args=(Transition.TRANSITION_ACTIVE_SHUTDOWN, "/closing/planner"))
    shut.start()
    while shut.is_alive():
        sent.append(graph.in_turn(lambda: client.send_goal_async(goal)))
        time.sleep(0.002)
    results: dict[int, Any] = {}

    def answered() -> bool:
        """Whether every goal is answered, and each that is accepted has its result."""
        accepted = [number for number, one in enumerate(sent) if one.done() and one.result().accepted]
        for number in set(accepted) - set(results):
            results[number] = graph.in_turn(sent[number].result().get_result_async)
        return all(one.done() for one in sent) and all(result.done() for result in results.values())

    until(answered, "a result of every accepted goal")
    assert len(results) >= 5
    assert all(result.result().result.plan.task_id for result in results.values())
    assert process.end()[0] == 0


def test_goals_that_come_while_nobody_reads_are_all_answered(graph: Graph, sturdy: Process) -> None:
    client = graph.action(GeneratePlan, "sturdy/generate_plan")
    goal = GeneratePlan.Goal(task=Task(text="tidy up", budget=Duration(sec=20)))

    def sent(count: int) -> list[Any]:
        return [graph.in_turn(lambda: client.send_goal_async(goal)) for _ in range(count)]

    graph.result(graph.accepted(client, goal))  # the two have met
    sturdy.popen.send_signal(signal.SIGSTOP)
    try:
        many = sent(60)
    finally:
        sturdy.popen.send_signal(signal.SIGCONT)
    until(lambda: all(one.done() for one in many), "an answer to every goal")
    results = [graph.in_turn(one.result().get_result_async) for one in many if one.result().accepted]
    until(lambda: all(result.done() for result in results), "a result of every goal")
    assert len(results) == 60


@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGTERM])
def test_who_leaves_is_off_the_graph(graph: Graph, model: Path, with_signal: int) -> None:
    space = f"leaving{with_signal}"
    process = graph.start("planner", space, model=model, threads=1, max_steps=2)
    graph.until_active(process, f"/{space}/planner")
    until(lambda: graph.node.count_subscribers(f"/{space}/task"), "its subscription")
    assert process.end(with_signal)[0] == 0
    until(
        lambda: not graph.node.count_subscribers(f"/{space}/task"), "it to be gone", 10.0
    )  # one that is killed counts for 20


def test_a_budget_counts_from_publication(graph: Graph, sturdy: Process) -> None:
    """The process is stopped while the task is on its way: as late as its sender sees it, and not valid."""
    plans = graph.hear(Plan, "sturdy/plan", LATCHED)
    graph.say(Task(task_id="before", text="tidy up"), "sturdy/task_request")
    plans.one(lambda p: p.task_id == "before", "a plan in time")
    sturdy.popen.send_signal(signal.SIGSTOP)
    try:
        before = time.time()
        graph.say(Task(task_id="stopped", text="tidy up", budget=Duration(sec=1)), "sturdy/task_request")
        behind = time.time()
        time.sleep(1.2)  # the time that passes is what this is about
    finally:
        sturdy.popen.send_signal(signal.SIGCONT)
    plan = plans.one(lambda p: p.task_id == "stopped", "its plan")
    assert plan.status == Plan.DEADLINE and not plan.valid
    deadline = plan.deadline.sec + plan.deadline.nanosec / 1e9
    assert before - 0.05 < deadline - 1.0 < behind + 0.05  # two clocks are read one after the other


def test_a_sender_with_another_clock_has_its_whole_budget(graph: Graph, sturdy: Process) -> None:
    """Goals have no stamp of the middleware's; the one in the header is an hour behind."""
    client = graph.action(GeneratePlan, "sturdy/generate_plan")
    task = Task(text="tidy up", budget=Duration(sec=30))
    task.header.stamp.sec = int(time.time()) - 3600
    result = graph.result(graph.accepted(client, GeneratePlan.Goal(task=task)))
    assert result.result.plan.status in (Plan.STEP_LIMIT, Plan.CONVERGED)
    assert re.search(r"clock seems 36\d\d\.\d s behind ours", sturdy.output)  # by an hour and what it was on its way


def test_a_plan_repeats_no_more_than_an_excerpt(graph: Graph, sturdy: Process) -> None:
    plans = graph.hear(Plan, "sturdy/plan", LATCHED)
    graph.say(Task(task_id="long" * 1000, text="x" * 1_000_000), "sturdy/task_request")
    plan = plans.one(lambda p: p.task_id.startswith("longlong"), "its plan")
    assert plan.status == Plan.REJECTED and len(plan.task) <= 1000 and plan.task.endswith("…")
    assert len(plan.task_id) == 256


def test_two_of_one_name_warn(graph: Graph, model: Path) -> None:
    both = [graph.start("planner", "twin", model=model, threads=1, autostart=False) for _ in range(2)]
    warned = status_of(graph, "twin", lambda status: status.level == DiagnosticStatus.WARN and "more" in status.message)
    assert "1 more nodes call themselves /twin/planner" in warned[""]
    for process in both:
        process.end()


def test_a_reliable_subscriber_sees_pictures(graph: Graph, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((48, 64, 3), 90, np.uint8))
    pictures = graph.hear(Image, "offered/image_raw", DEEP)
    camera = graph.start("camera", "offered", source=tmp_path, rate=10)
    assert pictures.one(what="a picture").width == 64
    assert camera.end()[0] == 0


def test_log_levels_can_be_asked_for_and_a_task_is_a_line(graph: Graph, sturdy: Process) -> None:
    assert graph.ask(GetLoggerLevels, "/sturdy/planner/get_logger_levels", GetLoggerLevels.Request(names=["x"])).levels
    plans = graph.hear(Plan, "sturdy/plan", LATCHED)
    graph.say(Task(task_id="told", text="tidy up"), "sturdy/task_request")
    plans.one(lambda p: p.task_id == "told", "its plan")
    until(lambda: "plan of told: " in sturdy.output and "task told: tidy up" in sturdy.output, "its lines")


def test_lost_messages_are_counted(graph: Graph, sturdy: Process) -> None:
    """More tasks than the queue of 1000 holds, while the process is stopped."""
    publisher = graph.node.create_publisher(String, "sturdy/task", LATCHED)
    until(publisher.get_subscription_count, "a subscriber")
    sturdy.popen.send_signal(signal.SIGSTOP)
    try:
        for number in range(2500):
            publisher.publish(String(data=f"flood {number}"))
    finally:
        sturdy.popen.send_signal(signal.SIGCONT)
    lost = status_of(graph, "sturdy", lambda status: "were lost before they were read" in status.message)
    assert int(lost["/sturdy/task lost"]) > 0
