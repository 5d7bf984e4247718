"""The executor over DDS, with the tabletop's arm: what starts, what does not, and what a kill or a silence leaves.

Longer than most files: the nodes that its cases share take seconds to start.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from dgemma_msgs.msg import ApprovalRequest, Argument, Execution, Plan, PlanStep, SkillResult, Task
from dgemma_msgs.srv import Approve, CancelExecution, ClearDoubt, GoalReached, ResetWorld, SlipNext
from diagnostic_msgs.msg import DiagnosticArray
from std_msgs.msg import Bool, String

from tests.nodes.graph import LAST, LATCHED, ROOT, Graph, Heard, Process, until
from tests.nodes.relay import Fault, Relay, Trouble

NANO = ROOT / "engines" / "nano" / "skills.yaml"
TERMS = """execution:
  defaults: {action: execute_skill, timeout: 20, feedback_timeout: 3}
  skills:
    pick: {approval: step}
    place: {retries: 1, retry_on: [slipped]}
    stack: {approval: plan}
    look: {effect: false}
    say: {effect: false}
    done: {action: none, effect: false, idle: true}
"""


class Loop:
    """A tabletop and an executor in a namespace of their own, and what is heard of them."""

    def __init__(
        self,
        graph: Graph,
        space: str,
        folder: Path,
        rate: float = 10.0,
        world: str = "",
        terms: str = TERMS,
        **parameters: Any,
    ) -> None:
        """``world``: the tabletop's namespace, where it is another one than the executor's."""
        self.graph, self.space, self.journal = graph, space, folder / f"{space}.jsonl"
        self.world, self.ear = world or space, f"/{space}"
        self.skills = folder / "skills.yaml"
        self.skills.write_text(NANO.read_text().split("# How they are carried out")[0] + terms)
        self.truths: Heard = graph.hear(String, f"/{self.world}/tabletop/truth", LAST)
        self.results: Heard = graph.hear(SkillResult, f"/{space}/skill_result", LATCHED)
        self.shown: Heard = graph.hear(Execution, f"/{space}/execution", LATCHED)
        self.requests: Heard = graph.hear(ApprovalRequest, f"/{space}/approval_request", LATCHED)
        self.asked: Heard = graph.hear(Task, f"/{space}/task_request")
        self.table = graph.start("tabletop", self.world, rate=rate)
        self.parameters = {"planner_timeout": 0.0, "settle": 0.0, "ask_model": False} | parameters
        self.executor = self.start()
        graph.until_active(self.table, f"/{self.world}/tabletop")
        self.names = self.reset(5)

    def start(self) -> Process:
        self.executor = self.graph.start(
            "executor", self.space, skills=self.skills, journal=self.journal, **self.parameters
        )
        self.graph.until_active(self.executor, f"/{self.space}/executor")
        self.until_well()
        return self.executor

    def until_well(self) -> None:
        """Until it sees camera and planner, as far as they are watched."""
        heard, subscription = self.graph.hear_for_now(DiagnosticArray, "/diagnostics")
        name = f"{self.space}/executor"

        def well() -> bool:
            last = [s for m in list(heard) for s in m.status if s.name.startswith(name)][-1:]
            return bool(last) and not any("nothing was heard" in value.value for value in last[0].values)

        until(well, "camera and planner to be seen")
        self.graph.node.destroy_subscription(subscription)

    def reset(self, seed: int) -> list[str]:
        def lay() -> Any:
            request = ResetWorld.Request(seed=seed, objects=3)
            answer = self.graph.ask(ResetWorld, f"/{self.world}/tabletop/reset", request)
            return answer if answer.success else None

        names = list(until(lay, "a still arm").objects)
        until(lambda: self.truths and self.truth["seed"] == seed, "the new table")
        return names

    @property
    def truth(self) -> dict[str, Any]:
        return dict(json.loads(self.truths[-1].data))

    def place(self, name: str) -> str:
        return str(next((o["place"] for o in self.truth["objects"] if o["name"] == name), ""))

    def elsewhere(self, name: str) -> str:
        return "left tray" if self.place(name) != "left tray" else "right tray"

    def plan(self, *calls: tuple[str, dict[str, str]], **changes: Any) -> Plan:
        now = self.graph.node.get_clock().now()
        plan = Plan(plan_id=uuid.uuid4().hex, task_id=uuid.uuid4().hex[:8], task="do it", valid=True)
        plan.header.stamp = now.to_msg()
        plan.valid_until = now.to_msg()
        plan.valid_until.sec += 10
        for skill, arguments in calls:
            listed = [Argument(name=k, type=Argument.STRING, value=v) for k, v in sorted(arguments.items())]
            plan.steps.append(
                PlanStep(skill=skill, arguments_json=json.dumps(arguments), arguments=listed, confidence=0.9)
            )
        for name, value in changes.items():
            setattr(plan, name, value)
        return plan

    def give(self, *calls: tuple[str, dict[str, str]], **changes: Any) -> Plan:
        plan = self.plan(*calls, **changes)
        self.say(plan)
        return plan

    def say(self, plan: Plan) -> None:
        self.graph.say(plan, f"{self.ear}/plan", LATCHED)

    def end(self, plan: Plan) -> Any:
        return self.shown.one(
            lambda m: m.task_id == plan.task_id and m.state == Execution.ENDED, f"the end of {plan.task_id}"
        )

    def of(self, plan: Plan) -> list[tuple[int, int, str]]:
        return [(r.step, r.outcome, r.reason) for r in list(self.results) if r.plan_id == plan.plan_id]

    def inhibit(self, on: bool) -> None:
        self.graph.say(Bool(data=on), f"{self.ear}/inhibit")

    def one_outcome_each(self) -> None:
        outcomes: dict[str, set[int]] = {}
        for result in list(self.results):
            outcomes.setdefault(result.dispatch_id, set()).add(result.outcome)
        assert all(len(kinds) == 1 for kinds in outcomes.values())
        attempts = Counter((r.plan_id, r.step, r.attempt) for r in {r.dispatch_id: r for r in self.results}.values())
        assert all(count == 1 for count in attempts.values())


@pytest.fixture(scope="module")
def loop(graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Loop:
    return Loop(graph, "arm", tmp_path_factory.mktemp("loop"))


def put(name: str, target: str) -> tuple[str, dict[str, str]]:
    return "place", {"object": name, "target": target}


S, F, C, U = SkillResult.SUCCEEDED, SkillResult.FAILED, SkillResult.CANCELLED, SkillResult.UNKNOWN


def test_a_plan_is_carried_out(loop: Loop) -> None:
    a, b, _ = loop.reset(11)
    where = loop.elsewhere(a), loop.elsewhere(b)
    plan = loop.give(put(a, where[0]), put(b, where[1]))
    ended = loop.end(plan)
    assert ended.ending == Execution.CARRIED_OUT, ended.message
    assert loop.of(plan) == [(0, S, ""), (1, S, "")]
    until(lambda: (loop.place(a), loop.place(b)) == where, "the truth")


def test_a_slip_is_retried_and_told(loop: Loop, graph: Graph) -> None:
    a, *_ = loop.reset(12)
    graph.ask(SlipNext, f"/{loop.space}/tabletop/slip_next", SlipNext.Request(count=1))
    plan = loop.give(put(a, loop.elsewhere(a)))
    assert loop.end(plan).ending == Execution.CARRIED_OUT
    assert loop.of(plan) == [(0, F, "slipped"), (0, S, "")]
    assert [r.retried for r in loop.results if r.plan_id == plan.plan_id] == [True, False]


def test_a_failure_asks_for_another_plan_with_what_is_done_pinned(loop: Loop) -> None:
    a, b, _ = loop.reset(13)
    there = loop.elsewhere(a)
    missing = next(name for name in ("red ball", "blue bar", "green ring", "orange block") if not loop.place(name))
    plan = loop.give(put(a, there), put(missing, "middle"))
    task = loop.asked.one(lambda t: t.parent_plan_id == plan.plan_id, "the next task")
    assert task.template_text == f'place(object="{a}", target="{there}"); ____' and task.text == plan.task
    there_b = loop.elsewhere(b)
    following = loop.give(
        put(a, there), put(b, there_b), task_id=task.task_id, task=task.text, parent_plan_id=plan.plan_id
    )
    assert loop.end(plan).ending == Execution.CARRIED_OUT
    assert loop.of(following) == [(1, S, "")]
    until(lambda: loop.place(b) == there_b, "the truth")


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("place", {"valid": False}, "invalid"),
    ("place", {"error_code": Plan.ERROR_STALE_CAMERA}, "invalid"),
    ("place", {"stale": True}, "stale"),
    ("push", {}, "unmapped"),
    ("Place", {}, "unknown_skill"),
    ("place ", {}, "unknown_skill"),
    ("plаce", {}, "unknown_skill"),  # a Cyrillic letter
    ("place", {"parent_plan_id": "other"}, "orphan"),
    ("place", {"plan_id": ""}, "nameless"),
]


@pytest.mark.parametrize(("skill", "changes", "reason"), REFUSED)
def test_gates_hold_over_dds(loop: Loop, skill: str, changes: dict[str, Any], reason: str) -> None:
    calls = {"push": {"object": loop.names[0], "direction": "left", "distance": "1"}}
    arguments = calls.get(skill, {"object": loop.names[0], "target": "left tray"})
    touched = len(loop.truth["touches"])
    plan = loop.plan((skill, arguments), **changes)
    if skill == "push":  # its distance is a number
        plan.steps[0].arguments_json = plan.steps[0].arguments_json.replace('"1"', "1")
        next(a for a in plan.steps[0].arguments if a.name == "distance").type = Argument.INTEGER
    loop.say(plan)
    ended = loop.end(plan)
    assert (ended.ending, ended.reason) == (Execution.REFUSED, reason)
    assert len(loop.truth["touches"]) == touched and not loop.of(plan)


def test_two_tellings_of_arguments_must_agree(loop: Loop) -> None:
    plan = loop.plan(put(loop.names[0], "left tray"))
    plan.steps[0].arguments_json = json.dumps({"object": loop.names[1], "target": "left tray"})
    loop.say(plan)
    assert loop.end(plan).reason == "invalid"


@pytest.mark.parametrize(("what", "seconds", "reason"), [("valid_until", -60, "late"), ("stamp", 60, "clock")])
def test_clocks_that_differ_refuse(loop: Loop, what: str, seconds: int, reason: str) -> None:
    plan = loop.plan(put(loop.names[0], "left tray"))
    (plan.valid_until if what == "valid_until" else plan.header.stamp).sec += seconds
    loop.say(plan)
    assert loop.end(plan).reason == reason


def test_a_plan_that_comes_again_is_known(loop: Loop) -> None:
    a, *_ = loop.reset(14)
    plan = loop.give(put(a, loop.elsewhere(a)))
    loop.end(plan)
    loop.say(plan)
    again = loop.shown.one(lambda m: m.plan_id == plan.plan_id and m.reason == "seen", "that it was seen")
    assert again.ending == Execution.REFUSED and len(loop.of(plan)) == 1


def test_inhibit_cancels_what_moves_and_nothing_begins(loop: Loop) -> None:
    a, *_ = loop.reset(15)
    plan = loop.give(put(a, loop.elsewhere(a)), put(a, "middle"))
    until(lambda: loop.truth["busy"], "the arm to move")
    loop.inhibit(True)
    ended = loop.end(plan)
    assert (ended.ending, ended.reason) == (Execution.STOPPED, "inhibited") and len(loop.of(plan)) == 1
    until(lambda: not loop.truth["busy"], "a still arm")
    second = loop.give(put(a, loop.elsewhere(a)))
    assert loop.end(second).reason == "inhibited" and not loop.of(second)
    loop.inhibit(False)
    third = loop.give(put(a, loop.elsewhere(a)))
    assert loop.end(third).ending == Execution.CARRIED_OUT


def test_cancel_service(loop: Loop, graph: Graph) -> None:
    a, *_ = loop.reset(16)
    plan = loop.give(put(a, loop.elsewhere(a)), put(a, "middle"))
    until(lambda: loop.truth["busy"], "the arm to move")
    request = CancelExecution.Request(task_id="another")
    assert not graph.ask(CancelExecution, f"/{loop.space}/executor/cancel", request).success
    assert graph.ask(CancelExecution, f"/{loop.space}/executor/cancel").success
    assert loop.end(plan).reason == "cancelled"


def test_a_plan_of_higher_priority_takes_over(loop: Loop) -> None:
    a, b, _ = loop.reset(17)
    first = loop.give(put(a, loop.elsewhere(a)), put(a, "middle"), priority=3)
    until(lambda: loop.truth["busy"], "the arm to move")
    low = loop.give(put(b, loop.elsewhere(b)), priority=2)
    assert loop.end(low).reason == "busy"
    high = loop.give(put(b, loop.elsewhere(b)), priority=9)
    assert loop.end(first).reason == "replaced" and loop.end(high).ending == Execution.CARRIED_OUT
    assert not loop.of(low)


def test_approval_is_for_what_was_seen(loop: Loop, graph: Graph) -> None:
    a, b, _ = loop.reset(18)
    service = f"/{loop.space}/executor/approve"
    plan = loop.give(("stack", {"object": a, "on": b}))
    request = loop.requests.one(lambda r: r.plan_id == plan.plan_id, "a request")
    assert request.scope == ApprovalRequest.PLAN and request.text.startswith("stack(")
    wrong = Approve.Request(request_id=request.request_id, digest="0" * 64, approve=True)
    assert "digest" in graph.ask(Approve, service, wrong).message
    assert not loop.of(plan) and not loop.truth["touches"]
    right = Approve.Request(request_id=request.request_id, digest=request.digest, approve=True, by="test")
    assert graph.ask(Approve, service, right).success
    assert loop.end(plan).ending == Execution.CARRIED_OUT
    assert not graph.ask(Approve, service, right).success
    other = loop.give(("stack", {"object": a, "on": b}))
    request = loop.requests.one(lambda r: r.plan_id == other.plan_id, "another request")
    denial = Approve.Request(request_id=request.request_id, digest=request.digest, approve=False, by="test")
    assert graph.ask(Approve, service, denial).success
    assert loop.end(other).reason == "denied" and not loop.of(other)


def test_approval_at_a_terminal(loop: Loop) -> None:
    a, b, _ = loop.reset(21)
    command = [sys.executable, "-m", "dgemma_ros.cli", "approve", "--namespace", loop.space, "--wait", "60"]
    plan = loop.give(("stack", {"object": a, "on": b}))
    request = loop.requests.one(lambda r: r.plan_id == plan.plan_id, "a request")
    done = subprocess.run(
        [*command, request.request_id[:8], "--yes", "--json"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["counted"] and told["approved"] and told["digest"] == request.digest
    assert loop.end(plan).ending == Execution.CARRIED_OUT
    other = loop.give(("stack", {"object": b, "on": a}))
    loop.requests.one(lambda r: r.plan_id == other.plan_id, "another request")
    done = subprocess.run([*command, "--deny"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and f'"object": "{b}"' in done.stdout, done.stderr
    assert loop.end(other).reason == "denied"
    done = subprocess.run([*command[:-1], "0.5"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "nothing waits for approval" in done.stderr


def test_an_approval_counts_where_only_its_answer_is_lost(loop: Loop, graph: Graph) -> None:
    """Through a relay, as when the executor has not met the terminal yet."""
    relay, here = Relay(graph), f"/{loop.space}"
    relay.service(Approve, "/desk/executor/approve", f"{here}/executor/approve", "approve")
    relay.topic(ApprovalRequest, f"{here}/approval_request", "/desk/approval_request", "approval_request", LATCHED)
    relay.wires["approve answer"] = Trouble(Fault.LOST)
    a, b, _ = loop.reset(22)
    plan = loop.give(("stack", {"object": a, "on": b}))
    request = loop.requests.one(lambda r: r.plan_id == plan.plan_id, "a request")
    command = [sys.executable, "-m", "dgemma_ros.cli", "approve", request.request_id, "--yes", "--json"]
    command += ["--namespace", "desk", "--wait", "60"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and json.loads(done.stdout)["counted"], done.stderr
    assert relay.heard["approve answer"] == 1 and loop.end(plan).ending == Execution.CARRIED_OUT
    relay.close()


def test_a_rule_may_say_that_the_goal_is_missed(graph: Graph, tmp_path: Path) -> None:
    loop = Loop(graph, "ruled", tmp_path, ask_rule=True)
    a = loop.names[0]
    until(lambda: graph.ask(GoalReached, "/ruled/goal_reached", GoalReached.Request(task="sing")).known is False, "it")
    there = loop.elsewhere(a)
    plan = loop.give(put(a, there), task=f"put the {a} into the {there}")
    ended = loop.end(plan)
    assert (ended.ending, ended.attempt) == (Execution.REACHED, 1), ended.message
    other = loop.elsewhere(a)
    missed = loop.give(put(a, "middle"), task=f"put the {a} into the {other}")
    task = loop.asked.one(lambda t: t.parent_plan_id == missed.plan_id, "the question")
    loop.give(put(a, other), task_id=task.task_id, task=task.text, parent_plan_id=missed.plan_id)
    assert loop.end(missed).ending == Execution.REACHED
    for process in (loop.table, loop.executor):
        process.end()


def test_kill_of_the_executor_leaves_one_outcome_and_a_doubt(loop: Loop, graph: Graph) -> None:
    a, b, _ = loop.reset(19)
    plan = loop.give(put(a, loop.elsewhere(a)), put(b, loop.elsewhere(b)))
    until(lambda: loop.truth["busy"], "the arm to move")
    loop.executor.end(signal.SIGKILL)
    loop.start()
    result = loop.results.one(lambda r: r.plan_id == plan.plan_id and r.outcome == U, "the unknown one")
    assert result.reason == "crashed"
    loop.one_outcome_each()
    # The goal of before is cancelled by the new executor, and its end settles the doubt; or a person does.
    until(lambda: not loop.truth["busy"], "a still arm")
    graph.ask(ClearDoubt, f"/{loop.space}/executor/clear_doubt", ClearDoubt.Request(by="test"))
    loop.say(plan)
    seen = loop.shown.one(lambda m: m.plan_id == plan.plan_id and m.reason == "seen", "that the plan is known")
    assert seen.ending == Execution.REFUSED
    after = loop.give(put(b, loop.elsewhere(b)))
    assert loop.end(after).ending == Execution.CARRIED_OUT


@pytest.mark.parametrize("with_signal", [signal.SIGKILL, signal.SIGSTOP])
def test_a_dead_arm_is_a_doubt(graph: Graph, tmp_path: Path, with_signal: int) -> None:
    loop = Loop(graph, f"dead{with_signal}", tmp_path, rate=1.0)
    a, b, _ = loop.names
    plan = loop.give(put(a, loop.elsewhere(a)), put(b, loop.elsewhere(b)))
    until(lambda: loop.truth["busy"], "the arm to move")
    loop.table.popen.send_signal(with_signal)
    ended = loop.end(plan)
    assert ended.ending == Execution.STOPPED and len(loop.of(plan)) == 1 and loop.of(plan)[0][1] == U
    after = loop.give(put(b, "middle"))
    assert loop.end(after).ending == Execution.REFUSED and not loop.of(after)
    loop.one_outcome_each()
    if with_signal == signal.SIGSTOP:
        loop.table.popen.send_signal(signal.SIGCONT)
    loop.executor.end()


def test_a_lost_camera_stops(graph: Graph, tmp_path: Path) -> None:
    loop = Loop(graph, "blind", tmp_path, rate=0.05, camera_timeout=3.0)
    a = loop.names[0]
    plan = loop.give(put(a, loop.elsewhere(a)))
    until(lambda: loop.truth["busy"], "the arm to move")
    loop.table.popen.send_signal(signal.SIGSTOP)
    ended = loop.end(plan)
    loop.table.popen.send_signal(signal.SIGCONT)
    assert ended.ending == Execution.STOPPED
    assert len(loop.of(plan)) == 1
    loop.executor.end()
    loop.table.end()


def test_wrong_tables_name_their_line(graph: Graph, tmp_path: Path) -> None:
    file = tmp_path / "skills.yaml"
    text = NANO.read_text().split("# How they are carried out")[0]
    line = text.count("\n") + 3
    for terms, word in (
        ("{action: a, type: no_msgs/action/Such, goal: {x: {value: 1}}}", "is not installed"),
        ("{action: a, type: dgemma_msgs/action/GeneratePlan, goal: {task.words: {value: x}}}", "has no field 'words'"),
        ("{action: a, type: dgemma_msgs/action/GeneratePlan, goal: {task.priority: {value: x}}}", "is of type uint8"),
    ):
        file.write_text(f"{text}execution:\n  skills:\n    done: {terms}\n")
        executor = graph.start("executor", "wrong", skills=file, journal=tmp_path / "j")
        until(lambda log=executor, word=word: word in log.output, word)
        assert f"skills.yaml:{line}: done: " in executor.output and "Traceback" not in executor.output
        executor.end()


def test_another_kind_of_action_is_called_with_its_fields(graph: Graph, tmp_path: Path) -> None:
    """The planner's own action stands for a foreign one: its goal is filled field by field."""
    from dgemma_msgs.action import GeneratePlan
    from rclpy.action import ActionServer

    goals: list[Any] = []

    def carry_out(goal: Any) -> Any:
        goals.append(goal.request.task)
        goal.succeed()
        return GeneratePlan.Result(plan=Plan(text="well" if len(goals) == 1 else "ill"))

    server = graph.in_turn(lambda: ActionServer(graph.node, GeneratePlan, "/foreign/drive", carry_out))
    file = tmp_path / "skills.yaml"
    file.write_text(
        """skills:
  - name: go_to
    description: Drive.
    arguments:
      metres: {type: integer, required: true, range: [0, 100]}
      mode: {type: string, required: true, choices: [slow, fast]}
execution:
  skills:
    go_to:
      action: drive
      type: dgemma_msgs/action/GeneratePlan
      goal:
        task.header.frame_id: {value: map}
        task.budget: {argument: metres, unit: min -> duration}
        task.priority: {argument: mode, choices: {slow: 1, fast: 9}}
      success: {plan.text: well}
"""
    )
    results = graph.hear(SkillResult, "/foreign/skill_result", LATCHED)
    shown = graph.hear(Execution, "/foreign/execution", LATCHED)
    graph.until_active(
        graph.start(
            "executor",
            "foreign",
            **{"skills": file, "journal": tmp_path / "j", "planner_timeout": 0.0, "camera_timeout": 0.0},
            **{"ask_model": False, "attempts": 1},
        ),
        "/foreign/executor",
    )
    helper = Loop.__new__(Loop)
    helper.graph, helper.space, helper.ear, helper.shown = graph, "foreign", "/foreign", shown
    for number, ending in enumerate((Execution.CARRIED_OUT, Execution.FAILED)):
        plan = helper.plan(("go_to", {"mode": "fast"}))
        plan.steps[0].arguments_json = '{"metres": 2, "mode": "fast"}'
        plan.steps[0].arguments.append(Argument(name="metres", type=Argument.INTEGER, value="2"))
        helper.say(plan)
        ended = helper.end(plan)
        assert ended.ending == ending, (ended.message, results[-1])
        assert len(goals) == number + 1
    assert (goals[0].header.frame_id, goals[0].budget.sec, goals[0].priority) == ("map", 120, 9)
    assert "plan.text is 'ill'" in ended.message or ended.message.startswith("go_to")
    graph.in_turn(server.destroy)
