"""``dgemma doctor``: what this machine has and lacks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Final, Literal

import typer

from dgemma_ros.cli.options import Json
from dgemma_ros.console import terminal

_STYLES: Final = {"ok": "green", "missing": "yellow", "faulty": "red"}
_NAME_WIDTH: Final = 16


@dataclass(frozen=True)
class Finding:
    """One line: what was looked for, what was found, and what mends it."""

    name: str
    state: Literal["ok", "missing", "faulty"]
    detail: str
    mend: str = ""
    needed: bool = False
    """Whether the commands work at all without it."""


def doctor(as_json: Json = False) -> None:
    """Say what this machine has and lacks, line by line, with the mend.

    Exit status 1 where something is missing that every command needs; what only ROS, a GPU or TensorRT need may be.
    """
    from dgemma_ros.cli import machine, software

    found: list[Finding] = []
    checks = [*software.checks(), *machine.checks()]
    with terminal.progress() as update:
        for number, check in enumerate(checks):
            update("looking", number, len(checks))
            found.append(check())
    ready = all(one.state == "ok" for one in found if one.needed)
    if as_json:
        terminal.emit_json({"ready": ready, "checks": [asdict(one) for one in found]})
    else:
        terminal.emit("\n".join(_lines(found)))
    if not ready:
        raise typer.Exit(1)


def _lines(found: list[Finding]) -> Iterator[str]:
    coloured = terminal.console(stderr=False).is_terminal
    for one in found:
        state = f"{one.state:<8}"
        if coloured:
            state = typer.style(state, fg=_STYLES[one.state])
        yield f"{state} {one.name:<{_NAME_WIDTH}} {terminal.clean(one.detail)}"
        if one.mend:
            yield f"{'':<8} {'':<{_NAME_WIDTH}} mend: {terminal.clean(one.mend)}"
