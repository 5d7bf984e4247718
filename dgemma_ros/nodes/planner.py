"""The node ``planner``: cameras and tasks in, plans out. A thin lifecycle shell round one :class:`Planner`.

Threads: the planner's own thread runs the model and calls back with drafts and plans, which are published from there;
the executor's threads only hand things in. So services, cancel and diagnostics answer while a plan is being made.
"""

from __future__ import annotations

import functools
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dgemma_msgs import msg, srv
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.callback_groups import CallbackGroup, MutuallyExclusiveCallbackGroup
from rclpy.clock import JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.lifecycle.node import LifecycleNodeMixin
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import Bool, String

from dgemma_ros.errors import DgemmaError
from dgemma_ros.nodes import diagnostics, parameter_table, parameters, plan_messages, process, qos, topics
from dgemma_ros.nodes.camera_input import CameraInput
from dgemma_ros.nodes.loading import load
from dgemma_ros.nodes.task_action import TaskAction
from dgemma_ros.planning.planner import Planner
from dgemma_ros.planning.types import ErrorCode, Event, EventKind, Plan, PlanDraft, Status, Task

Transition = TransitionCallbackReturn
FAILURES = 3
"""Plans in a row that the backend failed to make, after which it is not trusted any more."""
_LOUD = {EventKind.STEP_TIME_DRIFT, EventKind.DEADLINE_MISSED, EventKind.ERROR}


def _guarded(transition: Callable[..., Transition]) -> Callable[..., Transition]:
    """Whatever a transition raises becomes the error state with a message; rclpy alone would lose the message."""

    @functools.wraps(transition)
    def guarded(self: PlannerNode, state: LifecycleState) -> Transition:
        try:
            return transition(self, state)
        except DgemmaError as error:
            return self._fail(str(error))
        except Exception as error:
            return self._fail(f"{type(error).__name__}: {error}")

    return guarded


class PlannerNode(LifecycleNode):  # type: ignore[misc]
    """Configure loads and warms up, activate listens, deactivate stops at a step's end, cleanup frees."""

    def __init__(self) -> None:
        Node.__init__(self, "planner")
        self._transitions = MutuallyExclusiveCallbackGroup()  # a model loads for minutes; all else goes on
        LifecycleNodeMixin.__init__(self, callback_group=self._transitions)
        parameters.declare(self, parameter_table.PLANNER)
        self._planner: Planner | None = None
        self._free: Callable[[], None] = lambda: None
        self._phase = "unconfigured"
        self._error = ""
        self._broken = False
        self._failures = 0
        self._inhibited = False
        self._jumps = 0
        self._active_since = 0.0
        self._cameras: list[CameraInput] = []
        self._subscriptions_: list[Any] = []
        self._stopping = threading.Lock()
        self._make_outlets()
        check = parameters.checker(parameter_table.PLANNER, lambda: self._phase != "unconfigured", self._take)
        self.add_on_set_parameters_callback(check)
        backwards = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=False)
        self._jump = self.get_clock().create_jump_callback(backwards, post_callback=self._jumped)
        if self.get_parameter("autostart").value:
            self._once(self._autostart)

    def _make_outlets(self) -> None:
        """Publishers, services and the action live as long as the node, so a late joiner finds the last plan."""
        # No lifecycle publishers: they would swallow the plans of tasks that deactivate cancels.
        publisher = functools.partial(self.create_publisher, qos_overriding_options=qos.OVERRIDES)
        self._plans = publisher(msg.Plan, topics.PLAN.name, qos.PLANS)
        self._texts = publisher(String, topics.PLAN_TEXT.name, qos.PLANS)
        self._drafts = publisher(msg.PlanDraft, topics.PLAN_DRAFT.name, qos.DRAFTS)
        service = functools.partial(self.create_service, callback_group=MutuallyExclusiveCallbackGroup())
        service(srv.ContextInfo, topics.CONTEXT_INFO.name, self._context_info)
        service(srv.ResetContext, topics.RESET_CONTEXT.name, self._reset_context)
        service(srv.SetSkillEnabled, topics.SET_SKILL_ENABLED.name, self._set_skill_enabled)
        timeout = float(self.get_parameter("result_timeout").value)
        self._action = TaskAction(
            self, MutuallyExclusiveCallbackGroup(), timeout, self._submit, self._cancel, self._refusal
        )
        self._diagnostics = diagnostics.Diagnostics(self)
        group = MutuallyExclusiveCallbackGroup()
        self.create_timer(diagnostics.PERIOD, self._diagnose, callback_group=group, clock=diagnostics.steady())

    def _once(self, do: Callable[[], object]) -> None:
        """Calls back soon, in turn with the transitions that others ask for."""

        def call() -> None:
            timer.cancel()
            self.destroy_timer(timer)
            do()

        timer = self.create_timer(0.001, call, callback_group=self._transitions, clock=diagnostics.steady())

    def _autostart(self) -> None:
        if self._phase == "unconfigured" and self.trigger_configure() is Transition.SUCCESS:
            self.trigger_activate()

    # Transitions

    @_guarded
    def on_configure(self, state: LifecycleState) -> Transition:
        """Loads the model and the skills, and warms up."""
        self._phase, self._error, self._broken, self._failures = "configuring", "", False, 0
        began = time.monotonic()
        values = parameters.values(self, parameter_table.PLANNER)
        self._planner, self._free = load(values, self._progress, self._on_draft, self._on_plan, self._on_event)
        self._planner.inhibit(self._inhibited)
        figures = self._planner.statistics()
        self.get_logger().info(f"configured in {time.monotonic() - began:.1f} s: {figures.model} on {figures.backend}")
        self._phase = "inactive"
        return super().on_configure(state)

    @_guarded
    def on_activate(self, state: LifecycleState) -> Transition:
        """Starts the planner and listens."""
        done = super().on_activate(state)
        self._chosen().start()
        self._active_since = time.monotonic()
        self._phase = "active"
        self._listen()
        heard = ", ".join(camera.topic for camera in self._cameras)
        self.get_logger().info(f"ready: tasks on {self.resolve_topic_name(topics.TASK.name)}, pictures on {heard}")
        return done

    @_guarded
    def on_deactivate(self, state: LifecycleState) -> Transition:
        """Stops at the end of a denoising step; what waited gets its plan. The weights stay."""
        self._deafen()
        self._chosen().stop()
        self._phase = "inactive"
        done = super().on_deactivate(state)
        return Transition.ERROR if self._broken else done

    @_guarded
    def on_cleanup(self, state: LifecycleState) -> Transition:
        """Frees the model."""
        self._release()
        self._phase = "unconfigured"
        return super().on_cleanup(state)

    @_guarded
    def on_shutdown(self, state: LifecycleState) -> Transition:
        """Frees everything; the node stays, finalized, until its process ends."""
        self._deafen()
        self._release()
        self._phase = "finalized"
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> Transition:
        """Frees what there is, so that configure works again."""
        try:
            self._deafen()
            self._release()
        except Exception as error:
            self.get_logger().error(f"while cleaning up after an error: {error}")
        self._phase = "unconfigured"
        return super().on_error(state)

    def stop(self) -> None:
        """Ends the planner, so that a task in work gets its plan while there is still someone to send it."""
        if (planner := self._planner) is not None:
            planner.stop(1.0)
            patience = time.monotonic() + 0.3
            while self._action.busy and time.monotonic() < patience:
                time.sleep(0.01)  # the executor hands the last results over
            self._release()

    def _fail(self, text: str) -> Transition:
        self._error = " ".join(text.split())
        self.get_logger().error(self._error)
        return Transition.ERROR

    def _chosen(self) -> Planner:
        if self._planner is None:
            raise DgemmaError("the planner is not configured")
        return self._planner

    def _release(self) -> None:
        with self._stopping:
            free, self._planner, self._free = self._free, None, lambda: None
        free()

    # What comes in

    def _listen(self) -> None:
        transport = self.get_parameter("image_transport").value
        names = list(self.get_parameter("cameras").value or [""])
        planner = self._chosen()
        for name in names:
            group: CallbackGroup = MutuallyExclusiveCallbackGroup()
            self._cameras.append(CameraInput(self, name, transport, planner.add_frame, group))
        tasks, stops = MutuallyExclusiveCallbackGroup(), MutuallyExclusiveCallbackGroup()
        for type_, topic, heard, profile, group in (
            (String, topics.TASK, lambda m: self._submit(plan_messages.task_of_text(m.data)), qos.TASKS, tasks),
            (msg.Task, topics.TASK_REQUEST, lambda m: self._submit(plan_messages.task_of(m)), qos.TASKS, tasks),
            (Bool, topics.INHIBIT, self._inhibit, qos.INHIBIT, stops),
        ):
            options = {"callback_group": group, "qos_overriding_options": qos.OVERRIDES}
            self._subscriptions_.append(self.create_subscription(type_, topic.name, heard, profile, **options))

    def _deafen(self) -> None:
        while self._cameras:
            self._cameras.pop().close()
        while self._subscriptions_:
            self.destroy_subscription(self._subscriptions_.pop())

    def _submit(self, task: Task) -> None:
        if (planner := self._planner) is not None:
            planner.submit(task)

    def _cancel(self, task_id: str) -> bool:
        return (planner := self._planner) is not None and planner.cancel(task_id)

    def _refusal(self) -> str:
        return "" if self._phase == "active" else f"the planner is {self._phase}"

    def _inhibit(self, message: Bool) -> None:
        if message.data != self._inhibited:
            self.get_logger().info("inhibited" if message.data else "no longer inhibited")
        self._inhibited = message.data
        self._chosen().inhibit(message.data)

    def _take(self, changes: dict[str, Any]) -> None:
        """The last check of new parameters, which is to take them. Raises :class:`DgemmaError` for what does not go."""
        settings = parameter_table.settings_of(parameters.values(self, parameter_table.PLANNER) | changes)
        if (planner := self._planner) is not None:
            planner.update(settings)

    def _jumped(self, jump: TimeJump) -> None:
        self._jumps += 1
        self.get_logger().info("the clock jumped back (a bag that loops, a simulation that is reset)")

    # What goes out, from the planner's thread

    def _progress(self, text: str) -> None:
        self._phase = f"configuring: {text}"
        self.get_logger().info(text, throttle_duration_sec=0.5)

    def _on_draft(self, draft: PlanDraft) -> None:
        named = self._action.under_own_name(draft)
        if named is not draft or self._drafts.get_subscription_count():
            message = plan_messages.draft_message(named, self.get_clock())
            self._drafts.publish(message)
            self._action.draft(draft.task_id, message)

    def _on_plan(self, plan: Plan) -> None:
        message = plan_messages.plan_message(self._action.under_own_name(plan), self.get_clock())
        self._plans.publish(message)
        self._texts.publish(String(data=plan_messages.plan_in_words(plan)))
        self._action.plan(plan.task_id, message, plan.status)
        if plan.status is Status.FAILED and plan.error_code is ErrorCode.BACKEND:
            self._failures += 1
            if self._failures >= FAILURES:
                self._break(plan.error)
        elif plan.denoising_steps:
            self._failures = 0

    def _on_event(self, event: Event) -> None:
        log = self.get_logger().warning if event.kind in _LOUD else self.get_logger().debug
        log(f"{event.kind.lower().replace('_', ' ')}: {event.text}")

    def _break(self, reason: str) -> None:
        """Into the error state, from which configure leads back."""
        if not self._broken:
            self._broken = True
            self._error = " ".join(reason.split())
            self.get_logger().error(f"{self._error}; the planner gives up and can be configured again")
            self._once(lambda: self._phase == "active" and self.trigger_deactivate())

    def _diagnose(self) -> None:
        health = diagnostics.Health()
        if self._error:
            health.raise_to(DiagnosticStatus.ERROR, self._error)
        elif self._phase != "active":
            health.raise_to(DiagnosticStatus.WARN, self._phase)
        health.put({"state": self._phase, "clock jumps": self._jumps})
        backend = ""
        if (planner := self._planner) is not None:
            figures = planner.statistics()
            backend = figures.backend
            diagnostics.of_planner(health, figures, self._phase == "active")
        if self._phase == "active" and self.get_parameter("frame_rate").value > 0.0:
            diagnostics.of_cameras(health, list(self._cameras), self._active_since)
        self._diagnostics.publish(health, backend)

    # Services

    def _context_info(self, request: srv.ContextInfo.Request, response: srv.ContextInfo.Response) -> Any:
        if (planner := self._planner) is None:
            response.message = f"the planner is {self._phase}"
        else:
            plan_messages.fill_context(response, planner.context_info())
        return response

    def _reset_context(self, request: srv.ResetContext.Request, response: srv.ResetContext.Response) -> Any:
        return self._do(response, lambda planner: planner.reset_context())

    def _set_skill_enabled(self, request: srv.SetSkillEnabled.Request, response: srv.SetSkillEnabled.Response) -> Any:
        return self._do(response, lambda planner: planner.set_skill_enabled(request.skill, request.enabled))

    def _do(self, response: Any, what: Callable[[Planner], object]) -> Any:
        try:
            what(self._chosen())
            response.success = True
        except (DgemmaError, KeyError) as error:
            response.message = str(error)
        return response


def main(arguments: list[str] | None = None) -> int:
    """``python -m dgemma_ros.nodes.planner --ros-args -p model:=engines/nano``."""
    return process.run(lambda finish: PlannerNode(), arguments)


if __name__ == "__main__":
    sys.exit(main())
