"""What the machine is: GPU and driver, cores, memory, where exports are kept, and the nano checkpoint."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from dgemma_ros import installed
from dgemma_ros.errors import DgemmaError
from dgemma_ros.finding import Finding, State

_GIB: Final = 1 << 30
_NEEDED_SPACE: Final = 100 << 20  # exports are small; this is for a disk that is all but full
_CGROUP: Final = Path("/sys/fs/cgroup")
_MAJOR, _MINOR, _INTEGRATED = 75, 76, 18  # CUDA's numbers of these attributes of a device


def checks() -> Iterator[Callable[[], Finding]]:
    """Every check of this kind, in the order of the list."""
    yield from (gpu, cores, memory, cache, nano)


def gpu() -> Finding:
    """The CUDA driver and the devices that it sees, asked directly, without any toolkit."""
    fix = "only TensorRT and --device cuda need it: NVIDIA's driver (JetPack 7 on Jetson); in a container, its runtime"
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        return Finding("CUDA driver", State.WARNING, str(error), fix)
    status, version, count = driver.cuInit(0), ctypes.c_int(), ctypes.c_int()
    if status or driver.cuDriverGetVersion(ctypes.byref(version)) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return Finding("CUDA driver", State.WRONG, f"cuInit ended with {status}", fix)
    devices = [_device(driver, number) for number in range(count.value)]
    about = f"CUDA {version.value // 1000}.{version.value % 1000 // 10}: {'; '.join(devices) or 'no device'}"
    return Finding("CUDA driver", State.OK if devices else State.WRONG, about, "" if devices else fix)


def _device(driver: ctypes.CDLL, number: int) -> str:
    device, name, size = ctypes.c_int(), ctypes.create_string_buffer(128), ctypes.c_size_t()
    driver.cuDeviceGet(ctypes.byref(device), number)
    driver.cuDeviceGetName(name, len(name), device)
    driver.cuDeviceTotalMem_v2(ctypes.byref(size), device)

    def attribute(which: int) -> int:
        value = ctypes.c_int()
        driver.cuDeviceGetAttribute(ctypes.byref(value), which, device)
        return value.value

    shared = ", shared with the CPU" if attribute(_INTEGRATED) else ""
    title = name.value.decode(errors="replace")
    return f"{title}, sm_{attribute(_MAJOR)}{attribute(_MINOR)}, {size.value / _GIB:.1f} GiB{shared}"


def cores() -> Finding:
    """Cores that this process may use."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _read(_CGROUP / "cpu.max").partition(" ")
    limit = f", held to {int(quota) / int(period):g} by its cgroup" if quota.isdigit() and period.isdigit() else ""
    return Finding("cores", State.OK, f"{usable} of {os.cpu_count()}{limit}")


def memory() -> Finding:
    """Memory of the machine, and what of it is free."""
    lines = dict(line.split(":", 1) for line in _read(Path("/proc/meminfo")).splitlines() if ":" in line)
    sizes = {name: int(lines[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable") if name in lines}
    if len(sizes) < 2:
        return Finding("memory", State.OK, "not told by this system")
    limit = _read(_CGROUP / "memory.max")
    held = f", held to {int(limit) / _GIB:.1f} GiB by its cgroup" if limit.isdigit() else ""
    return Finding("memory", State.OK, "{1:.1f} of {0:.1f} GiB free".format(*(s / _GIB for s in sizes.values())) + held)


def cache() -> Finding:
    """The folder in which exports of bare checkpoints are kept."""
    try:
        from dgemma_ros.graphs.export_cache import cache_folder

        folder = cache_folder()
    except (ImportError, RuntimeError) as error:  # a package is missing; there is no home
        return Finding("cache folder", State.WRONG, str(error), "fix the lines above; set XDG_CACHE_HOME", needed=True)
    fix = "set XDG_CACHE_HOME to a folder that can be written"
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Finding("cache folder", State.WRONG, f"{folder}: cannot be written", fix, needed=True)
    free = shutil.disk_usage(there).free
    state = f"{folder}, {free / _GIB:.1f} GiB free"
    if free < _NEEDED_SPACE:
        return Finding("cache folder", State.WRONG, state, fix, needed=True)
    return Finding("cache folder", State.OK, state, needed=True)


def nano() -> Finding:
    """The checkpoint that comes with the repository."""
    fix = "it comes with the repository, in engines/nano: clone it whole, or give --model another checkpoint"
    folder = installed.share("engines/nano")
    if folder is None:
        return Finding("nano checkpoint", State.WARNING, "no engines/nano beside this package", fix)
    try:
        from dgemma_ros.checkpoint.config import load_config
        from dgemma_ros.checkpoint.weights import Weights

        Weights.open(folder, load_config(folder))
    except (ImportError, DgemmaError) as error:
        return Finding("nano checkpoint", State.WRONG, str(error), fix)
    return Finding("nano checkpoint", State.OK, str(folder))


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
