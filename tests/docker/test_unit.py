"""The systemd unit's own command line, in the environment that it gives, until the probe says healthy."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import environment, real

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "docker" / "dgemma-planner.service"
FOLDERS = {
    "LogsDirectory": "/var/log",
    "CacheDirectory": "/var/cache",
    "StateDirectory": "/var/lib",
    "RuntimeDirectory": "/run",
}
"""Made by systemd, for the unit's user, before it starts."""
PATIENCE = 120.0

pytest.importorskip("rclpy", reason="ROS 2 is not here")


def settings(text: str) -> dict[str, list[str]]:
    """Key → its values, in order."""
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


def here(text: str, root: Path) -> str:
    """A robot's absolute paths, as they are here: this virtual environment, and all else below ``root``."""
    share = ROOT if (ROOT / "engines" / "nano").is_dir() else Path(sys.prefix) / "share" / "dgemma_ros"
    text = text.replace("/opt/dgemma/venv/share/dgemma_ros", str(share)).replace("/opt/dgemma/venv", sys.prefix)
    return re.sub(r"(?<![\w/])/(etc|var|run)/", rf"{root}/\1/", text)


def test_it_starts_says_healthy_and_ends(tmp_path: Path) -> None:
    unit = UNIT.read_text()
    values = settings(unit)
    for source, target in re.findall(r"install -D -m 644 (\S+) (/etc/dgemma/\S+)", unit):
        place = Path(here(target, tmp_path))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text((ROOT / source).read_text())
    for key, parent in FOLDERS.items():
        Path(here(f"{parent}/{values[key][0]}", tmp_path)).mkdir(parents=True)
    given = dict(pair.split("=", 1) for line in values["Environment"] for pair in here(line, tmp_path).split())
    words = here(values["ExecStart"][0], tmp_path).split()
    command = [re.sub(r"\$\{(\w+)\}", lambda name: given[name[1]], word) for word in words]
    own = {"ROS_DOMAIN_ID": str(1 + os.getpid() % 100), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    log = tmp_path / "log"
    with log.open("w") as stream:
        process = subprocess.Popen(command, env=environment(**given, **own), stdout=stream, stderr=stream, cwd="/")
    try:
        end = time.monotonic() + PATIENCE
        while (probe := real("health", env=environment(**given, **own))).status != 0:
            assert process.poll() is None and time.monotonic() < end, (probe, log.read_text())
        assert probe.out.startswith("healthy: active")
        process.send_signal(signal.SIGTERM)
        assert process.wait(float(values["TimeoutStopSec"][0])) == 0
    finally:
        process.kill()
    written = {path.relative_to(tmp_path).parts[:2] for path in tmp_path.rglob("*") if path.is_file()}
    assert {parts[0] for parts in written} <= {"etc", "var", "log"}, "nothing is written elsewhere"
    assert (tmp_path / "var/lib/dgemma/planner.db").stat().st_size > 0
