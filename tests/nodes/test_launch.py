"""`loop.launch.xml` under the real `ros2 launch`, where that is installed; the wheels of `make ros` have none."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dgemma_msgs.msg import Execution
from rcl_interfaces.srv import GetParameters
from std_msgs.msg import String

from tests.nodes.graph import LATCHED, PATIENCE, ROOT, Graph, until

SPACE = "robot"
SHARED = {"launch": "launch/*.xml", "config": "launch/config/*.yaml", "engines/nano": "engines/nano/*"}
ASKED = {
    "planner": {"results": False, "frame_rate": 5.0, "max_frames": 1},
    "executor": {"attempts": 3, "settle": 0.7, "camera_timeout": 2.0},
    "tabletop": {"seed": 7, "rate": 4.0, "slip_rate": 0.0},
}
"""What the nodes are to have: of loop.yaml, of the arguments, and of the arguments' defaults."""


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """The package as an installation has it: what is shared, and its executables."""
    index = tmp_path / "share" / "ament_index" / "resource_index" / "packages"
    index.mkdir(parents=True)
    (index / "dgemma_ros").touch()
    for folder, pattern in SHARED.items():
        target = tmp_path / "share" / "dgemma_ros" / folder
        target.mkdir(parents=True)
        for file in ROOT.glob(pattern):
            (target / file.name).symlink_to(file)
    binaries = tmp_path / "lib" / "dgemma_ros"
    binaries.mkdir(parents=True)
    for name in ("planner", "executor", "tabletop"):
        program = binaries / name
        code = f"from dgemma_ros.nodes.{name} import main\nraise SystemExit(main())\n"
        program.write_text(f"#!{sys.executable}\n{code}")
        program.chmod(0o755)
    return tmp_path


@pytest.fixture
def launched(prefix: Path, ros: None, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    ros2 = shutil.which("ros2")
    asked = ros2 and subprocess.run([ros2, "launch", "--help"], capture_output=True, check=False)
    if not asked or asked.returncode:
        pytest.skip("not run under `ros2 launch`: it is not installed here (tests/launch reads the files instead)")
    command = [str(ros2), "launch", "dgemma_ros", "loop.launch.xml", f"namespace:={SPACE}", "seed:=7", "rate:=4.0"]
    command += [f"journal:={tmp_path}/journal.jsonl"]
    paths = os.pathsep.join([str(prefix), os.environ.get("AMENT_PREFIX_PATH", "")]).rstrip(os.pathsep)
    environment = os.environ | {
        "AMENT_PREFIX_PATH": paths,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
    }
    with (tmp_path / "launch.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
    yield process
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()


def test_the_loop_under_ros2_launch(launched: subprocess.Popen[bytes], graph: Graph, tmp_path: Path) -> None:
    """All three nodes come with the parameters meant for them, carry a task out, come back when killed, and end."""
    log = tmp_path / "launch.log"

    def said(words: str) -> int:
        assert launched.poll() is None, log.read_text()
        return log.read_text().count(words)

    shown = graph.hear(Execution, f"/{SPACE}/execution", LATCHED)
    until(lambda: said("ready: ") >= 3, "three nodes to be ready", 3 * PATIENCE)
    for node, wanted in ASKED.items():
        answer = graph.ask(GetParameters, f"/{SPACE}/{node}/get_parameters", GetParameters.Request(names=list(wanted)))
        assert [value_of(value) for value in answer.values] == list(wanted.values()), node
    graph.say(String(data="clear the table, everything goes into the left tray"), f"/{SPACE}/task")
    until(lambda: any(m.state == Execution.ENDED for m in list(shown)), "the task's end")
    started = re.search(r"\[executor-\d+\]: process started with pid \[(\d+)\]", log.read_text())
    assert started is not None
    os.kill(int(started[1]), signal.SIGKILL)
    until(lambda: said("ready: plans on") >= 2, "another executor", 3 * PATIENCE)
    launched.send_signal(signal.SIGINT)
    assert launched.wait(PATIENCE) == 0, log.read_text()
    assert "Traceback" not in log.read_text()


def value_of(value: Any) -> Any:
    return {1: value.bool_value, 2: value.integer_value, 3: value.double_value, 4: value.string_value}[value.type]
