"""All nodes under DDS security, with the shipped policies: with keys the loop closes, without them nobody gets in.

Needs a middleware that has DDS security, and sros2, as ROS from apt has them: `make secure-test SECURED=…` runs this
file, and no other target collects it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rclpy
from dgemma_msgs.msg import Execution, Plan, Task
from dgemma_msgs.srv import ContextInfo
from diagnostic_msgs.msg import DiagnosticArray
from rclpy._rclpy_pybind11 import RCLError
from sensor_msgs.msg import Image
from std_msgs.msg import String

from dgemma_ros.nodes import policies
from dgemma_ros.nodes.policies import EVERY_NODE, PARAMETER_SERVICES, POLICIES, TYPE_SERVICE, Policy
from dgemma_ros.tabletop.goals import Goal
from tests.cli.conftest import Outcome, real
from tests.nodes.graph import DEEP, LAST, LATCHED, ROOT, Graph, Process, until

SHIPPED = ROOT / "docker" / "security"
CLIP = ROOT / "launch" / "demo" / "tabletop.mp4"
NANO = ROOT / "engines" / "nano"
CLIENT = Policy(
    "client",
    publish=(*EVERY_NODE, "task", "task_request"),
    subscribe=("/diagnostics", "execution", "plan", "tabletop/truth"),
    reply=(*PARAMETER_SERVICES, TYPE_SERVICE),
    request=("planner/context_info",),
)
"""What the test itself may do with its keys."""
TRY = "import rclpy; rclpy.init(); rclpy.create_node('doctor', start_parameter_services=False)"
VARIABLES = ("ENABLE", "STRATEGY", "KEYSTORE", "ENCLAVE_OVERRIDE")


def keys(folder: Path) -> Path:
    """A keystore with an enclave for each shipped policy and for the test."""
    from sros2.keystore import _enclave, _keystore, _permission

    own = folder / "client.policy.xml"
    own.write_text(policies.document(CLIENT))
    store = folder / "keys"
    _keystore.create_keystore(store)
    for name, file in [("client", own), *((p.name, SHIPPED / f"{p.name}.policy.xml") for p in POLICIES)]:
        _enclave.create_enclave(store, f"/{name}")
        _permission.create_permission(store, f"/{name}", file)
    return store


@contextlib.contextmanager
def credentials(store: Path | None, enclave: str = "") -> Iterator[None]:
    """For what begins meanwhile, here or in other processes; without a keystore there is no security."""
    with pytest.MonkeyPatch.context() as patch:
        for name in VARIABLES:
            patch.delenv(f"ROS_SECURITY_{name}", raising=False)
        if store is not None:
            patch.setenv("ROS_SECURITY_ENABLE", "true")
            patch.setenv("ROS_SECURITY_STRATEGY", "Enforce")
            patch.setenv("ROS_SECURITY_KEYSTORE", str(store))
            if enclave:
                patch.setenv("ROS_SECURITY_ENCLAVE_OVERRIDE", f"/{enclave}")
        yield


@contextlib.contextmanager
def participant(folder: Path, name: str, store: Path | None, enclave: str = "") -> Iterator[Graph]:
    """A client of its own, with these keys or without any."""
    with credentials(store, enclave):
        context = rclpy.Context()
        context.init(args=[])
        graph = Graph(folder, name, context)
    try:
        yield graph
    finally:
        graph.close()
        context.try_shutdown()


@pytest.fixture(scope="module")
def store(ros: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = keys(tmp_path_factory.mktemp("keystore"))
    with credentials(made, "doctor"):
        tried = subprocess.run([sys.executable, "-c", TRY], capture_output=True, text=True, check=False)
    assert tried.returncode == 0, f"no node starts with keys; has this middleware DDS security? {tried.stderr}"
    return made


@pytest.fixture(scope="module")
def strangers_store(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same names and policies, signed by somebody else."""
    return keys(tmp_path_factory.mktemp("strangers"))


@pytest.fixture(scope="module")
def client(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    with participant(tmp_path_factory.mktemp("client"), "client", store, "client") as graph:
        yield graph


def start(client: Graph, store: Path, what: str, **parameters: Any) -> Process:
    with credentials(store):
        return client.start(what, "", "--enclave", f"/{what}", **parameters)


def command(store: Path | None, enclave: str, *arguments: object) -> Outcome:
    with credentials(store, enclave):
        return real(*arguments, timeout=180)


@pytest.fixture(scope="module")
def planner(client: Graph, store: Path, model: Path) -> Iterator[Process]:
    process = start(client, store, "planner", model=model, threads=1, budget=20.0, max_steps=8, max_canvases=1)
    client.until_active(process)
    yield process
    process.end()


def task(text: str) -> Task:
    return Task(task_id=uuid.uuid4().hex, text=text)


def sees_all(health: list[DiagnosticArray]) -> bool:
    """Whether the executor has last said that it hears whom it watches."""
    said = [status for message in list(health) for status in message.status if "executor" in status.name]
    return bool(said) and not any("nothing was heard" in value.value for value in said[-1].values)


@pytest.mark.parametrize("which", ["without_keys", "keys_of_somebody_else"])
def test_who_has_no_keys_of_ours_neither_gives_a_task_nor_reads_a_plan(
    client: Graph, store: Path, strangers_store: Path, planner: Process, tmp_path: Path, which: str
) -> None:
    """A witness in the intruder's own position proves that the intruder can speak and hear."""
    theirs = None if which == "without_keys" else strangers_store
    plans = client.hear(Plan, "plan", LATCHED)
    mine = task("take the red one")
    client.say(mine, "task_request")
    plans.one(lambda plan: plan.task_id == mine.task_id, "the plan of the one with keys")

    with (
        participant(tmp_path, "client", theirs, "client") as intruder,
        participant(tmp_path, "planner", theirs, "planner") as witness,
    ):
        heard = intruder.hear(Plan, "plan", LATCHED)
        tasks = witness.hear(Task, "task_request")
        witness.say(Plan(plan_id="forged"), "plan", LATCHED)
        heard.one(lambda plan: plan.plan_id == "forged", "the witness's plan")
        theirs_task = task("throw it")
        intruder.say(theirs_task, "task_request")
        tasks.one(lambda one: one.task_id == theirs_task.task_id, "the intruder's task")

        later = task("take the blue one")
        client.say(later, "task_request")
        plans.one(lambda plan: plan.task_id == later.task_id, "a plan that comes after all that")
        assert [plan.plan_id for plan in heard] == ["forged"]
        assert not [plan for plan in plans if plan.task_id == theirs_task.task_id or plan.plan_id == "forged"]
        assert intruder.node.count_publishers("plan") == 1, "only the witness's"
        assert witness.node.count_subscribers("task_request") == 1, "only the witness's own"
        seen = lambda: {name for name, _ in intruder.node.get_node_names_and_namespaces()}  # noqa: E731
        until(lambda: "planner" in seen(), "the witness's name, which may come behind its messages")
        assert seen() == {"client", "planner"}, "itself and the witness"


def test_keys_allow_what_their_policy_says_and_no_more(store: Path, planner: Process, tmp_path: Path) -> None:
    with participant(tmp_path, "camera", store, "camera") as camera:
        camera.node.create_publisher(Image, "image_raw", DEEP)
        for refused in (
            lambda: camera.node.create_publisher(Task, "task_request", DEEP),
            lambda: camera.node.create_subscription(Plan, "plan", print, LATCHED),
            lambda: camera.node.create_client(ContextInfo, "planner/context_info"),
        ):
            with pytest.raises(RCLError):
                refused()


def test_terminals(store: Path, planner: Process) -> None:
    told = command(store, "watch", "ask", "take the red one", "--json", "--wait", 60)
    assert told.status in (0, 1) and told.object["text"] is not None, told.err
    none = command(None, "", "ask", "take the red one", "--wait", 3)
    assert "waited 3 s for a planner that listens" in none.mistake
    graph = next(c for c in command(store, "doctor", "doctor", "--json").object["checks"] if c["name"] == "ROS graph")
    assert graph["state"] == "ok" and "/planner" in graph["detail"], graph


def test_pictures_of_a_camera_node(client: Graph, store: Path, planner: Process) -> None:
    camera = start(client, store, "camera", source=CLIP)
    until(lambda: client.ask(ContextInfo, "planner/context_info").newest_stamp.sec > 0, "a picture in the context")
    camera.end()
    assert "SECURITY" not in camera.output


@pytest.fixture
def elsewhere(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Graph, Path]]:
    """A client in a domain where the other tests' planner is not, and its keys: they hold for one domain."""
    monkeypatch.setenv("ROS_DOMAIN_ID", str(1 + int(os.environ["ROS_DOMAIN_ID"]) % 100))
    made = keys(tmp_path)
    with participant(tmp_path, "client", made, "client") as graph:
        yield graph, made


def test_the_loop_closes_and_a_person_approves(elsewhere: tuple[Graph, Path], tmp_path: Path) -> None:
    """Every node in its own enclave; the plan waits for `dgemma approve`, and the world's truth is the judge."""
    client, store = elsewhere
    skills = tmp_path / "skills.yaml"
    skills.write_text((NANO / "skills.yaml").read_text().replace("    place:\n", "    place: {approval: plan}\n"))
    nodes = [
        start(client, store, "tabletop", seed=4, rate=2.0),
        start(client, store, "planner", model=NANO, skills=skills, threads=1, budget=20.0, max_turns=0, results=False),
        start(client, store, "executor", skills=skills, journal=tmp_path / "j", settle=0.7, approval_timeout=120.0),
    ]
    shown = client.hear(Execution, "execution", LATCHED)
    truths = client.hear(String, "tabletop/truth", LAST)
    for node in nodes:
        until(lambda node=node: "ready" in node.output or node.popen.poll() is not None, node.log.name)
        assert node.popen.poll() is None, node.output
    lying = json.loads(truths.one().data)["objects"]
    names = [thing["name"] for thing in lying if not thing["place"].endswith("tray")]
    goal = Goal("clear", "clear the table, everything goes into the left tray", tuple((n, "left tray") for n in names))
    until(lambda: client.ask(ContextInfo, "planner/context_info").newest_stamp.sec > 0, "a picture in the context")
    health = client.hear(DiagnosticArray, "/diagnostics")
    until(lambda: sees_all(health), "camera and planner to be seen by the executor")
    asked = task(goal.task)
    client.say(asked, "task_request", to=1)

    def ended() -> Any:
        return next((m for m in list(shown) if m.task_id == asked.task_id and m.state == Execution.ENDED), None)

    while ended() is None:  # each plan of the task is one question
        answer = command(store, "approve", "approve", "--yes", "--json", "--wait", 20)
        assert answer.status == 0 or "nothing waits for approval" in answer.err, answer.err
    assert ended().ending == Execution.REACHED, [(m.state, m.reason, m.message) for m in shown]
    assert goal.reached_in(json.loads(truths[-1].data))
    for node in nodes:
        assert node.end()[0] == 0
        assert "SECURITY" not in node.output and "[ERROR]" not in node.output, node.output
