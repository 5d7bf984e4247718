"""``dgemma ask``: a task to a running planner, from a shell without the ROS command line."""

from __future__ import annotations

import time
import uuid
from typing import Annotated, Any

import typer

from dgemma_ros import shared_memory
from dgemma_ros.cli.options import Json
from dgemma_ros.console import plan_view, terminal
from dgemma_ros.console.listening import Listener, RosError

NOT_VALID = 1


def ask(
    task: Annotated[str, typer.Argument(metavar="TEXT", help="What the robot is asked to do.")],
    namespace: Annotated[str, typer.Option("--namespace", metavar="NAME", help="Of the robot to ask.")] = "",
    wait: Annotated[
        float, typer.Option("--wait", min=0, metavar="S", help="Seconds to wait for planner and plan.")
    ] = 30.0,
    budget: Annotated[
        float, typer.Option("--budget", min=0, metavar="S", help="Seconds to the plan; 0: the planner's parameter.")
    ] = 0.0,
    priority: Annotated[int, typer.Option("--priority", min=0, max=255, metavar="N", help="Larger goes first.")] = 0,
    template: Annotated[
        str, typer.Option("--template", metavar="TEXT", help="What is known: 'pick(object=____); place(…)'.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Send a task to a running planner node and print its plan. Ends with status 1 where the plan is not valid."""
    if not task.strip():
        raise typer.BadParameter("the task has no words")
    made: list[Any] = []
    with Listener(namespace, made.append) as listener:
        from builtin_interfaces.msg import Duration
        from dgemma_msgs.msg import Task

        end = time.monotonic() + wait  # how long this process took to start does not count
        told = False

        def until(what: str, done: Any) -> Any:
            nonlocal told
            while not (value := done()):
                if time.monotonic() > end:
                    raise RosError(f"waited {wait:g} s for {_missing(listener, what)}")
                if not told and (other := _other_state(listener)):
                    terminal.note(f"the planner is there, but {other}; waiting for it to be active")
                    told = True
                time.sleep(0.01)
            return value

        own = uuid.uuid4().hex
        lasts = Duration(sec=int(budget), nanosec=int(budget % 1 * 1e9))
        request = Task(task_id=own, text=task, budget=lasts, priority=priority, remember=True, template_text=template)
        request.header.stamp = listener.node.get_clock().now().to_msg()
        until("a planner that listens", lambda: listener.state == "active" and listener.send(request))
        plan = until("the plan", lambda: next((p for p in list(made) if p.task_id == own), None))
    if as_json:
        terminal.emit_json(plan_view.plan_object(plan))
    else:
        console = terminal.console(stderr=False)
        console.print(plan_view.plan_table(plan))
        console.print(plan_view.figures(plan))
    if not plan.valid:
        raise typer.Exit(NOT_VALID)


def _other_state(listener: Listener) -> str:
    """What the planner says of itself where it is heard and not active."""
    if not listener.heard or listener.state == "active":
        return ""
    return listener.state if listener.message == listener.state else f"{listener.state}: {listener.message}"


def _missing(listener: Listener, what: str) -> str:
    if other := _other_state(listener):
        return f"the planner to be active: it is there, but {other}"
    return f"{what}; is ROS_DOMAIN_ID the planner's?{shared_memory.hint()}"
