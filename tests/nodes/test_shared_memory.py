"""What nodes leave in /dev/shm: nothing where they end, and what a kill left goes with the next start."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import pwd
import signal
from pathlib import Path

import pytest
from dgemma_msgs.srv import ResetWorld
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import Image

from dgemma_ros import shared_memory
from tests.nodes.deaf_tabletop import ports
from tests.nodes.graph import DEEP, ROOT, SENSOR, Graph, Process, until

CLIP = ROOT / "launch" / "demo" / "tabletop.mp4"
ENDS = int(os.environ.get("DGEMMA_TEST_ENDS", "12"))
"""Starts and ends; a hundred take five minutes."""
PATTERN = f"fastrtps_{16 * '[0-9a-f]'}_el"
OLD = (1e9, 1e9)


def segments(process: Process) -> set[Path]:
    """The segments that a running process has made, with the files that it locks for as long as it lives."""
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    inodes = {int(line[5].split(":")[2]) for line in lines if line[1] == "FLOCK" and line[4] == str(process.popen.pid)}
    locks = {path for path in shared_memory.FOLDER.glob(PATTERN) if path.stat().st_ino in inodes}
    return locks | {path.with_name(path.name.removesuffix("_el")) for path in locks}


NODES = ("planner", "camera", "executor", "tabletop")
WORDS = {"planner": "ready: ", "camera": " Hz on "}


def started(graph: Graph, what: str, model: Path) -> tuple[Process, set[Path]]:
    given = {
        "planner": {"model": model, "threads": 1},
        "camera": {"source": CLIP},
        "executor": {"skills": ROOT / "engines" / "nano" / "skills.yaml", "journal": graph.folder / "executor.journal"},
        "tabletop": {},
    }
    process = graph.start(what, f"end{len(graph.processes)}", **given[what])
    until(lambda: WORDS.get(what, "[INFO]") in process.output or process.popen.poll() is not None, what)
    held = segments(process)
    assert any(path.stat().st_size > 64 << 20 for path in held), process.output
    return process, held


def test_ends_leave_nothing_but_kills_and_those_go_with_the_next_start(graph: Graph, model: Path) -> None:
    killed: set[Path] = set()
    for number in range(ENDS):
        what = NODES[number % len(NODES)]
        process, held = started(graph, what, model)
        assert not {path for path in killed if path.exists()}
        with_signal = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)[number % 3]
        status, _ = process.end(with_signal)
        if with_signal is not signal.SIGKILL:
            assert status == 0 and not {path for path in held if path.exists()}, (what, with_signal, process.output)
            continue
        killed = {path for path in held if path.exists()}
        assert killed
        for path in killed:
            os.utime(path, OLD)
    if ENDS % 3 == 0:  # the last one was killed
        process, _ = started(graph, "camera", model)
        assert not {path for path in killed if path.exists()}
        process.end()


def test_an_end_that_is_cut_short_leaves_nothing_either(graph: Graph) -> None:
    """What would wait for ever is ended all the same, without taking DDS down in order, and says where it stood."""
    process = graph.start("tests.nodes.endless")
    until(lambda: "ready: " in process.output, "the node")
    held = segments(process)
    assert held and process.end()[0] == 0
    assert "ended with work still running (threading.py:" in process.output
    assert not {path for path in held if path.exists()}


def test_only_what_nobody_holds_is_cleared(tmp_path: Path) -> None:
    names = [f"fastrtps_{digit * 16}" for digit in "abc"]
    for name in names:
        (tmp_path / name).write_bytes(bytes(1000))
        (tmp_path / f"{name}_el").touch()
    for name in (*names[:2], *("others", "fastrtps_port7400", "fastrtps_port7400_el")):
        path = tmp_path / (f"{name}_el" if name in names else name)
        path.touch()
        os.utime(path, OLD)
    with (tmp_path / f"{names[0]}_el").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert shared_memory.clear_abandoned(tmp_path) == 1000  # the first is held, the third just being made
    kept = {
        "others",
        "fastrtps_port7400",
        "fastrtps_port7400_el",
        names[0],
        f"{names[0]}_el",
        names[2],
        f"{names[2]}_el",
    }
    assert {path.name for path in tmp_path.iterdir()} == kept


def test_nodes_of_other_users_are_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between users Fast DDS's shared memory passes nothing, and says nothing."""
    lock = tmp_path / f"fastrtps_{'a' * 16}_el"
    lock.touch()
    owner = lock.stat().st_uid
    with lock.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert shared_memory.other_users(tmp_path) == set() and shared_memory.hint(tmp_path) == ""
        monkeypatch.setattr(os, "getuid", lambda: owner + 1)
        assert shared_memory.other_users(tmp_path) == {owner}
        assert f"Nodes of {pwd.getpwuid(owner).pw_name} run here" in shared_memory.hint(tmp_path)
    assert shared_memory.other_users(tmp_path) == set(), "it has ended"
    assert shared_memory.other_users(tmp_path / "nothing") == set()


def test_fast_dds_takes_the_profile_without_shared_memory(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTRTPS_DEFAULT_PROFILES_FILE", str(ROOT / "dgemma_ros" / "nodes" / "fastdds_udp.xml"))
    process = graph.start("camera", "udp", source=CLIP)
    heard = graph.hear(Image, "/udp/image_raw", SENSOR)
    heard.one(what="a picture")
    process.end()
    assert "XMLPARSER" not in process.output


def test_too_little_of_it_is_said_in_one_line(tmp_path: Path) -> None:
    shared_memory.check(tmp_path, 1)
    with pytest.raises(shared_memory.SharedMemoryError, match=r"MiB free, and a node needs .*--shm-size"):
        shared_memory.check(tmp_path, 1 << 60)
    with pytest.raises(shared_memory.SharedMemoryError, match="not there or not writable"):
        shared_memory.check(tmp_path / "nothing")


@pytest.mark.parametrize(("variable", "word"), [("ROS_LOG_DIR", "ROS_LOG_DIR"), ("XDG_CACHE_HOME", "XDG_CACHE_HOME")])
def test_folders_that_cannot_be_written_end_it_in_one_line(
    graph: Graph, model: Path, variable: str, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "/proc/nowhere")
    process = graph.start("planner", "readonly", model=model, threads=1)
    until(lambda: process.popen.poll() is not None, "the end")
    lines = [line for line in process.output.splitlines() if word in line]
    assert process.popen.returncode == 2 and len(lines) == 1 and "Traceback" not in process.output


def test_a_port_that_others_removed_is_noticed(tmp_path: Path) -> None:
    port, other = tmp_path / "fastrtps_port7411", tmp_path / "fastrtps_port7011"
    with contextlib.ExitStack() as stack:
        for path in (port, other):
            path.write_bytes(bytes(4096))
            lock = stack.enter_context(path.with_name(f"{path.name}_el").open("wb"))
            fcntl.flock(lock, fcntl.LOCK_EX)
            stack.enter_context(mmap.mmap(stack.enter_context(path.open("r+b")).fileno(), 4096))
        assert not shared_memory.lost_ports(tmp_path)
        port.unlink()
        port.write_bytes(bytes(4096))  # as a sender makes it anew
        assert shared_memory.lost_ports(tmp_path) == [port.name]
    assert not shared_memory.lost_ports(tmp_path)


@pytest.mark.parametrize("deaf", [1, 2, 3])
def test_a_node_that_would_hear_nobody_starts_again(graph: Graph, deaf: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEAF", str(deaf))
    process = graph.start("tests.nodes.deaf_tabletop", f"deaf{deaf}")
    until(lambda: "ready: " in process.output or process.popen.poll() is not None, "its start")
    if deaf > 2:
        assert process.popen.wait(30) == 2 and process.output.splitlines()[-1].startswith("error: Fast DDS lost its")
    else:
        assert graph.ask(ResetWorld, f"/deaf{deaf}/tabletop/reset", ResetWorld.Request(seed=1, objects=2)).success
        assert process.end()[0] == 0
    assert process.output.count("starting again") == min(deaf, 2) and "Traceback" not in process.output


def test_a_port_that_goes_later_is_said(graph: Graph) -> None:
    process = graph.start("tabletop", "later")
    until(lambda: "ready: " in process.output, "its start")
    heard = graph.hear(DiagnosticArray, "/diagnostics", DEEP)
    mine = heard.one(lambda m: m.status[0].name.startswith("later/"), "its diagnostics")
    assert "port" not in mine.status[0].message
    for port in ports(str(process.popen.pid)):
        port.unlink()
    told = heard.one(lambda m: m.status[0].name.startswith("later/") and "port" in m.status[0].message, "the loss")
    assert told.status[0].level == DiagnosticStatus.ERROR
    assert process.end()[0] == 0
