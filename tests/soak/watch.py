"""What a process takes of the machine: memory, threads, descriptors, shared memory. Reads /proc."""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

from dgemma_ros import shared_memory

LOOKS = 5
"""Of which one at least meets a process that has let go of everything."""
LOCKS = f"fastrtps_{16 * '[0-9a-f]'}_el"


@dataclass(frozen=True)
class Sample:
    """At one moment. ``memory`` in MiB, of its own: what is shared, as Fast DDS's segment, fills up by and by."""

    at: float
    memory: float
    threads: int
    descriptors: int


def sample(pid: int) -> Sample | None:
    """How a process is now; None where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines if ":" in line)
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - names only
        memory = int(fields["RssAnon"].split()[0]) / 1024
        return Sample(time.time(), memory, int(fields["Threads"]), descriptors)
    except (OSError, KeyError):
        return None


def segments(pid: int) -> set[Path]:
    """Fast DDS's files in /dev/shm that a running process holds locked, and what they lock."""
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    mine = {int(line[5].split(":")[2]) for line in lines if line[1] == "FLOCK" and line[4] == str(pid)}
    locks = set()
    for path in shared_memory.FOLDER.glob(LOCKS):
        try:
            if path.stat().st_ino in mine:
                locks.add(path)
        except OSError:  # another process's, and gone by now
            continue
    return locks | {path.with_name(path.name.removesuffix("_el")) for path in locks}


@dataclass
class Life:
    """One process, from its start to its end."""

    name: str
    pid: int
    log: Path
    began: float = field(default_factory=time.time)
    ended: float = 0.0
    how: str = ""
    """``SIGTERM``, ``SIGINT``, ``SIGKILL``, or ``by itself``; empty while it lives."""
    status: int | None = None
    leaving: float = 0.0
    """Seconds from the signal to the end."""
    samples: list[Sample] = field(default_factory=list)
    quiet: list[Sample] = field(default_factory=list)
    """Taken while it was active and nothing was asked of it."""
    unconfigured: list[Sample] = field(default_factory=list)
    """Taken behind a cleanup: the model, the buffers of its runs, and what the middleware keeps of topics are gone."""
    segments: set[Path] = field(default_factory=set)

    def look(self) -> None:
        """Takes a sample."""
        if (now := sample(self.pid)) is not None:
            self.samples.append(now)
            self.segments |= segments(self.pid)

    def look_quietly(self) -> None:
        """Takes a sample that may be compared with others of its kind."""
        if (now := sample(self.pid)) is not None:
            self.quiet.append(now)

    def look_unconfigured(self) -> None:
        """Takes a sample that shows what stays for good."""
        if (now := sample(self.pid)) is not None:
            self.unconfigured.append(now)

    @property
    def seconds(self) -> float:
        """How long it was watched."""
        return self.samples[-1].at - self.samples[0].at if self.samples else 0.0

    def memory(self) -> tuple[float, float]:
        """MiB in the second and in the last quarter of its life, medians."""
        values = [sample.memory for sample in self.samples]
        quarter = max(1, len(values) // 4)
        return statistics.median(values[quarter : 2 * quarter] or values), statistics.median(values[-quarter:])

    def kept(self) -> tuple[float, float]:
        """MiB that stayed behind cleanups, the first of them and the last: the least of :data:`LOOKS` looks.

        What stays for good is in every look. A planner that a callback held as it was freed, and that goes a second
        later, is in some.
        """
        values = [sample.memory for sample in self.unconfigured]
        looks = min(LOOKS, max(1, len(values) // 4))
        return min(values[:looks]), min(values[-looks:])

    def grown(self) -> float:
        """MiB an hour between these two."""
        early, late = self.memory()
        return 3600 * (late - early) / (0.625 * self.seconds) if self.seconds else 0.0
