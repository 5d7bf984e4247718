"""The execution table: what it maps, and that every mistake is found when it is read, with its line."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgemma_ros.execution import units
from dgemma_ros.execution.entry import Approval
from dgemma_ros.execution.located import TableError
from dgemma_ros.execution.table import ExecutionTable
from dgemma_ros.skills.catalogue import SkillCatalogue
from tests.nodes.stand_in import NANO

HEAD = """skills:
  - name: go_to
    description: Drive.
    arguments:
      x: {type: number, required: true}
      heading: {type: integer, required: true}
      speed: {type: string, required: true, choices: [slow, fast]}
  - name: dock
    description: Dock.
execution:
"""
GOOD = """  defaults: {timeout: 60, approval: plan}
  skills:
    go_to:
      action: /robot/navigate_to_pose
      type: nav2_msgs/action/NavigateToPose
      goal:
        pose.header.frame_id: {value: map}
        pose.pose.position.x: {argument: x, unit: cm -> m}
        pose.pose.orientation: {argument: heading, unit: deg -> quaternion}
        behavior_tree: {argument: speed, choices: {slow: slow.xml, fast: fast.xml}}
      success: {error_code: 0}
      requires: [{topic: localised, max_age: 1}]
    dock: {action: dock, after: [go_to], approval: step, retries: 2, retry_on: [missed]}
"""


def read(tmp_path: Path, text: str) -> ExecutionTable:
    file = tmp_path / "skills.yaml"
    file.write_text(HEAD + text)
    return ExecutionTable.load(file, SkillCatalogue.load(file))


def test_goal_fields_of_another_type(tmp_path: Path) -> None:
    table = read(tmp_path, GOOD)
    entry = table.entries["go_to"]
    assert (entry.action, entry.timeout, entry.approval, entry.line) == (
        "/robot/navigate_to_pose",
        60.0,
        Approval.PLAN,
        13,
    )
    fields = entry.goal_fields({"x": 250.0, "heading": 180, "speed": "fast"})
    assert fields["pose.header.frame_id"] == "map" and fields["pose.pose.position.x"] == pytest.approx(2.5)
    assert fields["pose.pose.orientation"]["z"] == pytest.approx(1.0) and fields["behavior_tree"] == "fast.xml"
    assert entry.success == {"error_code": 0} and entry.requires[0].topic == "localised"
    dock = table.entries["dock"]
    assert dock.ours and (dock.after, dock.approval, dock.retries) == (("go_to",), Approval.STEP, 2)


@pytest.mark.parametrize(
    ("old", "new", "line", "word"),
    [
        ("navigate_to_pose\n", "'navigate to'\n", 14, "is no name"),
        ("nav2_msgs/action/NavigateToPose", "NavigateToPose", 15, "is no action's type"),
        ("{value: map}", "{value: map, unit: m}", 17, "go with 'argument'"),
        ("{value: map}", "{}", 17, "either 'value' or 'argument'"),
        ("cm -> m}", "cm -> kg}", 18, "write 'FROM -> TO'"),
        ("cm -> m}", "cm}", 18, "write 'FROM -> TO'"),
        ("argument: x,", "argument: y,", 18, "no such argument; there are x, heading, speed"),
        ("{slow: slow.xml, fast: fast.xml}", "{slow: slow.xml}", 20, "lacks 'fast'"),
        (
            "        behavior_tree: {argument: speed, choices: {slow: slow.xml, fast: fast.xml}}\n",
            "",
            16,
            "'speed' goes nowhere",
        ),
        ("max_age: 1", "max_age: -1", 22, "no number of seconds"),
        ("topic: localised, ", "", 22, "needs 'topic'"),
        ("dock: {action", "duck: {action", 23, "no such skill; there are go_to, dock"),
        ("after: [go_to]", "after: [goto]", 23, "is no skill"),
        ("approval: step", "approval: always", 23, "is none of never, plan, step"),
        ("retries: 2", "retries: true", 23, "is no whole number"),
        ("retries: 2", "tries: 2", 23, "is not known"),
        ("timeout: 60", "timeout: 0", 11, "must be more than 0"),
        ("action: dock, ", "", 23, "needs an action's name"),
    ],
)
def test_mistakes_name_their_line(tmp_path: Path, old: str, new: str, line: int, word: str) -> None:
    assert GOOD.count(old) == 1
    with pytest.raises(TableError, match=rf"skills.yaml:{line}: .*{word}"):
        read(tmp_path, GOOD.replace(old, new))


def test_a_file_without_a_table_says_so(tmp_path: Path) -> None:
    file = tmp_path / "skills.yaml"
    file.write_text(HEAD.replace("execution:\n", ""))
    with pytest.raises(TableError, match="has no part 'execution'"):
        ExecutionTable.load(file, SkillCatalogue.load(file))


def test_nano_maps_all_its_skills() -> None:
    file = NANO / "skills.yaml"
    catalogue = SkillCatalogue.load(file)
    assert set(ExecutionTable.load(file, catalogue).entries) == set(catalogue.skills)


@given(st.floats(-1e6, 1e6))
def test_units_go_there_and_back(value: float) -> None:
    for there, back in (("cm -> m", "m -> cm"), ("deg -> rad", "rad -> deg"), ("km/h -> m/s", "m/s -> km/h")):
        first, second = units.converter(there), units.converter(back)
        assert first and second and second(first(value)) == pytest.approx(value)
    turn = units.yaw(value)
    assert math.hypot(turn["z"], turn["w"]) == pytest.approx(1.0)
    span = units.duration(value)
    assert 0 <= span["nanosec"] < 10**9 and span["sec"] + span["nanosec"] / 1e9 == pytest.approx(value, abs=1e-6)
