"""What a node finds of another version, and what it does with it."""

from __future__ import annotations

import json

from dgemma_msgs.srv import ClearDoubt

from tests.nodes.graph import ROOT, Graph, until

SKILLS = ROOT / "engines" / "nano" / "skills.yaml"


def test_an_executors_journal_of_another_version_is_kept_and_nothing_moves_until_somebody_looked(graph: Graph) -> None:
    file = graph.folder / "executor.jsonl"
    file.write_text('{"format": 99}\n{"sent": "d1"}\n')
    process = graph.start("executor", "updated", skills=SKILLS, journal=file)
    until(lambda: "ready: " in process.output or process.popen.poll() is not None, "the executor")
    lines = [line for line in process.output.splitlines() if "another version" in line]
    assert len(lines) == 1 and "[WARN]" in lines[0] and "kept as executor.jsonl.format-99" in lines[0]
    assert '"sent": "d1"' in (graph.folder / "executor.jsonl.format-99").read_text()
    assert graph.ask(ClearDoubt, "/updated/executor/clear_doubt", ClearDoubt.Request(by="me")).success
    process.end()
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert records[0] == {"format": 1} and records[-1] == {"doubt": "", "by": "me"}

    process = graph.start("executor", "updated", skills=SKILLS, journal=file)
    until(lambda: "ready: " in process.output or process.popen.poll() is not None, "the executor")
    assert "another version" not in process.output
    assert not graph.ask(ClearDoubt, "/updated/executor/clear_doubt", ClearDoubt.Request(by="me")).success
    process.end()
