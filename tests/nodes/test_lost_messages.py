"""One kind of message after the other lost, doubled or late, over DDS, between planner, executor and arm.

Whatever is lost: no skill twice, none without an outcome, none after a word to stop.

Longer than most files: a case for each kind of message, all with the same nodes.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dgemma_msgs.action import ExecuteSkill
from dgemma_msgs.msg import ApprovalRequest, Execution, Plan, SkillResult, Task
from dgemma_msgs.srv import Approve, ClearDoubt, ContextInfo
from std_msgs.msg import Bool

from tests.nodes.graph import DEEP, LATCHED, Graph, Heard, until
from tests.nodes.relay import Fault, Relay, Trouble
from tests.nodes.test_executor import TERMS, Loop, put

S, F, C, U = SkillResult.SUCCEEDED, SkillResult.FAILED, SkillResult.CANCELLED, SkillResult.UNKNOWN
QUICK = TERMS.replace("feedback_timeout: 3", "feedback_timeout: 1.2")
LOST, TWICE, LATE = Trouble(Fault.LOST), Trouble(Fault.TWICE), Trouble(Fault.LATE, seconds=0.3)
TOO_LATE = Trouble(Fault.LATE, seconds=2.5)
"""Later than `accept_timeout`."""


class Lab(Loop):
    """An executor that hears plans, words and answers, and reaches its arm, through a relay only."""

    def __init__(self, graph: Graph, folder: Path) -> None:
        self.relay = Relay(graph)
        self.relay.action(ExecuteSkill, "/far/execute_skill", "/near/execute_skill", "arm")
        self.relay.topic(Plan, "/lab/plan", "/far/plan", "plan", LATCHED)
        self.relay.topic(Bool, "/lab/inhibit", "/far/inhibit", "inhibit")
        self.relay.topic(Task, "/far/task_request", "/lab/task_request", "task_request")
        self.relay.topic(ApprovalRequest, "/far/approval_request", "/lab/approval_request", "approval_request", LATCHED)
        self.relay.service(Approve, "/lab/approve", "/far/executor/approve", "approve")
        limits = {"accept_timeout": 1.5, "cancel_timeout": 1.5, "plan_timeout": 3.0, "camera_timeout": 0.0}
        super().__init__(graph, "far", folder, 1.0, "near", QUICK, attempts=2, approval_timeout=3.0, **limits)
        self.ear = "/lab"
        self.asked: Heard = graph.hear(Task, "/lab/task_request")
        self.requests: Heard = graph.hear(ApprovalRequest, "/lab/approval_request", LATCHED)
        self.seed = 100

    def trouble(self, **wires: Trouble) -> None:
        """Wires are named as the relay does, with underscores for blanks."""
        self.relay.clear()
        known = {wire.replace(" ", "_"): wire for wire in WIRES}
        self.relay.wires.update({known[name]: trouble for name, trouble in wires.items()})

    def lay(self) -> tuple[str, str]:
        """Another table with all wires well and nothing in doubt: two things that lie on it."""
        self.trouble()
        self.graph.ask(ClearDoubt, "/far/executor/clear_doubt", ClearDoubt.Request(by="test"))
        self.seed += 1
        a, b, _ = self.reset(self.seed)
        return a, b

    def hold(self) -> None:
        """What always holds."""
        self.one_outcome_each()
        records = [json.loads(line) for line in self.journal.read_text().splitlines()]
        begun = [record["dispatch"]["dispatch_id"] for record in records if "dispatch" in record]
        ended = [record["end"] for record in records if "end" in record]
        assert len(set(begun)) == len(begun) and sorted(begun) == sorted(ended)
        until(lambda: set(begun) <= {result.dispatch_id for result in self.results}, "every outcome to be told")
        touched = [touch["name"] for touch in self.truth["touches"]]
        assert len(set(touched)) == len(touched)

    def still(self) -> None:
        until(lambda: not self.truth["busy"], "a still arm")

    def approve(self, request: Any) -> Any:
        """Sends an answer and waits for nothing."""
        client = self.graph.node.create_client(Approve, "/lab/approve")
        until(client.service_is_ready, "the way to approve")
        answer = Approve.Request(request_id=request.request_id, digest=request.digest, approve=True, by="test")
        return client.call_async(answer)


ARM = ("send_goal", "cancel_goal", "get_result")
WIRES = (
    *("plan", "inhibit", "task_request", "approval_request", "approve", "approve answer", "arm feedback", "arm status"),
    *(f"arm {name}" for name in ARM),
    *(f"arm {name} answer" for name in ARM),
)


@pytest.fixture(scope="module")
def lab(graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(graph, tmp_path_factory.mktemp("lab"))
    yield lab
    lab.relay.close()


@pytest.mark.parametrize(
    ("wires", "outcome", "reason", "moved"),
    [
        ({"arm_send_goal": TWICE}, S, "", True),
        ({"arm_send_goal": LATE}, S, "", True),
        ({"arm_send_goal": LOST}, U, "lost", False),
        ({"arm_send_goal": TOO_LATE}, U, "lost", False),
        ({"arm_send_goal_answer": LATE}, S, "", True),
        ({"arm_send_goal_answer": LOST}, U, "lost", False),
        ({"arm_send_goal_answer": TOO_LATE}, U, "lost", False),
        ({"arm_get_result": TWICE}, S, "", True),
        ({"arm_get_result": LATE}, S, "", True),
        ({"arm_get_result": LOST}, U, "lost", True),
        ({"arm_get_result_answer": LATE}, S, "", True),
        ({"arm_get_result_answer": LOST}, U, "lost", True),
        ({"arm_feedback": LOST}, U, "lost", False),
        ({"arm_feedback": TWICE}, S, "", True),
        ({"arm_feedback": LATE}, S, "", True),
        ({"arm_status": LOST}, S, "", True),
        ({"arm_status": TWICE}, S, "", True),
    ],
    ids=lambda value: next(iter(value)) + f" {next(iter(value.values())).fault}" if isinstance(value, dict) else None,
)
def test_a_skills_messages(lab: Lab, wires: dict[str, Trouble], outcome: int, reason: str, moved: bool) -> None:
    """``moved``: whether the thing lies where it was to go in the end; an arm puts back what it is stopped with."""
    a, b = lab.lay()
    there, before = lab.elsewhere(a), lab.place(b)
    lab.trouble(**wires)
    plan = lab.give(put(a, there), *([put(b, lab.elsewhere(b))] if outcome == U else []))
    ended = lab.end(plan)
    if outcome == S:
        assert ended.ending == Execution.CARRIED_OUT and lab.of(plan) == [(0, S, "")]
    else:
        assert ended.ending == Execution.STOPPED and lab.of(plan) == [(0, U, reason)]
        lab.relay.wires.clear()
        if wires.get("arm_send_goal") is TOO_LATE:
            until(lambda: lab.relay.heard["arm send_goal answer"], "the goal to come after all")
        refused = lab.give(put(b, "middle"))
        later = lab.end(refused)
        if later.ending == Execution.REFUSED:
            assert later.reason == "doubt"
        else:  # its own end came in, and settled the doubt
            before = "middle"
    lab.still()
    until(lambda: (lab.place(a) == there) is moved, "the truth")
    if outcome == U:
        assert lab.place(b) == before
    lab.hold()


@pytest.mark.parametrize("trouble", [LOST, TWICE, LATE], ids=lambda trouble: str(trouble.fault))
def test_a_cancel(lab: Lab, trouble: Trouble) -> None:
    """A cancel that is lost stops nothing: it is a doubt, and nothing else begins."""
    a, b = lab.lay()
    lab.trouble(arm_cancel_goal=trouble)
    plan = lab.give(put(a, lab.elsewhere(a)), put(b, lab.elsewhere(b)))
    until(lambda: lab.truth["busy"], "the arm to move")
    lab.inhibit(True)
    assert lab.end(plan).reason == "inhibited"
    known = [(0, U, "no_end")] if trouble is LOST else [(0, C, "inhibited")]
    assert lab.of(plan) in (known, [(0, S, "")])
    lab.still()
    refused = lab.give(put(b, "middle"))
    assert lab.end(refused).reason == "inhibited" and not lab.of(refused)
    lab.inhibit(False)
    lab.hold()


@pytest.mark.parametrize("trouble", [LOST, TWICE, LATE], ids=lambda trouble: str(trouble.fault))
def test_a_plan(lab: Lab, trouble: Trouble) -> None:
    a, _ = lab.lay()
    lab.trouble(plan=trouble)
    plan = lab.give(put(a, lab.elsewhere(a)))
    if trouble is LOST:
        until(lambda: lab.relay.heard["plan"], "the plan on its way")
        lab.trouble()
        lab.end(lab.give(put(a, lab.elsewhere(a))))
        assert not lab.of(plan)
    else:
        lab.shown.one(lambda m: m.plan_id == plan.plan_id and m.ending == Execution.CARRIED_OUT, "its end")
        assert len(lab.of(plan)) == 1
    if trouble is TWICE:
        lab.shown.one(lambda m: m.plan_id == plan.plan_id and m.reason == "seen", "that it was seen")
    lab.hold()


def test_a_plan_that_comes_after_its_time(lab: Lab) -> None:
    a, _ = lab.lay()
    lab.trouble(plan=TOO_LATE)
    plan = lab.plan(put(a, lab.elsewhere(a)))
    plan.valid_until.sec -= 9
    lab.say(plan)
    assert lab.end(plan).reason == "late" and not lab.of(plan) and not lab.truth["touches"]


@pytest.mark.parametrize("trouble", [LOST, TWICE, LATE], ids=lambda trouble: str(trouble.fault))
def test_a_word_to_stop(lab: Lab, trouble: Trouble) -> None:
    """One that is lost is not heard; whoever means it says it again, and that is obeyed."""
    a, b = lab.lay()
    lab.trouble(inhibit=Trouble(trouble.fault, times=1))
    plan = lab.give(put(a, lab.elsewhere(a)), put(b, lab.elsewhere(b)))
    until(lambda: lab.truth["busy"], "the arm to move")
    lab.inhibit(True)
    if trouble is LOST:
        lab.inhibit(True)
    assert lab.end(plan).reason == "inhibited"
    lab.still()
    touched = len(lab.truth["touches"])
    refused = lab.give(put(b, "middle"))
    assert lab.end(refused).reason == "inhibited" and not lab.of(refused) and len(lab.truth["touches"]) == touched
    lab.inhibit(False)
    lab.hold()


def test_a_word_to_stop_overtakes_a_goal_on_its_way(lab: Lab) -> None:
    """The goal comes to the arm after the cancel that was meant for it: it is cancelled as soon as it is taken."""
    a, b = lab.lay()
    there = lab.elsewhere(a)
    lab.trouble(arm_send_goal=Trouble(Fault.LATE, seconds=0.8))
    plan = lab.give(put(a, there), put(b, lab.elsewhere(b)))
    until(lambda: lab.relay.heard["arm send_goal"], "the goal on its way")
    lab.inhibit(True)
    assert lab.end(plan).reason == "inhibited" and lab.of(plan) == [(0, C, "inhibited")]
    lab.still()
    assert lab.place(a) != there
    lab.inhibit(False)
    lab.hold()


@pytest.mark.parametrize("trouble", [LOST, TWICE, LATE], ids=lambda trouble: str(trouble.fault))
def test_the_question_for_another_plan(lab: Lab, trouble: Trouble) -> None:
    a, _ = lab.lay()
    missing = next(name for name in ("red ball", "blue bar", "green ring", "orange block") if not lab.place(name))
    lab.trouble(task_request=trouble)
    plan = lab.give(put(missing, "middle"))
    if trouble is LOST:
        ended = lab.end(plan)
        assert (ended.ending, ended.reason) == (Execution.FAILED, "no_plan")
        return lab.hold()
    task = lab.asked.one(lambda t: t.parent_plan_id == plan.plan_id, "the question")
    answers = [
        lab.give(put(a, lab.elsewhere(a)), task_id=task.task_id, task=task.text, parent_plan_id=plan.plan_id)
        for _ in range(2 if trouble is TWICE else 1)
    ]
    assert lab.end(plan).ending == Execution.CARRIED_OUT
    assert lab.of(answers[0]) == [(0, S, "")] and not any(lab.of(answer) for answer in answers[1:])
    return lab.hold()


@pytest.mark.parametrize("wire", ["approve", "approve answer", "approval_request"])
@pytest.mark.parametrize("trouble", [LOST, TWICE, LATE], ids=lambda trouble: str(trouble.fault))
def test_an_approval(lab: Lab, wire: str, trouble: Trouble) -> None:
    a, b = lab.lay()
    lab.trouble(**{wire.replace(" ", "_"): trouble})
    plan = lab.give(("stack", {"object": a, "on": b}))
    if wire == "approval_request" and trouble is LOST:
        assert lab.end(plan).reason == "expired" and not lab.of(plan)
        return lab.hold()
    request = lab.requests.one(lambda r: r.plan_id == plan.plan_id, "a request")
    lab.approve(request)
    ended = lab.end(plan)
    if wire == "approve" and trouble is LOST:
        assert ended.reason == "expired" and not lab.of(plan)
    else:
        assert ended.ending == Execution.CARRIED_OUT and len(lab.of(plan)) == 1
    return lab.hold()


@pytest.mark.parametrize("with_signal", [signal.SIGKILL, signal.SIGSTOP])
def test_a_planner_that_dies_while_a_skill_runs(graph: Graph, model: Path, tmp_path: Path, with_signal: int) -> None:
    space = f"mourning{with_signal}"
    needed = {"model": model, "threads": 1, "budget": 20.0, "max_steps": 2, "canary_period": 0.0}
    planner = graph.start("planner", space, **needed)
    graph.until_active(planner, f"/{space}/planner")
    loop = Loop(graph, space, tmp_path, 0.3, planner_timeout=3.0, camera_timeout=0.0)
    a, b, _ = loop.names
    plan = loop.give(put(a, loop.elsewhere(a)), put(b, loop.elsewhere(b)))
    until(lambda: loop.truth["busy"], "the arm to move")
    planner.popen.send_signal(with_signal)
    ended = loop.end(plan)
    assert (ended.ending, ended.reason) == (Execution.STOPPED, "no_planner")
    assert loop.of(plan) == [(0, C, "no_planner")]
    until(lambda: not loop.truth["busy"], "a still arm")
    assert loop.end(loop.give(put(b, "middle"))).reason == "no_planner"
    if with_signal == signal.SIGSTOP:
        planner.popen.send_signal(signal.SIGCONT)

        def goes_on() -> bool:
            return bool(loop.end(loop.give(put(b, loop.place(b)))).reason != "no_planner")

        until(goes_on, "the planner to be seen again")
    loop.one_outcome_each()
    for process in (loop.table, loop.executor):
        process.end()


@pytest.mark.parametrize(("trouble", "read"), [(LOST, 0), (TWICE, 1), (LATE, 1)], ids=["lost", "twice", "late"])
def test_a_result_on_its_way_to_the_planner(graph: Graph, planner: Any, trouble: Trouble, read: int) -> None:
    """What the planner reads of a skill's outcome that comes late, twice, or never."""
    relay = Relay(graph)
    relay.topic(SkillResult, "/told/skill_result", "/skill_result", "result", DEEP)
    until(lambda: relay.reaches("result"), "the planner at the other end")
    relay.wires["result"] = Trouble(trouble.fault, times=1)
    word = f"reason {trouble.fault}"
    result = SkillResult(plan_id="gone", skill="pick", dispatch_id=word, outcome=SkillResult.FAILED, reason=word)
    last = SkillResult(plan_id="gone", skill="pick", dispatch_id=f"{word} end", outcome=F, reason=f"{word} end")
    try:
        graph.say(result, "/told/skill_result")
        until(lambda: relay.heard["result"], "the result on its way")
        if trouble is LATE:
            until(lambda: told(graph, word), "the late result")
        graph.say(last, "/told/skill_result")
        until(lambda: told(graph, f"{word} end"), "the last result")
        assert told(graph, word) == read + 1  # the last one says the word too
    finally:
        relay.close()


def told(graph: Graph, word: str) -> int:
    info = graph.ask(ContextInfo, "/planner/context_info")
    return sum(word in segment.summary for segment in info.segments)
