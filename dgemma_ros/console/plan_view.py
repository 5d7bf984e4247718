"""Plans and drafts drawn with rich: as messages, and drafts as a planner of this process hands them on, too."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from dgemma_ros.console import terminal
from dgemma_ros.console.terminal import clean

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from dgemma_ros.planning import PlanDraft

_SURE, _UNSURE = 0.05, 0.7  # nats
_REDRAWS: Final = 12
"""A second, of a draft that is shown live."""
_SHOWN = {'<|"|>': '"', "<|tool_call>": "", "<tool_call|>": "  "}
"""Control tokens as people write them."""
_NAMES = ("UNKNOWN", "CONVERGED", "STEP_LIMIT", "DEADLINE", "CANCELLED", "PREEMPTED", "REJECTED", "FAILED")
_CONFIRMATIONS = ("NOT_ASKED", "CONFIRMED", "DIFFERED", "NOT_TRIED")


def status_name(plan: Any) -> str:
    """``CONVERGED`` and the like."""
    return _name(_NAMES, plan.status)


def confirmation_name(plan: Any) -> str:
    """``CONFIRMED`` and the like."""
    return _name(_CONFIRMATIONS, plan.confirmation)


def _name(names: tuple[str, ...], value: int) -> str:
    return names[value] if value < len(names) else str(value)


def milliseconds(duration: Any) -> float:
    """Of a duration message."""
    return float(duration.sec) * 1e3 + float(duration.nanosec) / 1e6


def head(draft: Any) -> str:
    """Where a draft is in its task's canvases and steps."""
    return f"canvas {draft.canvas + 1}, step {draft.step + 1} of {draft.steps}, {draft.mean_entropy:.3f} nats"


def canvas(tokens: Iterable[str], entropies: Iterable[float], accepted: Iterable[bool]) -> Text:
    """The canvas after a step: green is sure, yellow leans, red is guessed; bold is what the sampler accepted."""
    from rich.text import Text

    text = Text()
    for raw, entropy, kept in zip(tokens, entropies, accepted, strict=False):
        token = _SHOWN.get(raw, raw)
        colour = "green" if entropy <= _SURE else "yellow" if entropy <= _UNSURE else "red"
        text.append(clean(token), f"bold {colour}" if kept else colour)
    return text


@contextmanager
def live_drafts() -> Iterator[Callable[[PlanDraft], None] | None]:
    """What to call with each draft to show it on stderr; None where that is no terminal and nobody would see it."""
    console = terminal.console()
    if not console.is_terminal:
        yield None
        return
    from rich.live import Live
    from rich.text import Text

    with Live(console=console, transient=True, refresh_per_second=_REDRAWS) as view:

        def show(draft: PlanDraft) -> None:
            drawn = canvas(draft.tokens, draft.entropy, draft.accepted)
            view.update(Text(f"{head(draft)}\n", "dim") + drawn)

        yield show


def plan_table(plan: Any) -> Table:
    """A plan as a table: a row for each step."""
    from rich.table import Table
    from rich.text import Text

    title = (Text("valid", "green") if plan.valid else Text("not valid", "red")) + Text(f" ({status_name(plan)})")
    if plan.stale:
        title += Text(", stale", "yellow")
    said = confirmation_name(plan)
    if said != "NOT_ASKED":
        title += Text(f", {said.lower().replace('_', ' ')}", "green" if said == "CONFIRMED" else "yellow")
    note = plan.error or (f"another seed: {plan.other_text or 'no plan'}" if said == "DIFFERED" else "")
    if plan.recalled:
        note = "\n".join(filter(None, (note, f"recalled: {', '.join(frame.label for frame in plan.recalled)}")))
    caption = Text(clean(note)) if note else None
    table = Table(title=title, title_justify="left", caption=caption, caption_justify="left")
    for column, justify in (("", "right"), ("skill", "left"), ("arguments", "left"), ("confidence", "right")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for number, step in enumerate(plan.steps, 1):
        arguments = ", ".join(f"{name}={json.dumps(value)}" for name, value in json.loads(step.arguments_json).items())
        # As Text, for a model's words may look like rich's markup.
        table.add_row(str(number), Text(clean(step.skill)), Text(clean(arguments)), f"{step.confidence:.3f}")
    return table


def plan_object(plan: Any) -> dict[str, Any]:
    """A plan's message as `dgemma plan --json` prints a plan."""
    return {
        "status": status_name(plan),
        "valid": plan.valid,
        "stale": plan.stale,
        "steps": [
            {"skill": step.skill, "arguments": json.loads(step.arguments_json), "confidence": step.confidence}
            for step in plan.steps
        ],
        "text": plan.text,
        "denoising_steps": plan.denoising_steps,
        "step_budget": plan.step_budget,
        "canvases": plan.canvases,
        "mean_entropy": plan.mean_entropy,
        "context_tokens": plan.context_tokens,
        "latency_ms": {
            "total": milliseconds(plan.latency),
            "vision": milliseconds(plan.latency_vision),
            "prefill": milliseconds(plan.latency_prefill),
            "denoise": milliseconds(plan.latency_denoise),
        },
        "seed": plan.seed,
        "confirmation": confirmation_name(plan),
        "other_text": plan.other_text,
        "recalled": [
            {
                "segment": frame.segment_id,
                "camera": frame.camera,
                "stamp_ns": frame.stamp.sec * 10**9 + frame.stamp.nanosec,
                "label": frame.label,
            }
            for frame in plan.recalled
        ],
        "error": plan.error or None,
        "error_code": int(plan.error_code),
        "plan_id": plan.plan_id,
        "task_id": plan.task_id,
    }


def figures(plan: Any) -> str:
    """Where the time went, in a line."""
    parts = ", ".join(
        f"{name} {milliseconds(value):.0f}"
        for name, value in (
            ("vision", plan.latency_vision),
            ("prompt", plan.latency_prefill),
            ("denoising", plan.latency_denoise),
        )
    )
    canvases = f"{plan.canvases} canvas{'es' if plan.canvases > 1 else ''}"
    repairs = max(0, plan.denoising_steps - plan.step_budget * max(plan.canvases, 1)) if plan.step_budget else 0
    steps = f"{plan.denoising_steps - repairs} denoising steps, at most {plan.step_budget} a canvas, {canvases}"
    if repairs:
        steps += f", and {repairs} steps of repair"
    return (
        f"{milliseconds(plan.latency):.0f} ms from task to plan ({parts}); {steps}; {plan.context_tokens} tokens read"
    )


def bar(part: float, width: int = 30) -> Text:
    """How much of something is used, 0 … 1."""
    from rich.text import Text

    part = min(max(part, 0.0), 1.0)
    full = round(part * width)
    colour = "green" if part < 0.7 else "yellow" if part < 0.9 else "red"
    return Text("█" * full, colour) + Text("░" * (width - full), "dim") + Text(f" {part:.0%}")
