"""Both packages built by colcon for real; where colcon and ROS are, as `make colcon` has them. Takes a minute."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

pytest.importorskip("colcon_core", reason="make colcon brings it")
pytest.importorskip("rclpy")

ROOT = Path(__file__).parents[2]
PARENT = ("--base-paths", "src", "src/dgemma_ros/msg")
"""What colcon in a parent workspace is told, as the README does: it does not look inside a package by itself."""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the tracked files of this repository in ``src/dgemma_ros``."""
    folder = tmp_path_factory.mktemp("ws")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        target = folder / "src" / "dgemma_ros" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    return folder


def environment() -> dict[str, str]:
    """With the underlay that ROS is in: what a setup.bash would say, where there is none to source."""
    before = os.environ.get("AMENT_PREFIX_PATH", sys.prefix)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return os.environ | {"AMENT_PREFIX_PATH": before, "CMAKE_PREFIX_PATH": before, "PATH": path}


def colcon(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "colcon", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout


BOTH = pytest.mark.parametrize(("where", "told"), [("src/dgemma_ros", ()), (".", PARENT)], ids=["root", "parent"])


@BOTH
def test_packages_are_found_in_order(workspace: Path, where: str, told: Sequence[str]) -> None:
    listed = colcon(workspace / where, "list", "--topological-order", *told).split("\n")
    packages = [tuple(line.split("\t")[::2]) for line in listed if line]
    assert packages == [("dgemma_msgs", "(ros.ament_cmake)"), ("dgemma_ros", "(ros.ament_python)")]


@BOTH
def test_workspace_is_built_and_runs(workspace: Path, where: str, told: Sequence[str]) -> None:
    folder = workspace / where
    colcon(folder, "build", *told)
    installed = folder / "install" / "dgemma_ros"
    for name in ("planner", "camera", "dgemma"):
        assert os.access(installed / "lib" / "dgemma_ros" / name, os.X_OK)
    for name in ("launch/planner.launch.xml", "config/fastdds.xml", "demo/tabletop.mp4", "engines/nano/golden"):
        assert (installed / "share" / "dgemma_ros" / name).exists(), name
    code = "import dgemma_msgs.msg, dgemma_ros; print(dgemma_msgs.__file__, dgemma_ros.__file__)"
    planner = installed / "lib" / "dgemma_ros" / "planner"
    script = f"source install/setup.bash && cd / && python -c '{code}' && {planner} --ros-args -p budget:=-1.0"
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    messages, runtime = done.stdout.split()
    assert Path(messages).is_relative_to(folder / "install" / "dgemma_msgs"), done.stderr
    assert Path(runtime).is_relative_to(installed)
    assert done.returncode == 2 and "parameter budget" in done.stderr
