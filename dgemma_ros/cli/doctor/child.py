"""Code tried in a process of its own: libraries of a robot's may crash, or hang, when they are loaded."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

from dgemma_ros.finding import Finding, State

SECONDS: Final = 30.0


def in_child(name: str, code: str, fix: str, seconds: float = SECONDS) -> Finding:
    """Runs ``code``; its last line is the finding. What is not installed is a warning, what is broken is wrong."""
    try:
        child = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=seconds, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(name, State.WRONG, last_line(str(error)), fix)
    if child.returncode == 0:
        return Finding(name, State.OK, last_line(child.stdout))
    detail = last_line(child.stderr) or f"ended with status {child.returncode}"
    return Finding(name, State.WARNING if "ModuleNotFoundError" in detail else State.WRONG, detail, fix)


def last_line(text: str) -> str:
    """Of a traceback it is the one that says what happened."""
    return text.strip().splitlines()[-1][:4000] if text.strip() else ""
