"""A planner node that is killed remembers, plans at once, and says so in its diagnostics."""

from __future__ import annotations

import signal
from pathlib import Path

from dgemma_msgs.msg import Plan, Task
from dgemma_msgs.srv import ContextInfo
from diagnostic_msgs.msg import DiagnosticArray
from std_msgs.msg import String

from dgemma_ros.cli.app import run
from tests.nodes.graph import DEEP, LATCHED, Graph, Process, until

NODE = "/kept/planner"


def start(graph: Graph, model: Path, journal: Path) -> Process:
    process = graph.start(
        "planner",
        "kept",
        model=model,
        threads=1,
        budget=20.0,
        max_steps=4,
        repair=False,
        journal=journal,
        frame_rate=0.0,
    )
    graph.until_active(process, NODE)
    return process


def remembered(graph: Graph) -> list[str]:
    return [segment.summary for segment in graph.ask(ContextInfo, f"{NODE}/context_info").segments]


def figure(graph: Graph, name: str) -> str:
    def found(message: DiagnosticArray) -> list[str]:
        own = [status for status in message.status if status.name.startswith("kept/planner")]
        return [value.value for status in own for value in status.values if value.key == name]

    return found(graph.hear(DiagnosticArray, "/diagnostics", DEEP).one(found, f"{name} in the diagnostics"))[0]


def test_a_killed_node_remembers(graph: Graph, model: Path, tmp_path: Path) -> None:
    journal = tmp_path / "memory.db"
    first = start(graph, model, journal)
    for text in ("mind the dog", "the door is open"):
        graph.say(String(data=text), "kept/note")
    until(lambda: "the door is open" in remembered(graph), "the notes")
    plans = graph.hear(Plan, "kept/plan", LATCHED)
    graph.say(Task(task_id="before", text="tidy up"), "kept/task_request")
    before = plans.one(lambda p: p.task_id == "before", "the plan")
    commits = int(figure(graph, "journal commits"))
    until(
        lambda: int(figure(graph, "journal commits")) > commits or figure(graph, "journal waiting bytes") == "0", "it"
    )
    first.end(signal.SIGKILL)

    second = start(graph, model, journal)
    assert {"mind the dog", "the door is open"} <= set(remembered(graph)), second.output
    graph.say(Task(task_id="after", text="tidy up"), "kept/task_request")
    assert plans.one(lambda p: p.task_id == "after", "a plan").context_tokens >= before.context_tokens
    assert figure(graph, "tokens to restore") == "0" and figure(graph, "journal").endswith("memory.db")

    third = graph.start("planner", "other", model=model, threads=1, journal=journal)
    assert third.popen.wait(60) == 2
    assert "another planner keeps it" in third.output
    second.end()
    assert run(["replay-plan", str(journal), before.plan_id]) == 0
