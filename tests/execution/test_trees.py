"""Plans as behaviour trees: XML that BehaviorTree.CPP v4 takes, and a py_trees tree that does as the executor does."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import py_trees
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgemma_ros.execution.behaviour_tree import TreeError, steps_of, tree_xml
from dgemma_ros.execution.dispatch import Dispatcher
from dgemma_ros.execution.gates import Terms
from dgemma_ros.execution.hands import Limits
from dgemma_ros.execution.journal import Journal
from dgemma_ros.execution.py_tree import plan_tree
from dgemma_ros.execution.table import ExecutionTable
from dgemma_ros.execution.types import Dispatch, Order, Outcome
from dgemma_ros.skills.catalogue import SkillCatalogue
from dgemma_ros.skills.types import PlanStep
from dgemma_ros.tabletop.arm import Arm
from dgemma_ros.tabletop.scenes import PLACES
from dgemma_ros.tabletop.world import Dynamics, World, same
from tests.execution.btcpp.corpus import TYPES
from tests.execution.btcpp.rules import why_not
from tests.execution.desk import Recorder
from tests.nodes.stand_in import NANO

CATALOGUE = SkillCatalogue.load(NANO / "skills.yaml")
TABLE = ExecutionTable.load(NANO / "skills.yaml", CATALOGUE)
STEP = 0.05
NODES = {
    name: {argument.name: TYPES[argument.type] for argument in skill.arguments}
    for name, skill in CATALOGUE.skills.items()
}


@given(st.lists(st.text(max_size=30), min_size=1, max_size=4), st.text(max_size=300))
def test_any_words_become_xml_that_the_format_takes(texts: list[str], task: str) -> None:
    steps = [PlanStep("say", {"text": text}, 1.0) for text in texts] + [PlanStep("done", {}, 1.0)]
    try:
        xml = tree_xml(steps, CATALOGUE, TABLE, task)
    except TreeError as error:
        assert "blackboard" in str(error) or "XML cannot hold" in str(error)
        assert any(text == "=" or "{" in text or not text.isprintable() for text in texts)
        return
    assert why_not(xml, NODES) == ""
    told = [(skill, dict(ports)) for skill, ports in steps_of(xml, CATALOGUE)]
    assert told == [(step.skill, dict(step.arguments)) for step in steps]


def test_a_plan_reads_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "skills.yaml"
    file.write_text((NANO / "skills.yaml").read_text().replace("    place:\n", "    place: {retries: 2}\n"))
    table = ExecutionTable.load(file, CATALOGUE)
    steps = [
        PlanStep("place", {"object": 'red "block" & <co>', "target": "left tray"}, 1.0),
        PlanStep("push", {"direction": "left", "distance": 12, "object": "näh ☃"}, 1.0),
    ]
    xml = tree_xml(steps, CATALOGUE, table, "tidy up")
    assert why_not(xml, NODES) == ""
    assert steps_of(xml, CATALOGUE) == [
        ("place", {"object": 'red "block" & <co>', "target": "left tray"}),
        ("push", {"direction": "left", "distance": "12", "object": "näh ☃"}),
    ]
    assert '<RetryUntilSuccessful num_attempts="3">' in xml
    model = ElementTree.fromstring(xml).find("TreeNodesModel")
    assert model is not None and {action.get("ID") for action in model} == set(CATALOGUE.skills)


@pytest.mark.parametrize(
    ("skill", "argument"),
    [
        *(("Sequence", "x"), ("Plan", "x"), ("Root", "x"), ("WasEntryUpdated", "x"), ("a.b", "x"), ("_a", "x")),
        *(("good", "name"), ("good", "a.b")),
    ],
)
def test_names_that_the_format_keeps_are_refused(skill: str, argument: str) -> None:
    own = {"name": skill, "description": "d", "arguments": {argument: {"type": "string", "required": True}}}
    catalogue = SkillCatalogue.of({"skills": [own]})
    with pytest.raises(TreeError, match="needs another name"):
        tree_xml([PlanStep(skill, {argument: "y"}, 1.0)], catalogue)


@pytest.mark.parametrize(
    ("step", "why"),
    [
        (PlanStep("say", {"text": " {x} "}, 1.0), "blackboard"),
        (PlanStep("say", {"text": "="}, 1.0), "blackboard"),
        (PlanStep("say", {"text": "a\0b"}, 1.0), "XML cannot hold"),
        (PlanStep("push", {"distance": 2**31}, 1.0), "too large"),
        (PlanStep("push", {"distance": 1e22}, 1.0), "too large"),
        (PlanStep("push", {"force": 1}, 1.0), "no argument"),
        (PlanStep("sing", {}, 1.0), "no skill"),
    ],
)
def test_what_the_format_would_read_as_something_else_is_refused(step: PlanStep, why: str) -> None:
    with pytest.raises(TreeError, match=why):
        tree_xml([step], CATALOGUE)


def test_a_plan_without_steps_is_no_tree() -> None:
    with pytest.raises(TreeError, match="without steps"):
        tree_xml([], CATALOGUE)


class OnTheTable:
    """A skill begun by a tree."""

    def __init__(self, arm: Arm, step: PlanStep) -> None:
        self._arm, self._act = arm, arm.begin(step.skill, step.arguments)

    @property
    def outcome(self) -> Outcome | None:
        return None if self._act.ending is None else Outcome(self._act.ending.value)

    @property
    def reason(self) -> str:
        return self._act.reason

    def cancel(self) -> None:
        self._arm.cancel()


def by_tree(seed: int, steps: list[PlanStep]) -> World:
    world = World.lay(seed, Dynamics(slip_rate=0.3))
    arm = Arm(world)
    tree: Any = plan_tree(steps, lambda step: OnTheTable(arm, step), TABLE)
    for _ in range(2000):
        tree.tick_once()
        if tree.status != py_trees.common.Status.RUNNING:
            break
        world.time += STEP
        arm.advance(STEP)
    return world


class ArmHands(Recorder):
    """The dispatcher's hands on the same arm."""

    def __init__(self, arm: Arm) -> None:
        super().__init__()
        self.arm = arm

    def send(self, dispatch: Dispatch, entry: Any) -> None:
        super().send(dispatch, entry)
        self.arm.begin(dispatch.skill, dispatch.arguments)


def by_executor(seed: int, steps: list[PlanStep], folder: Path) -> World:
    world = World.lay(seed, Dynamics(slip_rate=0.3))
    arm = Arm(world)
    hands, journal = ArmHands(arm), Journal(folder / f"{seed}.jsonl")
    limits = Limits(attempts=1)
    dispatcher = Dispatcher(Terms(TABLE, CATALOGUE), journal, hands, lambda: world.time, limits, ask_model=False)
    dispatcher.plan(Order("p", "t", "do it", tuple(steps), True, False, world.time + 1.0))
    for _ in range(2000):
        if dispatcher.live is None:
            break
        dispatch = dispatcher.live
        dispatcher.flight.accepted(dispatch.dispatch_id)
        if arm.act is not None and arm.act.ending is not None:
            dispatcher.flight.ended(dispatch.dispatch_id, Outcome(arm.act.ending.value), arm.act.reason)
            continue
        world.time += STEP
        arm.advance(STEP)
    journal.close()
    return world


@given(st.integers(0, 2**20), st.data())
@settings(max_examples=40, deadline=None)
def test_tree_and_executor_leave_the_same_world(tmp_path_factory: pytest.TempPathFactory, seed: int, data: Any) -> None:
    there = World.lay(seed).names
    missing = next(n for n in ("red ball", "blue bar", "green ring", "orange block", "red ring") if n not in there)
    names = [*there, missing]
    name, place = st.sampled_from(names), st.sampled_from(PLACES)
    call = st.one_of(
        st.builds(lambda o, t: PlanStep("place", {"object": o, "target": t}, 0.9), name, place),
        st.builds(lambda o: PlanStep("pick", {"object": o}, 0.9), name),
        st.builds(lambda a, b: PlanStep("stack", {"object": a, "on": b}, 0.9), name, name),
        st.builds(lambda o: PlanStep("look", {"object": o}, 0.9), name),
    )
    steps = data.draw(st.lists(call, min_size=1, max_size=5))
    folder = tmp_path_factory.mktemp("journal")
    assert same(by_tree(seed, steps), by_executor(seed, steps, folder), but=["time", "touches"])


def test_a_tree_that_is_stopped_cancels() -> None:
    world = World.lay(3)
    arm = Arm(world)
    name = world.names[0]
    tree: Any = plan_tree([PlanStep("pick", {"object": name}, 1.0)], lambda step: OnTheTable(arm, step))
    tree.tick_once()
    tree.stop(py_trees.common.Status.INVALID)
    arm.advance(5.0)
    assert world.held is None and arm.act is not None and arm.act.ending == "CANCELLED"
