"""What the launch files and their configurations say, held to the nodes; needs neither ROS nor launch."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from dgemma_ros.installed import MissingFileError
from dgemma_ros.nodes import parameter_table, topics
from dgemma_ros.nodes.parameter_table import Parameter, settings_of

ROOT = Path(__file__).parents[2]
LAUNCH = sorted((ROOT / "launch").glob("*.launch.xml"))
CONFIGS = sorted((ROOT / "launch" / "config").glob("*.yaml"))
TABLES = {
    "planner": {parameter.name: parameter for parameter in parameter_table.PLANNER},
    "camera": {parameter.name: parameter for parameter in parameter_table.CAMERA},
    "executor": {parameter.name: parameter for parameter in parameter_table.EXECUTOR},
    "tabletop": {parameter.name: parameter for parameter in parameter_table.TABLETOP},
}
TOPICS = {"planner": topics.PLANNER, "camera": topics.CAMERA, "executor": topics.EXECUTOR, "tabletop": topics.TABLETOP}
TYPES = {"str": str, "float": float, "int": int, "bool": bool}
CAUSES = re.compile(r"\$\((\S+) ?([^$()]*)")


def read(file: Path) -> ElementTree.Element:
    return ElementTree.parse(file).getroot()


def shared() -> set[str]:
    """What setup.py installs below share/dgemma_ros, as launch files name it."""
    text = (ROOT / "setup.py").read_text()
    found = set()
    for folder, files in re.findall(r'\("share/dgemma_ros(/[\w/]+)?", (.*)\),', text):
        for pattern in re.findall(r'"([^"]+)"', files):
            found |= {f"{folder}/{path.name}" for path in ROOT.glob(pattern)}
    return found | {str(Path(path).parent) for path in found}


def executables() -> set[str]:
    return set(re.findall(r'"(\w+) = dgemma_ros\.nodes', (ROOT / "setup.py").read_text()))


def test_there_are_both() -> None:
    assert [file.name for file in LAUNCH] == ["demo.launch.xml", "loop.launch.xml", "planner.launch.xml"]
    assert [file.name for file in CONFIGS] == ["loop.yaml", "one_robot.yaml", "two_robots.yaml"]


@pytest.mark.parametrize("file", LAUNCH, ids=lambda file: file.name)
def test_arguments_are_described_and_all_used(file: Path) -> None:
    root = read(file)
    declared = {arg.get("name") for arg in root.findall("arg")}
    made = {let.get("name") for let in root.findall("let")}
    assert all(arg.get("description") and arg.get("default") is not None for arg in root.findall("arg"))
    used = set(re.findall(r"\$\(var (\w+)\)", ElementTree.tostring(root, encoding="unicode")))
    assert used == declared | made and not declared & made
    assert {"namespace", "model", "skills", "params_file", "autostart", "log_level"} <= declared


@pytest.mark.parametrize("file", LAUNCH, ids=lambda file: file.name)
def test_nodes_are_ours_and_take_their_parameters(file: Path) -> None:
    for node in read(file).iter("node"):
        name = node.attrib["exec"]
        assert node.attrib["pkg"] == "dgemma_ros" and name in executables() and node.attrib["name"] == name
        assert node.attrib["respawn_delay"] and "respawn" in node.attrib
        for param in node.findall("param"):
            if "from" in param.attrib:
                assert param.attrib["from"] == "$(var parameters)"
                continue
            if param.attrib["name"] == "use_sim_time":  # every node has it
                assert param.attrib["type"] == "bool"
                continue
            parameter = TABLES[name][param.attrib["name"]]
            assert isinstance(parameter.default, TYPES[param.attrib["type"]]), parameter.name
        heard = {name.name for name in TOPICS[name]}
        assert all(remap.attrib["from"] in heard for remap in node.findall("remap"))


@pytest.mark.parametrize("file", LAUNCH, ids=lambda file: file.name)
def test_files_that_are_named_are_installed(file: Path) -> None:
    named = re.findall(r"\$\(find-pkg-share dgemma_ros\)(/[\w/.]+)", file.read_text())
    assert named and set(named) <= shared()


def evaluated(file: Path, params_file: str) -> str:
    """What launch makes of a file's ``let``: an expression in Python, and the modules that it may use."""
    (let,) = read(file).findall("let")
    parts = re.fullmatch(r"""\$\(eval "(.*)" '(.*)'\)""", let.attrib["value"])
    assert parts is not None
    modules = {name.strip(): importlib.import_module(name.strip()) for name in parts[2].split(",")}
    return str(eval(parts[1].replace("$(var params_file)", params_file), {}, modules))


@pytest.mark.parametrize("file", LAUNCH, ids=lambda file: file.name)
def test_files_of_parameters_are_found_by_name(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for config in CONFIGS:
        assert Path(evaluated(file, config.name)) == Path(evaluated(file, config.stem)) == config
        assert Path(evaluated(file, str(config))) == config
    (tmp_path / "my own.yaml").touch(), (tmp_path / "loop.yaml").touch()
    assert evaluated(file, "my own.yaml") == str(tmp_path / "my own.yaml")
    assert evaluated(file, "loop.yaml") == str(tmp_path / "loop.yaml")
    with pytest.raises(MissingFileError, match=r"'nope.yaml' is no file; by name there are loop.yaml, one_robot.yaml"):
        evaluated(file, "nope.yaml")


def test_arguments_are_not_overruled_by_what_is_the_default_file() -> None:
    for file in LAUNCH:
        root = read(file)
        (default,) = (arg.attrib["default"] for arg in root.findall("arg") if arg.get("name") == "params_file")
        named = yaml.safe_load((ROOT / "launch" / "config" / Path(default).name).read_text())
        for node in root.iter("node"):
            ours = named.get(f"/**/{node.attrib['exec']}", {"ros__parameters": {}})["ros__parameters"]
            given = {param.get("name") for param in node.findall("param")}
            assert not given & set(ours), (file.name, given & set(ours))


def test_includes_pass_arguments_that_exist() -> None:
    for include in (include for file in LAUNCH for include in read(file).iter("include")):
        target = ROOT / "launch" / Path(include.attrib["file"]).name
        declared = {arg.get("name") for arg in read(target).findall("arg")}
        assert {arg.get("name") for arg in include.findall("arg")} <= declared


def kind_fits(parameter: Parameter, value: Any) -> bool:
    if isinstance(parameter.default, list):
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    return type(value) is type(parameter.default) and parameter.wrong(value) is None


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.name)
def test_configurations_name_parameters_with_values_they_take(file: Path) -> None:
    content = yaml.safe_load(file.read_text())
    for name, entry in content.items():
        table = TABLES[name.rsplit("/", 1)[1]]
        values = entry["ros__parameters"]
        for key, value in values.items():
            parameter = table[key]
            assert kind_fits(parameter, value), f"{file.name}: {key}: {value!r}"
            assert parameter.low is None or parameter.low <= value <= (parameter.high or 0.0)
        if table is TABLES["planner"]:
            settings_of({name: parameter.default for name, parameter in table.items()} | values)
