"""The closed loop on the tabletop: a task, its plan, the arm at work, a slip, the next plan, and the truth as judge."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from dgemma_ros.console.loop import Loop
from dgemma_ros.console.processes import Nodes
from dgemma_ros.nodes.demo_view import View
from dgemma_ros.tabletop.goals import Goal

SEED = 4
"""Of the table."""
TRAY = "left tray"
TASK_WITHIN = 120.0
RATE = 2.0


def run(view: View, nodes: Nodes, loop: Loop, model: Path) -> bool:
    """The whole demo; whether the goal was reached, by the world's truth."""
    began = time.monotonic()
    view.tell("A table with a camera and an arm, a planner that watches it, and an executor:", "bold")
    loop.start(model, model / "skills.yaml", seed=SEED, rate=RATE)
    figures = loop.figures
    view.tell(f"Ready after {time.monotonic() - began:.1f} s: {figures['model']} on {figures['backend']}.")
    loop.look()
    goal = _goal(loop.truth)
    view.tell(f"On the table: {_table(loop.truth)}.")
    return _task(view, nodes, loop, goal)


def _goal(truth: dict[str, Any]) -> Goal:
    """Everything that lies on the table itself goes into one tray."""
    names = [o["name"] for o in truth["objects"] if not o["place"].endswith("tray")]
    task = f"clear the table, everything goes into the {TRAY}"
    return Goal("clear", task, tuple((name, TRAY) for name in names), touchable=frozenset(names))


def _table(truth: dict[str, Any]) -> str:
    return ", ".join(f"{o['name']} ({o['place']})" for o in truth["objects"])


def _task(view: View, nodes: Nodes, loop: Loop, goal: Goal) -> bool:
    view.tell()
    message = json.dumps({"task_id": "demo", "text": goal.task})
    view.tell(f"$ ros2 topic pub -1 /task_request dgemma_msgs/msg/Task '{message}'", "bold cyan")
    seen = {"plans": len(loop.plans), "shown": 0, "results": 0, "slips": 0}
    loop.request("demo", goal.task)

    def follow() -> Any:
        """Shows what has come since, and gives the end."""
        for progress in loop.shown[seen["shown"] :]:
            seen["shown"] += 1
            if progress.state == progress.PLANNING:
                asks = "is the goal reached?" if progress.reason == "check" else "what now?"
                view.tell(f"The executor asks the planner: {asks}", "bold")
        view.drafts_so_far()
        for plan in loop.plans[seen["plans"] :]:
            seen["plans"] += 1
            view.plan(plan)
        for result in loop.results[seen["results"] :]:
            seen["results"] += 1
            _show(view, result)
        if seen["slips"] == 0 and (loop.truth["held"] or seen["results"]):
            # While the arm carries the first thing: once it has put it down it may be too late, on a busy machine.
            seen["slips"] = 1
            loop.call("SlipNext", "tabletop/slip_next", count=1)
            view.tell("  (the next grasp will slip: ros2 service call /tabletop/slip_next …)", "dim")
        return loop.ended("demo")

    ended = nodes.wait(follow, "the end of the task", TASK_WITHIN)
    nodes.wait(lambda: not loop.truth["busy"], "a still arm", TASK_WITHIN)
    view.tell(f"The executor: {loop.ending(ended)}. {ended.message}.")
    view.tell(f"On the table: {_table(loop.truth)}.")
    view.tell()
    slipped = sum(result.reason == "slipped" for result in loop.results)
    plans = len({result.plan_id for result in loop.results})
    well = goal.reached_in(loop.truth) and not goal.wrong_touches(loop.truth["touches"]) and slipped > 0 and plans > 1
    view.tell(
        f"By the world's truth the goal is {'reached' if goal.reached_in(loop.truth) else 'missed'}:"
        f" {slipped} slip, {plans} plans, {len(loop.results)} skills carried out.",
        "bold green" if well else "bold red",
    )
    return well


def _show(view: View, result: Any) -> None:
    arguments = ", ".join(str(value) for value in json.loads(result.arguments_json).values())
    well = result.outcome == result.SUCCEEDED
    mark, style = ("✓", "green") if well else ("✗", "red")
    seconds = result.duration.sec + result.duration.nanosec / 1e9
    why = "" if well else f": {result.reason or result.message}"
    view.tell(f"  {mark} {result.skill}({arguments})  {seconds:.1f} s{why}", style)
