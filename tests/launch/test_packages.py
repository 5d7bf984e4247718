"""The two package.xml and what colcon needs, held to the code."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import yaml

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ROS = {"action_msgs", "builtin_interfaces", "diagnostic_msgs", "dgemma_msgs", "lifecycle_msgs", "rcl_interfaces"}
ROS |= {"rclpy", "rosgraph_msgs", "sensor_msgs", "std_msgs", "unique_identifier_msgs"}

# What rosdep resolves on Ubuntu 24.04 for Jazzy: rosdep/python.yaml and jazzy/distribution.yaml of ros/rosdistro.
APT = {"python3-jinja2", "python3-jsonschema", "python3-numpy", "python3-opencv", "python3-pytest", "python3-rich"}
APT |= {"python3-yaml", "ament_cmake", "ros2launch", "rosidl_default_generators", "rosidl_default_runtime"}
PYPI = {"python3-opencv": "opencv-python-headless", "python3-yaml": "PyYAML"}


def package(file: Path) -> ElementTree.Element:
    return ElementTree.parse(file).getroot()


def depends(root: ElementTree.Element, *kinds: str) -> set[str]:
    return {str(entry.text) for kind in kinds for entry in root.findall(kind)}


def imported(folder: Path) -> set[str]:
    found = set()
    for file in folder.rglob("*.py"):
        found |= set(re.findall(r"^\s*(?:from|import) (\w+)", file.read_text(), re.MULTILINE))
    return found & ROS


def test_what_is_imported_is_depended_on() -> None:
    root = package(ROOT / "package.xml")
    run = depends(root, "exec_depend", "depend")
    assert imported(ROOT / "dgemma_ros") <= run
    assert imported(ROOT / "tests") <= run | depends(root, "test_depend")


def test_rosdep_knows_every_key() -> None:
    kinds = ("depend", "buildtool_depend", "build_depend", "exec_depend", "test_depend")
    for file in (ROOT / "package.xml", ROOT / "msg" / "package.xml"):
        assert depends(package(file), *kinds) <= APT | ROS


def test_requirements_come_from_apt_or_by_the_readmes_pip_line() -> None:
    required = re.search(r"RUNTIME = \[(.*?)\]", (ROOT / "setup.py").read_text(), re.DOTALL)
    line = re.search(r"^pip install -c src/dgemma_ros/constraints-ubuntu\.txt (.*)$", README, re.MULTILINE)
    assert required and line
    by_apt = {
        PYPI.get(key, key.removeprefix("python3-")) for key in depends(package(ROOT / "package.xml"), "exec_depend")
    }
    by_pip = {re.split("[<>=]", name.strip('"'))[0] for name in line[1].split()}
    assert set(re.findall(r'"([\w-]+)>=', required[1])) <= by_apt | by_pip


def test_both_packages_are_of_one_version_with_a_true_address() -> None:
    roots = [package(ROOT / "package.xml"), package(ROOT / "msg" / "package.xml")]
    setup = (ROOT / "setup.py").read_text()
    assert [root.findtext("name") for root in roots] == ["dgemma_ros", "dgemma_msgs"]
    assert {root.findtext("version") for root in roots} == set(re.findall(r'version="([^"]+)"', setup))
    for root in roots:
        maintainer = root.find("maintainer")
        # colcon degrades packages whose maintainer has no address of this form.
        assert maintainer is not None and re.fullmatch(r"[\w.-]+@[\w-]+\.\w{2,}", maintainer.attrib["email"])


def test_interfaces_are_all_built() -> None:
    listed = re.findall(r'"((?:msg|srv|action)/\w+\.\w+)"', (ROOT / "msg" / "CMakeLists.txt").read_text())
    files = [
        path.relative_to(ROOT / "msg").as_posix()
        for kind in ("msg", "srv", "action")
        for path in (ROOT / "msg" / kind).iterdir()
    ]
    assert sorted(listed) == sorted(files)


def test_colcon_finds_both_packages_in_the_root() -> None:
    defaults = yaml.safe_load((ROOT / "colcon_defaults.yaml").read_text())
    assert all(defaults[verb] == {"base-paths": [".", "msg"]} for verb in ("list", "info", "graph", "build", "test"))
