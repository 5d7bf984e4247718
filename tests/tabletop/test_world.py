"""The world's dynamics: nothing is lost or doubled whatever is done, and the same is done again from the same seed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgemma_ros.skills.catalogue import SkillCatalogue
from dgemma_ros.tabletop import goals, person
from dgemma_ros.tabletop.arm import Arm, Ending
from dgemma_ros.tabletop.goals import Goal, sample_goal
from dgemma_ros.tabletop.moves import DIRECTIONS
from dgemma_ros.tabletop.person import Person
from dgemma_ros.tabletop.scenes import PLACES
from dgemma_ros.tabletop.world import (
    COVERED,
    FULL,
    NOT_FOUND,
    NOT_REACHABLE,
    PERSON,
    SLIPPED,
    Dynamics,
    World,
    WorldError,
    same,
)
from tests.nodes.stand_in import NANO

STEP = 0.05


def live(world: World, arm: Arm, hand: Person, seconds: float) -> None:
    for _ in range(round(seconds / STEP)):
        world.time += STEP
        hand.advance(STEP)
        arm.advance(STEP)


def finish(world: World, arm: Arm) -> tuple[Ending, str]:
    for _ in range(1000):
        if not arm.busy:
            break
        world.time += STEP
        arm.advance(STEP)
    assert arm.act is not None and arm.act.ending is not None
    return arm.act.ending, arm.act.reason


def do(world: World, arm: Arm, skill: str, **arguments: Any) -> tuple[Ending, str]:
    arm.begin(skill, {"on" if name == "on_" else name: value for name, value in arguments.items()})
    return finish(world, arm)


SKILLS = st.sampled_from(["pick", "place", "stack", "push", "look", "say", "done"])
DEEDS = st.lists(
    st.tuples(
        st.sampled_from(["begin", "cancel", "wait", "person"]),
        SKILLS,
        st.integers(0, 7),
        st.integers(0, 7),
        st.integers(1, 60),
    ),
    max_size=25,
)


def act_out(seed: int, deeds: list[Any]) -> World:
    """A life: deeds by number, so that it can be lived again."""
    world = World.lay(seed, Dynamics(slip_rate=0.3, unreachable_rate=0.2))
    arm, hand = Arm(world), Person(world, rate=0.1)
    everything = Counter(world.names)
    for deed, skill, first, second, steps in deeds:
        names = [*world.names, "pink elephant"]
        name, other = names[first % len(names)], names[second % len(names)]
        arguments: dict[str, dict[str, Any]] = {
            "pick": {"object": name},
            "place": {"object": name, "target": PLACES[second % len(PLACES)]},
            "stack": {"object": name, "on": other},
            "push": {"object": name, "direction": list(DIRECTIONS)[second % 4], "distance": steps},
            "look": {"object": name},
            "say": {"text": name},
            "done": {},
        }
        if deed == "begin" and not arm.busy:
            arm.begin(skill, arguments[skill])
        elif deed == "cancel":
            arm.cancel()
        elif deed == "person" and not hand.present and world.find(name):
            hand.call(name, PLACES[second % len(PLACES)])
        live(world, arm, hand, steps * STEP)
        carried = [arm.carried] if arm.carried else []
        assert Counter(world.names + carried) == everything
        assert all(o.place in PLACES and 0 <= o.x <= 1 and 0 <= o.y <= 1 for o in world.objects)
        assert all(world.find(base) is not None for base in world.on.values())
        assert len(set(world.on.values())) == len(world.on)
    return world


@given(st.integers(0, 2**31), DEEDS)
@settings(max_examples=60, deadline=None)
def test_nothing_is_lost_and_a_life_can_be_lived_again(seed: int, deeds: list[Any]) -> None:
    assert same(act_out(seed, deeds), act_out(seed, deeds))


def test_the_arm_has_the_catalogues_skills_with_their_arguments() -> None:
    catalogue = SkillCatalogue.load(NANO / "skills.yaml")
    for skill in catalogue.skills.values():
        world = World.lay(3)
        for example in skill.examples:
            Arm(world).begin(skill.name, example)
        with pytest.raises(WorldError):
            Arm(world).begin(skill.name, {"colour": "red"})
    with pytest.raises(WorldError, match="no skill 'fly'"):
        Arm(World.lay(3)).begin("fly", {})


def test_failures_have_their_reasons_and_leave_the_world_as_it_was() -> None:
    world = World.lay(5, count=4)
    arm = Arm(world)
    a, b, c, _ = world.names
    before = world.truth()["objects"]
    world.dynamics.slips_due = 1
    assert do(world, arm, "place", object=a, target="left tray") == (Ending.FAILED, SLIPPED)
    world.unreachable.add(b)
    assert do(world, arm, "pick", object=b) == (Ending.FAILED, NOT_REACHABLE)
    assert do(world, arm, "look", object="pink elephant") == (Ending.FAILED, NOT_FOUND)
    assert world.truth()["objects"] == before
    world.unreachable.clear()
    assert do(world, arm, "stack", object=a, on_=b) == (Ending.SUCCEEDED, "")
    assert do(world, arm, "pick", object=b) == (Ending.FAILED, COVERED)
    assert do(world, arm, "pick", object=c) == (Ending.SUCCEEDED, "") and world.place_of(c) == "gripper"
    assert do(world, arm, "pick", object=a) == (Ending.FAILED, FULL)
    assert do(world, arm, "place", object=c, target="middle") == (Ending.SUCCEEDED, "") and world.held is None
    assert [touch.name for touch in world.touches] == [a, a, c]


def test_a_thing_that_a_person_takes_from_under_the_gripper_is_not_grasped() -> None:
    world = World.lay(5)
    arm, name = Arm(world), world.names[0]
    arm.begin("pick", {"object": name})
    arm.advance(0.1)
    person.move(world, name, "right tray" if world.place_of(name) != "right tray" else "left tray")
    assert finish(world, arm) == (Ending.FAILED, PERSON) and not world.touches


@pytest.mark.parametrize("after", [0.05, 0.5, 1.0, 1.5, 2.0])
def test_cancel_puts_back_what_was_lifted(after: float) -> None:
    world = World.lay(6)
    arm, name = Arm(world), world.names[0]
    before = world.truth()["objects"]
    arm.begin("place", {"object": name, "target": "left tray" if world.place_of(name) != "left tray" else "right tray"})
    for _ in range(round(after / STEP)):
        arm.advance(STEP)
    assert arm.cancel()
    arm.cancel()  # once more, as over a lossy line
    assert finish(world, arm) == (Ending.CANCELLED, "cancelled")
    assert sorted(map(repr, world.truth()["objects"])) == sorted(map(repr, before))
    assert not arm.cancel()


def test_three_things_go_into_one_tray() -> None:
    for seed in range(30):
        world = World.lay(seed, count=3)
        arm = Arm(world)
        for name in world.names:
            assert do(world, arm, "place", object=name, target="left tray") == (Ending.SUCCEEDED, "")


@given(st.integers(0, 2**31))
@settings(max_examples=100, deadline=None)
def test_goals_are_not_reached_before_and_are_reached_by_their_plan(seed: int) -> None:
    world = World.lay(seed)
    goal = sample_goal(world, np.random.default_rng(seed))
    assert not goal.reached(world) and goal.possible(world)
    assert goals.reached_by_rule(goal.task, world) is False and goals.reached_by_rule("sing", world) is None
    arm = Arm(world)
    for name, where in goal.where:
        skill = {"skill": "pick"} if where == "gripper" else {"skill": "place", "target": where}
        assert do(world, arm, object=name, **skill)[0] is Ending.SUCCEEDED
    for top, base in goal.on:
        for cover in [t for t, b in world.on.items() if b in (top, base)]:
            do(world, arm, "place", object=cover, target="middle")
        assert do(world, arm, "stack", object=top, on_=base)[0] is Ending.SUCCEEDED
    assert goal.reached(world) and goals.reached_by_rule(goal.task + ".", world)
    assert not goal.wrong_touches(world.truth()["touches"])


def test_judges_see_what_must_not_be() -> None:
    world = World.lay(1)
    goal = Goal("put", "…", ((world.names[0], "middle"),), touchable=frozenset(world.names[:1]))
    world.person_since = world.time
    world.time += goals.GRACE / 2
    world.touch("pick", world.names[0])
    world.time += goals.GRACE
    world.touch("pick", world.names[1])
    touches = world.truth()["touches"]
    assert goals.under_a_hand(touches) == [world.names[1]] == goal.wrong_touches(touches)
    world.unreachable.add(world.names[0])
    assert goal.possible(world) == goal.reached(world)


def test_a_person_who_is_called_moves_the_thing_and_goes() -> None:
    world = World.lay(2)
    hand, name = Person(world), world.names[0]
    target = next(p for p in PLACES if p != world.place_of(name))
    hand.call(name, target)
    with pytest.raises(WorldError, match="already"):
        hand.call(name, target)
    live(world, Arm(world), hand, person.STAYS + 0.2)
    assert world.place_of(name) == target and not hand.present and hand.moved[0][1:] == (name, target)
    with pytest.raises(WorldError, match="cannot be moved"):
        hand.call("pink elephant", "middle")
