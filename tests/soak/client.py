"""The client of the planner that is tormented: sends, hears, and keeps the ledger."""

from __future__ import annotations

import random
import time
from typing import Any

from action_msgs.msg import GoalStatus
from builtin_interfaces.msg import Duration, Time
from dgemma_msgs.action import GeneratePlan
from dgemma_msgs.msg import Plan, PlanDraft, SkillResult, Task
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.action import ActionClient
from rclpy.duration import Duration as Seconds
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Bool, String

from tests.nodes.graph import DEEP, LATCHED, MANY_GOALS, SENSOR, Graph
from tests.soak import bad_input
from tests.soak.ledger import Came, Goal, Ledger, Sent

STATUS = {
    getattr(Plan, name): name
    for name in ("CONVERGED", "STEP_LIMIT", "DEADLINE", "CANCELLED", "PREEMPTED", "REJECTED", "FAILED")
}
ENDING = {getattr(GoalStatus, f"STATUS_{name}"): name for name in ("SUCCEEDED", "CANCELED", "ABORTED")}


def seconds(time_: Time | Duration) -> float:
    return float(time_.sec) + float(time_.nanosec) / 1e9


class Client:
    """Any thread may send; plans come in the graph's own."""

    def __init__(self, graph: Graph, ledger: Ledger) -> None:
        self.graph, self.ledger = graph, ledger
        self.simulated = False
        self.figures: dict[str, str] = {}
        """The planner's newest diagnostics."""
        self.figures_came = 0.0
        self.drafts = 0
        self.last_plan_id = ""
        self._number = 0
        self._handles: dict[str, Any] = {}
        node = graph.node
        self._texts = node.create_publisher(String, "task", DEEP)
        self._requests = node.create_publisher(Task, "task_request", DEEP)
        self._others = {
            topic: node.create_publisher(type_, topic, qos)
            for topic, type_, qos in (
                ("note", String, DEEP),
                ("skill_result", SkillResult, DEEP),
                ("inhibit", Bool, DEEP),
                ("image_raw", Image, SENSOR),
                ("image_raw/compressed", CompressedImage, SENSOR),
                ("/clock", Clock, SENSOR),
            )
        }
        node.create_subscription(Plan, "plan", self._hear_plan, LATCHED)
        node.create_subscription(PlanDraft, "plan_draft", self._hear_draft, 50)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._hear_diagnostics, 10)
        self._action = ActionClient(node, GeneratePlan, "generate_plan", **MANY_GOALS)

    # -- what is sent ---------------------------------------------------------------------------------------------

    def say(self, topic: str, message: Any) -> None:
        """Something that is owed no answer."""
        self._others[topic].publish(message)

    def send_text(self, text: str) -> str:
        """A task in plain words, known again by its beginning; the key that it begins with."""
        key = self._key("w")
        with self.ledger.sending:
            entry = self.ledger.send(key, "task")
            self._texts.publish(String(data=f"{key} {text}"))
            entry.after = time.time()
        return key

    def send_request(self, chance: random.Random) -> str:
        """A task with terms; its id."""
        key = self._key("r")
        task = bad_input.task(chance, key)
        budget = seconds(task.budget)
        with self.ledger.sending:
            entry = self.ledger.send(key, "request", budget)
            self._requests.publish(task)
            entry.after = time.time()
        return key

    def send_goal(self, chance: random.Random) -> str:
        """A goal of the action, whose result is asked for as soon as it is accepted; its task's id."""
        task = bad_input.task(chance, self._key("g"))
        if chance.random() < 0.2:
            task.header.stamp = bad_input.stamp(chance)

        def send() -> None:
            with self.ledger.sending:
                entry = self.ledger.send(task.task_id, "goal")
                goal = self.ledger.goals[task.task_id]
                sent = self._action.send_goal_async(GeneratePlan.Goal(task=task), feedback_callback=lambda draft: None)
                entry.after = time.time()
            sent.add_done_callback(lambda future: self._answered(goal, entry, future))

        if self._action.server_is_ready():
            self.graph.in_turn(send)
        return task.task_id

    def cancel_goals(self, chance: random.Random) -> None:
        """Some of those that run."""

        def cancel() -> None:
            for key, handle in list(self._handles.items()):
                goal = self.ledger.goals[key]
                if goal.ending or goal.excused:
                    del self._handles[key]
                elif not goal.cancelled and chance.random() < 0.4:
                    goal.cancelled = True
                    handle.cancel_goal_async()

        self.graph.in_turn(cancel)

    def _answered(self, goal: Goal, entry: Sent, future: Any) -> None:
        handle = future.result()
        goal.accepted = bool(handle.accepted)
        if not goal.accepted:
            entry.excused = "refused as a goal"
            return
        goal.asked = time.time()
        handle.get_result_async().add_done_callback(lambda result: self._ended(goal, result))
        self._handles[goal.key] = handle

    def _ended(self, goal: Goal, future: Any) -> None:
        answer = future.result()
        plan = answer.result.plan
        goal.plan_status, goal.valid = STATUS.get(plan.status, "none"), plan.valid
        goal.ending = ENDING.get(answer.status, f"status {answer.status}")

    def _key(self, letter: str) -> str:
        with self.ledger.sending:
            self._number += 1
            return f"{letter}{self._number}"

    # -- whether it is heard --------------------------------------------------------------------------------------

    def heard_on_all_ways(self) -> bool:
        """Sends a task each way, which nobody is owed; whether each is answered within two seconds."""
        chance = random.Random(0)
        keys = {self.send_text("where is the red block?"), self.send_request(chance), self.send_goal(chance)}
        end = time.monotonic() + 2.0
        while time.monotonic() < end:
            if keys <= {came.key for came in list(self.ledger.came)}:
                return True
            time.sleep(0.01)
        return False

    def arrived(self, within: float) -> bool:
        """Waits until all tasks that were sent are with their readers; whether they are."""
        patience = Seconds(seconds=within)
        return bool(self._texts.wait_for_all_acked(patience) and self._requests.wait_for_all_acked(patience))

    # -- what comes -----------------------------------------------------------------------------------------------

    def _hear_plan(self, plan: Plan) -> None:
        key = plan.task_id if plan.task_id in self.ledger.sent else plan.task.partition(" ")[0]
        stamp, deadline = seconds(plan.header.stamp), seconds(plan.deadline)
        status = STATUS.get(plan.status, f"status {plan.status}")
        made = bool(plan.model)
        came = Came(key, plan.plan_id, time.time(), stamp, deadline, status, plan.valid, made, self.simulated)
        self.last_plan_id = plan.plan_id
        self.ledger.hear(came)

    def _hear_draft(self, draft: PlanDraft) -> None:
        self.drafts += 1

    def _hear_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name.startswith("planner:"):
                self.figures = {value.key: value.value for value in status.values} | {"": status.message}
                self.figures_came = time.time()
