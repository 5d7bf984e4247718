"""Configure, activate, deactivate, cleanup: round trips, errors and the way back, signals."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from builtin_interfaces.msg import Duration
from dgemma_msgs.action import GeneratePlan
from dgemma_msgs.msg import Plan, Task
from dgemma_msgs.srv import ContextInfo
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition, TransitionEvent
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter

from tests.nodes.graph import DEEP, LATCHED, Graph, Process, until
from tests.patience import in_time

LONG = Duration(sec=60)
NODE = "/managed/planner"
CONFIGURE, ACTIVATE = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE
DEACTIVATE, CLEANUP = Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP


@pytest.fixture(scope="module")
def managed(graph: Graph, model: Path) -> Process:
    process = graph.start("planner", "managed", model=model, threads=1, autostart=False, budget=20.0, max_steps=4)
    assert graph.state(NODE) == "unconfigured"
    return process


def plan_once(graph: Graph, task_id: str) -> Any:
    plans = graph.hear(Plan, "managed/plan", LATCHED)
    graph.say(Task(task_id=task_id, text="tidy up"), "managed/task_request")
    return plans.one(lambda p: p.task_id == task_id, "its plan")


def test_round_trips_keep_memory_flat(graph: Graph, managed: Process) -> None:
    sizes = []
    for trip in range(13):
        assert graph.change(CONFIGURE, NODE), managed.output
        assert graph.change(ACTIVATE, NODE)
        if trip in (0, 5, 12):
            assert plan_once(graph, f"trip{trip}").status in (Plan.STEP_LIMIT, Plan.CONVERGED)
        assert graph.change(DEACTIVATE, NODE)
        assert graph.change(CLEANUP, NODE)
        sizes.append(managed.memory())
    # What comes within half a second of another word of progress is not said: a quick machine's "warming up".
    assert "loading" in managed.output and "configured in" in managed.output
    # The first ones fill the allocator's pools, and what a plan has used goes with the next configure.
    assert sizes[11] - sizes[2] < 6, sizes
    # What a callback held as the planner was freed is given back a second after the last cleanup.
    until(lambda: managed.memory() - sizes[5] < 6, f"memory as it was: {sizes}")


def test_a_planner_that_somebody_held_as_it_was_freed_goes_too(graph: Graph, model: Path) -> None:
    process = graph.start("tests.nodes.held_planner", "held", model=model, threads=1, autostart=False)
    for transition in (CONFIGURE, ACTIVATE, DEACTIVATE, CLEANUP):
        assert graph.change(transition, "/held/planner"), process.output
    until(lambda: "the planner is gone" in process.output, "the planner's end")
    assert process.end()[0] == 0


def test_inactive_takes_no_goals_and_says_so(graph: Graph, managed: Process) -> None:
    answer = graph.ask(ContextInfo, f"{NODE}/context_info")
    assert not answer.success and "not configured" in answer.message
    client = graph.action(GeneratePlan, "managed/generate_plan")
    assert not graph.accepted(client, GeneratePlan.Goal(task=Task(text="tidy up"))).accepted
    until(lambda: not graph.node.get_subscriptions_info_by_topic("/managed/task"), "the graph to know")


def test_errors_are_told_and_left_again(graph: Graph, managed: Process, model: Path) -> None:
    def set_model(folder: str) -> None:
        request = SetParameters.Request(parameters=[Parameter("model", value=folder).to_parameter_msg()])
        assert graph.ask(SetParameters, f"{NODE}/set_parameters", request).results[0].successful

    for folder, word in (("/nowhere", "no such folder"), ("", "model is empty"), (str(model.parent), "skills.yaml")):
        set_model(folder)
        assert not graph.change(CONFIGURE, NODE)
        assert graph.state(NODE) == "unconfigured"
        heard = graph.hear(DiagnosticArray, "/diagnostics", DEEP)
        status = heard.one(lambda m: "managed" in m.status[0].name).status[0]
        assert status.level == DiagnosticStatus.ERROR and word in status.message, status.message
        assert "Traceback" not in managed.output
    set_model(str(model))
    assert graph.change(CONFIGURE, NODE) and graph.change(ACTIVATE, NODE)
    assert plan_once(graph, "after").task_id == "after"


def test_deactivate_gives_running_tasks_their_plan(graph: Graph, managed: Process) -> None:
    request = SetParameters.Request(parameters=[Parameter("max_steps", value=100_000).to_parameter_msg()])
    graph.ask(SetParameters, f"{NODE}/set_parameters", request)
    plans = graph.hear(Plan, "managed/plan", LATCHED)
    for number in range(3):
        graph.say(Task(task_id=f"cut{number}", text="tidy up", budget=LONG), "managed/task_request")
    plans.one(lambda p: p.task_id == "cut1", "the preempted one")
    assert graph.change(DEACTIVATE, NODE)
    assert plans.one(lambda p: p.task_id == "cut2", "the cancelled one").status == Plan.CANCELLED
    assert graph.change(CLEANUP, NODE)


def test_backend_that_fails_leads_to_the_error_state_and_back(graph: Graph, model: Path) -> None:
    node = "/ill/planner"
    process = graph.start("tests.nodes.broken_planner", "ill", model=model, threads=1, max_steps=4, repair=False)
    graph.until_active(process)
    changes = graph.hear(TransitionEvent, f"{node}/transition_event")
    diagnostics = graph.hear(DiagnosticArray, "/diagnostics", DEEP)
    plans = graph.hear(Plan, "ill/plan", LATCHED)
    for number in range(3):
        graph.say(Task(task_id=f"ill{number}", text="tidy up"), "ill/task_request")
        plan = plans.one(lambda p, own=f"ill{number}": p.task_id == own, "its plan")
        assert (plan.status, plan.error_code) == (Plan.FAILED, Plan.ERROR_BACKEND)
        assert "fell off the bus" in plan.error
    until(lambda: any(c.goal_state.label == "errorprocessing" for c in list(changes)), "the error state")
    until(lambda: graph.state(node) == "unconfigured", "the way out of it")
    ill = diagnostics.one(lambda m: "ill" in m.status[0].name and m.status[0].level == DiagnosticStatus.ERROR)
    assert "fell off the bus" in ill.status[0].message
    assert graph.change(CONFIGURE, node) and graph.change(ACTIVATE, node)
    graph.say(Task(task_id="well", text="tidy up"), "ill/task_request")
    assert plans.one(lambda p: p.task_id == "well").status in (Plan.STEP_LIMIT, Plan.CONVERGED)
    assert graph.change(Transition.TRANSITION_ACTIVE_SHUTDOWN, node)
    assert graph.state(node) == "finalized"
    until(lambda: not graph.node.get_subscriptions_info_by_topic("/ill/task"), "the graph to know")
    assert process.end()[0] == 0


@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_cleanly_in_the_middle_of_a_plan(graph: Graph, model: Path, with_signal: int) -> None:
    spaces = (f"ended{with_signal}{letter}" for letter in "abc")

    def once() -> float:
        space = next(spaces)
        process = graph.start("planner", space, model=model, threads=1, max_steps=100_000)
        graph.until_active(process)
        plans = graph.hear(Plan, f"{space}/plan", LATCHED)
        until(lambda: graph.node.count_publishers(f"{space}/plan"), "its publisher")
        client = graph.action(GeneratePlan, f"{space}/generate_plan")
        drafts: list[Any] = []
        goal = GeneratePlan.Goal(task=Task(task_id="last", text="tidy up", budget=LONG))
        assert graph.accepted(client, goal, drafts.append).accepted
        until(lambda: drafts, "a draft")
        status, seconds = process.end(with_signal)
        assert status == 0, process.output
        assert "Traceback" not in process.output
        assert plans.one(lambda p: p.task_id == "last", "its plan").status == Plan.CANCELLED
        return seconds if "still running" not in process.output else float("inf")

    in_time(2.0, once)


@pytest.mark.parametrize(
    ("parameters", "word"),
    [({"budget": -1.0}, "budget"), ({"preemption": "maybe"}, "preemption"), ({"max_frames": "x"}, "max_frames")],
)
def test_wrong_parameters_end_in_one_line(graph: Graph, parameters: dict[str, Any], word: str) -> None:
    process = graph.start("planner", "wrong", **parameters)
    assert until(lambda: process.popen.poll() is not None, "the end") is True
    assert process.popen.returncode == 2 and word in process.output
    assert "Traceback" not in process.output
