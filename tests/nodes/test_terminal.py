"""The commands that talk to a running planner, and the demo, as a user starts them."""

from __future__ import annotations

import itertools
import json
import re
import signal
import subprocess
import sys
import time
from array import array
from collections import deque
from pathlib import Path
from typing import ClassVar

import pytest
import yaml
from dgemma_msgs.srv import ContextInfo
from rich.console import Console
from sensor_msgs.msg import Image
from std_msgs.msg import String

from dgemma_ros.cli.watch import Pace, Rates, picture
from dgemma_ros.console.listening import Listener
from tests.nodes.graph import ROOT, SENSOR, Graph, Process, until
from tests.nodes.test_lifecycle import ACTIVATE, CONFIGURE
from tests.patience import in_time


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
    done = dgemma("ask", "  ", "--namespace", "nowhere")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "no words" in done.stderr


def test_watch_prints_plans_where_there_is_no_terminal(robot: Process) -> None:
    """The next one, not those of before."""
    dgemma("ask", "where is the old cup?", "--namespace", "robot", "--wait", "90")
    command = [sys.executable, "-m", "dgemma_ros.cli", "watch", "--namespace", "robot", "--once"]
    watch = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        while watch.poll() is None:
            dgemma("ask", "where is the new cup?", "--namespace", "robot", "--wait", "90")
        assert watch.stdout is not None
        said = watch.stdout.read()
    finally:
        watch.kill()
        watch.wait()
    assert watch.returncode == 0 and said.count("\n") == 1 and said.split("\t")[1] == "where is the new cup?"


def test_watch_says_when_no_planner_is_heard_and_ends_with_control_c(ros: None) -> None:
    command = [sys.executable, "-m", "dgemma_ros.cli", "watch", "--namespace", "nowhere", "--once"]

    def once() -> float:
        watch = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        assert watch.stderr is not None
        assert "no planner is heard as /nowhere/planner" in watch.stderr.readline()
        began = time.monotonic()
        watch.send_signal(signal.SIGINT)
        assert watch.wait(30) == 130
        took = time.monotonic() - began
        assert "Traceback" not in watch.stderr.read()
        return took

    in_time(2.0, once)


def test_ask_takes_the_terms_of_a_task(robot: Process) -> None:
    done = dgemma("ask", "tidy up", "--namespace", "robot", "--json", "--budget", "15", "--priority", "3")
    told = json.loads(done.stdout)
    assert told["status"] in ("CONVERGED", "STEP_LIMIT") and told["denoising_steps"] > 0
    assert done.returncode == (0 if told["valid"] else 1)
    bad = dgemma("ask", "tidy up", "--namespace", "robot", "--template", "pick(", "--json")
    assert bad.returncode == 1 and json.loads(bad.stdout)["status"] == "REJECTED"


def test_context_shows_what_is_remembered(graph: Graph, model: Path, tmp_path: Path) -> None:
    process = graph.start("planner", "mindful", model=model, threads=1, cameras="[front, rear]", max_frames=2)
    graph.until_active(process)
    grey = Image(encoding="mono8", width=64, height=48, step=64, data=array("B", bytes(64 * 48)))
    for number, camera in enumerate(("front", "rear"), 1):

        def taken(camera: str = camera, number: int = number) -> bool:
            graph.say(grey, f"mindful/{camera}/image_raw", SENSOR)
            return int(graph.ask(ContextInfo, "/mindful/planner/context_info").frames) >= number

        until(taken, f"a frame of {camera}")
    graph.say(String(data="pin: the gripper is \x1b[31mweak"), "mindful/note")

    def noted() -> bool:
        return any(one.kind == "note" for one in graph.ask(ContextInfo, "/mindful/planner/context_info").segments)

    until(noted, "the note")
    shown = dgemma("context", "--namespace", "mindful", "--image", str(tmp_path / "memory.svg"))
    assert shown.returncode == 0 and not shown.stderr and "\x1b" not in shown.stdout
    for words in ("/mindful/planner remembers", "front", "rear", "MB of keys and values", "weak  pinned", "now"):
        assert words in shown.stdout, shown.stdout
    assert "the gripper is" in (tmp_path / "memory.svg").read_text()
    told = json.loads(dgemma("context", "--namespace", "mindful", "--json").stdout)
    frames = [entry for entry in told["entries"] if entry["kind"] == "frame"]
    assert {(frame["camera"], frame["keyframe"]) for frame in frames} >= {("front", "first"), ("rear", "first")}
    assert told["bytes"] > 0 and all(0 <= entry["age"] < 120 for entry in told["entries"])
    process.end()


def test_context_without_a_planner_ends_in_one_line(ros: None, tmp_path: Path) -> None:
    image = tmp_path / "memory.svg"
    done = dgemma("context", "--namespace", "nowhere", "--wait", "1", "--image", str(image))
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "no planner is heard as /nowhere" in done.stderr
    assert not done.stdout and not image.exists()


def test_context_of_a_planner_that_is_not_configured(graph: Graph, model: Path) -> None:
    process = graph.start("planner", "blank", model=model, threads=1, autostart=False)
    done = dgemma("context", "--namespace", "blank", "--wait", "30")
    assert done.returncode == 2 and done.stderr.startswith("dgemma: /blank/planner: ") and done.stderr.count("\n") == 1
    process.end()


def test_ask_says_at_once_which_state_the_planner_is_in_and_goes_on(graph: Graph, model: Path) -> None:
    process = graph.start("planner", "idle", model=model, threads=1, autostart=False, budget=20.0, max_steps=4)
    asked = [sys.executable, "-m", "dgemma_ros.cli", "ask", "tidy up", "--namespace", "idle", "--wait", "90"]
    with subprocess.Popen(asked, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as ask:
        assert ask.stdout is not None and ask.stderr is not None
        assert ask.stderr.readline() == "dgemma: the planner is there, but unconfigured; waiting for it to be active\n"
        assert graph.change(CONFIGURE, "/idle/planner") and graph.change(ACTIVATE, "/idle/planner")
        said, more = ask.communicate()
        assert ask.returncode in (0, 1) and "ms from task to plan" in said and not more
    process.end()


def test_ask_ends_where_the_planner_does_not_become_active(graph: Graph, model: Path) -> None:
    process = graph.start("planner", "resting", model=model, threads=1, autostart=False)
    words = "waited 2 s for the planner to be active: it is there, but unconfigured"

    def said() -> bool:
        """Once the planner is found within the two seconds."""
        done = dgemma("ask", "tidy up", "--namespace", "resting", "--wait", "2")
        assert done.returncode == 2
        return words in done.stderr

    until(said, words)
    process.end()


def test_a_namespace_that_is_none_is_one_line(ros: None) -> None:
    done = dgemma("ask", "tidy up", "--namespace", "a robot")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "'a robot'" in done.stderr


@pytest.mark.parametrize("size", [(50, 14), (100, 40), (120, 24)])
def test_watch_cuts_nothing_off(size: tuple[int, int]) -> None:
    from dgemma_msgs.msg import Plan, PlanDraft, PlanStep

    still = Still()
    words = [f"word{number:02d} " for number in range(40)]
    if size[1] < 24:
        words = words[:10]
    still.draft = PlanDraft(task_id="a", tokens=words, settled=[True] * len(words), entropy=[0.0] * len(words))
    step = PlanStep(skill="pick", arguments_json='{"object": "the very long name of a block that is red"}')
    still.plan = Plan(task_id="a", task="take it", steps=[step], valid=True, text='pick(object="block")')
    console = Console(width=size[0], height=size[1], record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(picture(still, Rates(), size))  # type: ignore[arg-type]
    lines = console.export_text().splitlines()
    assert all(word.strip() in " ".join(lines) for word in words) and max(map(len, lines)) <= size[0]
    if size[1] < 24:
        assert len(lines) <= size[1]


def test_a_task_without_drafts_clears_the_canvas() -> None:
    from dgemma_msgs.msg import Plan, PlanDraft

    still = Still()
    still.draft, still.draft_came = PlanDraft(task_id="a", tokens=["left over"], settled=[True], entropy=[0.0]), 1.0
    still.plan, still.plan_came = Plan(task_id="b", task="refused"), 2.0
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(picture(still, Rates()))  # type: ignore[arg-type]
    shown = console.export_text()
    assert "refused" in shown and "left over" not in shown and "budget" not in shown


def test_drafts_are_played_slowly() -> None:
    kept = deque(["first", "second"])
    pace = Pace(kept, 0.05)
    seen = []
    until(lambda: (seen.append(pace.draft()), pace.done and seen[-1] is None)[1], "the end of it", 5.0)
    assert [draft for draft, _ in itertools.groupby(seen) if draft] == ["first", "second"]
    assert Pace(kept, 0.0).draft() is None


class Still:
    """What a listener has heard, at rest."""

    namespace, heard, message, drafts_began = "", True, "ok", 0.0
    draft_came = plan_came = 0.0
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
