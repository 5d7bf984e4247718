"""What docs/deploy.md and docs/security.md name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from dgemma_ros.cli.app import app
from dgemma_ros.nodes import parameter_table

ROOT = Path(__file__).parents[2]
PAGES = {name: (ROOT / "docs" / name).read_text() for name in ("deploy.md", "security.md")}


@pytest.mark.parametrize("page", PAGES)
def test_commands_files_and_targets_exist(page: str) -> None:
    text = PAGES[page]
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    named = set(re.findall(r"(?<!/)\bdgemma ([a-z]+)(?=[`\s])", text)) - {"planner"}
    assert named <= commands.keys() | {"health"}
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z-]+)", text, re.MULTILINE)) <= targets
    for path in re.findall(r"(?<![\w/])((?:tests/)?docker/[\w.-]+(?:/[\w.-]+)*)", text):
        assert "*" in path or (ROOT / path.rstrip("./")).exists() or path.startswith("docker/compose"), path
    for file in re.findall(r"docker/compose\.(\w+)\.yaml", text):
        assert (ROOT / "docker" / f"compose.{file}.yaml").is_file()
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (ROOT / "docs" / target).exists(), target
    for service in re.findall(r"run --rm (\w+)", text):
        assert f"  {service}:" in (ROOT / "docker" / "compose.thor.yaml").read_text(), service


def test_the_probes_options_and_the_canary_are_as_the_page_says() -> None:
    health = typer.main.get_command(app).commands["health"]  # type: ignore[attr-defined]
    options = {option: parameter.default for parameter in health.params for option in parameter.opts}
    text = PAGES["deploy.md"]
    for option in re.findall(r"`(--(?:step-age|silence|start|camera-age|misses))`", text):
        assert option in options
    assert options["--step-age"] == 30 and "within 30 s (`--step-age`)" in text
    assert options["--silence"] == 5 and "no word for 5 s (`--silence`)" in text
    assert options["--start"] == 900 and "at most 15 minutes (`--start`)" in text
    canary = next(parameter for parameter in parameter_table.PLANNER if parameter.name == "canary_period")
    assert f"`canary_period` ({canary.default:g} s)" in text
