from __future__ import annotations

import importlib
import os
import shutil
import sys
from pathlib import Path

import pytest

from dgemma_ros import installed
from dgemma_ros.cli.doctor import child, host, machine, robot, software
from dgemma_ros.finding import Finding, State
from tests.cli.conftest import Command, real
from tests.conftest import Folders

NAMES = [
    *("Python", "numpy", "onnx", "onnxruntime", "ml_dtypes", "tokenizers", "jinja2", "cv2", "yaml"),
    *("ONNX providers", "rclpy", "RMW", "dgemma_msgs", "TensorRT", "kernel compiler", "builder flags"),
    *(
        "CUDA driver",
        "cores",
        "memory",
        "cache folder",
        "nano checkpoint",
        "power mode",
        "clocks",
        "real-time",
        "clock",
    ),
    *("shared memory", "DDS profile", "cameras", "ROS graph"),
]


def test_every_line_has_its_state_and_its_fix(dgemma: Command) -> None:
    outcome = dgemma("doctor", "--json")
    told = outcome.object
    assert outcome.status == 0 and told["ready"] is True and outcome.err == ""
    assert [check["name"] for check in told["checks"]] == NAMES
    for check in told["checks"]:
        assert check["state"] == "ok" or check["fix"], check
        assert check["detail"]


def test_lines_for_people(dgemma: Command) -> None:
    lines = dgemma("doctor").out.splitlines()
    assert len([line for line in lines if "fix: " not in line]) == len(NAMES)
    assert lines[0].startswith("ok       Python ")
    assert "\x1b" not in "".join(lines)


def test_a_missing_package_is_found_and_named(dgemma: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    outcome = dgemma("doctor")
    assert outcome.status == 1
    lines = outcome.out.splitlines()
    number = next(i for i, line in enumerate(lines) if line.startswith("wrong    tokenizers "))
    assert 'fix: pip install "tokenizers' in lines[number + 1]


def test_packages_are_held_to_what_the_package_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [
        "numpy>=1.26",
        "onnx >= 99.1",
        "opencv-python-headless>=4.8",
        'torch==2; extra == "oracle"',
        'x>=1; extra == "t"',
    ]
    monkeypatch.setattr(software.importlib.metadata, "requires", lambda name: wanted)
    assert software.minima() == {"numpy": "1.26", "onnx": "99.1", "opencv-python-headless": "4.8"}
    assert software.package("numpy", software.minima()).state == "ok"
    old = software.package("onnx", software.minima())
    assert old.state == "wrong" and "99.1 or newer" in old.detail and old.fix == 'pip install "onnx>=99.1"'


def test_a_package_whose_library_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> object:
        raise ImportError("libGL.so.1: cannot open shared object file")

    monkeypatch.setattr(importlib, "import_module", broken)
    found = software.package("cv2", {})
    assert found.state == "wrong" and "libGL" in found.detail and found.needed


def test_python_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software.sys, "version_info", (3, 10, 12, "final", 0))
    assert software.python().state == "wrong" and "3.11" in software.python().fix


@pytest.mark.parametrize(
    ("code", "state", "detail"),
    [
        ("print('noise'); print('rmw_x')", State.OK, "rmw_x"),
        ("import nothing_of_this_name", "warning", "nothing_of_this_name"),
        ("raise OSError('lib.so: undefined symbol')", "wrong", "undefined symbol"),
        ("import os; os.abort()", "wrong", "ended with status -6"),
        ("import time; time.sleep(60)", "wrong", "timed out"),
    ],
)
def test_robot_libraries_are_tried_in_a_process_of_their_own(code: str, state: str, detail: str) -> None:
    found = child.in_child("x", code, "fix it", 3.0 if "sleep" in code else 30.0)
    assert (found.state, found.needed) == (state, False) and detail in found.detail


def test_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> object:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(machine.ctypes, "CDLL", absent)
    found = machine.gpu()
    assert found.state == "warning" and not found.needed and "libcuda" in found.detail


def test_a_driver_that_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library with the driver's functions, compiled here: the calls and their types are real."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("no compiler here")
    source = tmp_path / "cuda.c"
    source.write_text("""
#include <string.h>
#include <stddef.h>
int cuInit(unsigned f) { return f; }
int cuDriverGetVersion(int *v) { *v = 13020; return 0; }
int cuDeviceGetCount(int *n) { *n = 1; return 0; }
int cuDeviceGet(int *d, int i) { *d = 40 + i; return 0; }
int cuDeviceGetName(char *s, int n, int d) { strncpy(s, d == 40 ? "NVIDIA Thor" : "?", n); return 0; }
int cuDeviceTotalMem_v2(size_t *b, int d) { *b = (size_t)128 << 30; return 0; }
int cuDeviceGetAttribute(int *v, int a, int d) { *v = a == 75 ? 11 : a == 76 ? 0 : a == 18; return 0; }
""")
    library = tmp_path / "libcuda.so.1"
    assert os.system(f"{compiler} -shared -fPIC -o '{library}' '{source}'") == 0
    real_library = machine.ctypes.CDLL(str(library))
    monkeypatch.setattr(machine.ctypes, "CDLL", lambda name: real_library)
    found = machine.gpu()
    assert found.state == "ok" and found.detail == "CUDA 13.2: NVIDIA Thor, sm_110, 128.0 GiB, shared with the CPU"


def test_limits_of_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    (tmp_path / "memory.max").write_text(f"{3 << 30}\n")
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    assert "held to 1.5 by its cgroup" in machine.cores().detail
    assert "held to 3.0 GiB by its cgroup" in machine.memory().detail
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert "held" not in machine.cores().detail + machine.memory().detail


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "below"))
    found = machine.cache()
    assert found.state == "wrong" and found.needed and "XDG_CACHE_HOME" in found.fix
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "new"))
    assert machine.cache().state == "ok" and not (tmp_path / "new").exists()


def test_the_nano_checkpoint(checkpoint: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "__file__", str(tmp_path / "dgemma_ros" / "installed.py"))
    monkeypatch.setattr(installed.sysconfig, "get_path", lambda name: str(tmp_path / "nothing"))
    monkeypatch.setattr(installed.sys, "prefix", str(tmp_path / "nothing"))
    assert machine.nano().state == "warning"
    nano = shutil.copytree(checkpoint("plain"), tmp_path / "engines" / "nano")
    assert machine.nano() == Finding("nano checkpoint", State.OK, str(nano))
    (nano / "model.safetensors").unlink()
    assert machine.nano().state == "wrong"


def test_for_real() -> None:
    outcome = real("doctor")
    assert outcome.status == 0 and "Traceback" not in outcome.out + outcome.err


def test_a_jetsons_power_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert host.power_mode().state is State.OK
    tool = tmp_path / "nvpmodel"
    for mode, state in (("MAXN", State.OK), ("MAXN_SUPER", State.OK), ("30W", State.WARNING)):
        tool.write_text(f"#!/bin/sh\necho 'NV Power Mode: {mode}'\necho 0\n")
        tool.chmod(0o755)
        found = host.power_mode()
        assert (found.state, found.detail, bool(found.fix)) == (state, mode, state is not State.OK)
    tool.write_text("#!/bin/sh\nexit 1\n")
    assert "may need root" in host.power_mode().detail


def test_governors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_CPUS", tmp_path)
    assert host.clocks().state is State.OK
    for number, governor in enumerate(("performance", "schedutil")):
        (tmp_path / f"cpu{number}" / "cpufreq").mkdir(parents=True)
        (tmp_path / f"cpu{number}" / "cpufreq" / "scaling_governor").write_text(f"{governor}\n")
    found = host.clocks()
    assert found.state is State.WARNING and found.detail == "performance, schedutil" and "jetson_clocks" in found.fix


def test_profiles_of_dds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in host._PROFILES:
        monkeypatch.delenv(name, raising=False)
    assert host.dds_profile().state is State.OK and "fastdds.xml" in host.dds_profile().detail
    own = tmp_path / "own.xml"
    monkeypatch.setenv(host._PROFILES[1], str(own))
    assert host.dds_profile().state is State.WRONG
    for size, state in ((524288, State.WARNING), (64 << 20, State.OK)):
        own.write_text(f"<x><segment_size>{size}</segment_size></x>")
        assert host.dds_profile().state is state


def test_cameras_that_may_not_be_opened_or_are_none(tmp_path: Path) -> None:
    assert robot.cameras(tmp_path).state is State.OK
    (tmp_path / "video0").write_text("no camera")
    found = robot.cameras(tmp_path)
    assert found.state is State.WARNING and "none of which takes pictures" in found.detail


def test_a_models_folder_is_asked_for_engines_and_room(dgemma: Command, checkpoint: Folders, tmp_path: Path) -> None:
    told = dgemma("doctor", "--json", "--model", checkpoint("plain")).object["checks"]
    assert [check["name"] for check in told[-2:]] == ["engines", "disk"] and told[-2]["state"] == "ok"
    (tmp_path / "engine.json").write_text('{"format": 99}')
    found = robot.engines(tmp_path)
    assert found.state is State.WRONG and "build" in found.fix
