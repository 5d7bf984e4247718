"""``dgemma bench``: how fast a model is on this machine."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dgemma_ros.cli import terminal
from dgemma_ros.cli.options import Device, DeviceChoice, Json, ModelFolder, Threads, open_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dgemma_ros.model import Model
    from dgemma_ros.runtime.contract import Array


@dataclass(frozen=True)
class Figure:
    """One measured thing: the median and the fastest of ``rounds``, in milliseconds."""

    name: str
    what: str
    median_ms: float
    best_ms: float
    rounds: int


def bench(
    model: ModelFolder,
    prompt: Annotated[int, typer.Option("--prompt", min=1, metavar="N", help="Tokens in the context.")] = 256,
    rounds: Annotated[
        int, typer.Option("--rounds", min=1, metavar="N", help="Times that each thing is measured.")
    ] = 20,
    device: DeviceChoice = Device.CPU,
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Measure this machine: a denoising step, its graphs, prefill, appending."""
    with terminal.progress() as update:
        opened = open_model(model, device, threads, update)
        figures = measure(opened, prompt, rounds, update)
    about = {
        "model": str(model),
        "backend": opened.session.backend,
        "precision": opened.dtype,
        "canvas_length": opened.config.canvas_length,
        "context_tokens": prompt,
    }
    if as_json:
        terminal.emit_json({**about, "figures": [asdict(figure) for figure in figures]})
    else:
        _show(about, figures)


def measure(model: Model, prompt: int, rounds: int, update: terminal.Update) -> list[Figure]:
    """All figures. Raises :class:`ContextError` where the prompt and a canvas do not fit into the context."""
    import numpy as np

    from dgemma_ros.runtime.noise import Noise

    length, vocab = model.config.canvas_length, model.config.text.vocab_size
    ids = Noise(0, prompt, vocab).canvas(0)
    figures: list[Figure] = []

    def timed(name: str, what: str, call: Callable[[], object], reset: Callable[[], object] = lambda: None) -> None:
        times = []
        for number in range(rounds + 1):
            update(name, number, rounds)
            begun = perf_counter()
            call()
            times.append(1e3 * (perf_counter() - begun))
            reset()
        figures.append(Figure(name, what, median(times[1:]), min(times[1:]), rounds))  # the first one warms up

    sequence = model.sequence()
    empty = sequence.snapshot()
    timed(
        "prefill",
        f"{prompt} tokens into an empty context",
        partial(sequence.append, ids),
        partial(sequence.restore, empty),
    )
    sequence.append(ids)
    canvas = sequence.open_canvas({"entropy_bound": np.array([model.generation.entropy_bound], np.float32)})
    noise = Noise(1, length, vocab)
    uniform, tokens = noise.step(0, 0)
    feeds: dict[str, Array] = {
        "canvas": noise.canvas(0),
        "uniform": uniform,
        "random_tokens": tokens,
        "temperature": np.array([0.6], np.float32),
    }
    with _stopwatch(model.session) as graphs:
        timed("step", f"one denoising step of {length} tokens", lambda: canvas.step(feeds))
    for name, times in graphs.items():
        figures.append(Figure(name, "of that step", median(times[1:]), min(times[1:]), rounds))
    full = sequence.snapshot()
    for count in (1, 64):
        what = f"{count} more token{'s' * (count > 1)} behind {prompt}"
        timed(f"append {count}", what, partial(sequence.append, ids[:1].repeat(count)), partial(sequence.restore, full))
    return figures


@contextmanager
def _stopwatch(session: Any) -> Iterator[dict[str, list[float]]]:
    """Milliseconds of each run of each graph, where the session runs them one by one."""
    times: dict[str, list[float]] = {}
    graphs = getattr(session, "graphs", None)
    if graphs is None:  # a backend that runs a step as one
        yield times
        return
    run = graphs.run

    def timed(name: str, binding: Any) -> None:
        begun = perf_counter()
        run(name, binding)
        times.setdefault(name, []).append(1e3 * (perf_counter() - begun))

    graphs.run = timed
    try:
        yield times
    finally:
        del graphs.run


def _show(about: dict[str, Any], figures: list[Figure]) -> None:
    from io import StringIO

    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{about['model']} on {about['backend']}, {about['precision']}", title_justify="left")
    for name in ("", "what", "median ms", "best ms"):
        table.add_column(name, justify="right" if "ms" in name else "left")
    for figure in figures:
        table.add_row(figure.name, figure.what, f"{figure.median_ms:.2f}", f"{figure.best_ms:.2f}")
    text = StringIO()
    Console(file=text, width=terminal.console(stderr=False).width).print(table)
    terminal.emit(text.getvalue().rstrip())
