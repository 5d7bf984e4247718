"""The node ``planner``: cameras and tasks in, plans out. A thin lifecycle shell round one :class:`Planner`.

Threads: the planner's own threads run the model and call back with drafts and plans, which are published from there;
the executor's threads only hand things in. So services, cancel and diagnostics answer while a plan is being made.

Longer than most files: transitions, callbacks and parameters of one node share its state.
"""

from __future__ import annotations

if __name__ == "__main__":  # before all else is imported
    from dgemma_ros.nodes import start

    start.planner()

import threading
import time
from collections.abc import Callable
from typing import Any

from dgemma_msgs import msg
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.srv import ChangeState
from rclpy._rclpy_pybind11 import RCLError
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, LifecycleState
from rclpy.lifecycle import TransitionCallbackReturn as Done
from rclpy.lifecycle.node import LifecycleNodeMixin
from rclpy.node import Node

from dgemma_ros.errors import DgemmaError
from dgemma_ros.model import Model
from dgemma_ros.nodes import diagnostics, parameter_table, parameters, plan_messages, process, timers, topics
from dgemma_ros.nodes.allocator import give_memory_back
from dgemma_ros.nodes.arrival import Arrival
from dgemma_ros.nodes.camera_input import CameraInput, PictureGate
from dgemma_ros.nodes.conversions import Limits
from dgemma_ros.nodes.inlets import Inlets, TaskInlets
from dgemma_ros.nodes.loading import load
from dgemma_ros.nodes.outlets import Outlets
from dgemma_ros.nodes.report import Report
from dgemma_ros.nodes.services import Services
from dgemma_ros.nodes.status_file import StatusFile
from dgemma_ros.nodes.task_action import TaskAction
from dgemma_ros.nodes.transitions import guarded
from dgemma_ros.nodes.trust import Trust
from dgemma_ros.planning.planner import Planner
from dgemma_ros.planning.types import Event, Plan, Statistics, Task

TIDY_AFTER = 1.0
"""Seconds from a cleanup to the second time that memory is given back."""


class PlannerNode(LifecycleNode):  # type: ignore[misc]
    """Configure loads and warms up, activate listens, deactivate stops at a step's end, cleanup frees."""

    def __init__(self, finish: process.Finish, on_event: Callable[[Event], None] | None = None) -> None:
        """``on_event`` hears what the planner tells besides plans and drafts, too, in its thread."""
        Node.__init__(self, "planner", enable_logger_service=True)
        self._listener = on_event
        self._finish = finish
        self.slow = MutuallyExclusiveCallbackGroup()
        """Transitions: a model loads for minutes, and all else goes on."""
        self.pictures = MutuallyExclusiveCallbackGroup()
        """Cameras: a large picture takes long to decode, and no task waits for it, nor for its share of the cores."""
        self.apart = {self.slow: 0, self.pictures: 5}
        self.callback_errors = 0
        LifecycleNodeMixin.__init__(self, callback_group=self.slow)
        self._service_change_state.callback = self._change_state
        parameters.declare(self, parameter_table.PLANNER)
        self._planner: Planner | None = None
        self._free: Callable[[], None] = lambda: None
        self._inlets: Inlets | None = None
        self._tasks: TaskInlets | None = None
        self._loading = ""
        self._report = Report(self)
        self._arrival = Arrival(self, lambda: float(self.get_parameter("clock_tolerance").value))
        self._error = ""
        self._inhibited = False
        self._jumps = 0
        self._active_since = 0.0
        self._freeing = threading.Lock()
        timeout = float(self.get_parameter("result_timeout").value)
        self._in_turn = MutuallyExclusiveCallbackGroup()
        """Tasks and notes, one after another."""
        group = MutuallyExclusiveCallbackGroup()
        self._action = TaskAction(self, group, timeout, self._submit, self._sent, self._cancel, self._refusal)
        self._outlets = Outlets(self, self._action, lambda: self._planner.skills if self._planner is not None else None)
        self._answers = Services(self, self._chosen)
        self._trust = Trust(self, self.slow, self._model, self._give_up)
        self._diagnostics = diagnostics.Diagnostics(self)
        self._status = StatusFile(self)
        self._canary_asked = 0.0
        group = MutuallyExclusiveCallbackGroup()
        self.create_timer(diagnostics.PERIOD, self._diagnose, callback_group=group, clock=diagnostics.steady())
        check = parameters.checker(parameter_table.PLANNER, lambda: self.state != "unconfigured", self._take)
        self.add_on_set_parameters_callback(check)
        backwards = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=False)
        self._jump = self.get_clock().create_jump_callback(backwards, post_callback=self._jumped)
        if self.get_parameter("autostart").value:
            timers.once(self, self.slow, self._autostart)

    @property
    def state(self) -> str:
        """The lifecycle's: ``unconfigured``, ``configuring``, ``inactive``, ``active``, ``finalized`` and the like."""
        return str(self._state_machine.current_state[1]) if self._state_machine is not None else "finalized"

    def _change_state(self, request: ChangeState.Request, response: ChangeState.Response) -> ChangeState.Response:
        """A transition that is asked for; one that there is not from here is refused, where rclpy alone would raise."""
        before = self.state
        try:
            return self._LifecycleNodeMixin__on_change_state(request, response)
        except RCLError:
            wanted = request.transition.label or request.transition.id
            self.get_logger().warning(f"transition {wanted} refused: there is none from {before}")
            response.success = False
            return response

    def _autostart(self) -> None:
        """Where nobody leads, nobody would configure it again: what cannot start ends, and its supervisor is told."""
        if self.state != "unconfigured":
            return
        if self.trigger_configure() is not Done.SUCCESS or self.trigger_activate() is not Done.SUCCESS:
            self._finish(2)

    # Transitions

    @guarded
    def on_configure(self, state: LifecycleState) -> Done:
        """Loads the model and the skills, and warms up."""
        self._error = ""
        self._trust.renew()
        began = time.monotonic()
        values = parameters.values(self, parameter_table.PLANNER)
        self._planner, self._free = load(values, self._progress, self._outlets.draft, self._on_plan, self._on_event)
        self._planner.inhibit(self._inhibited)
        figures = self._planner.statistics()
        self.get_logger().info(f"configured in {time.monotonic() - began:.1f} s: {figures.model} on {figures.backend}")
        self._loading = ""
        return Done.SUCCESS

    @guarded
    def on_activate(self, state: LifecycleState) -> Done:
        """Starts the planner and listens."""
        planner = self._chosen()
        planner.start()
        self._active_since = time.monotonic()
        cameras = self.get_parameter("cameras").value or [""]
        transport = self.get_parameter("image_transport").value
        rate = lambda: planner.settings.frame_rate  # noqa: E731
        gate = PictureGate(planner.frame_due, rate, self._limits, planner.add_frame)
        self._inlets = Inlets(
            self,
            self._report.lost,
            cameras,
            transport,
            self.pictures,
            self._in_turn,
            gate,
            planner.add_note,
            self._inhibit,
            self._result if self.get_parameter("results").value else None,
        )
        if self._tasks is None:
            self._tasks = TaskInlets(self, self._report.lost, self._arrival, self._in_turn, self._submit)
        heard = ", ".join(camera.topic for camera in self._inlets.cameras)
        self.get_logger().info(f"ready: tasks on {self.resolve_topic_name(topics.TASK.name)}, pictures on {heard}")
        return Done.SUCCESS

    @guarded
    def on_deactivate(self, state: LifecycleState) -> Done:
        """Stops at the end of a denoising step; what waited gets its plan. The weights stay.

        Tasks are still heard, and refused: those that are on their way now would be lost otherwise.
        """
        self._close_inlets()
        self._chosen().stop()
        return Done.ERROR if self._trust.lost else Done.SUCCESS

    @guarded
    def on_cleanup(self, state: LifecycleState) -> Done:
        """Frees the model."""
        self._close_tasks()
        self._release()
        timers.once(self, self.slow, self._tidy, TIDY_AFTER)
        return Done.ERROR if self._trust.lost else Done.SUCCESS

    @guarded
    def on_shutdown(self, state: LifecycleState) -> Done:
        """Frees everything; the node stays, finalized, until its process ends."""
        self._close_inlets()
        self._close_tasks()
        self._release()
        return Done.SUCCESS

    def on_error(self, state: LifecycleState) -> Done:
        """Frees what there is, so that configure works again."""
        try:
            self._loading = ""
            self._close_inlets()
            self._close_tasks()
            self._release()
            timers.once(self, self.slow, self._tidy, TIDY_AFTER)
        except Exception as error:
            self.get_logger().error(f"while cleaning up after an error: {error}")
        return Done.SUCCESS

    def stop(self) -> None:
        """Ends the planner, so that a task in work gets its plan while there is still someone to send it."""
        self._status.remove()
        if (planner := self._planner) is not None:
            planner.close(1.0)
            patience = time.monotonic() + 0.3
            while self._action.busy and time.monotonic() < patience:
                time.sleep(0.01)  # the executor hands the last results over
            self._release()

    def destroy_node(self) -> None:
        """The last tasks that came are answered, and readers have the answers, before the node is gone."""
        self._close_tasks()
        self._outlets.flush(0.3)
        super().destroy_node()

    def fail(self, text: str) -> Done:
        """Keeps and logs what went wrong; leads to the error state."""
        self._error = " ".join(text.split())
        self.get_logger().error(self._error)
        return Done.ERROR

    def _chosen(self) -> Planner:
        if self._planner is None:
            raise DgemmaError("the planner is not configured")
        return self._planner

    def _model(self) -> Model | None:
        return None if self._planner is None else self._planner.model

    def _release(self) -> None:
        with self._freeing:
            free, self._planner, self._free = self._free, None, lambda: None
        free()

    def _tidy(self) -> None:
        """Once more, for a callback in another thread may have held the planner as it was freed: what only cycles hold
        stays until Python looks for them, and an idle node gives it no cause to."""
        if self._planner is None:
            give_memory_back()

    # What comes in

    def _close_inlets(self) -> None:
        inlets, self._inlets = self._inlets, None
        if inlets is not None:
            inlets.close()

    def _close_tasks(self) -> None:
        tasks, self._tasks = self._tasks, None
        if tasks is not None:
            tasks.close()

    def _submit(self, task: Task) -> None:
        if (planner := self._planner) is not None:
            try:
                if (inlets := self._inlets) is not None:
                    inlets.hear_words()  # what was said before the task is known to it
            finally:
                planner.submit(task)
        else:
            self._on_plan(plan_messages.refused(task, f"the planner is {self.state}"))

    def _sent(self, request: msg.Task) -> float:
        return self._arrival.of_stamp(request.header.stamp, topics.GENERATE_PLAN.name)

    def _limits(self) -> Limits:
        pixels, size = (self.get_parameter(name).value for name in ("max_image_pixels", "max_image_bytes"))
        return Limits(int(pixels), int(size))

    def _result(self, message: msg.SkillResult) -> None:
        if (planner := self._planner) is not None:
            told = plan_messages.result_of(message)
            step = int(message.step)
            planner.add_result(message.plan_id, step, told.status, told.reason, told.skill, told.arguments)

    def _cancel(self, task_id: str) -> bool:
        return (planner := self._planner) is not None and planner.cancel(task_id)

    def _refusal(self) -> str:
        return "" if self.state == "active" else f"the planner is {self.state}"

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
        self._loading = text
        self.get_logger().info(text, throttle_duration_sec=0.5)

    def _on_plan(self, plan: Plan) -> None:
        self._outlets.plan(plan)
        self._report.plan(plan)
        self._trust.hear(plan)

    def _give_up(self, why: str) -> None:
        """The model is not to be asked any more: every task has its plan, and the node goes to its error state."""
        self.fail(why)
        if (planner := self._planner) is not None:
            planner.fail(why)
        if self.state == "active":
            self.trigger_deactivate()
        elif self.state == "inactive":
            self.trigger_cleanup()

    def _on_event(self, event: Event) -> None:
        if self._listener is not None:
            self._listener(event)
        self._report.event(event)

    def _keep_watch(self, figures: Statistics | None, cameras: list[CameraInput]) -> None:
        """What `dgemma health` reads; and a canary, where no task has shown for a while that the model still runs."""
        state = self.state
        period = float(self.get_parameter("canary_period").value)
        since = self._active_since if state == "active" else None
        autostart = bool(self.get_parameter("autostart").value)
        phase = f"{state}: {self._loading}" if self._loading else state
        self._status.write(phase, self._error, autostart, since, period, figures, cameras)
        now, planner = time.monotonic(), self._planner
        if planner is None or figures is None or state != "active" or not period or figures.running:
            return
        if now - max(figures.last_step, self._active_since, self._canary_asked) >= period:
            self._canary_asked = now  # one that hangs is not joined by more for a while
            planner.canary()

    def _diagnose(self) -> None:
        health = diagnostics.Health()
        self._report.look(health, self.callback_errors, self._arrival.skewed)
        figures: Statistics | None = None
        if self._error:
            health.raise_to(DiagnosticStatus.ERROR, self._error)
        elif (state := self.state) != "active":
            health.raise_to(DiagnosticStatus.WARN, f"{state}: {self._loading}" if self._loading else state)
        health.put({"state": self.state, "clock jumps": self._jumps})
        backend = ""
        if (planner := self._planner) is not None:
            figures = planner.statistics()
            self._report.look_at_words(health, figures.words_dropped)
            backend = figures.backend
            diagnostics.of_planner(health, figures, self.state == "active")
        inlets = self._inlets
        self._keep_watch(figures, [] if inlets is None else list(inlets.cameras))
        if inlets is not None and self.get_parameter("frame_rate").value > 0.0:
            diagnostics.of_cameras(health, list(inlets.cameras), self._active_since)
        self._diagnostics.publish(health, backend)


def main(arguments: list[str] | None = None) -> int:
    """``python -m dgemma_ros.nodes.planner --ros-args -p model:=engines/nano``."""
    return process.run(PlannerNode, arguments)
