"""Nodes as processes of their own, as on a robot: started, watched while something is waited for, and ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from dgemma_ros.console import signals
from dgemma_ros.errors import DgemmaError

START_WITHIN: Final = 90.0
"""Seconds for a node to be ready, on a busy machine."""


class ProcessError(DgemmaError):
    """A node ended, or what was waited for did not come."""


def own_domain() -> None:
    """A ROS domain on this machine only, so that nobody else is disturbed, nor disturbs. Before anything of ROS."""
    os.environ["ROS_DOMAIN_ID"] = str(os.getpid() % 100 + 1)
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"


class Nodes:
    """Nodes of ours that run. ``tell`` is told each command line, for people who want to do the same by hand."""

    def __init__(self, logs: Path, tell: Callable[[str], None] = lambda text: None) -> None:
        self.logs, self._tell = logs, tell
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, what: str, params_file: Path | None = None, **parameters: object) -> None:
        """Starts ``dgemma_ros.nodes.WHAT`` with these parameters, which win over those of the file."""
        command = ["-m", f"dgemma_ros.nodes.{what}", "--ros-args"]
        if params_file is not None:
            command += ["--params-file", str(params_file)]
        for name, value in parameters.items():
            command += ["-p", f"{name}:={str(value).lower() if isinstance(value, bool) else value}"]
        self._tell(f"$ python {' '.join(command)}")
        with (self.logs / f"{what}.log").open("wb") as log, signals.held():  # or nobody would know of the process
            self._running[what] = subprocess.Popen([sys.executable, *command], stdout=log, stderr=subprocess.STDOUT)

    def stop(self) -> None:
        """Ends the nodes as Ctrl-C would."""
        for node in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                node.send_signal(signal.SIGINT)
        for node in self._running.values():
            try:
                node.wait(5)
            except subprocess.TimeoutExpired:
                node.kill()
        self._running.clear()

    def said(self, what: str, words: str) -> bool:
        """Whether a node has written that."""
        return words in (self.logs / f"{what}.log").read_text(errors="replace")

    def wait(self, condition: Callable[[], Any], what: str, seconds: float = START_WITHIN) -> Any:
        """Waits for something, and for the nodes to be well meanwhile. Raises :class:`ProcessError`."""
        end = time.monotonic() + seconds
        while not (value := condition()):
            for name, node in self._running.items():
                if node.poll() is not None:
                    lines = (self.logs / f"{name}.log").read_text(errors="replace").strip().splitlines()
                    raise ProcessError(f"the {name} node ended: {lines[-1] if lines else 'it said nothing'}")
            if time.monotonic() > end:
                raise ProcessError(f"waited {seconds:.0f} s for {what}; the nodes' logs are in {self.logs}")
            time.sleep(0.01)
        return value
