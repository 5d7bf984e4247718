"""The tabletop in a process that loses its port in shared memory at its first DEAF starts; started by a test."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from dgemma_ros import shared_memory
from dgemma_ros.nodes import tabletop

lost_ports = shared_memory.lost_ports


def ports(process: str = "self") -> list[Path]:
    """Files of the ports that a running process has locked for itself."""
    found = []
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        file = descriptor.readlink() if descriptor.exists() else Path()
        if re.fullmatch(r"/dev/shm/fastrtps_port\d+_el", str(file)):
            found.append(file.with_name(file.name.removesuffix("_el")))
    return found


def lose() -> list[str]:
    """As a sender does that takes a port for a dead one's."""
    given_up = os.environ.get("DGEMMA_LOST_PORTS", "").split(":")
    if int(os.environ.get("DGEMMA_STARTED_AGAIN", "0")) < int(os.environ["DEAF"]):
        for port in ports():
            if port.name not in given_up:
                port.unlink(missing_ok=True)
    shared_memory.lost_ports = lost_ports
    return lost_ports()


if __name__ == "__main__":
    shared_memory.lost_ports = lose
    sys.exit(tabletop.main())
