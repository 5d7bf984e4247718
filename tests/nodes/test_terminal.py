"""The commands that talk to a running planner, and the demo, as a user starts them."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest
import yaml
from rich.console import Console

from dgemma_ros.cli.watch import Rates, picture
from dgemma_ros.console.listening import Listener
from tests.nodes.graph import ROOT, Graph, Process, until


@pytest.fixture(scope="module")
def robot(graph: Graph, model: Path) -> Process:
    process = graph.start("planner", "robot", model=model, threads=1, budget=20.0, max_steps=4, repair=False)
    graph.until_active(process)
    return process


def dgemma(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dgemma_ros.cli", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_ask_prints_the_plan(robot: Process) -> None:
    done = dgemma("ask", "tidy up the \x1b[31mtable", "--namespace", "robot", "--wait", "90")
    assert done.returncode in (0, 1), done.stderr
    assert "ms from task to plan" in done.stdout and "\x1b" not in done.stdout


def test_ask_without_a_planner_ends_in_one_line(ros: None) -> None:
    done = dgemma("ask", "tidy up", "--namespace", "nowhere", "--wait", "1")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "ROS_DOMAIN_ID" in done.stderr


def test_watch_prints_plans_where_there_is_no_terminal(robot: Process) -> None:
    dgemma("ask", "where is the cup?", "--namespace", "robot", "--wait", "90")
    done = dgemma("watch", "--namespace", "robot", "--once")
    assert done.returncode == 0 and len(done.stdout.split("\t")) == 3, done.stderr


class Still:
    """What a listener has heard, at rest."""

    namespace, heard, message, drafts_began = "", True, "ok", 0.0
    figures: ClassVar = {"planner": "idle", "model": "nano", "context tokens": "300", "context limit": "4096"}
    draft = plan = None


def test_watch_draws_what_it_has() -> None:
    from dgemma_msgs.msg import Plan, PlanDraft, PlanStep

    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    still = Still()
    console.print(picture(still, Rates()))  # type: ignore[arg-type]
    still.draft = PlanDraft(
        task_id="a", tokens=["<|tool_call>", "pick\x1b[2J"], settled=[True, False], entropy=[0.0, 2.0]
    )
    step = PlanStep(skill="pick", arguments_json='{"object": "[red]block"}', confidence=0.5)
    still.plan = Plan(task_id="a", task="[bold]take it", steps=[step], error="no\x07pe")
    console.print(picture(still, Rates()))  # type: ignore[arg-type]
    text = console.export_text()
    assert "300 of 4096 tokens" in text and '"[red]block"' in text and "[bold]take it" in text
    assert "\x1b[2J" not in text and "\x07" not in text
    assert Listener.__doc__


def test_demo_closes_the_loop(ros: None) -> None:
    """`make demo`: a task, the plan, the arm at work, a slip, the next plan, the goal reached by the world's truth."""
    command = [sys.executable, "-m", "dgemma_ros.nodes.demo"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"the goal is reached: 1 slip, [2-9] plans", done.stdout)
    for shown in ("$ python -m dgemma_ros.nodes.executor", "$ ros2 topic pub", "step  1 of", "slipped", "what now?"):
        assert shown in done.stdout


def test_demo_on_a_clip_plans_rightly(ros: None) -> None:
    """A camera on a video file, the planner on nano, tasks on a topic, and every plan right."""
    command = [sys.executable, "-m", "dgemma_ros.nodes.demo", "--clip", "launch/demo/tabletop.mp4"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"(\d+) of \1 plans are right", done.stdout)
    for shown in ("$ python -m dgemma_ros.nodes.camera", "$ ros2 topic pub", "step  1 of", "ms from task to plan"):
        assert shown in done.stdout


def first_question(folder: Path, right: bool) -> Path:
    """The demo's clip with the first of its tasks alone, and with its plan or one that is not meant."""
    clip = ROOT / "launch" / "demo" / "tabletop.mp4"
    question = yaml.safe_load(clip.with_suffix(".yaml").read_text())["tasks"][0]
    question |= {} if right else {"plan": [{"skill": "dance"}]}
    (folder / "clip.yaml").write_text(yaml.safe_dump({"tasks": [question]}))
    (folder / "clip.mp4").symlink_to(clip)
    return folder / "clip.mp4"


def test_demo_says_what_is_wrong(ros: None, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dgemma_ros.nodes.demo", "--clip", str(first_question(tmp_path, False))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "This is wrong. Right would be: dance" in done.stdout and "0 of 1 plans are right" in done.stdout


def test_demo_leaves_the_nodes_running_and_says_what_to_try(graph: Graph, tmp_path: Path) -> None:
    """`make demo SHOW=1`, up to Ctrl-C."""
    command = [sys.executable, "-m", "dgemma_ros.nodes.demo", "--show", "--clip"]
    with (tmp_path / "said").open("w") as said:
        demo = subprocess.Popen([*command, str(first_question(tmp_path, True))], cwd=ROOT, stdout=said)
    try:
        until(lambda: "ros2 topic echo /plan_text" in (tmp_path / "said").read_text(), "what to try", 120)
        assert graph.state("/planner") == "active"
        demo.send_signal(signal.SIGINT)
        assert demo.wait(30) == 0
    finally:
        demo.kill()
    assert "1 of 1 plans are right" in (tmp_path / "said").read_text()
