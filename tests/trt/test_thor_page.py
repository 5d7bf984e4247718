"""docs/thor.md: the commands that it shows exist, with the options that it shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dgemma_ros.cli.app import app
from dgemma_ros.trt import targets

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "thor.md").read_text()
COMMANDS = sorted({match.strip() for match in re.findall(r"`(dgemma [^`]+)`", PAGE)})


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(command: str) -> None:
    _, name, *rest = command.split()
    told = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    assert "Usage" in told
    for option in (word for word in rest if word.startswith("--")):
        assert option in told, f"{command}: there is no {option}"
    if "--target" in rest:
        assert rest[rest.index("--target") + 1] in targets.names()


def test_files_and_modules() -> None:
    assert len(COMMANDS) >= 6
    for name in re.findall(r"python -m (benchmarks\.\w+)", PAGE):
        assert (ROOT / f"{name.replace('.', '/')}.py").is_file()
    (launch,) = re.findall(r"ros2 launch dgemma_ros (\S+)", PAGE)
    assert (ROOT / "launch" / launch).is_file()
    for key in ("attention: plugin", "experts: plugins", "memory_limit: 96.0e+9"):
        assert key in (ROOT / "engines" / "targets" / "thor.yaml").read_text()
