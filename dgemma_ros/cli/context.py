"""``dgemma context``: the timeline of what a running planner remembers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from dgemma_ros import shared_memory
from dgemma_ros.cli.options import Json
from dgemma_ros.console import remembered, terminal
from dgemma_ros.console.listening import ASKED_AGAIN, Listener, RosError

FIGURES_WITHIN: Final = 2.5
"""Seconds to wait for diagnostics, which come once a second and tell the bytes."""


def _svg(text: str) -> Path:
    if not text.lower().endswith(".svg"):
        raise typer.BadParameter(f"{text!r} is no name of an SVG file; give one that ends in .svg")
    return Path(text)


def context(
    namespace: Annotated[str, typer.Option("--namespace", metavar="NAME", help="Of the robot.")] = "",
    image: Annotated[
        Path | None, typer.Option("--image", metavar="FILE.svg", parser=_svg, help="Draw the timeline there, too.")
    ] = None,
    wait: Annotated[float, typer.Option("--wait", min=0, metavar="S", help="Seconds to wait for the planner.")] = 10.0,
    as_json: Json = False,
) -> None:
    """Show what a running planner remembers: frames of each camera, notes and tasks by age, and what was forgotten."""
    with Listener(namespace) as listener:
        name = f"/{listener.namespace}/planner" if listener.namespace else "/planner"
        answer = _answer(listener, name, wait)
        if not answer.success:
            raise RosError(f"{name}: {answer.message}")
        memory = remembered.read(answer, name, _bytes(listener))
    if image is not None:
        _draw(memory, image)
    if as_json:
        terminal.emit_json(remembered.as_json(memory))
    else:
        _show(memory)


def _answer(listener: Listener, name: str, wait: float) -> Any:
    from dgemma_msgs.srv import ContextInfo

    client = listener.node.create_client(ContextInfo, "planner/context_info")
    end = time.monotonic() + wait
    if not client.wait_for_service(wait):
        said = f"no planner is heard as {name}, waited {wait:g} s; is ROS_DOMAIN_ID the planner's?"
        raise RosError(said + shared_memory.hint())
    within = max(ASKED_AGAIN, end - time.monotonic())
    answer = listener.answer(lambda: client.call_async(ContextInfo.Request()), within)
    if answer is None:
        raise RosError(f"{name} is there, but did not say what it remembers within {within:g} s")
    return answer


def _bytes(listener: Listener) -> int | None:
    """Bytes of keys and values, which the diagnostics tell; None where they are not heard or tell none."""
    end = time.monotonic() + FIGURES_WITHIN
    while not listener.heard and time.monotonic() < end:
        time.sleep(0.01)
    told = listener.figures.get("context bytes", "")
    return int(told) if told.isdecimal() else None


def _draw(memory: remembered.Remembered, image: Path) -> None:
    from dgemma_ros.console import timeline_svg
    from dgemma_ros.output import whole_file

    if image.exists():
        terminal.note(f"{image}: is there already, and will be replaced")
    with whole_file(image) as stream:
        stream.write(timeline_svg.picture(memory).encode())


def _show(memory: remembered.Remembered) -> None:
    from rich.console import Console

    from dgemma_ros.console import timeline

    console = Console(highlight=False, markup=False)
    with console.capture() as drawn:
        console.print(timeline.picture(memory, console.width))
    terminal.emit(drawn.get().rstrip("\n"))
