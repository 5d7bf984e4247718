"""Every command that README and docs/ros.md tell a user to type names what there is; a line nobody checks fails."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
import typer
import yaml

from dgemma_ros.cli.app import app
from dgemma_ros.nodes import parameter_table, topics
from dgemma_ros.nodes.topics import Kind
from tests.shown import ROOT, commands

PAGES = ("README.md", "docs/ros.md")
NAMES = (*topics.PLANNER, *topics.CAMERA)
TABLES = {"planner": parameter_table.PLANNER, "camera": parameter_table.CAMERA}
TYPES = re.compile(r"\w+/(msg|srv|action)/\w+")
SETUP = ("sudo", "mkdir", "source", "rosdep", "python3", "pip", "touch")
"""The installation's lines: what they name is held by test_packages and test_colcon."""


def name(said: str, kind: Kind, type_: str = "") -> topics.Name:
    """What a name in the root namespace stands for."""
    (found,) = {one for one in NAMES if said in (f"/{one.name}", one.name) and one.kind is kind} or [None]
    assert found is not None, f"{said} is no {kind}"
    assert not type_ or found.type == type_, f"{said} is a {found.type}, not a {type_}"
    return found


def launch(words: list[str]) -> None:
    package, file, *given = words
    assert package == "dgemma_ros"
    declared: set[str | None] = set()
    files = [ROOT / "launch" / file]
    while files:
        root = ElementTree.parse(files.pop()).getroot()
        declared |= {arg.get("name") for arg in root.findall("arg")}
    for argument in given:
        if argument != "--show-args":
            key, _, value = argument.partition(":=")
            assert key in declared and value, argument
            assert key != "params_file" or (ROOT / "launch" / "config" / value).exists(), argument


def publish(words: list[str]) -> None:
    once, topic, type_, message = words
    assert once == "-1" and TYPES.fullmatch(type_)
    name(topic, Kind.IN, type_)
    assert isinstance(yaml.safe_load(message), dict)


def echo(words: list[str]) -> None:
    full, topic, *type_ = words
    assert full == "-f"  # long fields are cut off without
    name(topic, Kind.OUT, *type_)


def goal(words: list[str]) -> None:
    feedback, action, type_, message = words
    assert feedback == "-f" and isinstance(yaml.safe_load(message), dict)
    name(action, Kind.ACTION, type_)


def service(words: list[str]) -> None:
    said, type_, *_ = words
    name(said.replace("/planner/", "~/"), Kind.SERVICE, type_)


def parameter(words: list[str]) -> None:
    node, key, value = words
    (found,) = [one for one in TABLES[node.lstrip("/")] if one.name == key]
    read = yaml.safe_load(value)
    assert found.wrong(read) is None and (found.low is None or found.low <= read <= (found.high or 0.0))


def executable(words: list[str]) -> None:
    package, program, *rest = words
    assert package == "dgemma_ros" and f'"{program} = dgemma_ros.' in (ROOT / "setup.py").read_text()
    if program == "dgemma":
        dgemma(rest)


def node(words: list[str]) -> None:
    module, ros, *given = words
    table = {one.name for one in TABLES[module.rsplit(".", 1)[1]]}
    assert ros == "--ros-args" and given[::2] == ["-p"] * (len(given) // 2)
    for key, _, value in (one.partition(":=") for one in given[1::2]):
        assert key in table and (ROOT / value).exists(), key


def bag(words: list[str]) -> None:
    assert words[0] in ("record", "play")
    for topic in (word for word in words if word.startswith("/")):
        assert topic.lstrip("/") in {one.name.lstrip("/") for one in NAMES}, topic


def dgemma(words: list[str]) -> None:
    command = typer.main.get_command(app)
    sub = command.commands[words[0]]  # type: ignore[attr-defined]
    options = {option for one in sub.params for option in (*one.opts, *one.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= options, words


def make(words: list[str]) -> None:
    assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def compose(words: list[str]) -> None:
    option, file, action, *rest = words
    assert option == "-f"
    services = yaml.safe_load((ROOT / file).read_text())["services"]
    if action == "exec":
        service, entrypoint, command, *rest = rest
        assert service in services and entrypoint == "/opt/dgemma/entrypoint" and command == "dgemma"
        dgemma(rest)
    else:
        assert (action, rest) == ("up", ["-d"])


CHECKS: dict[tuple[str, ...], Callable[[list[str]], None]] = {
    ("ros2", "launch"): launch,
    ("ros2", "run"): executable,
    ("ros2", "topic", "pub"): publish,
    ("ros2", "topic", "echo"): echo,
    ("ros2", "action", "send_goal"): goal,
    ("ros2", "service", "call"): service,
    ("ros2", "param", "set"): parameter,
    ("ros2", "bag"): bag,
    (".venv/bin/python", "-m"): node,
    (".venv/bin/dgemma",): dgemma,
    ("dgemma",): dgemma,
    ("docker", "compose"): compose,
    ("make",): make,
    ("python", "-m"): lambda words: None if words[0] == "colcon" else node(words),
}


@pytest.mark.parametrize("page", PAGES)
def test_every_command_names_what_there_is(page: str) -> None:
    seen = 0
    for words in commands(page):
        if words[0] in SETUP:
            continue
        (check,) = [(head, check) for head, check in CHECKS.items() if tuple(words[: len(head)]) == head] or [None]
        assert check is not None, f"{page}: nobody checks `{' '.join(words)}`"
        try:
            check[1](words[len(check[0]) :])
        except (AssertionError, KeyError, ValueError) as error:
            raise AssertionError(f"{page}: {' '.join(words)}: {error}") from error
        seen += 1
    assert seen >= 3


def test_the_bags_quality_of_service_can_be_read() -> None:
    text = (ROOT / "docs" / "ros.md").read_text(encoding="utf-8")
    blocks = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)]
    overrides = [block for block in blocks if any(str(key).startswith("/") for key in block)]
    assert len(overrides) == 2
    for topic, policies in (entry for block in overrides for entry in block.items()):
        assert topic.lstrip("/") in {one.name for one in NAMES}
        assert {"reliability", "history", "depth"} <= set(policies) <= {"reliability", "history", "depth", "durability"}
        assert policies["reliability"] in ("reliable", "best_effort") and policies["history"] == "keep_last"


def test_pictures_that_are_shown_are_there() -> None:
    for page in PAGES:
        for words in commands(page):
            for before, file in itertools.pairwise(words):
                if before == "--image" and "/" in file:
                    assert Path(ROOT / file).is_file(), file
