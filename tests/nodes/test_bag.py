"""A recorded bag, played into a planner over real DDS, faster than it was recorded."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Duration, Time
from dgemma_msgs.msg import Task
from dgemma_msgs.srv import ContextInfo, ResetContext
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.srv import GetParameters
from rclpy.serialization import serialize_message
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import String

from dgemma_ros.console.bag import Bag, BagError
from tests.nodes.graph import ROOT, Graph, Process

BEGAN = 1_700_000_000
SECONDS, RATE = 20, 5
TEXT = (ROOT / "msg" / "msg" / "Task.msg").read_text()


def picture(second: float) -> Image:
    shade = np.full((48, 64, 3), int(10 * second) % 256, np.uint8)
    image = Image(height=48, width=64, encoding="rgb8", step=192, data=shade.tobytes())
    image.header.stamp, image.header.frame_id = stamp(second), "lens"
    return image


def stamp(second: float) -> Time:
    return Time(sec=BEGAN + int(second), nanosec=int(second % 1 * 1e9))


def task(second: float, text: str) -> Task:
    made = Task(task_id=f"at {second}", text=text, budget=Duration(sec=30), remember=True)
    made.header.stamp = stamp(second)
    return made


@contextmanager
def recording(path: Path, storage: StoragePlugin) -> Iterator[Any]:
    """Puts messages into a new bag: ``put(topic, message, second)``."""
    types = get_typestore(Stores.ROS2_JAZZY)
    types.register(get_types_from_msg(TEXT, "dgemma_msgs/msg/Task"))
    with Writer(path, version=9, storage_plugin=storage) as writer:
        connections: dict[str, Any] = {}

        def put(topic: str, message: Any, second: float) -> None:
            package = type(message).__module__.split(".")[0]
            kind = f"{package}/msg/{type(message).__name__}"
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=types)
            at = BEGAN * 10**9 + round(second * 1e9)
            writer.write(connections[topic], at, bytes(serialize_message(message)))

        yield put


def recorded(path: Path, storage: StoragePlugin, prefix: str = "") -> Path:
    """Twenty seconds of a camera at five pictures a second, two tasks and a note."""
    with recording(path, storage) as put:
        for number in range(SECONDS * RATE):
            second = number / RATE
            put(f"{prefix}/image_raw", picture(second), second)
            if number == 40:
                put(f"{prefix}/note", String(data="the tray is full"), second)
            if number == 50:
                put(f"{prefix}/task", String(data="tidy the table"), second)
            if number == 80:
                put(f"{prefix}/task_request", task(second, "and again"), second)
            put("/elsewhere", String(data="not for the planner"), second)
    return path


@pytest.fixture(scope="module")
def robot(graph: Graph, model: Path) -> Process:
    given = {"threads": 1, "budget": 20.0, "max_steps": 4, "repair": False, "max_canvases": 1, "keyframe_change": 0.0}
    process = graph.start("planner", "bagged", model=model, frame_rate=1.0, max_frames=30, max_turns=5, **given)
    graph.until_active(process)
    return process


def watch_bag(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dgemma_ros.cli", "watch-bag", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)


def remembered(graph: Graph) -> Any:
    return graph.ask(ContextInfo, "bagged/planner/context_info")


@pytest.mark.parametrize("storage", list(StoragePlugin))
def test_it_is_remembered_as_it_would_have_been_live(
    graph: Graph, robot: Process, tmp_path: Path, storage: StoragePlugin
) -> None:
    graph.ask(ResetContext, "bagged/planner/reset_context")
    bag = recorded(tmp_path / "run", storage, "/bagged")
    path = next(bag.glob("*.mcap")) if storage is StoragePlugin.MCAP else bag  # a lone file, and a folder
    done = watch_bag(path, "--namespace", "bagged", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["seconds"] == pytest.approx(SECONDS - 1 / RATE) and told["took"] < SECONDS
    assert told["sent"] == {
        "/bagged/image_raw": SECONDS, "/bagged/note": 1, "/bagged/task": 1, "/bagged/task_request": 1
    }  # fmt: skip
    assert told["thinned"] == SECONDS * (RATE - 1) and told["untaken"] == 0
    assert len(told["plans"]) == 2 and told["plans"][1]["task_id"] == "at 16.0"
    info = remembered(graph)
    frames = [segment for segment in info.segments if segment.kind == "frame"]
    assert [frame.stamp.sec for frame in frames] == [BEGAN + second for second in range(SECONDS)]
    assert [frame.summary.split(",")[0] for frame in frames] == [f"00:{second:02d}" for second in range(SECONDS)]
    kinds = [segment.kind for segment in info.segments if segment.kind in ("note", "task")]
    assert kinds.count("note") == 1
    rate = graph.ask(GetParameters, "bagged/planner/get_parameters", GetParameters.Request(names=["frame_rate"]))
    assert rate.values[0].double_value == 1.0  # as it was


def test_under_other_names_a_part_of_it_at_a_pace_of_its_own_and_with_its_clock(
    graph: Graph, robot: Process, tmp_path: Path
) -> None:
    bag, clock = recorded(tmp_path / "run", StoragePlugin.MCAP), graph.hear(Clock, "/clock", 1000)
    names = [part for own in ("image_raw", "task") for part in ("--remap", f"/{own}:=/bagged/{own}")]
    done = watch_bag(bag, "--namespace", "bagged", *names, "--rate", 1.5, "--start", 9, "--duration", 6, "--clock")
    assert done.returncode == 0, done.stderr
    assert "tidy the table" in done.stdout and done.stdout.count("\n") == 1
    assert "6 of /image_raw, 1 of /task" in done.stderr and "1 plans" in done.stderr
    times = [message.clock.sec for message in clock]  # from when the two have met: it lasts four seconds
    assert times and times == sorted(times) and times[0] >= BEGAN + 9 and times[-1] < BEGAN + 15


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--remap", "image_raw=/x"], "write /recorded:=/heard"),
        (["--remap", "/nothing:=/x"], "has no topic /nothing; it has /elsewhere (std_msgs/msg/String)"),
        ([], "nothing in it goes to the planner, which listens to"),
    ],
)
def test_mistakes_are_one_line(robot: Process, tmp_path: Path, arguments: list[str], text: str) -> None:
    with recording(tmp_path / "run", StoragePlugin.SQLITE3) as put:
        put("/elsewhere", String(data="nothing"), 1.0)
    done = watch_bag(tmp_path / "run", "--namespace", "bagged", *arguments)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and text in done.stderr, done.stderr


def test_without_a_planner_it_ends_in_one_line(ros: None, tmp_path: Path) -> None:
    bag = recorded(tmp_path / "run", StoragePlugin.MCAP)
    done = watch_bag(bag, "--namespace", "nowhere", "--wait", 1)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "ROS_DOMAIN_ID" in done.stderr


@pytest.mark.parametrize("storage", list(StoragePlugin))
def test_what_is_no_bag_is_refused_and_a_damaged_one_ends_where_it_is_damaged(
    tmp_path: Path, storage: StoragePlugin
) -> None:
    with pytest.raises(BagError, match="no such bag"):
        Bag(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.mcap").write_text("no recording")
    for path in (tmp_path / "empty", tmp_path / "text.mcap", ROOT / "README.md"):
        with pytest.raises(BagError, match="is no bag that can be read"):
            Bag(path)
    bag = recorded(tmp_path / "run", storage)
    (file,) = [path for path in bag.iterdir() if path.suffix in (".mcap", ".db3")]
    whole = file.read_bytes()
    rng = np.random.default_rng(2)
    for cut in (0, 100, len(whole) // 2, len(whole) - 10):
        damaged = bytearray(whole[:cut] if cut else whole)
        for at in rng.integers(0, max(1, len(damaged)), 60):
            damaged[at] = int(rng.integers(256))
        file.write_bytes(damaged)
        try:
            with Bag(bag) as opened:
                for message in opened.messages([topic.name for topic in opened.topics]):
                    assert isinstance(message.content, bytes)
        except BagError as error:
            assert "\n" not in str(error)


def test_diagnostics_before_the_graph_tells_of_the_node_are_not_enough(graph: Graph, tmp_path: Path) -> None:
    """What is heard first is up to discovery. Here another node speaks for a planner that the graph never tells of."""
    bag = recorded(tmp_path / "run", StoragePlugin.MCAP)
    status = DiagnosticStatus(name="told/planner: planning", values=[KeyValue(key="state", value="active")])
    publisher = graph.node.create_publisher(DiagnosticArray, "/diagnostics", 10)
    timer = graph.node.create_timer(0.05, lambda: publisher.publish(DiagnosticArray(status=[status])))
    try:
        done = watch_bag(bag, "--namespace", "told", "--wait", 10)
    finally:
        graph.node.destroy_timer(timer)
        graph.node.destroy_publisher(publisher)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert "the ROS graph does not tell what it listens to" in done.stderr
