"""``dgemma approve``: what the executor asks a person, and the answer, from a terminal."""

from __future__ import annotations

import getpass
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from dgemma_ros import shared_memory
from dgemma_ros.cli.options import Json
from dgemma_ros.console import terminal
from dgemma_ros.console.listening import Listener, RosError

NOT_COUNTED = 1
QUIET = 0.4
"""Seconds without a further request, after which those of before have all come."""
MET_WITHIN, ANSWERS_WITHIN = 20.0, 10.0
"""Seconds until the service is known, which may be behind the request; and then for its answer."""


class Requests(dict[str, Any]):
    """The newest word on each request, by id, and when the last one was heard."""

    heard = 0.0


def approve(
    request: Annotated[
        str, typer.Argument(metavar="[REQUEST]", help="Its id, or the beginning; default, the newest.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Approve without asking.")] = False,
    deny: Annotated[bool, typer.Option("--deny", help="Deny without asking.")] = False,
    namespace: Annotated[str, typer.Option("--namespace", metavar="NAME", help="Of the robot.")] = "",
    wait: Annotated[float, typer.Option("--wait", min=0, metavar="S", help="Seconds to wait for a request.")] = 10.0,
    as_json: Json = False,
) -> None:
    """Show what waits for approval, and approve or deny it. Ends with status 1 where the answer does not count."""
    if yes and deny:
        raise RosError("give --yes or --deny, not both")
    with _asked(namespace) as (listener, requests):
        end = time.monotonic() + wait
        # Requests of before come first, each as it was asked and then as it was settled: wait until they have all come.
        while (asked := _pending(requests, request)) is None or time.monotonic() - requests.heard < QUIET:
            if asked is None and time.monotonic() > end:
                which = f"request {request}" if request else "nothing"
                raise RosError(f"{which} waits for approval; is ROS_DOMAIN_ID the executor's?{shared_memory.hint()}")
            time.sleep(0.02)
        if not as_json:
            terminal.emit(terminal.clean(_told(asked)))
        approved = yes or (not deny and typer.confirm("Approve?"))
        answer = _answer(listener, requests, asked, approved)
    if as_json:
        told = {"request_id": asked.request_id, "plan_id": asked.plan_id, "text": asked.text, "digest": asked.digest}
        terminal.emit_json(told | {"approved": approved, "counted": answer.success, "message": answer.message})
    else:
        terminal.note(("approved" if approved else "denied") if answer.success else answer.message)
    if not answer.success:
        raise typer.Exit(NOT_COUNTED)


@contextmanager
def _asked(namespace: str) -> Iterator[tuple[Listener, Requests]]:
    """A listener, and the newest word on each request."""
    requests = Requests()
    with Listener(namespace) as listener:
        from dgemma_msgs.msg import ApprovalRequest
        from rclpy.qos import DurabilityPolicy, QoSProfile

        def hear(message: Any) -> None:
            requests.pop(message.request_id, None)
            requests[message.request_id] = message
            requests.heard = time.monotonic()

        latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        listener.node.create_subscription(ApprovalRequest, "approval_request", hear, latched)
        yield listener, requests


def _pending(requests: Requests, wanted: str) -> Any:
    waiting = [r for r in list(requests.values()) if r.state == r.PENDING and r.request_id.startswith(wanted)]
    if wanted and len(waiting) > 1:
        raise RosError(f"{len(waiting)} requests begin with {wanted!r}; give more of the id")
    return waiting[-1] if waiting else None


def _told(request: Any) -> str:
    what = "the plan" if request.scope == request.PLAN else f"step {request.step + 1}"
    lines = [f"Task: {request.task}", f"Asked for: {what} of {request.plan_id}"]
    lines += [f"  {number}. {step.skill} {step.arguments_json}" for number, step in enumerate(request.steps, 1)]
    return "\n".join([*lines, f"Request {request.request_id}, digest {request.digest[:16]}…"])


def _answer(listener: Listener, requests: Requests, request: Any, approved: bool) -> Any:
    """What the executor answers. Where that is lost, as a server drops it that has not met its client yet, the newest
    word on the request tells instead: it cannot be asked again, for one answer counts once."""
    from dgemma_msgs.srv import Approve

    client = listener.node.create_client(Approve, "executor/approve")
    if not client.wait_for_service(MET_WITHIN):
        raise RosError("no executor offers ~/approve")
    asked = Approve.Request(request_id=request.request_id, digest=request.digest, approve=approved, by=_who())
    future = client.call_async(asked)
    end = time.monotonic() + ANSWERS_WITHIN
    while not future.done() and time.monotonic() < end:
        time.sleep(0.01)
    if future.done():
        return future.result()
    state = requests.get(request.request_id, request).state
    if state == request.PENDING:
        raise RosError("the executor did not answer")
    return Approve.Response(
        success=state == (request.GRANTED if approved else request.DENIED), message="it was settled otherwise"
    )


def _who() -> str:
    try:
        return f"{getpass.getuser()} at a terminal"
    except (KeyError, OSError):
        return "somebody at a terminal"
