"""The two package.xml and what colcon needs, held to the code."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import yaml

ROOT = Path(__file__).parents[2]
ROS = {"action_msgs", "builtin_interfaces", "diagnostic_msgs", "dgemma_msgs", "lifecycle_msgs", "rcl_interfaces"}
ROS |= {"rclpy", "rosgraph_msgs", "sensor_msgs", "std_msgs"}


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
