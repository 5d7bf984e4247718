from __future__ import annotations

import importlib
import os
import shutil
import subprocess
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


def test_without_tensorrt_nothing_that_only_it_needs_is_wrong() -> None:
    """As in the cpu image, which has neither it nor a compiler."""
    said = {name: Finding(name, State.WRONG, "none here", "install it") for name in ("TensorRT", "kernel compiler")}
    assert [software.tensorrt(name, said).state for name in said] == [State.WRONG, State.WRONG]
    said["TensorRT"] = Finding("TensorRT", State.WRONG, "TensorRT is not here (No module named 'tensorrt')")
    assert [software.tensorrt(name, said).state for name in said] == [State.WARNING, State.WARNING]


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


# What `nvpmodel -q` prints on a Jetson AGX Thor, as published by several of their owners: the mode, then its number.
MODES = {"NV Power Mode: MAXN\n0\n": State.OK, "NV Power Mode: 120W\n1\n": State.WARNING}
# On Orin, which has another best mode, and where the tool warns of what it does not find.
MODES |= {"NVPM WARN: fan mode is not set!\nNV Power Mode: MAXN_SUPER\n2\n": State.OK}


def test_a_jetsons_power_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert host.power_mode().state is State.OK
    tool = tmp_path / "nvpmodel"
    for said, state in MODES.items():
        tool.write_text(f"#!/bin/sh\nprintf '{said}'\n")
        tool.chmod(0o755)
        found = host.power_mode()
        assert (found.state, bool(found.fix)) == (state, state is not State.OK)
        assert f"Mode: {found.detail}\n" in said
    tool.write_text("#!/bin/sh\nexit 1\n")
    assert "may need root" in host.power_mode().detail


def machine_of(folder: Path, clocks: dict[str, tuple[str, int, int]]) -> None:
    for path, (governor, least, most) in clocks.items():
        prefix = "scaling_" if path.endswith("cpufreq") else ""
        (folder / path).mkdir(parents=True, exist_ok=True)
        for name, value in (("governor", governor), ("min_freq", least), ("max_freq", most)):
            (folder / path / f"{prefix}{name}").write_text(f"{value}\n")


def test_clocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the figures of `jetson_clocks --show` on a Jetson AGX Thor: the governor stays, the bounds meet."""
    monkeypatch.setattr(host, "_CPUS", tmp_path / "cpu")
    monkeypatch.setattr(host, "_DEVFREQ", tmp_path / "devfreq")
    assert host.clocks().state is State.OK
    cores = [f"cpu/cpu{number}/cpufreq" for number in range(14)]
    machine_of(tmp_path, dict.fromkeys(cores, ("schedutil", 972000, 2601000)))
    machine_of(tmp_path, {"devfreq/gpu-gpc-0": ("nvhost_podgov", 306000000, 1575000000)})
    found = host.clocks()
    assert found.state is State.WARNING and found.detail == "cores schedutil, GPU nvhost_podgov"
    assert "jetson_clocks" in found.fix
    machine_of(tmp_path, dict.fromkeys(cores, ("schedutil", 2601000, 2601000)))
    assert (host.clocks().state, host.clocks().detail) == (State.WARNING, "cores held, GPU nvhost_podgov")
    machine_of(tmp_path, {"devfreq/gpu-gpc-0": ("nvhost_podgov", 1575000000, 1575000000)})
    assert host.clocks() == Finding("clocks", State.OK, "cores held, GPU held")


def test_clocks_of_a_pc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_CPUS", tmp_path / "cpu")
    monkeypatch.setattr(host, "_DEVFREQ", tmp_path / "devfreq")
    machine_of(tmp_path, {f"cpu/cpu{number}/cpufreq": ("performance", 800000, 5000000) for number in range(2)})
    assert host.clocks() == Finding("clocks", State.OK, "cores held")
    machine_of(tmp_path, {"cpu/cpu1/cpufreq": ("powersave", 800000, 5000000)})
    found = host.clocks()
    assert found.state is State.WARNING and found.detail == "cores powersave" and "cpupower" in found.fix


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


CAMERA = """
#include <errno.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <string.h>
/* A camera's driver as the kernel's own header has it: two formats to capture, and nothing else. */
int ioctl(int device, unsigned long request, ...) {
    va_list given;
    va_start(given, request);
    struct v4l2_fmtdesc *asked = va_arg(given, struct v4l2_fmtdesc *);
    va_end(given);
    const unsigned formats[] = {V4L2_PIX_FMT_YUYV, V4L2_PIX_FMT_MJPEG};
    if (request == VIDIOC_ENUM_FMT && asked->type == V4L2_BUF_TYPE_VIDEO_CAPTURE && asked->index < 2) {
        asked->flags = asked->index ? V4L2_FMT_FLAG_COMPRESSED : 0;
        strcpy((char *)asked->description, asked->index ? "Motion-JPEG" : "YUYV 4:2:2");
        asked->pixelformat = formats[asked->index];
        return 0;
    }
    errno = EINVAL;
    return -1;
}
"""
ASK = "from pathlib import Path; from dgemma_ros.cli.doctor import robot; print(robot.cameras(Path('{}')).detail)"


def test_a_cameras_formats(tmp_path: Path) -> None:
    """Its driver is compiled from the kernel's header and answers in the kernel's place."""
    compiler = shutil.which("gcc")
    if compiler is None or not Path("/usr/include/linux/videodev2.h").is_file():
        pytest.skip("no compiler, or no headers of the kernel, here")
    source, driver = tmp_path / "camera.c", tmp_path / "camera.so"
    source.write_text(CAMERA)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", driver, source], check=True)
    (tmp_path / "video0").touch()
    code = ASK.format(tmp_path)
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "LD_PRELOAD": str(driver), "PYTHONPATH": str(Path(robot.__file__).parents[3])},
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert told == f"{tmp_path / 'video0'} YUYV/MJPG\n"


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
