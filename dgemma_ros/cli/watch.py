"""``dgemma watch``: a terminal view of a running planner."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dgemma_ros.console import plan_view, terminal
from dgemma_ros.console.listening import Listener

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

NARROW, LOW = 70, 24
"""Columns and rows below which there is no room for frames round things."""
SILENT = 3.0
"""Seconds without a planner's diagnostics, which come once a second, after which that is said."""
PERIOD = 0.08
"""Seconds between pictures."""


def watch(
    namespace: Annotated[str, typer.Option("--namespace", metavar="NAME", help="Of the robot to watch.")] = "",
    once: Annotated[bool, typer.Option("--once", help="End after the next plan.")] = False,
    slow: Annotated[
        float, typer.Option("--slow", min=0, metavar="S", help="Show each draft for so many seconds, as time allows.")
    ] = 0.0,
) -> None:
    """Watch a running planner: the canvas as it sharpens, the plan, budget, context. Ctrl-C ends it."""
    made: list[Any] = []
    kept: deque[Any] = deque(maxlen=1000)
    with Listener(namespace, made.append, kept.append) as listener:
        began = listener.now()

        def next_plan() -> bool:
            """Whether a plan was made since; those of before come first to whoever joins late."""
            return any(_stamp(plan) >= began for plan in list(made))

        from rich.console import Console

        console = Console(highlight=False, markup=False)
        if not console.is_terminal:
            _print(listener, made, once, began)
            return
        from rich.live import Live

        rates, pace = Rates(), Pace(kept, slow)
        with Live(console=console, screen=not once, auto_refresh=False, vertical_overflow="crop") as live:
            while not (once and next_plan() and pace.done):
                live.update(picture(listener, rates, console.size, pace.draft()), refresh=True)
                time.sleep(PERIOD)
            live.update(picture(listener, rates, console.size), refresh=True)


def _stamp(plan: Any) -> int:
    return int(plan.header.stamp.sec) * 10**9 + int(plan.header.stamp.nanosec)


class Pace:
    """Drafts one after another, each for ``seconds``: steps take milliseconds. With 0, there is only the newest."""

    def __init__(self, kept: deque[Any], seconds: float) -> None:
        self._kept, self._seconds = kept, seconds
        self._shown: Any = None
        self._since = 0.0

    @property
    def done(self) -> bool:
        """Whether every draft was shown."""
        return not self._seconds or not self._kept

    def draft(self) -> Any:
        """The draft to show now; None for the newest."""
        if not self._seconds:
            return None
        now = time.monotonic()
        if self._kept and now - self._since >= self._seconds:
            self._shown, self._since = self._kept.popleft(), now
        return self._shown if self._kept or now - self._since < self._seconds else None


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


def picture(listener: Listener, rates: Rates, size: tuple[int, int] = (100, 40), slow: Any = None) -> Group:
    """All there is to see now, in ``size`` (columns, rows) of a terminal; ``slow``: a draft to show for the newest."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    name = f"/{listener.namespace}/planner" if listener.namespace else "/planner"
    if not listener.heard:
        return Group(Panel(Text(f"no planner is heard as {name}; is ROS_DOMAIN_ID the same?", "yellow"), title=name))
    if size[0] < NARROW or size[1] < LOW:
        return _small(listener, slow, size[1])
    plan, draft = listener.plan, slow or _draft(listener)
    parts: list[Any] = [Panel(_figures(listener, rates), title=name, title_align="left")]
    if draft is not None:
        body: list[Any] = [plan_view.canvas(draft.tokens, draft.entropy, draft.settled)]
        if (part := _spent(listener, draft)) is not None:
            body += [Text(""), Text("budget ") + plan_view.bar(part)]
        parts.append(Panel(Group(*body), title=plan_view.head(draft), title_align="left"))
    if plan is not None:
        title = Text(terminal.clean(plan.task))
        parts.append(Panel(Group(plan_view.plan_table(plan), plan_view.figures(plan)), title=title, title_align="left"))
    return Group(*parts)


def _draft(listener: Listener) -> Any:
    """The newest draft, unless a task that had none was answered since."""
    draft, plan = listener.draft, listener.plan
    if draft is not None and plan is not None and plan.task_id != draft.task_id:
        return draft if listener.draft_came > listener.plan_came else None
    return draft


def _spent(listener: Listener, draft: Any) -> float | None:
    """The part of a task's budget that is spent; None where the task has its plan."""
    if listener.plan is not None and listener.plan.task_id == draft.task_id:
        return None
    since = time.monotonic() - listener.drafts_began
    return since / max(since + plan_view.milliseconds(draft.remaining) / 1e3, 1e-3)


def _figures(listener: Listener, rates: Rates) -> Table:
    from rich.table import Table
    from rich.text import Text

    figures = listener.figures
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
        "frames", f"{heard:.1f} a second heard, {taken:.1f} taken; {figures.get('context frames', 0)} in the context"
    )
    hits, misses = figures.get("deadline hits", "0"), figures.get("deadline misses", "0")
    facts.add_row(
        "deadlines", Text(f"{hits} kept, {misses} missed; latency p50 {figures.get('latency ms p50', '-')} ms")
    )
    return facts


def _small(listener: Listener, slow: Any, rows: int) -> Group:
    """For a small terminal: no frames, the plan before all else, of the canvas what there is room for."""
    from rich.console import Group
    from rich.text import Text

    figures, plan, draft = listener.figures, listener.plan, slow or _draft(listener)
    lines: list[Any] = [
        Text(
            f"{figures.get('planner', figures.get('state', ''))}; {figures.get('deadline hits', 0)} in time, "
            f"{figures.get('deadline misses', 0)} late"
        )
    ]
    if plan is not None:
        verdict = Text("valid", "green") if plan.valid else Text("not valid", "red")
        lines.append(Text(terminal.clean(plan.task), no_wrap=True, overflow="ellipsis"))
        lines.append(verdict + Text(f" ({plan_view.status_name(plan)}) {terminal.clean(plan.text or plan.error)}"))
    if draft is not None and rows > len(lines) + 4:
        lines += [Text(plan_view.head(draft), "dim"), plan_view.canvas(draft.tokens, draft.entropy, draft.settled)]
    return Group(*lines)


def _print(listener: Listener, made: list[Any], once: bool, began: int) -> None:
    """Without a terminal: each plan in a line, first those that were there already; with ``once`` only the next."""
    shown, quiet_since = 0, time.monotonic()
    while True:
        while shown < len(made):
            plan = made[shown]
            shown += 1
            if once and _stamp(plan) < began:
                continue
            words = " ".join(plan.text.split()) or plan.error
            terminal.emit(f"{plan_view.status_name(plan)}\t{terminal.clean(plan.task)}\t{terminal.clean(words)}")
            if once:
                return
        if quiet_since and not listener.heard and time.monotonic() - quiet_since > SILENT:
            name = f"/{listener.namespace}/planner" if listener.namespace else "/planner"
            terminal.note(f"no planner is heard as {name}; is ROS_DOMAIN_ID the same? Waiting")
            quiet_since = 0.0
        time.sleep(PERIOD)
