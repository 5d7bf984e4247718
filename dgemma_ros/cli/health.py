"""``dgemma health``: the probe of containers and supervisors."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated

import typer

from dgemma_ros import status
from dgemma_ros.cli.options import Json
from dgemma_ros.console import terminal

_USUAL = status.Limits()


def health(
    node: Annotated[str, typer.Option("--node", metavar="NAME", help="The planner's full name.")] = "/planner",
    step_age: Annotated[
        float, typer.Option("--step-age", min=0.1, metavar="S", help="Seconds that may pass without a denoising step.")
    ] = _USUAL.step_age,
    silence: Annotated[
        float, typer.Option("--silence", min=1.5, metavar="S", help="Seconds in which the node may say nothing.")
    ] = _USUAL.silence,
    start: Annotated[
        float, typer.Option("--start", min=0, metavar="S", help="Seconds for loading and warming up.")
    ] = _USUAL.start,
    camera_age: Annotated[
        float | None,
        typer.Option("--camera-age", min=0.1, metavar="S", help="Ask that every camera's last picture be newer."),
    ] = None,
    misses: Annotated[
        int | None,
        typer.Option("--misses", min=0, metavar="N", help="Ask that no more deadlines were missed in a minute."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say in one line whether the planner on this machine can be relied on.

    Exit status 0 where it is healthy, 1 where it is unhealthy or still starting. Unhealthy: it says nothing, is not
    active, or makes no denoising step though one is due; cameras and deadlines count where asked for.
    """
    limits = status.Limits(silence, step_age, start, camera_age, misses)
    told: status.Status | None = None
    try:
        told = status.read(status.file_of(node))
        verdict = status.judge(told, time.monotonic(), limits)
    except status.StatusError as error:
        verdict = status.Verdict(status.Health.UNHEALTHY, str(error))
    if as_json:
        about = asdict(told) if told is not None else None
        terminal.emit_json({"health": verdict.health.value, "reason": verdict.reason, "status": about})
    else:
        terminal.emit(terminal.clean(f"{verdict.health.value}: {verdict.reason}"))
    if verdict.health is not status.Health.HEALTHY:
        raise typer.Exit(1)
