"""The tabletop over DDS: a skill as an action, its outcomes, cancel, a person, and the truth."""

from __future__ import annotations

import json
from typing import Any

import pytest
from action_msgs.msg import GoalStatus
from dgemma_msgs.action import ExecuteSkill
from dgemma_msgs.srv import MoveObject, ResetWorld, SetReachable, SlipNext
from sensor_msgs.msg import Image
from std_msgs.msg import Bool, String

from dgemma_ros.tabletop.world import NOT_REACHABLE, SLIPPED
from tests.nodes.graph import LAST, SENSOR, Graph, Heard, Process, until

Result = ExecuteSkill.Result
FAST = 20.0


class Table:
    """A tabletop to be talked to."""

    def __init__(self, graph: Graph, process: Process) -> None:
        self.graph, self.process, self.number = graph, process, 0
        self.truths: Heard = graph.hear(String, "/tabletop/truth", LAST)

    @property
    def truth(self) -> dict[str, Any]:
        return dict(json.loads(self.truths[-1].data))

    def reset(self, seed: int) -> list[str]:
        answer = self.graph.ask(ResetWorld, "/tabletop/reset", ResetWorld.Request(seed=seed, objects=3))
        assert answer.success, answer.message
        self.truths.one(lambda m: json.loads(m.data)["seed"] == seed, "its truth")
        until(lambda: self.truth["seed"] == seed, "the new table")
        return list(answer.objects)

    def place(self, name: str) -> str:
        return str(next(o["place"] for o in self.truth["objects"] if o["name"] == name))

    def send(self, skill: str, dispatch: str = "", **arguments: Any) -> Any:
        """The goal's handle, accepted or not."""
        self.number += 1
        goal = ExecuteSkill.Goal(
            skill=skill, arguments_json=json.dumps(arguments), dispatch_id=dispatch or f"d{self.number}"
        )
        client = self.graph.action(ExecuteSkill, "/execute_skill")
        sent = self.graph.in_turn(lambda: client.send_goal_async(goal))
        until(sent.done, "an answer to the goal")
        return sent.result()

    def result(self, handle: Any) -> Any:
        return self.graph.result(handle)

    def do(self, skill: str, **arguments: Any) -> tuple[int, str]:
        handle = self.send(skill, **arguments)
        assert handle.accepted
        result = self.result(handle).result
        return int(result.outcome), str(result.reason)


@pytest.fixture(scope="module")
def table(graph: Graph) -> Table:
    process = graph.start("tabletop", rate=FAST)
    graph.until_active(process, "/tabletop")
    client = graph.action(ExecuteSkill, "/execute_skill")
    assert not graph.accepted(client, ExecuteSkill.Goal(skill="to meet")).accepted  # first answers may be lost
    return Table(graph, process)


def elsewhere(table: Table, name: str) -> str:
    return "left tray" if table.place(name) != "left tray" else "right tray"


def test_a_skill_is_carried_out_and_seen(table: Table, graph: Graph) -> None:
    name, *_ = table.reset(5)
    images = graph.hear(Image, "/image_raw", SENSOR)
    target = elsewhere(table, name)
    assert table.do("place", object=name, target=target) == (Result.SUCCEEDED, "")
    until(lambda: table.place(name) == target, "the truth")
    image = images.one(what="a picture")
    assert (image.width, image.height, image.encoding) == (320, 240, "bgr8")


def test_failures_are_typed(table: Table, graph: Graph) -> None:
    name, other, *_ = table.reset(6)
    graph.ask(SlipNext, "/tabletop/slip_next", SlipNext.Request(count=1))
    assert table.do("pick", object=name) == (Result.FAILED, SLIPPED)
    assert graph.ask(SetReachable, "/tabletop/set_reachable", SetReachable.Request(object=other)).success
    assert table.do("pick", object=other) == (Result.FAILED, NOT_REACHABLE)
    assert not graph.ask(SetReachable, "/tabletop/set_reachable", SetReachable.Request(object="moon")).success
    for skill, arguments in (
        ("fly", {}),
        ("pick", {}),
        ("pick", {"object": 3}),
        ("place", {"object": name, "target": "x"}),
    ):
        assert table.do(skill, **arguments) == (Result.FAILED, "bad goal")
    assert table.process.popen.poll() is None


def test_an_id_is_taken_once_and_the_arm_does_one_thing_at_a_time(table: Table) -> None:
    name, *_ = table.reset(7)
    first = table.send("look", "same", object=name)
    assert first.accepted and not table.send("look", "other", object=name).accepted
    assert table.result(first).result.message == table.place(name)
    assert not table.send("look", "same", object=name).accepted


def test_cancel_ends_it_with_everything_where_it_was(table: Table, graph: Graph) -> None:
    name, *_ = table.reset(8)
    before = table.truth["objects"]
    handle = table.send("place", object=name, target=elsewhere(table, name))
    until(lambda: table.truth["carried"] == name or table.truth["touches"], "the grasp")
    cancelled = graph.in_turn(handle.cancel_goal_async)
    until(cancelled.done, "an answer to the cancel")
    ended = table.result(handle)
    if cancelled.result().goals_canceling:
        assert (ended.status, ended.result.outcome) == (GoalStatus.STATUS_CANCELED, Result.CANCELLED)
        until(lambda: not table.truth["busy"] and not table.truth["carried"], "a still arm")
        assert sorted(map(str, table.truth["objects"])) == sorted(map(str, before))
    else:  # it was quicker
        assert ended.result.outcome == Result.SUCCEEDED


def test_a_person_comes_and_is_announced(table: Table, graph: Graph) -> None:
    name, *_ = table.reset(9)
    words = graph.hear(Bool, "/inhibit")
    until(lambda: graph.node.count_publishers("/inhibit"), "its publisher")
    target = elsewhere(table, name)
    assert graph.ask(MoveObject, "/tabletop/move_object", MoveObject.Request(object=name, target=target)).success
    until(lambda: table.place(name) == target, "the move")
    until(lambda: [m.data for m in words] == [True, False], "that the person came and went")
    answer = graph.ask(MoveObject, "/tabletop/move_object", MoveObject.Request(object="moon", target=target))
    assert not answer.success and "moon" in answer.message
