"""The node ``planner``: cameras and tasks in, plans out. A thin lifecycle shell round one :class:`Planner`.

Threads: the planner's own threads run the model and call back with drafts and plans, which are published from there;
the executor's threads only hand things in. So services, cancel and diagnostics answer while a plan is being made.
"""

from __future__ import annotations

import functools
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, LifecycleState
from rclpy.lifecycle import TransitionCallbackReturn as Done
from rclpy.lifecycle.node import LifecycleNodeMixin
from rclpy.node import Node

from dgemma_ros.errors import DgemmaError
from dgemma_ros.nodes import diagnostics, parameter_table, parameters, process, topics
from dgemma_ros.nodes.camera_input import CameraInput
from dgemma_ros.nodes.inlets import Inlets
from dgemma_ros.nodes.loading import load
from dgemma_ros.nodes.outlets import Outlets
from dgemma_ros.nodes.services import Services
from dgemma_ros.nodes.status_file import StatusFile
from dgemma_ros.nodes.task_action import TaskAction
from dgemma_ros.planning.planner import Planner
from dgemma_ros.planning.types import ErrorCode, Event, EventKind, Plan, Statistics, Status, Task

FAILURES = 3
"""Plans in a row that the backend failed to make, after which it is not trusted any more."""
_LOUD = {EventKind.DEADLINE_MISSED, EventKind.ERROR}


def _guarded(
    transition: Callable[[PlannerNode, LifecycleState], Done],
) -> Callable[[PlannerNode, LifecycleState], Done]:
    """Whatever a transition raises becomes the error state with a message; rclpy alone would lose the message."""

    @functools.wraps(transition)
    def guarded(self: PlannerNode, state: LifecycleState) -> Done:
        try:
            return transition(self, state)
        except DgemmaError as error:
            return self._fail(str(error))
        except Exception as error:
            return self._fail(f"{type(error).__name__}: {error}")

    return guarded


class PlannerNode(LifecycleNode):  # type: ignore[misc]
    """Configure loads and warms up, activate listens, deactivate stops at a step's end, cleanup frees."""

    def __init__(self, finish: process.Finish, on_event: Callable[[Event], None] | None = None) -> None:
        """``on_event`` hears what the planner tells besides plans and drafts, too, in its thread."""
        Node.__init__(self, "planner")
        self._listener = on_event
        self._finish = finish
        self.slow = MutuallyExclusiveCallbackGroup()
        """Transitions: a model loads for minutes, and all else goes on."""
        LifecycleNodeMixin.__init__(self, callback_group=self.slow)
        parameters.declare(self, parameter_table.PLANNER)
        self._planner: Planner | None = None
        self._free: Callable[[], None] = lambda: None
        self._inlets: Inlets | None = None
        self._phase = "unconfigured"
        self._error = ""
        self._failures = 0
        self._inhibited = False
        self._jumps = 0
        self._active_since = 0.0
        self._freeing = threading.Lock()
        timeout = float(self.get_parameter("result_timeout").value)
        group = MutuallyExclusiveCallbackGroup()
        self._action = TaskAction(self, group, timeout, self._submit, self._cancel, self._refusal)
        self._outlets = Outlets(self, self._action)
        self._answers = Services(self, self._chosen)
        self._diagnostics = diagnostics.Diagnostics(self)
        self._status = StatusFile(self)
        self._canary_asked = 0.0
        group = MutuallyExclusiveCallbackGroup()
        self.create_timer(diagnostics.PERIOD, self._diagnose, callback_group=group, clock=diagnostics.steady())
        check = parameters.checker(parameter_table.PLANNER, lambda: self._phase != "unconfigured", self._take)
        self.add_on_set_parameters_callback(check)
        backwards = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=False)
        self._jump = self.get_clock().create_jump_callback(backwards, post_callback=self._jumped)
        if self.get_parameter("autostart").value:
            self._once(self._autostart)

    def _once(self, do: Callable[[], object]) -> None:
        """Calls back soon, in turn with the transitions that others ask for."""

        def call() -> None:
            timer.cancel()
            self.destroy_timer(timer)
            do()

        timer = self.create_timer(0.001, call, callback_group=self.slow, clock=diagnostics.steady())

    def _autostart(self) -> None:
        """Where nobody leads, nobody would configure it again: what cannot start ends, and its supervisor is told."""
        if self._phase != "unconfigured":
            return
        if self.trigger_configure() is not Done.SUCCESS or self.trigger_activate() is not Done.SUCCESS:
            self._finish(2)

    # Transitions

    @_guarded
    def on_configure(self, state: LifecycleState) -> Done:
        """Loads the model and the skills, and warms up."""
        self._phase, self._error, self._failures = "configuring", "", 0
        began = time.monotonic()
        values = parameters.values(self, parameter_table.PLANNER)
        self._planner, self._free = load(values, self._progress, self._outlets.draft, self._on_plan, self._on_event)
        self._planner.inhibit(self._inhibited)
        figures = self._planner.statistics()
        self.get_logger().info(f"configured in {time.monotonic() - began:.1f} s: {figures.model} on {figures.backend}")
        self._phase = "inactive"
        return Done.SUCCESS

    @_guarded
    def on_activate(self, state: LifecycleState) -> Done:
        """Starts the planner and listens."""
        planner = self._chosen()
        planner.start()
        self._active_since = time.monotonic()
        self._phase = "active"
        cameras = self.get_parameter("cameras").value or [""]
        transport = self.get_parameter("image_transport").value
        self._inlets = Inlets(
            self, cameras, transport, planner.add_frame, self._submit, planner.add_note, self._inhibit
        )
        heard = ", ".join(camera.topic for camera in self._inlets.cameras)
        self.get_logger().info(f"ready: tasks on {self.resolve_topic_name(topics.TASK.name)}, pictures on {heard}")
        return Done.SUCCESS

    @_guarded
    def on_deactivate(self, state: LifecycleState) -> Done:
        """Stops at the end of a denoising step; what waited gets its plan. The weights stay."""
        self._deafen()
        self._chosen().stop()
        self._phase = "inactive"
        return Done.ERROR if self._failures >= FAILURES else Done.SUCCESS

    @_guarded
    def on_cleanup(self, state: LifecycleState) -> Done:
        """Frees the model."""
        self._release()
        self._phase = "unconfigured"
        return Done.SUCCESS

    @_guarded
    def on_shutdown(self, state: LifecycleState) -> Done:
        """Frees everything; the node stays, finalized, until its process ends."""
        self._deafen()
        self._release()
        self._phase = "finalized"
        return Done.SUCCESS

    def on_error(self, state: LifecycleState) -> Done:
        """Frees what there is, so that configure works again."""
        try:
            self._deafen()
            self._release()
        except Exception as error:
            self.get_logger().error(f"while cleaning up after an error: {error}")
        self._phase = "unconfigured"
        return Done.SUCCESS

    def stop(self) -> None:
        """Ends the planner, so that a task in work gets its plan while there is still someone to send it."""
        self._status.remove()
        if (planner := self._planner) is not None:
            planner.stop(1.0)
            patience = time.monotonic() + 0.3
            while self._action.busy and time.monotonic() < patience:
                time.sleep(0.01)  # the executor hands the last results over
            self._release()

    def _fail(self, text: str) -> Done:
        self._error = " ".join(text.split())
        self.get_logger().error(self._error)
        return Done.ERROR

    def _chosen(self) -> Planner:
        if self._planner is None:
            raise DgemmaError("the planner is not configured")
        return self._planner

    def _release(self) -> None:
        with self._freeing:
            free, self._planner, self._free = self._free, None, lambda: None
        free()

    # What comes in

    def _deafen(self) -> None:
        inlets, self._inlets = self._inlets, None
        if inlets is not None:
            inlets.close()

    def _submit(self, task: Task) -> None:
        if (planner := self._planner) is not None:
            planner.submit(task)

    def _cancel(self, task_id: str) -> bool:
        return (planner := self._planner) is not None and planner.cancel(task_id)

    def _refusal(self) -> str:
        return "" if self._phase == "active" else f"the planner is {self._phase}"

    def _inhibit(self, on: bool) -> None:
        if on != self._inhibited:
            self.get_logger().info("inhibited" if on else "no longer inhibited")
        self._inhibited = on
        if (planner := self._planner) is not None:
            planner.inhibit(on)

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

    def _on_plan(self, plan: Plan) -> None:
        self._outlets.plan(plan)
        if plan.status is Status.FAILED and plan.error_code is ErrorCode.BACKEND:
            self._failures += 1
            if self._failures == FAILURES:
                self._error = " ".join(plan.error.split())
                self.get_logger().error(f"{self._error}; the planner gives up and can be configured again")
                self._once(lambda: self._phase == "active" and self.trigger_deactivate())
        elif plan.denoising_steps and self._failures < FAILURES:
            self._failures = 0

    def _on_event(self, event: Event) -> None:
        if self._listener is not None:
            self._listener(event)
        text = f"{event.kind.lower().replace('_', ' ')}: {event.text}"
        if event.kind is EventKind.STEP_TIME_DRIFT:
            self.get_logger().warning(text, throttle_duration_sec=30.0)
        elif event.kind in _LOUD:
            self.get_logger().warning(text)
        else:
            self.get_logger().debug(text)

    def _keep_watch(self, figures: Statistics | None, cameras: list[CameraInput]) -> None:
        """What `dgemma health` reads; and a canary, where no task has shown for a while that the model still runs."""
        active = self._phase == "active"
        period = float(self.get_parameter("canary_period").value)
        since = self._active_since if active else None
        autostart = bool(self.get_parameter("autostart").value)
        self._status.write(self._phase, self._error, autostart, since, period, figures, cameras)
        now, planner = time.monotonic(), self._planner
        if planner is None or figures is None or not active or not period or figures.running:
            return
        if now - max(figures.last_step, self._active_since, self._canary_asked) >= period:
            self._canary_asked = now  # one that hangs is not joined by more for a while
            planner.canary()

    def _diagnose(self) -> None:
        health = diagnostics.Health()
        figures: Statistics | None = None
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
        inlets = self._inlets
        self._keep_watch(figures, [] if inlets is None else list(inlets.cameras))
        if inlets is not None and self.get_parameter("frame_rate").value > 0.0:
            diagnostics.of_cameras(health, list(inlets.cameras), self._active_since)
        self._diagnostics.publish(health, backend)


def main(arguments: list[str] | None = None) -> int:
    """``python -m dgemma_ros.nodes.planner --ros-args -p model:=engines/nano``."""
    return process.run(PlannerNode, arguments)


if __name__ == "__main__":
    sys.exit(main())
