"""The node ``tabletop``: the nano checkpoint's world, its camera, its arm as an action, a person, and the truth.

One callback group changes the world, so no two things in it happen at the same time. Time passes by a timer, ``rate``
times as fast as real time.
"""

from __future__ import annotations

if __name__ == "__main__":  # before all else is imported
    from dgemma_ros.nodes import start

    start.tabletop()

import json
import time
from collections import OrderedDict
from typing import Any

import numpy as np
from dgemma_msgs import srv
from dgemma_msgs.action import ExecuteSkill
from rclpy.action import CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Bool, String

from dgemma_ros.errors import one_line
from dgemma_ros.nodes import diagnostics, parameter_table, parameters, process, qos, topics
from dgemma_ros.nodes.conversions import image_message
from dgemma_ros.nodes.task_action import Deferred
from dgemma_ros.tabletop.arm import Act, Arm, Ending
from dgemma_ros.tabletop.goals import reached_by_rule
from dgemma_ros.tabletop.person import Person
from dgemma_ros.tabletop.render import Look, draw_moment
from dgemma_ros.tabletop.world import Dynamics, World, WorldError

TICK = 0.02
"""Seconds between two looks at the world's clock."""
REMEMBERED = 10_000
"""Dispatches whose ids are not taken again."""
_OUTCOME = {
    Ending.SUCCEEDED: ExecuteSkill.Result.SUCCEEDED,
    Ending.FAILED: ExecuteSkill.Result.FAILED,
    Ending.CANCELLED: ExecuteSkill.Result.CANCELLED,
}


class TabletopNode(Node):  # type: ignore[misc]
    """Lays a table, shows it, and carries out skills on it."""

    def __init__(self, finish: process.Finish) -> None:
        super().__init__("tabletop")
        parameters.declare(self, parameter_table.TABLETOP)
        check = parameters.checker(parameter_table.TABLETOP, lambda: True, self._take)
        self.add_on_set_parameters_callback(check)
        values = parameters.values(self, parameter_table.TABLETOP)
        self._rate, self._frame_id = values["rate"], values["frame_id"]
        self._size = (values["width"], values["height"])
        self._seen_ids: OrderedDict[str, None] = OrderedDict()
        self._goal: ServerGoalHandle | None = None
        self._group = MutuallyExclusiveCallbackGroup()
        self._lay(values["seed"], values["objects"], values)
        self._images = self.create_publisher(
            Image, topics.IMAGE.name, qos.OFFERED_IMAGES, qos_overriding_options=qos.OVERRIDES
        )
        self._truth = self.create_publisher(String, topics.TRUTH.name, qos.STATE)
        self._guard = self.create_publisher(Bool, topics.INHIBIT.name, qos.INHIBIT)
        self._person_was_there = False
        self._server = Deferred(
            self,
            ExecuteSkill,
            topics.EXECUTE_SKILL.name,
            execute_callback=_never,
            callback_group=self._group,
            goal_callback=self._ask,
            handle_accepted_callback=self._accept,
            cancel_callback=self._cancel,
            result_timeout=60,
        )
        for type_, topic, answer in (
            (srv.GoalReached, topics.GOAL_REACHED, self._reached),
            (srv.MoveObject, topics.MOVE_OBJECT, self._move),
            (srv.SlipNext, topics.SLIP_NEXT, self._slip),
            (srv.SetReachable, topics.SET_REACHABLE, self._reach),
            (srv.ResetWorld, topics.RESET_WORLD, self._reset),
        ):
            self.create_service(type_, topic.name, answer, callback_group=self._group)
        self._diagnostics = diagnostics.Diagnostics(self)
        steady = diagnostics.steady()
        self._then = time.monotonic()
        self.create_timer(TICK, self._tick, callback_group=self._group, clock=steady)
        self.create_timer(1.0 / values["camera_rate"], self._show, callback_group=self._group, clock=steady)
        self.create_timer(diagnostics.PERIOD, self._diagnose, callback_group=self._group, clock=steady)
        self.get_logger().info(f"ready: {', '.join(self._world.names)} on the table, seed {self._world.seed}")

    def stop(self) -> None:
        """Nothing is owed: whoever waits for a skill's end learns that the server is gone."""

    # -- the world ------------------------------------------------------------------------------------------------

    def _lay(self, seed: int, count: int, values: dict[str, Any]) -> None:
        dynamics = Dynamics(values["slip_rate"], values["unreachable_rate"])
        self._world = World.lay(seed, dynamics, count)
        self._arm = Arm(self._world)
        self._person = Person(self._world, values["person_rate"])
        self._look = Look.draw(self._world.look)
        self._noise = np.random.default_rng((seed, 14))

    def _take(self, changes: dict[str, Any]) -> None:
        world, person = self._world, self._person
        world.dynamics.slip_rate = changes.get("slip_rate", world.dynamics.slip_rate)
        world.dynamics.unreachable_rate = changes.get("unreachable_rate", world.dynamics.unreachable_rate)
        person.rate = changes.get("person_rate", person.rate)
        self._rate = changes.get("rate", self._rate)

    def _tick(self) -> None:
        now = time.monotonic()
        passed, self._then = (now - self._then) * self._rate, now
        while passed > 0:  # in even steps, so that a late timer changes little
            step = min(passed, TICK)
            passed -= step
            self._world.time += step
            self._person.advance(step)
            self._arm.advance(step)
        if self._person.present != self._person_was_there:
            self._person_was_there = self._person.present
            self._guard.publish(Bool(data=self._person.present))  # as a light curtain would
        act, goal = self._arm.act, self._goal
        if goal is None or act is None:
            return
        if act.ending is not None:
            self._end(goal, act)
        elif goal.is_active:
            goal.publish_feedback(ExecuteSkill.Feedback(phase=act.phase, progress=float(act.progress)))

    def _show(self) -> None:
        picture = draw_moment(self._world.moment, self._look, self._noise, self._size)
        self._images.publish(image_message(picture[:, :, ::-1], self.get_clock().now().to_msg(), self._frame_id))
        self._tell_truth()

    def _tell_truth(self) -> None:
        truth = self._world.truth() | {"busy": self._arm.busy, "carried": self._arm.carried}
        self._truth.publish(String(data=json.dumps(truth)))

    # -- the arm --------------------------------------------------------------------------------------------------

    def _ask(self, request: ExecuteSkill.Goal) -> GoalResponse:
        why = ""
        if not request.dispatch_id or request.dispatch_id in self._seen_ids:
            why = f"dispatch {request.dispatch_id[:40]!r} is none, or was there before"
        elif self._arm.busy or self._goal is not None:
            why = "the arm is busy"
        if why:
            self.get_logger().warning(f"{request.skill[:40]!r} refused: {why}")
        return GoalResponse.REJECT if why else GoalResponse.ACCEPT

    def _accept(self, goal: ServerGoalHandle) -> None:
        self._seen_ids[goal.request.dispatch_id] = None
        if len(self._seen_ids) > REMEMBERED:
            self._seen_ids.popitem(last=False)
        self._goal = goal
        goal.execute()
        try:
            arguments = json.loads(goal.request.arguments_json or "{}")
            if not isinstance(arguments, dict):
                raise WorldError("arguments_json is no object")
            self._arm.begin(goal.request.skill, arguments)
        except (ValueError, TypeError, RecursionError) as error:  # anybody may call
            act = Act(goal.request.skill, {}, self._world.time, ending=Ending.FAILED, reason="bad goal")
            act.said = one_line(error)
            self._end(goal, act)

    def _cancel(self, goal: ServerGoalHandle) -> CancelResponse:
        if goal is not self._goal or not self._arm.cancel():
            return CancelResponse.REJECT
        return CancelResponse.ACCEPT

    def _end(self, goal: ServerGoalHandle, act: Act) -> None:
        """Hands the outcome over: in a later tick where a cancel has not been marked by the server yet."""
        if act.ending is Ending.CANCELLED and not goal.is_cancel_requested:
            return
        self._goal = None
        self._tell_truth()

        def end(goal: ServerGoalHandle) -> ExecuteSkill.Result:
            if act.ending is Ending.SUCCEEDED:
                goal.succeed()
            elif act.ending is Ending.CANCELLED:
                goal.canceled()
            else:
                goal.abort()
            assert act.ending is not None
            return ExecuteSkill.Result(outcome=_OUTCOME[act.ending], reason=act.reason, message=act.said)

        self._server.notify_execute(goal, end)

    # -- services -------------------------------------------------------------------------------------------------

    def _reached(self, request: srv.GoalReached.Request, response: srv.GoalReached.Response) -> Any:
        said = reached_by_rule(request.task, self._world)
        response.known, response.reached = said is not None, bool(said)
        return response

    def _move(self, request: srv.MoveObject.Request, response: srv.MoveObject.Response) -> Any:
        return _answer(response, lambda: self._person.call(request.object, request.target))

    def _slip(self, request: srv.SlipNext.Request, response: srv.SlipNext.Response) -> Any:
        self._world.dynamics.slips_due = int(request.count)
        return _answer(response, lambda: None)

    def _reach(self, request: srv.SetReachable.Request, response: srv.SetReachable.Response) -> Any:
        def change() -> None:
            if request.object not in self._world.names:
                raise WorldError(f"there is no {request.object!r}; there are {', '.join(self._world.names)}")
            (self._world.unreachable.discard if request.reachable else self._world.unreachable.add)(request.object)

        return _answer(response, change)

    def _reset(self, request: srv.ResetWorld.Request, response: srv.ResetWorld.Response) -> Any:
        def change() -> None:
            if self._arm.busy or self._goal is not None:
                raise WorldError("the arm is busy")
            self._lay(int(request.seed), int(request.objects), parameters.values(self, parameter_table.TABLETOP))
            self._show()

        _answer(response, change)
        response.objects = self._world.names
        return response

    def _diagnose(self) -> None:
        health = diagnostics.Health()
        act = self._arm.act
        health.put({"world time": self._world.time, "objects": len(self._world.names), "rate": self._rate})
        health.put({"arm": act.phase if act and act.ending is None else "idle", "person": self._person.present})
        self._diagnostics.publish(health)


def _answer(response: Any, change: Any) -> Any:
    try:
        change()
        response.success = True
    except WorldError as error:
        response.message = str(error)
    return response


def _never(goal: ServerGoalHandle) -> ExecuteSkill.Result:
    raise AssertionError("goals end by their acts")


def main(arguments: list[str] | None = None) -> int:
    """``python -m dgemma_ros.nodes.tabletop --ros-args -p seed:=3``."""
    return process.run(TabletopNode, arguments)
