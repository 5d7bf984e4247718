"""``dgemma ask``: a task on the topic of a running planner, from a shell without the ROS command line."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from dgemma_ros.console import plan_view, terminal
from dgemma_ros.console.listening import Listener, RosError

NOT_VALID = 1


def ask(
    task: Annotated[str, typer.Argument(metavar="TEXT", help="What the robot is asked to do.")],
    namespace: Annotated[str, typer.Option("--namespace", metavar="NAME", help="Of the robot to ask.")] = "",
    wait: Annotated[
        float, typer.Option("--wait", min=0, metavar="S", help="Seconds to wait for planner and plan.")
    ] = 30.0,
) -> None:
    """Send a task to a running planner node and print its plan. Ends with status 1 where the plan is not valid."""
    made: list[Any] = []
    end = time.monotonic() + wait
    with Listener(namespace, made.append) as listener:

        def until(what: str, done: Any) -> Any:
            while not (value := done()):
                if time.monotonic() > end:
                    raise RosError(f"waited {wait:g} s for {what}; is ROS_DOMAIN_ID the planner's?")
                time.sleep(0.01)
            return value

        # Plans of before come first to a late joiner: only those made after the task count.
        until("a planner that listens", lambda: listener.heard and listener.say(task))
        sent = listener.node.get_clock().now().nanoseconds - 10**9
        plan = until(
            "the plan",
            lambda: next((p for p in list(made) if p.task == task and _stamp(p) >= sent), None),
        )
    console = terminal.console(stderr=False)
    console.print(plan_view.plan_table(plan))
    console.print(plan_view.figures(plan))
    if not plan.valid:
        raise typer.Exit(NOT_VALID)


def _stamp(plan: Any) -> int:
    return int(plan.header.stamp.sec) * 10**9 + int(plan.header.stamp.nanosec)
