"""The node ``executor``: plans in, one ROS action a step out. A thin lifecycle shell round one :class:`Dispatcher`.

Everything runs in the executor's one thread, so events come one after the other. Nothing is dispatched where anything
here fails: an error in a callback stops what moves.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dgemma_msgs import msg, srv
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
from dgemma_ros.execution.approvals import Request
from dgemma_ros.execution.dispatch import Dispatcher
from dgemma_ros.execution.gates import Terms
from dgemma_ros.execution.hands import Limits
from dgemma_ros.execution.journal import Journal
from dgemma_ros.execution.table import Entry, ExecutionTable
from dgemma_ros.execution.types import Dispatch, NextTask, Progress, Result
from dgemma_ros.nodes import action_types, diagnostics, parameter_table, parameters, process, qos, topics
from dgemma_ros.nodes import execution_messages as messages
from dgemma_ros.nodes.skill_clients import SkillClients
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


def _guarded(transition: Callable[[ExecutorNode, LifecycleState], Done]) -> Any:
    """Any error of a transition becomes the error state with a message."""

    @functools.wraps(transition)
    def guarded(self: ExecutorNode, state: LifecycleState) -> Done:
        try:
            return transition(self, state)
        except DgemmaError as error:
            return self._fail(str(error))
        except Exception as error:
            return self._fail(f"{type(error).__name__}: {error}")

    return guarded


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
        publisher = functools.partial(self.create_publisher, qos_overriding_options=qos.OVERRIDES)
        self._results = publisher(msg.SkillResult, topics.SKILL_RESULT.name, qos.of(topics.SKILL_RESULT))
        self._progress = publisher(msg.Execution, topics.EXECUTION.name, qos.PLANS)
        self._requests = publisher(msg.ApprovalRequest, topics.APPROVAL_REQUEST.name, qos.PLANS)
        self._tasks = publisher(msg.Task, topics.TASK_REQUEST.name, qos.of(topics.TASK_REQUEST))
        self._rule = self.create_client(srv.GoalReached, topics.GOAL_REACHED.name, callback_group=self._group)
        for type_, topic, answer in (
            (srv.Approve, topics.APPROVE, self._approve),
            (srv.CancelExecution, topics.CANCEL_EXECUTION, self._cancel),
            (srv.ClearDoubt, topics.CLEAR_DOUBT, self._clear_doubt),
        ):
            self.create_service(type_, topic.name, answer, callback_group=self._group)
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
        jumps = JumpThreshold(
            min_forward=Duration(seconds=2), min_backward=Duration(nanoseconds=-1), on_clock_change=True
        )
        self._jump = self.get_clock().create_jump_callback(jumps, post_callback=self._jumped)
        self._clock_offset = time.time() - time.monotonic()
        if self.get_parameter("autostart").value:
            self._once(0.001, self._autostart)

    def _once(self, seconds: float, do: Callable[[], object]) -> None:
        def call() -> None:
            timer.cancel()
            self.destroy_timer(timer)
            do()

        timer = self.create_timer(seconds, call, callback_group=self._group, clock=diagnostics.steady())

    def _autostart(self) -> None:
        if self._phase == "unconfigured" and self.trigger_configure() is Done.SUCCESS:
            self.trigger_activate()

    # -- transitions --------------------------------------------------------------------------------------------------

    @_guarded
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
        limits = Limits(
            accept=values["accept_timeout"],
            cancel=values["cancel_timeout"],
            approval=values["approval_timeout"],
            plan=values["plan_timeout"],
            attempts=values["attempts"],
            same_priority_replaces=values["same_priority"] == "replace",
        )
        terms = Terms(table, catalogue, values["min_confidence"])
        self._actions = SkillClients(self, self._group, table.entries, types, self._guard, limits.accept / 2)
        dispatcher = Dispatcher(
            terms, self._journal, self, time.monotonic, limits, values["pin_done"], values["ask_model"]
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

    @_guarded
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

    @_guarded
    def on_deactivate(self, state: LifecycleState) -> Done:
        """Stops: what is on its way is cancelled, and its end still heard."""
        self._deafen()
        if self._dispatcher is not None:
            self._dispatcher.cancel()
        self._phase = "inactive"
        return Done.SUCCESS

    @_guarded
    def on_cleanup(self, state: LifecycleState) -> Done:
        """Frees everything. A skill that has not ended yet is left to the journal: UNKNOWN when it opens again."""
        self._release()
        self._phase = "unconfigured"
        return Done.SUCCESS

    @_guarded
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

    def _fail(self, text: str) -> Done:
        self._error = " ".join(text.split())
        self.get_logger().error(self._error)
        return Done.ERROR

    def _guard(self, do: Callable[[], object]) -> None:
        """An error in a callback stops what moves, and the node with it: nobody knows what else is wrong."""
        try:
            do()
        except Exception as error:
            self._fail(str(error) if isinstance(error, DgemmaError) else f"{type(error).__name__}: {error}")
            if self._phase == "active":
                self._once(0.001, lambda: self._phase == "active" and self.trigger_deactivate())

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
        offset = time.time() - time.monotonic()
        if abs(offset - self._clock_offset) > 2.0 and not self.get_parameter("use_sim_time").value:
            self._clock_offset = offset
            self._jumped(None)
        if (watch := self._watch) is not None:
            self._guard(watch.look)
        if (actions := self._actions) is not None:
            self._guard(actions.poll)
        self._with(lambda dispatcher: dispatcher.tick())

    def _approve(self, request: srv.Approve.Request, response: srv.Approve.Response) -> Any:
        response.message = "the executor is not configured"

        def answer(dispatcher: Dispatcher) -> None:
            response.message = dispatcher.approve(request.request_id, request.digest, request.approve, request.by)
            response.success = not response.message

        self._with(answer)
        return response

    def _cancel(self, request: srv.CancelExecution.Request, response: srv.CancelExecution.Response) -> Any:
        def cancel(dispatcher: Dispatcher) -> None:
            response.success = dispatcher.cancel(request.task_id)

        self._with(cancel)
        response.message = "" if response.success else "nothing like that is being carried out"
        return response

    def _clear_doubt(self, request: srv.ClearDoubt.Request, response: srv.ClearDoubt.Response) -> Any:
        def clear(dispatcher: Dispatcher) -> None:
            response.success = dispatcher.clear_doubt(request.by[:200] or "somebody")

        self._with(clear)
        response.message = "" if response.success else "nothing is in doubt"
        return response

    # -- what the dispatcher has done (its Hands) ---------------------------------------------------------------------

    def send(self, dispatch: Dispatch, entry: Entry) -> None:
        """Sends a skill's goal."""
        if self._actions is not None and self._dispatcher is not None:
            self._actions.send(dispatch, entry, self._dispatcher.flight)

    def cancel(self, dispatch: Dispatch, entry: Entry) -> None:
        """Asks for its end."""
        if self._actions is not None:
            self._actions.cancel(dispatch, entry)

    def tell(self, result: Result) -> None:
        """Publishes an outcome."""
        self._results.publish(messages.result_message(result, self.get_clock()))

    def ask(self, request: Request) -> None:
        """Publishes a request for approval."""
        self._requests.publish(messages.request_message(request, self.get_clock()))

    def show(self, progress: Progress) -> None:
        """Publishes where things stand."""
        self._progress.publish(messages.progress_message(progress, self.get_clock()))
        if progress.ending:
            ended = f"{progress.ending.value.lower().replace('_', ' ')}: {progress.message or progress.reason}"
            self.get_logger().info(f"{progress.task[:60]!r} {ended}")

    def plan(self, task: NextTask) -> None:
        """Asks the planner, when its camera has seen what came of the last skill."""
        remember = bool(self.get_parameter("remember").value)
        message = messages.task_message(task, remember)

        def ask() -> None:
            dispatcher = self._dispatcher
            if dispatcher is not None and dispatcher.awaits(task.task_id):
                self._tasks.publish(message)

        self._once(max(0.001, float(self.get_parameter("settle").value)), ask)

    def ask_rule(self, task_id: str, task: str, plan_id: str) -> bool:
        """Asks whoever offers ``goal_reached``; False where that is nobody, or is not wanted."""
        if not self.get_parameter("ask_rule").value or not self._rule.service_is_ready():
            return False
        request = srv.GoalReached.Request(task_id=task_id, task=task, plan_id=plan_id)

        def answered(future: Any) -> None:
            answer = future.result()
            self._with(lambda dispatcher: dispatcher.rule_said(task_id, answer.known, answer.reached))

        self._rule.call_async(request).add_done_callback(lambda future: self._guard(lambda: answered(future)))
        return True

    def _diagnose(self) -> None:
        health = diagnostics.Health()
        if self._error:
            health.raise_to(DiagnosticStatus.ERROR, self._error)
        elif self._phase != "active":
            health.raise_to(DiagnosticStatus.WARN, self._phase)
        health.put({"state": self._phase})
        if (dispatcher := self._dispatcher) is not None:
            conditions = dispatcher.conditions
            if conditions.doubt:
                health.raise_to(DiagnosticStatus.ERROR, f"in doubt: {conditions.doubt}; ~/clear_doubt ends it")
            if conditions.inhibited:
                health.raise_to(DiagnosticStatus.WARN, "inhibited: nothing is carried out")
            health.put(conditions.lost)
            for what, why in conditions.lost.items():
                health.raise_to(DiagnosticStatus.WARN, f"{what}: {why}")
            progress = dispatcher.report.progress
            health.put({"task": progress.task_id, "execution": progress.state.value, "step": progress.step})
            health.put({"dispatch": dispatcher.live.skill if dispatcher.live else ""})
            health.put(dict(sorted(dispatcher.report.counts.items())))
        self._diagnostics.publish(health)


def main(arguments: list[str] | None = None) -> int:
    """``python -m dgemma_ros.nodes.executor --ros-args -p skills:=engines/nano/skills.yaml``."""
    return process.run(ExecutorNode, arguments)


if __name__ == "__main__":
    sys.exit(main())
