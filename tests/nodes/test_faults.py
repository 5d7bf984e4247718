"""Faults, over DDS: actions that lie, processes that die or stop, messages twice, clocks that jump.

No skill twice, none without an outcome, none after a word to stop. docs/execution.md has the table of what was tried.
"""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from builtin_interfaces.msg import Time
from dgemma_msgs.action import ExecuteSkill
from dgemma_msgs.msg import Execution, SkillResult
from dgemma_msgs.srv import ClearDoubt
from rclpy.action import CancelResponse, GoalResponse
from rosgraph_msgs.msg import Clock

from dgemma_ros.nodes.task_action import Deferred
from tests.nodes.graph import LATCHED, Graph, Heard, until
from tests.nodes.test_executor import NANO, TERMS, Loop, put

A, B = "red block", "blue ball"

R = ExecuteSkill.Result


class BadArm:
    """An action server in the test's own process that does what it is told to do wrong."""

    def __init__(self, graph: Graph, space: str) -> None:
        self.graph, self.goals, self.mode = graph, [], ""
        self.cancels = 0
        self.server = graph.in_turn(
            lambda: Deferred(
                graph.node,
                ExecuteSkill,
                f"/{space}/execute_skill",
                execute_callback=lambda goal: R(),
                goal_callback=self._ask,
                handle_accepted_callback=self._accept,
                cancel_callback=self._cancel,
            )
        )

    def _ask(self, request: Any) -> GoalResponse:
        if self.mode == "slow to accept":
            time.sleep(2.5)
        return GoalResponse.REJECT if self.mode == "rejects" else GoalResponse.ACCEPT

    def _accept(self, goal: Any) -> None:
        self.goals.append(goal)
        goal.execute()
        if self.mode == "succeeds":
            self.end(goal, "succeed", R.SUCCEEDED)
        elif self.mode == "says failed, ends succeeded":
            self.end(goal, "succeed", R.FAILED)
        elif self.mode == "says succeeded, ends aborted":
            self.end(goal, "abort", R.SUCCEEDED)
        elif self.mode == "no outcome":
            self.end(goal, "abort", 99)

    def _cancel(self, goal: Any) -> CancelResponse:
        self.cancels += 1
        return CancelResponse.REJECT if self.mode == "refuses cancel" else CancelResponse.ACCEPT

    def end(self, goal: Any, how: str, outcome: int) -> None:
        def execute(goal: Any) -> Any:
            getattr(goal, how)()
            return R(outcome=outcome)

        self.server.notify_execute(goal, execute)

    def feed(self) -> None:
        for goal in self.goals:
            if goal.is_active:
                self.graph.in_turn(lambda goal=goal: goal.publish_feedback(ExecuteSkill.Feedback()))


class Bench:
    """An executor alone, with the bad arm."""

    def __init__(self, graph: Graph, folder: Path, space: str) -> None:
        self.space, self.graph = space, graph
        self.arm = BadArm(graph, space)
        skills = folder / "skills.yaml"
        skills.write_text(NANO.read_text().split("# How they are carried out")[0] + TERMS)
        self.results: Heard = graph.hear(SkillResult, f"/{space}/skill_result", LATCHED)
        self.loop = Loop.__new__(Loop)
        self.loop.graph, self.loop.space, self.loop.ear, self.loop.results = graph, space, f"/{space}", self.results
        self.loop.shown = graph.hear(Execution, f"/{space}/execution", LATCHED)
        executor = graph.start(
            "executor",
            space,
            **{"skills": skills, "journal": folder / "journal.jsonl", "planner_timeout": 0.0, "camera_timeout": 0.0},
            **{"ask_model": False, "attempts": 1, "cancel_timeout": 1.0, "accept_timeout": 1.5},
        )
        graph.until_active(executor, f"/{space}/executor")

    def clear(self) -> None:
        self.graph.ask(ClearDoubt, f"/{self.space}/executor/clear_doubt", ClearDoubt.Request(by="test"))


@pytest.fixture(scope="module")
def bench(graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(graph, tmp_path_factory.mktemp("bench"), "bench")
    yield bench
    graph.in_turn(bench.arm.server.destroy)


@pytest.mark.parametrize(
    ("mode", "outcome", "reason", "doubt"),
    [
        ("succeeds", SkillResult.SUCCEEDED, "", False),
        ("rejects", SkillResult.FAILED, "rejected", False),
        ("says failed, ends succeeded", SkillResult.UNKNOWN, "contradiction", False),
        ("says succeeded, ends aborted", SkillResult.UNKNOWN, "contradiction", False),
        ("no outcome", SkillResult.UNKNOWN, "", False),
        ("silent", SkillResult.UNKNOWN, "lost", True),
        ("slow to accept", SkillResult.UNKNOWN, "lost", True),
    ],
)
def test_arms_that_lie_or_are_silent(bench: Bench, mode: str, outcome: int, reason: str, doubt: bool) -> None:
    bench.arm.mode = mode
    sent = len(bench.arm.goals)
    plan = bench.loop.give(put(A, "middle"), put(B, "middle"))
    ended = bench.loop.end(plan)
    told = bench.loop.of(plan)
    if mode == "succeeds":
        assert [entry[1] for entry in told] == [outcome, outcome] and ended.ending == Execution.CARRIED_OUT
    else:
        assert told == [(0, outcome, reason)] and ended.ending in (Execution.STOPPED, Execution.FAILED)
        assert len(bench.arm.goals) <= sent + 1
    after = bench.loop.give(put(A, "left tray"))
    end = bench.loop.end(after)
    assert (end.reason == "doubt") == doubt
    bench.clear()
    for goal in bench.arm.goals:
        if goal.is_active:
            bench.graph.in_turn(lambda goal=goal: bench.arm.end(goal, "abort", R.FAILED))
    until(lambda: not any(goal.is_active for goal in bench.arm.goals), "all goals to end")


def test_a_cancel_that_is_refused_is_a_doubt(bench: Bench) -> None:
    bench.clear()
    bench.arm.mode = "refuses cancel"
    count = len(bench.arm.goals)
    plan = bench.loop.give(put(A, "middle"))
    until(lambda: len(bench.arm.goals) > count, "the goal")
    bench.loop.inhibit(True)
    ended = bench.loop.end(plan)
    assert bench.loop.of(plan) == [(0, SkillResult.UNKNOWN, "no_end")] and ended.reason == "inhibited"
    bench.loop.inhibit(False)
    assert bench.loop.end(bench.loop.give(put(A, "middle"))).reason == "doubt"
    # Its end comes late, and with it the doubt goes.
    goal = bench.arm.goals[-1]
    bench.graph.in_turn(lambda: bench.arm.end(goal, "abort", R.FAILED))
    bench.arm.mode = "succeeds"

    def well() -> bool:
        return bool(bench.loop.end(bench.loop.give(put(A, "middle"))).ending == Execution.CARRIED_OUT)

    until(well, "the doubt to go")
    assert len(bench.loop.of(plan)) == 1


def test_messages_that_come_twice(bench: Bench) -> None:
    bench.clear()
    bench.arm.mode = "succeeds"
    before = len(bench.arm.goals)
    plan = bench.loop.plan(put(A, "middle"), put(B, "middle"))
    for _ in range(3):
        bench.loop.say(plan)
    bench.loop.shown.one(lambda m: m.plan_id == plan.plan_id and m.ending == Execution.CARRIED_OUT, "its end")
    until(lambda: sum(m.plan_id == plan.plan_id and m.reason == "seen" for m in bench.loop.shown) >= 2, "two refusals")
    assert len(bench.arm.goals) == before + 2
    for on in (True, True, False, False):
        bench.loop.inhibit(on)
    again = bench.loop.give(put(A, "middle"))
    bench.loop.end(again)
    ids = [goal.request.dispatch_id for goal in bench.arm.goals]
    assert len(set(ids)) == len(ids)


def inhibited(loop: Loop) -> bool:
    """Whether the executor has heard of an inhibit last, by its journal: topics keep no order among each other."""
    whole = loop.journal.read_text().rpartition("\n")[0]
    told = [record["inhibit"] for record in map(json.loads, whole.splitlines()) if "inhibit" in record]
    return bool(told and told[-1])


def test_processes_killed_and_stopped_at_random_moments(graph: Graph, tmp_path: Path) -> None:
    loop = Loop(graph, "chaos", tmp_path, rate=5.0)
    rng = random.Random(12)
    for round_ in range(6):
        names = loop.reset(50 + round_)
        plan = loop.give(*(put(name, loop.elsewhere(name)) for name in names))
        until(lambda plan=plan: any(m.plan_id == plan.plan_id for m in loop.shown), "the plan to be taken")
        time.sleep(rng.uniform(0.0, 1.2))  # the moment is what is tried
        if round_ % 2:
            loop.executor.end(signal.SIGKILL)
            loop.start()
        else:
            loop.executor.popen.send_signal(signal.SIGSTOP)
            time.sleep(rng.uniform(0.5, 4.0))
            loop.executor.popen.send_signal(signal.SIGCONT)
            loop.end(plan)
        loop.inhibit(True)
        until(lambda: inhibited(loop), "inhibit to be heard")
        until(lambda: not loop.truth["busy"], "a still arm")
        graph.ask(ClearDoubt, "/chaos/executor/clear_doubt", ClearDoubt.Request(by="test"))
        touched = len(loop.truth["touches"])
        refused = loop.give(put(names[0], "middle"))
        assert loop.end(refused).reason == "inhibited"
        assert len(loop.truth["touches"]) == touched and not loop.of(refused)
        loop.inhibit(False)
        until(lambda: not inhibited(loop), "its end to be heard")
        loop.one_outcome_each()
        dispatched = [json.loads(line) for line in loop.journal.read_text().splitlines()]
        begun = {record["dispatch"]["dispatch_id"] for record in dispatched if "dispatch" in record}
        ended = [record["end"] for record in dispatched if "end" in record]
        assert len(ended) == len(set(ended)) and begun == set(ended)
        until(lambda begun=begun: begun <= {r.dispatch_id for r in loop.results}, "every outcome to be told")
    for process in (loop.table, loop.executor):
        process.end()


@pytest.mark.parametrize("jump", [-500.0, 500.0])
def test_a_clock_that_jumps_stops(graph: Graph, tmp_path: Path, jump: float) -> None:
    """Simulated time: it runs, jumps, and what was planned before is not carried out."""
    publisher = graph.node.create_publisher(Clock, "/clock", 10)
    now = [1000.0]

    def tick(seconds: float = 0.02) -> None:
        now[0] += seconds
        sec = int(now[0])
        publisher.publish(Clock(clock=Time(sec=sec, nanosec=int((now[0] - sec) * 1e9))))

    timer = graph.node.create_timer(0.02, tick)
    space = "forwards" if jump > 0 else "back"
    loop = Loop(graph, space, tmp_path, rate=0.2, use_sim_time=True, camera_timeout=0.0)

    def simulated(*calls: tuple[str, dict[str, str]]) -> Any:
        plan = loop.plan(*calls)
        plan.header.stamp.sec, plan.header.stamp.nanosec = int(now[0]), 0
        plan.valid_until.sec = int(now[0]) + 60
        loop.say(plan)
        return plan

    plan = simulated(put(loop.names[0], loop.elsewhere(loop.names[0])))
    until(lambda: loop.truth["busy"], "the arm to move")
    now[0] += jump
    ended = loop.end(plan)
    assert (ended.ending, ended.reason) == (Execution.STOPPED, "clock")
    old = loop.plan(put(loop.names[0], "middle"))
    made = int(now[0] - jump)  # of the time before
    old.header.stamp.sec, old.valid_until.sec = made, made + 60
    loop.say(old)
    assert loop.end(old).reason == ("late" if jump > 0 else "clock")
    graph.node.destroy_timer(timer)
    for process in (loop.table, loop.executor):
        process.end()
