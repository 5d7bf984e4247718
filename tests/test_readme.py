"""What the README shows, works."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import ROOT, environment, talking

__all__ = ["talking"]  # a fixture

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_example(talking: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert '"engines/nano"' in code
    code = code.replace('"engines/nano"', repr(str(talking)))
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment(), check=True, capture_output=True)


def test_the_commands_are_there() -> None:
    from dgemma_ros.cli.app import app

    names = {command.callback.__name__ for command in app.registered_commands if command.callback}
    shown = set(re.findall(r"(?:^|`|bin/)dgemma +([a-z]+)\b", README, re.MULTILINE))
    assert {"doctor", "plan", "verify"} <= shown <= names, shown - names


def test_the_links_lead_somewhere() -> None:
    for page in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/ros.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert ((ROOT / page).parent / target).exists(), (page, target)


def test_the_first_plan_is_as_shown() -> None:
    (line,) = re.findall(r"^dgemma (plan --model engines/nano .*)$", README, re.MULTILINE)
    command = [sys.executable, "-m", "dgemma_ros.cli", *shlex.split(line), "--json"]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["steps"][0]["skill"] == "pick"


def test_the_make_targets_are_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"demo", "test"} <= set(re.findall(r"(?:^|`)make ([a-z]+)\b", README, re.MULTILINE)) <= targets


def test_the_tolerance_is_the_one_that_is_stated() -> None:
    from dgemma_ros.verification.compare import TOLERANCES

    assert "float32 must agree within 1e-4" in README and TOLERANCES["float32"].absolute == 1e-4
