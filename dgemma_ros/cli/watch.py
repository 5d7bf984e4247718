"""``dgemma watch``: a terminal view of a running planner."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dgemma_ros.console import plan_view, terminal
from dgemma_ros.console.listening import Listener

if TYPE_CHECKING:
    from rich.console import Group

PERIOD = 0.08
"""Seconds between pictures."""


def watch(
    namespace: Annotated[str, typer.Option("--namespace", metavar="NAME", help="Of the robot to watch.")] = "",
    once: Annotated[bool, typer.Option("--once", help="End after the next plan.")] = False,
) -> None:
    """Watch a running planner: the canvas as it sharpens, the plan, budget, context. Ctrl-C ends it."""
    made: list[Any] = []
    console = terminal.console(stderr=False)
    with Listener(namespace, made.append) as listener:
        if not console.is_terminal:
            _print(listener, made, once)
            return
        from rich.live import Live

        rates = Rates()
        with Live(console=console, screen=not once, auto_refresh=False) as live:
            seen = len(made)
            while not (once and len(made) > seen):
                live.update(picture(listener, rates), refresh=True)
                time.sleep(PERIOD)
            live.update(picture(listener, rates), refresh=True)


class Rates:
    """How fast figures of the diagnostics grow."""

    def __init__(self) -> None:
        self._before: dict[str, tuple[float, float]] = {}
        self._rates: dict[str, float] = {}

    def of(self, name: str, value: float) -> float:
        """Per second, over the last change of the figure or of three seconds."""
        now = time.monotonic()
        at, before = self._before.setdefault(name, (now, value))
        if value != before or now - at > 3.0:
            self._rates[name] = (value - before) / max(now - at, 1e-3)
            self._before[name] = (now, value)
        return self._rates.get(name, 0.0)


def picture(listener: Listener, rates: Rates) -> Group:
    """All there is to see now."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    figures, draft, plan = listener.figures, listener.draft, listener.plan
    name = f"/{listener.namespace}/planner" if listener.namespace else "/planner"
    if not listener.heard:
        return Group(Panel(Text(f"no planner is heard as {name}; is ROS_DOMAIN_ID the same?", "yellow"), title=name))
    facts = Table.grid(padding=(0, 2))
    facts.add_row(
        "state", Text(f"{figures.get('planner', figures.get('state', ''))}   {terminal.clean(listener.message)}")
    )
    facts.add_row("model", Text(f"{figures.get('model', '')} on {figures.get('backend', '')}"))
    used, limit = float(figures.get("context tokens", 0)), float(figures.get("context limit", 0))
    if limit:
        facts.add_row("context", plan_view.bar(used / limit) + Text(f"  {used:.0f} of {limit:.0f} tokens"))
    received = sum(float(value) for key, value in figures.items() if key.endswith(" received"))
    heard, taken = rates.of("received", received), rates.of("taken", float(figures.get("frames taken", 0)))
    facts.add_row(
        "frames", f"{heard:.1f} a second heard, {taken:.1f} taken; {figures.get('context frames', 0)} in sight"
    )
    hits, misses = figures.get("deadline hits", "0"), figures.get("deadline misses", "0")
    facts.add_row(
        "deadlines", Text(f"{hits} kept, {misses} missed; latency p50 {figures.get('latency ms p50', '-')} ms")
    )
    parts: list[Any] = [Panel(facts, title=name, title_align="left")]
    if draft is not None:
        remaining = plan_view.milliseconds(draft.remaining) / 1e3
        done = plan is not None and plan.task_id == draft.task_id
        since = 0.0 if done else time.monotonic() - listener.drafts_began
        budget = Text("budget ") + plan_view.bar(since / max(since + remaining, 1e-3)) if not done else Text("")
        parts.append(
            Panel(Group(plan_view.canvas(draft), Text(""), budget), title=plan_view.head(draft), title_align="left")
        )
    if plan is not None:
        title = Text(terminal.clean(plan.task))
        parts.append(Panel(Group(plan_view.plan_table(plan), plan_view.figures(plan)), title=title, title_align="left"))
    return Group(*parts)


def _print(listener: Listener, made: list[Any], once: bool) -> None:
    """Without a terminal: each plan in a line, first those that were there already."""
    shown = 0
    while not (once and shown):
        while shown < len(made) and not (once and shown):
            plan = made[shown]
            shown += 1
            words = " ".join(plan.text.split()) or plan.error
            terminal.emit(f"{plan_view.status_name(plan)}\t{terminal.clean(plan.task)}\t{terminal.clean(words)}")
        time.sleep(PERIOD)
