"""``dgemma watch-bag``: a recording, played into a running planner faster than it was recorded."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from dgemma_ros.cli.options import Json
from dgemma_ros.console import plan_view, terminal
from dgemma_ros.console.bag import Bag
from dgemma_ros.console.bag_player import Played, Player, routes
from dgemma_ros.console.listening import Listener, RosError

SETTLED: Final = 0.3
"""Seconds without a new subscription after which the planner's are taken for all: the ROS graph tells one by one."""


def _renamed(values: list[str]) -> dict[str, str]:
    found = {}
    for value in values:
        old, mark, new = value.partition(":=")
        if not (mark and old.startswith("/") and new.startswith("/")):
            raise typer.BadParameter(f"--remap {value!r}: write /recorded:=/heard")
        found[old] = new
    return found


def watch_bag(
    bag: Annotated[Path, typer.Argument(metavar="BAG", help="An MCAP file, or a folder of rosbag2.")],
    namespace: Annotated[str, typer.Option("--namespace", metavar="NAME", help="Of the robot.")] = "",
    rate: Annotated[
        float, typer.Option("--rate", min=0, metavar="N", help="Times as fast as recorded; 0: as fast as it is read.")
    ] = 0.0,
    remap: Annotated[
        list[str] | None,
        typer.Option("--remap", metavar="/OLD:=/NEW", help="A topic of the bag under another name; may be repeated."),
    ] = None,
    start: Annotated[float, typer.Option("--start", min=0, metavar="S", help="Begin so far into the bag.")] = 0.0,
    duration: Annotated[
        float | None, typer.Option("--duration", min=0, metavar="S", help="Play so much of it; default, all.")
    ] = None,
    clock: Annotated[
        bool, typer.Option("--clock", help="Publish the bag's time on /clock, for nodes with use_sim_time.")
    ] = False,
    wait: Annotated[float, typer.Option("--wait", min=0, metavar="S", help="Seconds to wait for the planner.")] = 60.0,
    as_json: Json = False,
) -> None:
    """Play a recorded bag into a running planner, faster than real time, and print the plans."""
    renamed = _renamed(remap or [])
    made: list[Any] = []
    with Bag(bag) as opened, Listener(namespace, made.append) as listener:
        listening = _listening(listener, wait)
        prefix = f"/{listener.namespace}" if listener.namespace else ""
        way = routes(opened, listening, renamed, prefix)
        player = Player(listener, way, made, rate, wait, clock)
        with terminal.progress() as update:
            update(f"playing {bag}", 0, 0)
            played = player.play(opened, start, duration)
    _tell(played, player.plans, [route.recorded.name for route in way], as_json)


def _listening(listener: Listener, wait: float) -> dict[str, list[str]]:
    """Types by topic that the planner hears. Raises :class:`RosError` where it is not there, or not active."""
    end = time.monotonic() + wait
    found: dict[str, list[str]] = {}
    since = 0.0
    while listener.state != "active" or not found or time.monotonic() < since + SETTLED:
        if time.monotonic() > end:
            other = f"it is {listener.state}" if listener.heard else "none is heard; is ROS_DOMAIN_ID the planner's?"
            if listener.state == "active":
                other = "the ROS graph does not tell what it listens to"
            raise RosError(f"waited {wait:g} s for an active planner: {other}")
        time.sleep(0.01)
        if (now := listener.subscriptions()) != found:
            found, since = now, time.monotonic()
    return found


def _tell(played: Played, plans: list[Any], topics: list[str], as_json: bool) -> None:
    speed = played.seconds / played.took if played.took else 0.0
    if as_json:
        terminal.emit_json(
            {
                "seconds": played.seconds,
                "took": played.took,
                "sent": {topic: played.sent[topic] for topic in topics},
                "thinned": played.thinned,
                "untaken": played.untaken,
                "plans": [plan_view.plan_object(plan) for plan in plans],
            }
        )
        return
    for plan in plans:
        words = " ".join(plan.text.split()) or plan.error
        terminal.emit(f"{plan_view.status_name(plan)}\t{terminal.clean(plan.task)}\t{terminal.clean(words)}")
    sent = ", ".join(f"{played.sent[topic]} of {terminal.clean(topic)}" for topic in topics)
    terminal.note(
        f"{played.seconds:.1f} s of the bag in {played.took:.1f} s ({speed:.1f} times as fast): {sent}; "
        f"{played.thinned} pictures more than the planner's frame_rate, {played.untaken} not taken; {len(plans)} plans"
    )
