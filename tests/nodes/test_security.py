"""The policies under docker/security: those of the tables, what running nodes do, and DDS security that is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dgemma_ros.nodes import policies
from dgemma_ros.nodes.policies import POLICIES, Policy
from tests.nodes.graph import ROOT, Graph, until

SHIPPED = ROOT / "docker" / "security"
CLIP = ROOT / "launch" / "demo" / "tabletop.mp4"
SPACE = "/guarded"


def test_the_shipped_files_are_those_of_the_tables() -> None:
    made = {f"{policy.name}.policy.xml": policies.document(policy) for policy in POLICIES}
    there = {file.name: file.read_text() for file in SHIPPED.glob("*.xml")}
    assert there == made, "run: python -m dgemma_ros.nodes.policies docker/security"


def full(names: tuple[str, ...], node: str) -> set[str]:
    """Names as the graph shows them."""
    own = f"{SPACE}/{node}"
    return {n if n.startswith("/") else f"{own}{n[1:]}" if n.startswith("~") else f"{SPACE}/{n}" for n in names}


def of_actions(names: tuple[str, ...], node: str, ends: tuple[str, ...]) -> set[str]:
    return {f"{name}/_action/{end}" for name in full(names, node) for end in ends}


def seen(graph: Graph, what: str, node: str) -> set[str]:
    ask = getattr(graph.node, f"get_{what}_names_and_types_by_node")
    try:
        return {name for name, _ in ask(node, SPACE)}
    except Exception:  # the graph does not know the node yet
        return set()


PARAMETERS: dict[str, dict[str, Any]] = {
    "planner": {"threads": 1},
    "camera": {"source": CLIP},
    "executor": {},
    "tabletop": {},
}
TOPIC_ENDS, SERVICE_ENDS = ("feedback", "status"), ("send_goal", "cancel_goal", "get_result")
OPTIONAL = {"image_raw", "image_raw/compressed", "/diagnostics", "goal_reached", "execute_skill", "/clock"}
"""What depends on parameters: it need not be there, but may."""


@pytest.mark.parametrize("policy", [policy for policy in POLICIES if policy.node in PARAMETERS], ids=lambda p: p.node)
def test_running_nodes_do_what_their_policy_says_and_nothing_else(graph: Graph, model: Path, policy: Policy) -> None:
    node = policy.node
    given = PARAMETERS[node] | ({"model": model} if node == "planner" else {})
    if node == "executor":
        given = given | {"skills": model / "skills.yaml"}
    process = graph.start(node, SPACE.strip("/"), **given)
    optional = full(tuple(OPTIONAL), node)
    for what, allowed in (
        ("publisher", full(policy.publish, node) | of_actions(policy.execute, node, TOPIC_ENDS)),
        ("subscriber", full(policy.subscribe, node) | of_actions(policy.call, node, TOPIC_ENDS)),
        ("service", full(policy.reply, node) | of_actions(policy.execute, node, SERVICE_ENDS)),
        ("client", full(policy.request, node) | of_actions(policy.call, node, SERVICE_ENDS)),
    ):
        must = allowed - optional - of_actions(policy.call, node, (*TOPIC_ENDS, *SERVICE_ENDS))
        until(lambda what=what, must=must: must <= seen(graph, what, node), f"{node}'s {what}s: {must}")
        more = seen(graph, what, node) - allowed
        assert not more, f"{node} also has {what}s {more}; its table lacks them"
    process.end()


def test_cameras_by_name() -> None:
    planner = policies.with_cameras(POLICIES[0], ["front", "rear"])
    assert "front/image_raw" in planner.subscribe and "rear/image_raw/compressed" in planner.subscribe
    assert "image_raw" not in planner.subscribe and "task" in planner.subscribe
    assert policies.with_cameras(POLICIES[1], ["front"]) == POLICIES[1]


@pytest.mark.parametrize("strategy", ["Enforce", "Permissive"])
def test_where_dds_has_no_security_nothing_starts_unprotected(
    graph: Graph, tmp_path: Path, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wheels' Fast DDS is compiled without. ROS from apt has it: `make secure-test` tries it there."""
    keys = tmp_path / "enclaves" / "camera"
    keys.mkdir(parents=True)
    for name in ("identity_ca.cert", "cert", "key", "permissions_ca.cert"):
        (keys / f"{name}.pem").touch()
    for name in ("governance", "permissions"):
        (keys / f"{name}.p7s").touch()
    monkeypatch.setenv("ROS_SECURITY_ENABLE", "true")
    monkeypatch.setenv("ROS_SECURITY_STRATEGY", strategy)
    monkeypatch.setenv("ROS_SECURITY_KEYSTORE", str(tmp_path))
    process = graph.start("camera", "", "--enclave", "/camera", source=CLIP)
    until(lambda: process.popen.poll() is not None, "the end")
    assert process.popen.returncode == 2 and "Traceback" not in process.output
    lines = [line for line in process.output.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and ("security" in lines[0].lower() or "certificate" in lines[0].lower())
