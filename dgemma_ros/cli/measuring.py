"""What ``dgemma bench`` measures: a step next to its bound, prefill, appending, the time to a first plan, memory."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from dgemma_ros.console import terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dgemma_ros.checkpoint.traffic import StepTraffic
    from dgemma_ros.model import Model
    from dgemma_ros.planning import Plan, SkillCatalogue
    from dgemma_ros.runtime.contract import Array, CacheBuffers

TASK: Final = "wait for two seconds"
SKILL: Final = {
    "name": "wait",
    "description": "Wait for so many seconds.",
    "arguments": {"seconds": {"type": "number", "required": True, "range": [0, 60]}},
}
"""What is planned with where the model's folder has no skills."""
PLANS: Final = 3


@dataclass(frozen=True)
class Figure:
    """One measured thing: the median and the fastest of ``rounds``, in milliseconds."""

    name: str
    what: str
    median_ms: float
    best_ms: float
    rounds: int


@dataclass(frozen=True)
class PartBound:
    """One graph's time next to the bound of its bytes."""

    name: str
    bytes: float
    median_ms: float
    least_ms: float | None
    times_slower: float | None


@dataclass(frozen=True)
class Bound:
    """The least time that a step can take: the bytes that it must read, over the memory's bandwidth measured here."""

    experts_bytes: float
    dense_bytes: float
    embedding_bytes: float
    cache_bytes: float
    step_bytes: float
    bandwidth: float | None
    """Bytes a second; None where the backend has no way to measure it."""
    least_ms: float | None
    times_slower: float | None
    """The median step over ``least_ms``. Below 1 where the weights fit into the processor's caches."""
    parts: tuple[PartBound, ...] = ()


@dataclass(frozen=True)
class FirstPlan:
    """Milliseconds until a task has its plan. ``cold``: from nothing loaded; ``warm``: once everything ran before."""

    cold_ms: float
    opening_ms: float
    """The part of ``cold_ms`` until the model is open."""
    warm_ms: float
    denoising_steps: int
    """Of the warm plan, the median one."""
    status: str


@dataclass(frozen=True)
class Memory:
    """Bytes. ``host_peak`` is the process's largest resident size, mapped weights included."""

    host_peak: int | None
    cache: int
    """The KV cache's buffers, at the context that was measured."""
    device: int | None
    """What the GPU's memory lost since the model was opened, weights included; None without a GPU."""


@dataclass(frozen=True)
class Measured:
    """All figures of one model."""

    figures: list[Figure]
    bound: Bound
    memory: Memory


def measure(model: Model, prompt: int, rounds: int, update: terminal.Update) -> Measured:
    """All but the plans. Raises :class:`ContextError` where the prompt and a canvas do not fit into the context."""
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
        partial(_encode, sequence, ids),
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
    timed("step", f"one denoising step of {length} tokens", lambda: canvas.step(feeds))
    step_ms = figures[-1].median_ms
    parts = {name: times[1:] for name, times in canvas.time_parts(rounds + 1).items()}
    for name, times in parts.items():
        figures.append(Figure(name, "of that step, run alone", median(times), min(times), rounds))
    if (picture := _picture(model)) is not None:
        timed("vision", f"one picture of {picture.soft_tokens} soft tokens", picture.run)
        parts["vision"] = [figures[-1].median_ms]
    full = sequence.snapshot()
    for count in (1, 64):
        what = f"{count} more token{'s' * (count > 1)} behind {prompt}"
        more = ids[:1].repeat(count)
        timed(f"append {count}", what, partial(_encode, sequence, more), partial(sequence.restore, full))
    held = memory(model, sequence.cache)  # before the bandwidth's buffers
    update("bandwidth", 0, 0)
    return Measured(figures, _bound(model, prompt, step_ms, parts), held)


def _encode(sequence: Any, ids: Any) -> None:
    """Until it is done: a session may return as soon as all is enqueued."""
    sequence.append(ids)
    sequence.cache.fetch(0, 0, 1)


def _bound(model: Model, context: int, step_ms: float, parts: dict[str, list[float]]) -> Bound:
    traffic = model.session.traffic(context)
    bandwidth = model.session.bandwidth()
    least = None if bandwidth is None else 1e3 * traffic.total / bandwidth
    return Bound(
        traffic.experts,
        traffic.dense,
        traffic.embedding,
        traffic.cache,
        traffic.total,
        bandwidth,
        least,
        None if least is None else step_ms / least,
        tuple(_part_bounds(model, traffic, bandwidth, parts)),
    )


def _part_bounds(
    model: Model, traffic: StepTraffic, bandwidth: float | None, parts: dict[str, list[float]]
) -> Iterator[PartBound]:
    from dgemma_ros.checkpoint.traffic import vision_traffic

    sizes = {**traffic.parts, "vision": vision_traffic(model.config, model.dtype)}
    for name, times in parts.items():
        least = None if bandwidth is None else 1e3 * sizes[name] / bandwidth
        yield PartBound(name, sizes[name], median(times), least, None if not least else median(times) / least)


@dataclass(frozen=True)
class _Picture:
    soft_tokens: int
    run: Callable[[], object]


def _picture(model: Model) -> _Picture | None:
    """A picture of as many soft tokens as a frame usually has; None where the model takes none."""
    import numpy as np

    if (vision := model.config.vision) is None:
        return None
    cells = vision.position_table // vision.pooling
    high, wide = min(7, cells), min(9, cells)
    grid = np.indices((high * vision.pooling, wide * vision.pooling)).reshape(2, -1)[::-1].T
    patches = np.full((len(grid), vision.patch_dim), 0.5, np.float32)
    return _Picture(high * wide, lambda: model.soft_tokens(patches, grid.astype(np.int64)))


def memory(model: Model, cache: CacheBuffers) -> Memory:
    """What is held now."""
    return Memory(_host_peak(), cache.nbytes, model.session.device_memory())


def _host_peak() -> int | None:
    try:
        import resource
    except ImportError:  # not a Unix
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def catalogue(folder: Any) -> SkillCatalogue:
    """The model's own skills, or a single one. Raises :class:`SkillsError`."""
    from dgemma_ros.cli.plan import SKILLS
    from dgemma_ros.planning import SkillCatalogue

    own = folder / SKILLS
    return SkillCatalogue.load(own) if own.is_file() else SkillCatalogue.of({"skills": [SKILL]})


def plan_for(model: Model, task: str, warm: bool) -> Plan:
    """The plan of one task with no deadline, by a planner of its own. Raises :class:`DgemmaError`."""
    from dgemma_ros.cli.plan import PATIENCE
    from dgemma_ros.planning import Settings, Task
    from dgemma_ros.planning.once import plan_once

    settings = Settings(context_tokens=model.config.text.max_positions, budget=PATIENCE)
    return plan_once(model, catalogue(model.folder), settings, Task("bench", task, None), warm=warm)


def warm_plans(model: Model, task: str, cold_ms: float, opening_ms: float, update: terminal.Update) -> FirstPlan:
    """The times to a plan; those of the cold one are given."""
    plans = []
    for number in range(PLANS):
        update("warm plan", number, PLANS)
        plans.append(plan_for(model, task, warm=number == 0))
    usual = sorted(plans, key=lambda plan: plan.latency.total)[PLANS // 2]
    return FirstPlan(cold_ms, opening_ms, 1e3 * usual.latency.total, usual.denoising_steps, usual.status.value)
