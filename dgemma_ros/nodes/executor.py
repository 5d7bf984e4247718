"""The node ``executor``: plans in, one ROS action a step out. A thin lifecycle shell round one :class:`Dispatcher`.

Everything runs in the executor's one thread, so events come one after the other. Nothing is dispatched where anything
here fails: an error in a callback stops what moves.
"""

from __future__ import annotations

if __name__ == "__main__":  # before all else is imported
    from dgemma_ros.nodes import start

    start.executor()

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dgemma_msgs import msg
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, LifecycleState
from rclpy.lifecycle import TransitionCallbackReturn as Done
from rclpy.lifecycle.node import LifecycleNodeMixin
from rclpy.logging import get_logging_directory
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import Bool

from dgemma_ros.errors import DgemmaError
from dgemma_ros.execution.clock import WallClock
from dgemma_ros.execution.dispatch import Dispatcher
from dgemma_ros.execution.gates import Terms
from dgemma_ros.execution.hands import Limits
from dgemma_ros.execution.journal import Journal
from dgemma_ros.execution.table import ExecutionTable
from dgemma_ros.nodes import action_types, diagnostics, parameter_table, parameters, process, qos, timers, topics
from dgemma_ros.nodes import execution_messages as messages
from dgemma_ros.nodes.executor_hands import RosHands
from dgemma_ros.nodes.executor_services import ExecutorServices
from dgemma_ros.nodes.skill_clients import SkillClients
from dgemma_ros.nodes.transitions import guarded
from dgemma_ros.nodes.watching import Watch
from dgemma_ros.skills.catalogue import SkillCatalogue, SkillsError

TICK = 0.05
END_WITHIN = 1.4
"""Seconds for which the end of the process waits for a cancelled skill."""
FROM_NOW_ON = QoSProfile(
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
    history=HistoryPolicy.KEEP_LAST,
    depth=100,
)
"""Plans of before are not ours: a late joiner would get a hundred of them."""


class ExecutorNode(LifecycleNode):  # type: ignore[misc]
    """Configure reads table and journal, activate listens to plans, deactivate stops what moves, cleanup frees."""

    def __init__(self, finish: process.Finish) -> None:
        Node.__init__(self, "executor")
        self._group = MutuallyExclusiveCallbackGroup()
        LifecycleNodeMixin.__init__(self, callback_group=self._group)
        parameters.declare(self, parameter_table.EXECUTOR)
        self._phase, self._error = "unconfigured", ""
        self._dispatcher: Dispatcher | None = None
        self._journal: Journal | None = None
        self._actions: SkillClients | None = None
        self._watch: Watch | None = None
        self._plans: Any = None
        self._inhibited = False
        self._hands = RosHands(self, self._group, lambda: self._dispatcher, lambda: self._actions, self._guard)
        ExecutorServices(self, self._group, self._with)
        # The word to stop is heard from the first moment to the last, in every state.
        self.create_subscription(
            Bool,
            topics.INHIBIT.name,
            self._inhibit,
            qos.INHIBIT,
            callback_group=self._group,
            qos_overriding_options=qos.OVERRIDES,
        )
        self._diagnostics = diagnostics.Diagnostics(self)
        steady = diagnostics.steady()
        self.create_timer(TICK, self._tick, callback_group=self._group, clock=steady)
        self.create_timer(diagnostics.PERIOD, self._diagnose, callback_group=self._group, clock=steady)
        check = parameters.checker(
            parameter_table.EXECUTOR, lambda: self._phase != "unconfigured", lambda changes: None
        )
        self.add_on_set_parameters_callback(check)
        back, ahead = Duration(nanoseconds=-1), Duration(seconds=2)
        jumps = JumpThreshold(min_forward=ahead, min_backward=back, on_clock_change=True)
        self._jump = self.get_clock().create_jump_callback(jumps, post_callback=self._jumped)
        self._wall = WallClock()
        if self.get_parameter("autostart").value:
            timers.once(self, self._group, self._autostart)

    def _autostart(self) -> None:
        if self._phase == "unconfigured" and self.trigger_configure() is Done.SUCCESS:
            self.trigger_activate()

    # -- transitions --------------------------------------------------------------------------------------------------

    @guarded
    def on_configure(self, state: LifecycleState) -> Done:
        """Reads the skills file and checks every mapping; opens the journal and settles what a crash left."""
        self._error = ""
        values = parameters.values(self, parameter_table.EXECUTOR)
        if not values["skills"]:
            raise SkillsError("the parameter skills is empty: give the robot's skills file")
        file = Path(values["skills"]).expanduser()
        catalogue = SkillCatalogue.load(file)
        table = ExecutionTable.load(file, catalogue)
        types = action_types.check(table)
        name = self.get_fully_qualified_name().strip("/").replace("/", ".")
        journal = values["journal"] or str(Path(get_logging_directory()) / f"{name}.journal.jsonl")
        self._journal = Journal(Path(journal).expanduser())
        if self._journal.aside is not None:
            self.get_logger().warning(f"{self._journal.doubt} Then call ~/clear_doubt")
        limits = Limits(
            accept=values["accept_timeout"],
            cancel=values["cancel_timeout"],
            approval=values["approval_timeout"],
            plan=values["plan_timeout"],
            attempts=values["attempts"],
            same_priority_replaces=values["same_priority"] == "replace",
        )
        terms = Terms(table, catalogue, values["min_confidence"], values["require_confirmed"])
        self._actions = SkillClients(self, self._group, table.entries, types, self._guard, limits.accept / 2)
        dispatcher = Dispatcher(
            terms, self._journal, self._hands, time.monotonic, limits, values["pin_done"], values["ask_model"]
        )
        self._dispatcher = dispatcher
        if self._inhibited:
            dispatcher.inhibit(True)
        for dispatch in dispatcher.recover():
            self.get_logger().error(f"{dispatch.skill} was on its way when the executor died: its outcome is UNKNOWN")
            if (entry := table.entries.get(dispatch.skill)) is not None:
                self._actions.settle(dispatch, entry, dispatcher.flight)
        watch = self._watch = Watch(self, dispatcher.lose, dispatcher.find)
        watch.planner(values["planner"], values["planner_timeout"])
        watch.cameras(values["cameras"] or [""], values["image_transport"], values["camera_timeout"])
        for topic in {r.topic for entry in table.entries.values() for r in entry.requires}:
            watch.requirement(topic, self._said)
        watch.look()
        self.get_logger().info(f"configured: {len(table.entries)} skills of {file}, journal {self._journal.file}")
        self._phase = "inactive"
        return Done.SUCCESS

    @guarded
    def on_activate(self, state: LifecycleState) -> Done:
        """Listens to plans."""
        self._plans = self.create_subscription(
            msg.Plan,
            topics.PLAN.name,
            self._plan,
            FROM_NOW_ON,
            callback_group=self._group,
            qos_overriding_options=qos.OVERRIDES,
        )
        self._phase = "active"
        self.get_logger().info(f"ready: plans on {self.resolve_topic_name(topics.PLAN.name)}")
        return Done.SUCCESS

    @guarded
    def on_deactivate(self, state: LifecycleState) -> Done:
        """Stops: what is on its way is cancelled, and its end still heard."""
        self._deafen()
        if self._dispatcher is not None:
            self._dispatcher.cancel()
        self._phase = "inactive"
        return Done.SUCCESS

    @guarded
    def on_cleanup(self, state: LifecycleState) -> Done:
        """Frees everything. A skill that has not ended yet is left to the journal: UNKNOWN when it opens again."""
        self._release()
        self._phase = "unconfigured"
        return Done.SUCCESS

    @guarded
    def on_shutdown(self, state: LifecycleState) -> Done:
        """Stops and frees; the node stays, finalized, until its process ends."""
        self._deafen()
        if self._dispatcher is not None:
            self._dispatcher.cancel()
        self._release()
        self._phase = "finalized"
        return Done.SUCCESS

    def on_error(self, state: LifecycleState) -> Done:
        """Frees what there is, so that configure works again."""
        self._deafen()
        self._release()
        self._phase = "unconfigured"
        return Done.SUCCESS

    def stop(self) -> None:
        """Cancels what is on its way and waits a moment for its end, so that it is not UNKNOWN without need."""
        dispatcher = self._dispatcher
        if dispatcher is None:
            return
        self.executor.create_task(lambda: self._guard(lambda: dispatcher.cancel()))
        end = time.monotonic() + END_WITHIN
        while dispatcher.live is not None and time.monotonic() < end:
            time.sleep(0.01)

    def _deafen(self) -> None:
        plans, self._plans = self._plans, None
        if plans is not None:
            self.destroy_subscription(plans)

    def _release(self) -> None:
        self._dispatcher = None
        for name in ("_watch", "_actions", "_journal"):
            part = getattr(self, name)
            setattr(self, name, None)
            if part is not None:
                part.close()

    def fail(self, text: str) -> Done:
        """Keeps and logs what went wrong; leads to the error state."""
        self._error = " ".join(text.split())
        self.get_logger().error(self._error)
        return Done.ERROR

    def _guard(self, do: Callable[[], object]) -> None:
        """An error in a callback stops what moves, and the node with it: nobody knows what else is wrong."""
        try:
            do()
        except Exception as error:
            self.fail(str(error) if isinstance(error, DgemmaError) else f"{type(error).__name__}: {error}")
            if self._phase == "active":
                timers.once(self, self._group, lambda: self._phase == "active" and self.trigger_deactivate())

    # -- what comes in ------------------------------------------------------------------------------------------------

    def _with(self, do: Callable[[Dispatcher], object]) -> None:
        if (dispatcher := self._dispatcher) is not None:
            self._guard(lambda: do(dispatcher))

    def _plan(self, message: msg.Plan) -> None:
        self._with(lambda dispatcher: dispatcher.plan(messages.order_of(message, self.get_clock())))

    def _inhibit(self, message: Bool) -> None:
        self._inhibited = bool(message.data)
        self._with(lambda dispatcher: dispatcher.inhibit(self._inhibited))

    def _said(self, topic: str, true: bool) -> None:
        def note(dispatcher: Dispatcher) -> None:
            ready = dict(dispatcher.conditions.ready)
            ready.pop(topic, None)
            dispatcher.conditions.ready = ready | ({topic: time.monotonic()} if true else {})

        self._with(note)

    def _jumped(self, jump: TimeJump) -> None:
        self.get_logger().warning("the clock jumped: what was planned before is not carried out")
        self._with(lambda dispatcher: dispatcher.clock_jumped())

    def _tick(self) -> None:
        if not self.get_parameter("use_sim_time").value and self._wall.jumped():
            self._jumped(None)
        if (watch := self._watch) is not None:
            self._guard(watch.look)
        if (actions := self._actions) is not None:
            self._guard(actions.poll)
        self._with(lambda dispatcher: dispatcher.tick())

    def _diagnose(self) -> None:
        health = diagnostics.Health()
        if self._error:
            health.raise_to(DiagnosticStatus.ERROR, self._error)
        elif self._phase != "active":
            health.raise_to(DiagnosticStatus.WARN, self._phase)
        health.put({"state": self._phase})
        if (dispatcher := self._dispatcher) is not None:
            diagnostics.of_dispatcher(health, dispatcher)
        self._diagnostics.publish(health)


def main(arguments: list[str] | None = None) -> int:
    """``python -m dgemma_ros.nodes.executor --ros-args -p skills:=engines/nano/skills.yaml``."""
    return process.run(ExecutorNode, arguments)
