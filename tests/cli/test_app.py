from __future__ import annotations

import os
import pty
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from dgemma_ros.cli import app
from dgemma_ros.console import terminal
from dgemma_ros.errors import CheckpointError
from tests.cli.conftest import ROOT, Command, environment, real
from tests.conftest import Folders

HEAVY = {"numpy", "onnx", "onnxruntime", "cv2", "tokenizers", "jinja2", "ml_dtypes", "yaml"}


def test_help_names_every_command(dgemma: Command) -> None:
    outcome = dgemma("--help")
    assert outcome.status == 0 and outcome.err == ""
    for name in ("export", "plan", "replay", "verify", "bench", "doctor"):
        assert f" {name} " in outcome.out


@pytest.mark.parametrize("name", ["export", "plan", "replay", "verify", "bench", "doctor"])
def test_each_command_explains_itself(name: str, dgemma: Command) -> None:
    outcome = dgemma(name, "--help")
    assert outcome.status == 0 and "Usage" in outcome.out and outcome.err == ""


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from dgemma_ros.cli.app import run; run(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
    assert HEAVY.isdisjoint(done.stderr.split())


def test_help_is_quick() -> None:
    """Processor time, because a busy machine has no wall clock to speak of; it takes 0.15 s where this was written."""

    def spent() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    times = []
    for _ in range(3):
        before = spent()
        assert real("--help").status == 0
        times.append(spent() - before)
    assert min(times) < 0.5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Missing command"),
        (["nonsense"], "No such command 'nonsense'"),
        (["export"], "Missing argument 'CHECKPOINT'; see `dgemma export --help`"),
        (["export", "x"], "Missing option '--out'"),
        (["replay", "--nonsense"], "--nonsense"),
        (["plan", "--model", "x", "--task", "y", "--seed", "-1"], "--seed"),
        (["plan", "--model", "x", "--task", "y", "--steps", "0"], "--steps"),
        (["plan", "--model", "x", "--task", "y", "--seed", str(2**64)], "--seed"),
        (["verify", "--model", "x", "--device", "tpu"], "--device"),
        (["bench", "--model", "x", "--rounds", "many"], "--rounds"),
    ],
)
def test_usage_errors_are_one_line(arguments: list[str], said: str, dgemma: Command) -> None:
    assert said in dgemma(*arguments).mistake


def test_the_real_command_fails_the_same_way(tmp_path: Path) -> None:
    assert "No such command" in real("nonsense").mistake
    assert f"{tmp_path / 'nothing'}: no such folder" in real("verify", "--model", tmp_path / "nothing").mistake


def test_version(dgemma: Command) -> None:
    assert dgemma("--version").out.startswith("dgemma_ros ")


def test_an_error_is_one_line_whatever_it_holds(dgemma: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise CheckpointError("a\nb\x1b[31m\tc")

    monkeypatch.setattr("dgemma_ros.graphs.export.export", broken)
    assert dgemma("export", "x", "--out", "y").mistake == "dgemma: a b\N{REPLACEMENT CHARACTER}[31m c"


def test_a_defect_of_ours_shows_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr("dgemma_ros.graphs.export.export", broken)
    with pytest.raises(ZeroDivisionError, match="ours"):
        app.run(["export", "x", "--out", "y"])


def test_too_little_memory_is_told(dgemma: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(*_: object, **__: object) -> None:
        raise MemoryError("Unable to allocate 9 TiB")

    monkeypatch.setattr("dgemma_ros.graphs.export.export", greedy)
    assert "not enough memory (Unable to allocate 9 TiB)" in dgemma("export", "x", "--out", "y").mistake


def test_control_c_ends_with_130(dgemma: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dgemma_ros.graphs.export.export", interrupted)
    outcome = dgemma("export", "x", "--out", "y")
    assert outcome.status == 130 and outcome.out == "" and outcome.err.split() == ["dgemma:", "interrupted"]


def test_a_closed_pipe_ends_the_command_quietly(tmp_path: Path) -> None:
    quoted = f"'{sys.executable}' -m dgemma_ros.cli doctor --json | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", quoted], capture_output=True, text=True, cwd=ROOT, env=environment())
    assert done.stderr == ""
    assert done.stdout.strip() == "141"


def test_output_for_a_small_alphabet() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from dgemma_ros.console.terminal import emit; emit('grün ▁ 机器人')"],
        capture_output=True,
        env=environment(PYTHONIOENCODING="ascii"),
        cwd=ROOT,
        check=True,
    )
    assert done.stdout == b"gr\\xfcn \\u2581 \\u673a\\u5668\\u4eba\n"


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert terminal.clean("a\x1b]0;x\x07b\r\nc\td\x9be\u202e") == "a�]0;x�b�\nc\td�e�"


def test_progress_is_shown_on_a_terminal_and_gone_afterwards(checkpoint: Folders, tmp_path: Path) -> None:
    """On a pseudo-terminal for stderr; stdout stays clean."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        child = subprocess.Popen(
            [sys.executable, "-m", "dgemma_ros.cli", "export", str(checkpoint("plain")), "--out", str(tmp_path / "x")],
            stdout=subprocess.PIPE,
            stderr=theirs,
            cwd=ROOT,
            env=environment(TERM="xterm", COLUMNS="80"),
        )
        os.close(theirs)
        shown = b""
        try:
            while part := screen.read(4096):
                shown += part
        except OSError:  # how Linux says that the other end is closed
            pass
        assert child.communicate()[0] == b"" and child.returncode == 0
    assert b"\x1b[" in shown  # what it says depends on when it is refreshed
    assert b"the weights stay in" in shown.splitlines()[-1]


@pytest.mark.parametrize(("redirection", "said"), [(">&-", "stdout is closed"), ("> /dev/full", "cannot be written")])
def test_a_stdout_that_takes_nothing_is_one_line(redirection: str, said: str) -> None:
    quoted = f"'{sys.executable}' -m dgemma_ros.cli doctor --json {redirection}"
    done = subprocess.run(["bash", "-c", quoted], capture_output=True, text=True, cwd=ROOT, env=environment())
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and said in done.stderr, done.stderr


def test_no_model_is_not_the_current_folder(dgemma: Command) -> None:
    assert "is empty" in dgemma("plan", "--model", "", "--task", "go").mistake
    for option in ("--image", "--skills"):
        assert "is empty" in dgemma("plan", "--model", "here", "--task", "go", option, "").mistake


def test_threads_are_held_to_the_machine(dgemma: Command, exported: Folders) -> None:
    arguments = ("verify", "--model", exported("plain"), "--threads", 99999)
    assert "threads: 99999 are too many for this machine's" in dgemma(*arguments).mistake
