"""Fast DDS's segments in /dev/shm: whether a node has room for its own, and those of processes that were killed.

A segment is a file ``fastrtps_<16 hexadecimal digits>``, allocated in full when it is made. Its process holds a lock on
the file of the same name with ``_el`` behind it for as long as it lives, so a lock that anybody can take belongs to
nobody. Only its own user may write to it, and Fast DDS writes there from both ends: nodes of different users on one
machine do not hear each other through it, and take no other way. Knows no ROS.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

from dgemma_ros.errors import DgemmaError

FOLDER: Final = Path("/dev/shm")
NEEDED: Final = 72 << 20
"""Bytes of one node: the segment of ``fastdds.xml``, its table of buffers, and the ports."""
_LOCK: Final = re.compile(r"fastrtps_[0-9a-f]{16}_el")
_GIVEN_UP: Final = "DGEMMA_LOST_PORTS"
_PORT: Final = re.compile(r"fastrtps_port\d+_el")
_NEW: Final = 5.0
"""Seconds in which a file may have been made and not been locked yet."""


class SharedMemoryError(DgemmaError):
    """There is no shared memory for camera images."""


def check(folder: Path = FOLDER, needed: int = NEEDED) -> None:
    """Raises :class:`SharedMemoryError` where a node's segment would not fit: images would be lost, silently."""
    fix = "give the container --shm-size=1g or --ipc=host, or name a profile without shared memory "
    fix += "(fastdds_udp.xml) in FASTRTPS_DEFAULT_PROFILES_FILE"
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SharedMemoryError(f"{folder}: not there or not writable, and images travel through it; {fix}")
    room = os.statvfs(folder)
    free = room.f_bavail * room.f_frsize
    if free < needed:
        raise SharedMemoryError(f"{folder}: {free >> 20} MiB free, and a node needs {needed >> 20} for images; {fix}")


def clear_abandoned(folder: Path = FOLDER) -> int:
    """Removes this user's segments whose process is gone, and returns the bytes that they took. Never raises."""
    freed = 0
    with contextlib.suppress(OSError):
        for lock in list(folder.iterdir()):
            if _LOCK.fullmatch(lock.name):
                with contextlib.suppress(OSError):
                    freed += _clear(lock)
    return freed


def clear_own(folder: Path = FOLDER) -> None:
    """Removes this process's segments, for one that ends without taking DDS down in order. Never raises."""
    for lock in _own_locks(folder):
        if _LOCK.fullmatch(lock.name):
            with contextlib.suppress(OSError):
                lock.with_name(lock.name.removesuffix("_el")).unlink(missing_ok=True)
                lock.unlink(missing_ok=True)


def lost_ports(folder: Path = FOLDER) -> list[str]:
    """Ports by which others reached this process through shared memory, and that were removed. Never raises.

    Where a node was killed and one that starts gets its port, those who sent to the first may find that port dead just
    then, and remove it: Fast DDS says ``Failed init_port`` and goes on, and all that is sent to the node is lost
    (eProsima/Fast-DDS, issues 5737 and 6117).
    """
    names = [lock.name.removesuffix("_el") for lock in _own_locks(folder) if _PORT.fullmatch(lock.name)]
    try:
        mapped = {line.partition("/")[2] for line in Path("/proc/self/maps").read_text().splitlines()}
    except OSError:
        return []
    given_up = _given_up()  # a port that was removed is mapped under its name and more
    return [name for name in names if str(folder / name).lstrip("/") not in mapped and name not in given_up]


def start_again(lost: Sequence[str], folder: Path = FOLDER) -> NoReturn:
    """Puts a fresh process of the same command in this one's place, behind the end of DDS in this one.

    It gets other ports than those that were ``lost``: they may still be what others send to.
    """
    names = [*_given_up(), *lost]
    clear_own(folder)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # with them go Fast DDS's locks
    for name in names:
        with contextlib.suppress(OSError):  # somebody else has it: so much the better
            file = os.open(folder / f"{name}_el", os.O_RDWR | os.O_CREAT, 0o644)
            os.set_inheritable(file, True)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.environ[_GIVEN_UP] = ":".join(names)
    os.execv(sys.executable, sys.orig_argv)


def _given_up() -> list[str]:
    """Ports that are locked so that nobody takes them, since before this process was put in another's place."""
    return [name for name in os.environ.get(_GIVEN_UP, "").split(":") if name]


def _own_locks(folder: Path) -> list[Path]:
    """Files of a folder that this process holds locked. Never raises."""
    found = []
    with contextlib.suppress(OSError):
        for descriptor in list(Path("/proc/self/fd").iterdir()):
            with contextlib.suppress(OSError):
                lock = descriptor.readlink()
                if lock.parent == folder and "FLOCK" in Path(f"/proc/self/fdinfo/{descriptor.name}").read_text():
                    found.append(lock)
    return found


def other_users(folder: Path = FOLDER) -> set[int]:
    """Ids of other users who have Fast DDS processes on this machine. Never raises."""
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for lock in list(folder.iterdir()):
            if _LOCK.fullmatch(lock.name):
                with contextlib.suppress(OSError):
                    if (owner := lock.stat().st_uid) != os.getuid() and _held(lock):
                        found.add(owner)
    return found


def hint(folder: Path = FOLDER) -> str:
    """One more reason why nobody is heard, to be put behind a message; empty where there is none."""
    names = ", ".join(sorted(map(_name, other_users(folder))))
    return f" Nodes of {names} run here, too, and Fast DDS's shared memory reaches no other user" if names else ""


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"


def _held(lock: Path) -> bool:
    with lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _clear(lock: Path) -> int:
    segment = lock.with_name(lock.name.removesuffix("_el"))
    about = lock.stat()
    if about.st_uid != os.getuid() or time.time() - about.st_mtime < _NEW:
        return 0
    with lock.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where its process lives
        size = segment.stat().st_size if segment.exists() else 0
        segment.unlink(missing_ok=True)
        lock.unlink(missing_ok=True)
    return size
