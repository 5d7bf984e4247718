"""``dgemma doctor``: what this machine has and lacks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from dgemma_ros.cli.options import Json
from dgemma_ros.console import terminal
from dgemma_ros.finding import Finding, State

_STYLES: Final = {State.OK: "green", State.WARNING: "yellow", State.WRONG: "red"}
_NAME_WIDTH: Final = 16


def doctor(
    model: Annotated[
        Path | None, typer.Option("--model", metavar="MODEL", help="Also ask whether this folder's engines fit here.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what this machine has and lacks, line by line, with the fix.

    Exit status 1 where something is wrong that every command needs; what only ROS, a GPU or TensorRT need may be.
    """
    from dgemma_ros.cli.doctor import host, machine, robot, software

    found: list[Finding] = []
    checks = [*software.checks(), *machine.checks(), *host.checks(), *robot.checks(model)]
    with terminal.progress() as update:
        for number, check in enumerate(checks):
            update("looking", number, len(checks))
            found.append(check())
    ready = all(one.state is State.OK for one in found if one.needed)
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
        if one.fix:
            yield f"{'':<8} {'':<{_NAME_WIDTH}} fix: {terminal.clean(one.fix)}"
