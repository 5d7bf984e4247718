"""Action clients for whatever types the table names: goals out, what comes of them in. For the executor's thread.

Goals are sent under ids of our own, so a goal can be cancelled before it was accepted, and by an executor that has
started anew after a crash.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from action_msgs.msg import GoalStatus
from action_msgs.srv import CancelGoal
from dgemma_msgs import msg
from rclpy.action import ActionClient
from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from unique_identifier_msgs.msg import UUID

from dgemma_ros.execution.entry import NOBODY, Entry
from dgemma_ros.execution.located import TableError
from dgemma_ros.execution.types import Dispatch, Outcome
from dgemma_ros.nodes import action_types
from dgemma_ros.nodes.execution_messages import OUTCOME_OF
from dgemma_ros.nodes.plan_messages import step_message
from dgemma_ros.skills.types import PlanStep

_STATUS = {
    GoalStatus.STATUS_SUCCEEDED: Outcome.SUCCEEDED,
    GoalStatus.STATUS_CANCELED: Outcome.CANCELLED,
    GoalStatus.STATUS_ABORTED: Outcome.FAILED,
}


class Listener(Protocol):
    """Who is told what comes of a goal: the flight's methods of these names."""

    def accepted(self, dispatch_id: str) -> bool:
        """The server has taken it; False where nobody wants it any more."""

    def rejected(self, dispatch_id: str, why: str = "") -> None:
        """The server has not taken it."""

    def feedback(self, dispatch_id: str) -> None:
        """A sign of life."""

    def ended(self, dispatch_id: str, outcome: Outcome, reason: str = "", message: str = "") -> None:
        """It has ended."""

    def lost(self, dispatch_id: str, why: str) -> None:
        """The server is gone."""


class SkillClients:
    """One client for each action of the table. ``guard`` wraps every callback of ours; a server may take ``patience``
    seconds to be there."""

    def __init__(
        self, node: Node, group: CallbackGroup, entries: Mapping[str, Entry], types: Mapping[str, Any],
        guard: Callable[[Callable[[], None]], None], patience: float,
    ) -> None:  # fmt: skip
        self._node, self._types, self._guard, self._patience = node, types, guard, patience
        self._waiting: dict[str, tuple[float, Dispatch, Entry, Listener]] = {}
        self._clients: dict[str, ActionClient] = {}
        self._cancels: dict[str, Any] = {}
        self._results: dict[str, Any] = {}
        for entry in entries.values():
            if entry.action == NOBODY or entry.type not in types or entry.action in self._clients:
                continue
            kind, name = types[entry.type], entry.action
            self._clients[name] = ActionClient(node, kind, name, callback_group=group)
            self._cancels[name] = node.create_client(CancelGoal, f"{name}/_action/cancel_goal", callback_group=group)
            result = kind.Impl.GetResultService
            self._results[name] = node.create_client(result, f"{name}/_action/get_result", callback_group=group)

    def close(self) -> None:
        """Destroys the clients."""
        for client in self._clients.values():
            client.destroy()
        for client in (*self._cancels.values(), *self._results.values()):
            self._node.destroy_client(client)

    def ready(self, entry: Entry) -> bool:
        """Whether the action's server is there, as far as discovery knows."""
        client = self._clients.get(entry.action)
        return client is None or client.server_is_ready()

    def send(self, dispatch: Dispatch, entry: Entry, listener: Listener) -> None:
        """Sends a goal; ``listener`` is told what comes of it, in later callbacks."""
        dispatch_id, client = dispatch.dispatch_id, self._clients[entry.action]
        try:
            goal = self._goal(dispatch, entry)
        except TableError as error:
            problem = str(error)
            self._later(lambda: listener.rejected(dispatch_id, problem))
            return
        if not client.server_is_ready():
            until = time.monotonic() + self._patience
            self._waiting.setdefault(dispatch_id, (until, dispatch, entry, listener))
            return

        def answered(future: Any) -> None:
            handle = future.result()
            if not handle.accepted:
                return listener.rejected(dispatch_id)
            handle.get_result_async().add_done_callback(
                lambda future: self._guard(lambda: self._ended(dispatch_id, entry, future.result(), listener))
            )
            if not listener.accepted(dispatch_id):  # the cancel of then was quicker than the goal
                self.cancel(dispatch, entry)
            return None

        sent = client.send_goal_async(
            goal, lambda feedback: self._guard(lambda: listener.feedback(dispatch_id)), goal_uuid=_uuid(dispatch_id)
        )
        sent.add_done_callback(lambda future: self._guard(lambda: answered(future)))

    def poll(self) -> None:
        """Sends what waited for a server that is there now, and gives up what waited too long. Call it often."""
        for dispatch_id, (until, dispatch, entry, listener) in list(self._waiting.items()):
            if self.ready(entry):
                del self._waiting[dispatch_id]
                self.send(dispatch, entry, listener)
            elif time.monotonic() > until:
                del self._waiting[dispatch_id]
                listener.rejected(dispatch_id, f"there is no server for {entry.action}")

    def cancel(self, dispatch: Dispatch, entry: Entry) -> None:
        """Asks for a goal's end; where the server is not there, nobody is asked. One that was not sent yet never is."""
        if (waiting := self._waiting.pop(dispatch.dispatch_id, None)) is not None:
            listener = waiting[3]
            self._later(lambda: listener.rejected(dispatch.dispatch_id, "it was cancelled before it was sent"))
            return
        client = self._cancels.get(entry.action)
        if client is not None:
            request = CancelGoal.Request()
            request.goal_info.goal_id = _uuid(dispatch.dispatch_id)
            client.call_async(request)

    def settle(self, dispatch: Dispatch, entry: Entry, listener: Listener) -> None:
        """After a crash: cancels a goal of before, and tells of its end where the server still knows it."""
        self.cancel(dispatch, entry)
        kind, client = self._types.get(entry.type), self._results.get(entry.action)
        if kind is None or client is None:
            return
        request = kind.Impl.GetResultService.Request(goal_id=_uuid(dispatch.dispatch_id))

        def answered(future: Any) -> None:
            if future.result().status in _STATUS:
                listener.ended(dispatch.dispatch_id, Outcome.UNKNOWN)

        client.call_async(request).add_done_callback(lambda future: self._guard(lambda: answered(future)))

    def _ended(self, dispatch_id: str, entry: Entry, answer: Any, listener: Listener) -> None:
        result, outcome = answer.result, _STATUS.get(answer.status, Outcome.UNKNOWN)
        reason = message = ""
        if entry.ours:
            said = OUTCOME_OF.get(result.outcome, Outcome.UNKNOWN)
            reason, message = result.reason, result.message
            # The goal's own status must not be better than what the result says, nor the other way round.
            if (said is Outcome.SUCCEEDED) != (outcome is Outcome.SUCCEEDED):
                said, reason = Outcome.UNKNOWN, "contradiction"
            outcome = said
        elif outcome is Outcome.SUCCEEDED and (why := action_types.succeeded(entry, result)):
            outcome, reason, message = Outcome.FAILED, "result", why
        elif outcome is Outcome.FAILED:
            reason = str(getattr(result, "error_code", "")) or "aborted"
            message = str(getattr(result, "error_msg", ""))
        listener.ended(dispatch_id, outcome, reason[:200], message[:1000])

    def _goal(self, dispatch: Dispatch, entry: Entry) -> Any:
        kind = self._types[entry.type]
        if not entry.ours:
            return action_types.goal_of(kind, entry, dispatch.arguments)
        step: msg.PlanStep = step_message(PlanStep(dispatch.skill, dispatch.arguments, 0.0))
        return kind.Goal(
            skill=dispatch.skill,
            arguments_json=json.dumps(dict(sorted(dispatch.arguments.items())), ensure_ascii=False),
            arguments=step.arguments,
            plan_id=dispatch.plan_id,
            step=dispatch.step,
            dispatch_id=dispatch.dispatch_id,
        )

    def _later(self, do: Callable[[], None]) -> None:
        self._node.executor.create_task(lambda: self._guard(do))


def _uuid(dispatch_id: str) -> UUID:
    return UUID(uuid=list(uuid.UUID(hex=dispatch_id).bytes))
