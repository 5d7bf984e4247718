"""``dgemma bench``: how fast a model is on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dgemma_ros.cli.measuring import TASK, measure, plan_for, warm_plans
from dgemma_ros.cli.options import Device, DeviceChoice, Json, ModelFolder, Threads, open_model
from dgemma_ros.console import terminal

if TYPE_CHECKING:
    from dgemma_ros.cli.measuring import Bound, Figure, FirstPlan, Measured, Memory
    from dgemma_ros.model import Model


def bench(
    model: ModelFolder,
    prompt: Annotated[int, typer.Option("--prompt", min=1, metavar="N", help="Tokens in the context.")] = 256,
    rounds: Annotated[
        int, typer.Option("--rounds", min=1, metavar="N", help="Times that each thing is measured.")
    ] = 20,
    task: Annotated[str, typer.Option("--task", metavar="TEXT", help="What the first plan is asked for.")] = TASK,
    device: DeviceChoice = Device.CPU,
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Measure this machine: a step next to the bound of its bytes, prefill, appending, the first plan, memory."""
    begun = perf_counter()
    with terminal.progress() as update:
        opened = open_model(model, device, threads, update)
        plans, missing = _first_plan(opened, task, begun, update)
        measured = measure(opened, prompt, rounds, update)
        about = {
            "model": str(model),
            "backend": opened.session.backend,
            "precision": opened.dtype,
            "canvas_length": opened.config.canvas_length,
            "context_tokens": prompt,
        }
        opened.session.close()
    if as_json:
        told = {"first_plan": asdict(plans) if plans else None, "first_plan_missing": missing or None}
        terminal.emit_json({**about, **asdict(measured), **told})
    else:
        _show(about, measured, plans, missing)


def _first_plan(model: Model, task: str, begun: float, update: terminal.Update) -> tuple[FirstPlan | None, str]:
    """The time to the first plan, or why there is none: a model may have no tokenizer, or too small a context."""
    from dgemma_ros.errors import BackendError, DgemmaError

    opening = 1e3 * (perf_counter() - begun)
    update("first plan", 0, 0)
    try:
        plan_for(model, task, warm=False)
        cold = 1e3 * (perf_counter() - begun)
        return warm_plans(model, task, cold, opening, update), ""
    except BackendError:
        raise
    except DgemmaError as error:
        return None, str(error)


def _show(about: dict[str, Any], measured: Measured, plans: FirstPlan | None, missing: str) -> None:
    terminal.emit(_table(f"{about['model']} on {about['backend']}, {about['precision']}", measured.figures))
    terminal.emit("\n".join([_bound_line(measured.bound), *_part_lines(measured.bound)]))
    if plans is None:
        terminal.emit(f"time to the first plan: not measured ({missing})")
    else:
        terminal.emit(
            f"time to the first plan: {plans.cold_ms:.0f} ms from nothing loaded ({plans.opening_ms:.0f} ms of it "
            f"until the model is open), {plans.warm_ms:.0f} ms warm ({plans.status}, {plans.denoising_steps} steps)"
        )
    terminal.emit(_memory_line(measured.memory))


def _bound_line(bound: Bound) -> str:
    parts = (
        f"experts {_size(bound.experts_bytes)}, attention, MLPs and norms {_size(bound.dense_bytes)}, "
        f"embedding twice {_size(bound.embedding_bytes)}, cache {_size(bound.cache_bytes)}"
    )
    line = f"bytes bound: a step reads {_size(bound.step_bytes)} ({parts})"
    if bound.bandwidth is None or bound.least_ms is None or bound.times_slower is None:
        return f"{line}; this backend cannot measure the memory's bandwidth"
    return (
        f"{line}; at the {bound.bandwidth / 1e9:.1f} GB/s measured here that takes {bound.least_ms:.2f} ms, "
        f"and the step {bound.times_slower:.1f} times as long"
    )


def _part_lines(bound: Bound) -> Iterator[str]:
    """A step's graphs and the vision tower, each run alone, next to the bound of its bytes."""
    for part in bound.parts:
        line = f"  {part.name:<18} {part.median_ms:8.2f} ms, reads {_size(part.bytes)}"
        if part.least_ms is not None and part.times_slower is not None:
            line += f", which takes at least {part.least_ms:.2f} ms: {part.times_slower:.1f} times as long"
        yield line


def _memory_line(memory: Memory) -> str:
    device = "" if memory.device is None else f", GPU {_size(memory.device)}"
    host = "not told" if memory.host_peak is None else _size(memory.host_peak)
    return f"memory: host, at most, {host}; KV cache {_size(memory.cache)}{device}"


def _size(count: float) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.2f} MB"


def _table(title: str, figures: list[Figure]) -> str:
    from io import StringIO

    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for name in ("", "what", "median ms", "best ms"):
        table.add_column(name, justify="right" if "ms" in name else "left")
    for figure in figures:
        table.add_row(figure.name, figure.what, f"{figure.median_ms:.2f}", f"{figure.best_ms:.2f}")
    text = StringIO()
    Console(file=text, width=terminal.console(stderr=False).width).print(table)
    return text.getvalue().rstrip()
