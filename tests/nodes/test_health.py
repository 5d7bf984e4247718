"""`dgemma health` asked about real planners: running, stopped by a signal, deactivated, hung, starting, gone."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from lifecycle_msgs.msg import Transition

from dgemma_ros import status
from tests.cli.conftest import real
from tests.nodes.graph import Graph, Process, until


@pytest.fixture(autouse=True, scope="module")
def _folder(graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DGEMMA_STATUS_DIR", str(tmp_path_factory.mktemp("status") / "made"))
        yield


def probe(node: str, *options: object) -> tuple[int, dict[str, Any]]:
    """The exit status and what it says; by the command itself, in a process of its own."""
    outcome = real("health", "--node", node, "--json", *options)
    assert outcome.err == ""
    return outcome.status, outcome.object


def waited_for(health: str, node: str, *options: object) -> dict[str, Any]:
    told: dict[str, Any] = {}

    def there() -> bool:
        nonlocal told
        code, told = probe(node, *options)
        assert code == (0 if told["health"] == "healthy" else 1)
        return bool(told["health"] == health)

    try:
        until(there, health)
    except AssertionError as error:
        raise AssertionError(f"{error}; it said {told}") from None
    return told


def test_a_running_planner_stopped_continued_deactivated_and_ended(graph: Graph, model: Path) -> None:
    process = graph.start("planner", "fit", model=model, threads=1, canary_period=0.5, max_steps=4)
    node = "/fit/planner"
    graph.until_active(process, node)
    told = waited_for("healthy", node, "--step-age", 20)
    assert told["status"]["pid"] == process.popen.pid and told["status"]["watched"]
    assert "/fit/image_raw silent" in told["reason"]
    assert "no picture yet on /fit/image_raw" in waited_for("unhealthy", node, "--camera-age", 1)["reason"]
    before = told["status"]["last_step"]
    until(lambda: probe(node)[1]["status"]["last_step"] > before, "a canary")

    process.popen.send_signal(signal.SIGSTOP)
    try:
        assert "has said nothing" in waited_for("unhealthy", node, "--silence", 3)["reason"]
    finally:
        process.popen.send_signal(signal.SIGCONT)
    waited_for("healthy", node, "--silence", 3)

    assert graph.change(Transition.TRANSITION_DEACTIVATE, node)
    assert "not active but inactive" in waited_for("unhealthy", node)["reason"]
    assert graph.change(Transition.TRANSITION_ACTIVATE, node)
    waited_for("healthy", node)
    process.end()
    code, told = probe(node)
    assert code == 1 and told["status"] is None and "no planner has reported" in told["reason"]


@pytest.mark.parametrize("with_task", [False, True], ids=["idle", "task"])
def test_a_hung_step_is_unhealthy_until_it_ends(
    graph: Graph, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_task: bool
) -> None:
    hang = tmp_path / "hang"
    monkeypatch.setenv("HANG", str(hang))
    space = f"hung{int(with_task)}"
    node = f"/{space}/planner"
    period = 0.0 if with_task else 0.5
    process = graph.start(
        "tests.nodes.hung_planner", space, model=model, threads=1, canary_period=period, max_steps=100_000, budget=60.0
    )
    graph.until_active(process, node)
    waited_for("healthy", node, "--step-age", 3)
    hang.touch()
    if with_task:
        from std_msgs.msg import String

        graph.say(String(data="tidy up"), f"{space}/task")
    assert "no denoising step for" in waited_for("unhealthy", node, "--step-age", 3)["reason"]
    hang.unlink()
    waited_for("healthy", node, "--step-age", 3)
    process.end()


def test_starting_is_starting_and_not_for_ever(
    graph: Graph, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang = tmp_path / "hang"
    hang.touch()
    monkeypatch.setenv("HANG", str(hang))
    process = graph.start("tests.nodes.slow_planner", "slow", model=model, threads=1)
    node = "/slow/planner"
    assert "configuring" in waited_for("starting", node)["reason"]
    assert "are allowed" in waited_for("unhealthy", node, "--start", 0)["reason"]
    hang.unlink()
    graph.until_active(process, node)
    waited_for("healthy", node)


def test_one_that_is_led_is_not_starting_but_inactive(graph: Graph, model: Path) -> None:
    process: Process = graph.start("planner", "led", model=model, threads=1, autostart=False)
    until(lambda: "not active but unconfigured" in probe("/led/planner")[1]["reason"], "its first word")
    process.end()


def test_the_line_for_people(graph: Graph) -> None:
    outcome = real("health", "--node", "/nobody/planner")
    assert outcome.status == 1 and outcome.out.startswith("unhealthy: ") and "no planner has reported" in (outcome.out)
    assert json.loads(json.dumps(outcome.out)).count("\n") == 1


def test_files_that_are_none_of_ours_are_said_to_be(tmp_path: Path) -> None:
    file = tmp_path / "0.planner.json"
    now = time.monotonic()
    good = status.Status("/planner", "0.1.0", 1, now, now, "active")
    status.write(good, file)
    assert status.read(file) == good
    for text in (b"", b"[]", b"{}", b'{"format": 1}', b"\xff\xfe", b"[" * 60_000, b'{"format": 1, "node": 3}'):
        file.write_bytes(text)
        with pytest.raises(status.StatusError, match="not a status file"):
            status.read(file)
    file.write_text('{"format": 2}')
    with pytest.raises(status.StatusError, match="another version"):
        status.read(file)
    file.write_bytes(b"0" * (status.LARGEST + 2))
    with pytest.raises(status.StatusError):
        status.read(file)


def test_deadlines_count_where_asked_for() -> None:
    late = status.Status("/planner", "", 1, 0.0, 100.0, "active", last_step=99.0, misses=9, recent_misses=3)
    assert status.judge(late, 100.5, status.Limits()).health is status.Health.HEALTHY
    assert status.judge(late, 100.5, status.Limits(misses=3)).health is status.Health.HEALTHY
    verdict = status.judge(late, 100.5, status.Limits(misses=2))
    assert verdict.health is status.Health.UNHEALTHY and "3 deadlines" in verdict.reason
    before = status.judge(late, 50.0, status.Limits())
    assert before.health is status.Health.UNHEALTHY and "last start" in before.reason
