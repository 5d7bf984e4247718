"""SIGINT and SIGTERM: whatever the command is at, it ends within two seconds, and leaves neither files nor traces."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, environment
from tests.conftest import Folders
from tests.interrupted import at_import
from tests.patience import in_time

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PROMISED = 2.0
"""Seconds."""
HANGS = 30.0


def started(*command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=environment()
    )


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_nothing_half_written(
    number: signal.Signals, status: int, checkpoint: Folders, tmp_path: Path
) -> None:
    code = """
import sys, time, onnx
from pathlib import Path
def slow(model, file):
    Path(file).write_bytes(b"half")
    print("saving", file=sys.stderr, flush=True)
    time.sleep(60)
onnx.save = slow
from dgemma_ros.cli import main
main()
"""
    out = tmp_path / "new" / "export"
    child = subprocess.Popen(
        [sys.executable, "-c", code, "export", str(checkpoint("plain")), "--out", str(out)],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment(),
    )
    assert child.stderr is not None
    with child:
        assert child.stderr.readline() == "saving\n"
        assert list(out.parent.iterdir())
        child.send_signal(number)
        rest = child.stderr.read()
    assert child.returncode == status
    assert "Traceback" not in rest
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("delay", [0.3, 0.6, 1.0, 2.0])
def test_a_signal_ends_it_at_any_moment(number: signal.Signals, delay: float, checkpoint: Folders) -> None:
    folder = str(checkpoint("plain"))

    def once() -> float:
        child = started("-m", "dgemma_ros.cli", "bench", "--model", folder, "--rounds", "9999")
        time.sleep(delay)  # a moment of its start, whichever that is here
        child.send_signal(number)
        began = time.monotonic()
        said = child.communicate(timeout=HANGS)[1]
        took = time.monotonic() - began
        assert child.returncode in (128 + number, -number)  # the latter before the first line of ours
        if child.returncode > 0:  # Python itself, before it comes to us, is not in our hands
            assert b"Traceback" not in said and b"Error" not in said
        return took

    in_time(PROMISED, once)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("which", [1, 2, 4, 8, 30, 100, 200, 400])
def test_a_signal_in_the_middle_of_an_import_is_no_traceback(
    number: signal.Signals, which: int, checkpoint: Folders
) -> None:
    """It arrives when the command, from our first line on, sets out to load its so-and-so-manieth module."""
    code = at_import("from dgemma_ros.cli.__main__ import main", "main()", number, which)
    child = started("-c", code, "bench", "--model", str(checkpoint("plain")), "--rounds", "9999")
    out, said = child.communicate(timeout=HANGS)
    assert child.returncode in (128 + number, -number) and not out
    assert said in (b"", b"dgemma: interrupted\n")
    assert which > 1 or child.returncode == -number


def test_native_code_that_does_not_come_back_is_ended() -> None:
    code = """
import ctypes, sys
from dgemma_ros.console import signals
def stubborn():
    print("ready", flush=True)
    while True:
        try:
            ctypes.CDLL(None).sleep(60)
        except BaseException:
            pass
signals.run(lambda: stubborn)
"""

    def once() -> float:
        with started("-c", code) as child:
            assert child.stdout is not None and child.stdout.readline() == b"ready\n"
            child.send_signal(signal.SIGTERM)
            began = time.monotonic()
            assert child.wait(HANGS) == 143
            return time.monotonic() - began

    in_time(PROMISED, once)


def test_a_signal_in_a_destructor_is_not_lost() -> None:
    code = """
import os, signal, time
from dgemma_ros.console import signals
class Doomed:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        os.getpid()
def command():
    Doomed()
    time.sleep(60)
signals.run(lambda: command)
"""
    with started("-c", code) as child:
        assert child.communicate(timeout=HANGS) == (b"", b"")
    assert child.returncode == 143


def test_what_is_held_is_not_broken_off() -> None:
    code = """
import os, signal, time
from dgemma_ros.console import signals
def command():
    with signals.held():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.1)
        print("whole", flush=True)
    time.sleep(60)
signals.run(lambda: command)
"""
    with started("-c", code) as child:
        assert child.communicate(timeout=HANGS) == (b"whole\n", b"")
    assert child.returncode == 143
