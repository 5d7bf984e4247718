"""Signals in a node's first second, while it is imported and put together: it ends within two seconds, in silence."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.interrupted import at_import
from tests.nodes.graph import PATIENCE, ROOT, Graph, Process, until
from tests.patience import in_time

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PROMISED = 2.0
MOMENTS = int(os.environ.get("DGEMMA_TEST_MOMENTS", "3"))
"""Starts for each signal and node; thirty take five minutes."""
FIRST = 3.0
"""Seconds; a planner is at work by then, on most machines."""
NODES = ("planner", "camera", "executor", "tabletop")


def hears(process: subprocess.Popen[bytes], number: int) -> bool:
    """Whether it has a handler; Python itself has none for SIGTERM."""
    if process.poll() is not None:
        return True
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (number - 1) & 1)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("which", [1, 10, 100, 300, 600])
@pytest.mark.parametrize("node", ["planner", "executor"])
def test_a_signal_in_the_middle_of_an_import(node: str, which: int, number: signal.Signals, ros: None) -> None:
    """It arrives when the node sets out to load its so-and-so-manieth module."""
    code = at_import("from dgemma_ros.nodes import start", f"start.{node}()", number, which)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=PATIENCE, check=False, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("node", NODES)
def test_a_signal_at_any_moment_of_the_first_seconds(
    graph: Graph, model: Path, node: str, number: signal.Signals
) -> None:
    given = {
        "planner": {"model": model, "threads": 1},
        "camera": {"source": ROOT / "launch" / "demo" / "tabletop.mp4"},
        "executor": {"skills": ROOT / "engines" / "nano" / "skills.yaml"},
        "tabletop": {},
    }
    chance = random.Random(f"{node} {number}")

    def once() -> float:
        process: Process = graph.start(node, f"early{len(graph.processes)}", **given[node])
        until(lambda: hears(process.popen, signal.SIGTERM), "our first line")
        time.sleep(chance.uniform(0.0, FIRST))  # the moment is what is tried
        process.popen.send_signal(number)
        began = time.monotonic()
        status = process.popen.wait(PATIENCE)
        took = time.monotonic() - began
        assert status == 0 and "Traceback" not in process.output, process.output
        return took

    for _ in range(MOMENTS):
        in_time(PROMISED, once)


def nodes_of(folder: Path) -> list[str]:
    """Processes that run with this folder for their logs."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"ROS_LOG_DIR={folder}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append(process.name)
    return found


@pytest.mark.parametrize("number", SIGNALS)
def test_the_demo_ends_its_nodes_with_it(ros: None, tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "dgemma_ros.nodes.demo", "--show"]

    def once() -> float:
        with (tmp_path / "said").open("wb") as said:
            named = {**os.environ, "ROS_LOG_DIR": str(tmp_path)}
            demo = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=subprocess.STDOUT, env=named)
        try:
            until(lambda: b"nodes.planner" in (tmp_path / "said").read_bytes(), "its nodes")
            demo.send_signal(number)
            began = time.monotonic()
            demo.wait(PATIENCE)
            took = time.monotonic() - began
        finally:
            demo.kill()
        assert b"Traceback" not in (tmp_path / "said").read_bytes()
        until(lambda: not nodes_of(tmp_path), "the nodes' end")
        return took

    in_time(PROMISED, once)
