"""The closed loop as its user sees it: tasks in, and what executor and tabletop say of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from dgemma_ros.console.listening import Listener
from dgemma_ros.console.processes import START_WITHIN, Nodes, ProcessError
from dgemma_ros.installed import share

ANSWER_WITHIN = 30.0
PATIENCE: Final = {
    "planner": {"budget": 10.0, "max_observation_age": 10.0},
    "executor": {"planner_timeout": 10.0, "camera_timeout": 10.0},
}
"""Seconds, in place of those that a robot wants."""


class Loop(Listener):
    """A :class:`Listener` that also hears the executor and the tabletop, and calls their services."""

    def __init__(self, nodes: Nodes, on_draft: Callable[[Any], None] | None = None) -> None:
        super().__init__(on_plan=self._count, on_draft=on_draft)
        from dgemma_msgs import msg, srv
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.qos import DurabilityPolicy, QoSProfile
        from std_msgs.msg import Bool, String

        self._nodes, self._msg, self._srv = nodes, msg, srv
        self.plans: list[Any] = []
        self.shown: list[Any] = []
        """Everything on ``execution``, in order."""
        self.results: list[Any] = []
        self.truth: dict[str, Any] = {}
        self.inhibited = False
        self.cleared = False
        """Whether the executor hears planner and camera, has no doubt, and nothing inhibits it, by its diagnostics."""
        latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        last = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.node.create_subscription(msg.Execution, "execution", self.shown.append, latched)
        self.node.create_subscription(msg.SkillResult, "skill_result", self.results.append, latched)
        self.node.create_subscription(String, "tabletop/truth", self._hear_truth, last)
        self.node.create_subscription(Bool, "inhibit", self._hear_inhibit, 10)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._hear_executor, 10)
        self._requests = self.node.create_publisher(msg.Task, "task_request", 10)
        self._clients: dict[str, Any] = {}

    def start(
        self, model: Path, skills: Path, params: Path | None = None, executor: bool = True, **table: object
    ) -> None:
        """Starts tabletop, planner and executor, and waits until all three are ready.

        Their parameters are those of ``params``, by default what ``loop.launch.xml`` takes too, but with more patience,
        for a machine that does other things besides. ``table`` are the tabletop's own.
        """
        patience = {} if params else PATIENCE
        params = params or share("launch/config/loop.yaml", "config/loop.yaml")
        if params is None:
            raise ProcessError("loop.yaml is not installed here; give the nodes' parameters with --params")
        self._nodes.start("tabletop", params, **table)
        self._nodes.start("planner", params, model=model, skills=skills, threads=1, **patience.get("planner", {}))
        names = ["tabletop"]
        if executor:
            journal = self._nodes.logs / "executor.journal.jsonl"
            self._nodes.start("executor", params, skills=skills, journal=journal, **patience.get("executor", {}))
            names.append("executor")
        for name in names:
            self._nodes.wait(lambda name=name: self._nodes.said(name, "ready"), f"the {name} to be ready", START_WITHIN)  # type: ignore[misc]
        self._nodes.wait(lambda: self.figures.get("state") == "active", "the planner to be ready", START_WITHIN)
        self._nodes.wait(lambda: self._requests.get_subscription_count(), "the planner to listen", START_WITHIN)
        self._nodes.wait(lambda: self.truth, "the table", START_WITHIN)
        if executor:
            self._nodes.wait(lambda: self.cleared, "the executor to hear planner and camera", START_WITHIN)

    def lay(self, seed: int) -> list[str]:
        """Lays the table anew, and has the planner forget the old one and see the new; the names on it."""
        self._nodes.wait(lambda: not self.truth.get("busy"), "a still arm", ANSWER_WITHIN)
        answer = self.call("ResetWorld", "tabletop/reset", seed=seed)
        if not answer.success:
            raise ProcessError(f"the table was not laid: {answer.message}")
        self._nodes.wait(lambda: self.truth.get("seed") == seed, "the new table", ANSWER_WITHIN)
        return list(answer.objects)

    def look(self) -> None:
        """Has the planner forget what it saw, and waits until it has seen the table as it is now."""
        since = self.node.get_clock().now().nanoseconds
        self.call("ResetContext", "planner/reset_context")

        def seen() -> Any:
            stamp = self.call("ContextInfo", "planner/context_info").newest_stamp
            return int(stamp.sec) * 10**9 + int(stamp.nanosec) > since

        self._nodes.wait(seen, "a picture", ANSWER_WITHIN)

    def request(self, task_id: str, text: str) -> None:
        """Sends a task."""
        self._requests.publish(self._msg.Task(task_id=task_id, text=text, remember=True))

    def ended(self, task_id: str) -> Any:
        """How a task ended, or None as long as it has not."""
        ended = self._msg.Execution.ENDED
        return next((m for m in list(self.shown) if m.task_id == task_id and m.state == ended), None)

    def ending(self, message: Any) -> str:
        """The ending's name."""
        names = ("NONE", "REACHED", "CARRIED_OUT", "REFUSED", "FAILED", "STOPPED")
        return next(name for name in names if getattr(self._msg.Execution, name) == message.ending)

    def call(self, kind: str, name: str, **fields: Any) -> Any:
        """A service's answer. Raises :class:`ProcessError` where none comes."""
        type_ = getattr(self._srv, kind)
        if name not in self._clients:
            self._clients[name] = self.node.create_client(type_, name)
        client = self._clients[name]
        self._nodes.wait(client.service_is_ready, f"the service {name}", ANSWER_WITHIN)
        return self.answered(lambda: client.call_async(type_.Request(**fields)), f"an answer of {name}", ANSWER_WITHIN)

    def answered(self, ask: Callable[[], Any], what: str, seconds: float) -> Any:
        """The answer to what ``ask`` asks, which gives its future. Raises :class:`ProcessError` where none comes.

        It is asked up to three times: a server that has not met its client yet drops the answer.
        """
        for attempt in (1, 2, 3):
            future = ask()
            try:
                self._nodes.wait(future.done, what, seconds / 3)
                return future.result()
            except ProcessError:
                future.cancel()
                if attempt == 3:
                    raise
        raise AssertionError

    def do(self, what: Callable[[], Any]) -> Any:
        """Does it in the thread that listens: an action client misses answers that are quicker than its caller."""
        task = self._executor.create_task(what)
        self._nodes.wait(task.done, "the listening thread", ANSWER_WITHIN)
        return task.result()

    def _count(self, plan: Any) -> None:
        self.plans.append(plan)

    def _hear_truth(self, message: Any) -> None:
        self.truth = json.loads(message.data)

    def _hear_executor(self, message: Any) -> None:
        wanted = f"{self.namespace}/executor" if self.namespace else "executor"
        for status in message.status:
            if status.name.split(":")[0] == wanted:
                self.cleared = status.level == status.OK

    def _hear_inhibit(self, message: Any) -> None:
        self.inhibited = bool(message.data)
