"""Weights that change under a running node: mapped, it plans no more and says so; copied, it goes on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from builtin_interfaces.msg import Duration
from dgemma_msgs.msg import Plan, Task
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition

from tests.nodes import stand_in
from tests.nodes.graph import LATCHED, Graph, Process, until
from tests.nodes.test_hardening import status_of

LONG = Duration(sec=60)


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def overwrite(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.seek(-4096, os.SEEK_END)
        stream.write(b"\x55" * 4096)


def started(graph: Graph, space: str, folder: Path, **more: object) -> tuple[Process, Path]:
    stand_in.make(folder)
    process = graph.start("planner", space, model=folder, threads=1, repair=False, max_canvases=1, **more)
    graph.until_active(process, f"/{space}/planner")
    return process, folder / "model.safetensors"


@pytest.mark.parametrize("harm", [cut, overwrite])
def test_mapped_weights_that_change_end_planning(graph: Graph, tmp_path: Path, harm: object) -> None:
    space = f"mapped_{harm.__name__}"  # type: ignore[attr-defined]
    process, file = started(graph, space, tmp_path, max_steps=100_000, preemption="queue")
    plans = graph.hear(Plan, f"{space}/plan", LATCHED)
    for name in ("runs", "waits"):
        graph.say(Task(task_id=name, text="tidy up", budget=LONG), f"{space}/task_request")
    until(lambda: "task runs: tidy up" in process.output, "the task's beginning")
    harm(file)  # type: ignore[operator]
    for name in ("runs", "waits"):
        plan = plans.one(lambda p, own=name: p.task_id == own, "its plan")
        assert (plan.status, plan.error_code, plan.valid) == (Plan.FAILED, Plan.ERROR_BACKEND, False)
        assert "model.safetensors: was changed or replaced" in plan.error
    until(lambda: graph.state(f"/{space}/planner") == "unconfigured", "the error state, and the way out of it")
    said = status_of(graph, space, lambda status: status.level == DiagnosticStatus.ERROR)
    assert "model.safetensors: was changed or replaced since it was opened" in said[""]
    assert process.output.count("[ERROR]") == 1 and "Traceback" not in process.output
    if harm is cut:
        assert not graph.change(Transition.TRANSITION_CONFIGURE, f"/{space}/planner")
        assert "model.safetensors" in process.output.rsplit("[ERROR]", 1)[1]
    stand_in.make(tmp_path)  # whole again
    assert graph.change(Transition.TRANSITION_CONFIGURE, f"/{space}/planner"), process.output
    assert process.end()[0] == 0


def test_an_inactive_one_sees_it_too(graph: Graph, tmp_path: Path) -> None:
    process, file = started(graph, "resting", tmp_path, max_steps=2)
    assert graph.change(Transition.TRANSITION_DEACTIVATE, "/resting/planner")
    overwrite(file)
    until(lambda: graph.state("/resting/planner") == "unconfigured", "the error state, and the way out of it")
    assert process.output.count("[ERROR]") == 1 and process.end()[0] == 0


def test_copied_weights_do_not_care(graph: Graph, tmp_path: Path) -> None:
    process, file = started(graph, "copied", tmp_path, max_steps=4, weights="copy")
    plans = graph.hear(Plan, "copied/plan", LATCHED)

    def plan(name: str) -> list[float]:
        graph.say(Task(task_id=name, text="tidy up", budget=LONG, remember=False), "copied/task_request")
        made = plans.one(lambda p: p.task_id == name, "its plan")
        assert made.status in (Plan.STEP_LIMIT, Plan.CONVERGED)
        return [made.mean_entropy]

    before = plan("before")
    overwrite(file), cut(file)
    heard, subscription = graph.hear_for_now(DiagnosticArray, "/diagnostics")  # which come as often as a look at files
    until(lambda: sum(m.status[0].name.startswith("copied/") for m in list(heard)) >= 3, "some looks")
    graph.node.destroy_subscription(subscription)
    assert graph.state("/copied/planner") == "active" and plan("behind") == pytest.approx(before)
    assert "[ERROR]" not in process.output and process.end()[0] == 0
