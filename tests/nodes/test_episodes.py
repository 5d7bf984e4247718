"""``dgemma episodes``: goals by real processes, judged by the world's truth."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.nodes.graph import ROOT


@pytest.mark.parametrize("more", [[], ["--blind"]])
def test_episodes_are_counted_and_judged(ros: None, more: list[str]) -> None:
    """Nothing goes wrong on this table, so that what is counted is known."""
    calm = ["--slip", "0", "--unreachable", "0", "--person", "0", "--rate", "10"]
    command = [sys.executable, "-m", "dgemma_ros.cli", "episodes", "--n", "2", "--seed", "1", "--json", *calm, *more]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {"episodes", "reached", "forbidden", "plans", "seconds"} <= set(told)
    assert (told["episodes"], told["possible"], told["forbidden_kinds"]["under a hand"]) == (2, 2, 0)
    assert told["plans"] >= 2 and told["seconds"] > 1.0 and sum(told["endings"].values()) == 2
    assert told["reached"] == sum(counts.get("reached", 0) for counts in told["kinds"].values())


def test_other_parameters_and_those_of_a_file_that_is_not_there(ros: None, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dgemma_ros.cli", "episodes", "--n", "1", "--rate", "10", "--params"]
    absent = subprocess.run([*command, "no.yaml"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert absent.returncode == 2 and "no.yaml" in absent.stderr and "Traceback" not in absent.stderr
    file = tmp_path / "nothing.yaml"
    file.write_text("/**/executor:\n  ros__parameters:\n    min_confidence: 1.0\n    ask_model: false\n")
    done = subprocess.run([*command, str(file), "--json"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["endings"] == {"REFUSED": 1} and told["forbidden"] == 0 and told["forbidden_acts"] == []


def test_what_was_done_before_an_interruption_counts(ros: None) -> None:
    command = [sys.executable, "-m", "dgemma_ros.cli", "episodes", "--n", "9999", "--rate", "20", "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None and running.stderr is not None
        first = running.stderr.readline()
        assert "1 of 9999" in first
        running.send_signal(signal.SIGINT)
        told = json.loads(running.stdout.readline())
        assert running.wait(30) == 130
    assert told["episodes"] >= 1
