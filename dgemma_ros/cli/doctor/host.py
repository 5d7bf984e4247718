"""How the machine is set up: power and clocks, priorities, time, shared memory and the DDS profile."""

from __future__ import annotations

import ctypes
import os
import re
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from dgemma_ros import shared_memory
from dgemma_ros.errors import DgemmaError
from dgemma_ros.finding import Finding, State

_CPUS: Final = Path("/sys/devices/system/cpu")
_DEVFREQ: Final = Path("/sys/class/devfreq")
_PROFILES: Final = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
_SYS_NICE: Final = 23
_UNSYNCHRONISED: Final = 5
_TIMEX_BYTES: Final = 512  # struct timex has 208 on 64-bit Linux


def checks() -> Iterator[Callable[[], Finding]]:
    """Every check of this kind, in the order of the list."""
    yield from (power_mode, clocks, real_time, clock, memory_shared, dds_profile)


def power_mode() -> Finding:
    """A Jetson's power mode: the default one halves the speed."""
    name, fix = "power mode", "sudo nvpmodel -m 0 && sudo jetson_clocks"
    tool = shutil.which("nvpmodel")
    if tool is None:
        return Finding(name, State.OK, "no Jetson's (nvpmodel is not here)")
    try:
        said = subprocess.run([tool, "-q"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(name, State.WARNING, f"nvpmodel does not answer: {error}", fix)
    mode = re.search(r"NV Power Mode: *(\S+)", said)
    if mode is None:
        return Finding(name, State.WARNING, "nvpmodel does not say; it may need root", fix)
    best = mode[1].upper().startswith("MAXN")
    return Finding(name, State.OK if best else State.WARNING, mode[1], "" if best else fix)


def clocks() -> Finding:
    """Whether cores, GPU and memory keep their clock up between two steps.

    A governor may do that, or equal bounds, as ``jetson_clocks`` sets them; it leaves the governor as it was.
    """
    domains = {
        "cores": [_Clock.of(folder, "scaling_") for folder in _CPUS.glob("cpu[0-9]*/cpufreq")],
        "GPU": [_Clock.of(folder) for folder in _DEVFREQ.glob("*gpu*")],
        "memory": [_Clock.of(folder) for folder in _DEVFREQ.glob("*bwmgr*")],
    }
    told = {name: found for name, found in domains.items() if found}
    if not told:
        return Finding("clocks", State.OK, "not told by this system")
    loose = {name: {clock.governor or "not held" for clock in found if not clock.held} for name, found in told.items()}
    detail = ", ".join(f"{name} {', '.join(sorted(governors)) or 'held'}" for name, governors in loose.items())
    if not any(loose.values()):
        return Finding("clocks", State.OK, detail)
    fix = "sudo jetson_clocks on a Jetson; elsewhere: sudo cpupower frequency-set -g performance"
    return Finding("clocks", State.WARNING, detail, fix)


@dataclass(frozen=True)
class _Clock:
    """One clock as Linux's cpufreq or devfreq tells it; frequencies in its own unit, only compared."""

    governor: str
    least: str
    most: str

    @classmethod
    def of(cls, folder: Path, prefix: str = "") -> Self:
        return cls(*(_read(folder / f"{prefix}{name}") for name in ("governor", "min_freq", "max_freq")))

    @property
    def held(self) -> bool:
        return self.governor == "performance" or (self.most != "" and self.least == self.most)


def real_time() -> Finding:
    """Whether the watchdog over the deadlines may have a real-time priority."""
    limit = resource.getrlimit(resource.RLIMIT_RTPRIO)[0]
    effective = re.search(r"^CapEff:\s*([0-9a-f]+)", _read(Path("/proc/self/status")), re.MULTILINE)
    nice = effective is not None and bool(int(effective[1], 16) >> _SYS_NICE & 1)
    if limit or nice:
        return Finding("real-time", State.OK, "CAP_SYS_NICE" if nice else f"up to priority {limit}")
    fix = "LimitRTPRIO=1 in the unit; ulimits: {rtprio: 1} and cap_add: [SYS_NICE] in compose; else ulimit -r 1"
    return Finding("real-time", State.WARNING, "not allowed: plans can be milliseconds late while all cores work", fix)


def clock() -> Finding:
    """Whether the clock is synchronised: stamps of pictures and plans are compared across machines."""
    name, fix = "clock", "sudo apt install chrony (or systemd-timesyncd); several machines of a robot: PTP"
    try:
        state = int(ctypes.CDLL(None).ntp_adjtime(ctypes.create_string_buffer(_TIMEX_BYTES)))
    except (OSError, AttributeError):
        return Finding(name, State.OK, "not told by this system")
    if state == _UNSYNCHRONISED:
        return Finding(name, State.WARNING, "not synchronised: stamps of other machines mean nothing here", fix)
    if state < 0:
        return Finding(name, State.OK, "not told here")
    return Finding(name, State.OK, "synchronised")


def memory_shared() -> Finding:
    """Whether camera images fit through /dev/shm, and whether everybody on this machine can be reached by it."""
    try:
        shared_memory.check()
    except DgemmaError as error:
        detail, _, fix = str(error).partition("; ")
        return Finding("shared memory", State.WRONG, detail, fix)
    free = shutil.disk_usage(shared_memory.FOLDER).free
    room = f"{free >> 20} MiB free, a node takes {shared_memory.NEEDED >> 20}"
    if others := shared_memory.hint():
        profile = Path(__file__).parents[2] / "nodes" / "fastdds_udp.xml"
        fix = "run all nodes as one user (DGEMMA_USER of the compose files, User= of the unit), or ours with "
        return Finding("shared memory", State.WARNING, f"{room};{others}", f"{fix}{_PROFILES[0]}={profile}")
    return Finding("shared memory", State.OK, room)


def dds_profile() -> Finding:
    """The profile that Fast DDS will load: with its own default, half of a camera's images are lost."""
    name = "DDS profile"
    chosen = next((value for variable in _PROFILES if (value := os.environ.get(variable))), "")
    own = Path(__file__).parents[2] / "nodes" / "fastdds.xml"
    if not chosen:
        return Finding(name, State.OK, f"the nodes load {own}; other publishers of images should, too")
    try:
        sizes = re.findall(r"<segment_size>\s*(\d+)", Path(chosen).read_text(errors="replace"))
    except OSError as error:
        return Finding(
            name, State.WRONG, f"{chosen}: {error.strerror}", f"unset {' and '.join(_PROFILES)}, or name {own}"
        )
    if sizes and max(map(int, sizes)) < 16 << 20:
        detail = f"{chosen}: shared memory of {max(map(int, sizes)) >> 10} KiB loses images"
        return Finding(name, State.WARNING, detail, f"a segment_size of 64 MiB, as in {own}")
    return Finding(name, State.OK, chosen)


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
