"""``dgemma plan --bt``: the plan as BehaviorTree.CPP XML."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from dgemma_ros.cli.app import run
from tests.nodes.stand_in import NANO


def test_plan_as_a_behaviour_tree(capsys: pytest.CaptureFixture[str]) -> None:
    known = 'push(direction="left", distance=5, object="red block")'
    asked = ["plan", "--model", str(NANO), "--task", "push it", "--template", known, "--threads", "1", "--bt"]
    assert run(asked) == 0
    root = ElementTree.fromstring(capsys.readouterr().out)
    assert root.get("BTCPP_format") == "4"
    assert [node.tag for node in root.iterfind("./BehaviorTree/Sequence/*")] == ["push"]
    assert run([*asked, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    push = ElementTree.fromstring(told["bt"]).find(".//Sequence/push")
    assert push is not None and push.attrib == {k: str(v) for k, v in told["steps"][0]["arguments"].items()}


def test_retries_of_the_table_stand_in_the_tree(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "skills.yaml"
    file.write_text((NANO / "skills.yaml").read_text().replace("    push:\n", "    push: {retries: 2}\n"))
    known = 'push(direction="left", distance=5, object="red block")'
    asked = ["plan", "--model", str(NANO), "--task", "push it", "--template", known, "--threads", "1", "--bt"]
    assert run([*asked, "--skills", str(file)]) == 0
    retry = ElementTree.fromstring(capsys.readouterr().out).find(".//Sequence/RetryUntilSuccessful")
    assert retry is not None and retry.get("num_attempts") == "3" and [child.tag for child in retry] == ["push"]
    file.write_text(file.read_text().split("execution:")[0])
    assert run([*asked, "--skills", str(file)]) == 0
    assert "RetryUntilSuccessful" not in capsys.readouterr().out
