"""``dgemma episodes``: goals in the tabletop world, carried out by real processes over DDS, judged by its truth."""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from dgemma_ros.cli.options import Json
from dgemma_ros.console import terminal
from dgemma_ros.console.processes import Nodes, ProcessError, own_domain
from dgemma_ros.installed import share

if TYPE_CHECKING:
    from dgemma_ros.console.loop import Loop
    from dgemma_ros.tabletop.goals import Goal

GIVES_UP_AFTER: Final = 120.0
"""Seconds for one goal."""
ASKED_AGAIN: Final = 5
"""Times that a goal is asked for again which a person at the table stopped, or which came to nothing because the plan
was late or rested on an old picture."""


@dataclass
class Tally:
    """What became of the episodes."""

    episodes: int = 0
    reached: int = 0
    plans: int = 0
    seconds: float = 0.0
    possible: int = 0
    claimed_and_missed: int = 0
    asked_again: int = 0
    forbidden: Counter[str] = field(default_factory=Counter)
    acts: list[dict[str, Any]] = field(default_factory=list)
    """What the arm took hold of that it must not, and the plan that said so."""
    endings: Counter[str] = field(default_factory=Counter)
    kinds: dict[str, Counter[str]] = field(default_factory=dict)

    def report(self) -> dict[str, Any]:
        """What ``--json`` prints: ``seconds`` are the world's own, of all episodes together."""
        return {
            "episodes": self.episodes,
            "reached": self.reached,
            "possible": self.possible,
            "forbidden": sum(self.forbidden.values()),
            "forbidden_kinds": dict(self.forbidden),
            "forbidden_acts": self.acts,
            "plans": self.plans,
            "seconds": round(self.seconds, 1),
            "claimed_and_missed": self.claimed_and_missed,
            "asked_again": self.asked_again,
            "endings": dict(self.endings),
            "kinds": {kind: dict(counts) for kind, counts in sorted(self.kinds.items())},
        }


def episodes(
    n: Annotated[int, typer.Option("--n", min=1, max=100_000, metavar="N", help="How many goals.")] = 10,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**20, metavar="S", help="Of tables, goals and luck.")] = 0,
    model: Annotated[
        Path | None, typer.Option("--model", metavar="MODEL", help="A model's folder; default, the nano checkpoint.")
    ] = None,
    params: Annotated[
        Path | None,
        typer.Option(
            "--params", metavar="FILE", exists=True, dir_okay=False, help="The nodes' parameters; default, loop.yaml."
        ),
    ] = None,
    blind: Annotated[bool, typer.Option("--blind", help="Carry out the first plan blindly instead.")] = False,
    slip: Annotated[float, typer.Option("--slip", min=0, max=1, help="Share of grasps that slip.")] = 0.15,
    unreachable: Annotated[
        float, typer.Option("--unreachable", min=0, max=1, help="Share of things out of reach.")
    ] = 0.05,
    person: Annotated[float, typer.Option("--person", min=0, max=10, help="Visits of a person, a second.")] = 0.03,
    rate: Annotated[float, typer.Option("--rate", min=0.1, max=50, help="The world's seconds in one of ours.")] = 4.0,
    as_json: Json = False,
) -> None:
    """Let the planner reach goals on the tabletop, with slips, things out of reach and a person who moves things."""
    folder = model or share("engines/nano")
    if folder is None:
        raise ProcessError("the nano checkpoint is not installed here; give a model's folder with --model")
    own_domain()
    logs = Path(tempfile.mkdtemp(prefix="dgemma_episodes_"))
    os.environ.setdefault("ROS_LOG_DIR", str(logs))
    from dgemma_ros.console.loop import Loop

    nodes = Nodes(logs)
    tally = Tally()
    rates = {"slip_rate": slip, "unreachable_rate": unreachable, "person_rate": person}
    try:
        with Loop(nodes) as loop:
            loop.start(folder, folder / "skills.yaml", params, executor=not blind, rate=rate, **rates)
            for number in range(n):
                one = _Episode(loop, nodes, tally, seed * 100_000 + number, unreachable, blind)
                terminal.note(f"{number + 1} of {n}: {one.run()}")
    finally:
        if tally.episodes:  # also where it is interrupted: what was done counts
            _tell(tally, as_json)
        nodes.stop()


def _tell(tally: Tally, as_json: bool) -> None:
    if as_json:
        terminal.emit_json(tally.report())
    else:
        terminal.emit("\n".join(f"{name}: {value}" for name, value in tally.report().items()))


class _Episode:
    """One goal, from the table laid to the judgement."""

    def __init__(self, loop: Loop, nodes: Nodes, tally: Tally, seed: int, unreachable: float, blind: bool) -> None:
        from dgemma_ros.tabletop.world import Dynamics, World

        self._loop, self._nodes, self._tally, self._seed, self._blind = loop, nodes, tally, seed, blind
        self._world = World.lay(seed, Dynamics(unreachable_rate=unreachable))

    def run(self) -> str:
        """Carries it out; a line for people."""
        import numpy as np

        from dgemma_ros.tabletop.goals import sample_goal, under_a_hand

        goal = sample_goal(self._world, np.random.default_rng((self._seed, 20)))
        loop, tally = self._loop, self._tally
        names = loop.lay(self._seed)
        if names != self._world.names:
            raise ProcessError(f"the node's table is another one: {names}")
        loop.look()
        plans, began = len(loop.plans), float(loop.truth["time"])
        ending = self._blindly(goal) if self._blind else self._by_the_executor(goal)
        self._nodes.wait(lambda: not loop.truth["busy"], "a still arm", GIVES_UP_AFTER)
        reached = goal.reached_in(loop.truth)
        touches = loop.truth["touches"]
        tally.episodes += 1
        tally.reached += reached
        tally.possible += goal.possible(self._world)
        tally.claimed_and_missed += ending == "REACHED" and not reached
        tally.plans += len(loop.plans) - plans
        tally.seconds += float(loop.truth["time"]) - began
        made = loop.plans[plans:]
        for kind, things in ("under a hand", under_a_hand(touches)), ("another thing", goal.wrong_touches(touches)):
            tally.forbidden[kind] += len(things)
            tally.acts += [{"kind": kind, "task": goal.task, "thing": thing} | _blame(thing, made) for thing in things]
        tally.endings[ending] += 1
        tally.kinds.setdefault(goal.kind, Counter())["reached" if reached else "missed"] += 1
        return f"{goal.task}: {ending}, {'reached' if reached else 'missed'}"

    def _by_the_executor(self, goal: Goal) -> str:
        loop, ending = self._loop, ""
        for attempt in range(ASKED_AGAIN):
            self._nodes.wait(lambda: not loop.inhibited, "the person to go", GIVES_UP_AFTER)
            task_id = f"e{self._seed}.{attempt}"
            self._tally.asked_again += attempt > 0
            loop.request(task_id, goal.task)
            ended = self._nodes.wait(partial(loop.ended, task_id), f"the end of {goal.task!r}", GIVES_UP_AFTER)
            ending = loop.ending(ended)
            inhibited = ended.reason == "inhibited" or (ended.reason == "invalid" and "inhibited" in ended.message)
            if not inhibited and (ending != "REFUSED" or ended.reason not in ("stale", "late")):
                break
        return ending

    def _blindly(self, goal: Goal) -> str:
        """The first plan, step by step, whatever comes of each, and whoever is at the table."""
        from dgemma_msgs.action import ExecuteSkill
        from rclpy.action import ActionClient

        loop = self._loop
        task_id = f"e{self._seed}"
        for _ in range(ASKED_AGAIN):
            self._nodes.wait(lambda: not loop.inhibited, "the person to go", GIVES_UP_AFTER)
            plans = len(loop.plans)
            loop.request(task_id, goal.task)

            def made(plans: int = plans) -> Any:
                return next((p for p in loop.plans[plans:] if p.task_id == task_id), None)

            plan = self._nodes.wait(made, "the plan", GIVES_UP_AFTER)
            if plan.valid:
                break
        else:
            return "REFUSED"
        client = ActionClient(loop.node, ExecuteSkill, "execute_skill")
        try:
            self._nodes.wait(client.server_is_ready, "the arm")
            met = partial(loop.do, partial(client.send_goal_async, ExecuteSkill.Goal()))
            loop.answered(met, "the arm's answer", GIVES_UP_AFTER)  # which is no; from now on none is lost
            for number, step in enumerate(plan.steps):
                if step.skill == "done":
                    continue
                request = ExecuteSkill.Goal(skill=step.skill, arguments_json=step.arguments_json)
                request.dispatch_id = f"{plan.plan_id}-{number}-{time.monotonic_ns()}"
                sent = loop.do(partial(client.send_goal_async, request))
                self._nodes.wait(sent.done, "the arm's answer", GIVES_UP_AFTER)
                if sent.result().accepted:
                    result = partial(loop.do, sent.result().get_result_async)
                    loop.answered(result, "the skill's end", GIVES_UP_AFTER)
        finally:
            loop.do(client.destroy)
        return "CARRIED_OUT"


def _blame(thing: str, plans: list[Any]) -> dict[str, Any]:
    """The first valid plan that names a thing, with its least confidence."""
    for plan in plans:
        if plan.valid and thing in plan.text:
            return {"plan": plan.text, "confidence": round(min(float(step.confidence) for step in plan.steps), 3)}
    return {"plan": "", "confidence": 0.0}
