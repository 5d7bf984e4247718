"""What ``dgemma build --dry-run`` shows: what a model costs on a target, or on all of them as one table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from dgemma_ros.trt.costs import Costs

ALL: Final = "all"
"""In a target's place: every recipe there is."""


def of_source(source: Path, target: str, layers: int | None = None) -> list[Costs]:
    """The costs of a checkpoint, or an export of one, on a target or on all.

    A folder with a config.json and no weights is counted twice: with experts in the recipe's type, and in NVFP4.
    Raises :class:`CheckpointError` and :class:`BackendError`.
    """
    from dgemma_ros.checkpoint.config import load_config
    from dgemma_ros.checkpoint.tensors import INDEX_FILE, SINGLE_FILE
    from dgemma_ros.checkpoint.weights import Weights
    from dgemma_ros.graphs import manifest
    from dgemma_ros.graphs.export import first_layers
    from dgemma_ros.trt import costs, forms, targets

    folder = manifest.load(source).checkpoint if (source / manifest.MANIFEST_FILE).exists() else source
    config = load_config(folder)
    if any((folder / name).exists() for name in (SINGLE_FILE, INDEX_FILE)):
        weights = Weights.open(folder, config)
        stored = [any(map(weights.is_packed, weights.shapes))]
    else:
        stored = [False, True]
    if layers is not None:
        config = first_layers(config, layers)
    counted: dict[tuple[str, forms.Forms], costs.Weighed] = {}
    told = []
    for name in targets.names() if target == ALL else (target,):
        recipe = targets.load(name)
        for packed in stored:
            chosen = forms.choose(recipe, config, packed)
            key = (recipe.dtype, chosen)
            if key not in counted:
                counted[key] = costs.weigh(config, *key)
            told.append(costs.of(config, recipe, chosen, counted[key]))
    return told


def as_json(cost: Costs) -> dict[str, Any]:
    """One object of ``--json``; bytes and milliseconds."""
    from dataclasses import asdict

    return {
        **asdict(cost),
        "in_engines": cost.in_engines,
        "smallest": cost.smallest,
        "fits": cost.fits,
        "least_step_ms": cost.least_ms,
    }


def table(costs: Iterable[Costs]) -> Iterator[str]:
    """One row a target and type of the experts, as Markdown."""
    yield (
        "| target | experts | weights | of them in engines | peak of a build | cache | may take | context that fits "
        "| a step | embed | backbone | head | picture |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|---|---|"
    for cost in costs:
        fitting = [cache.context for cache in cost.caches if cache.fits]
        caches = f"{cost.caches[0].nbytes / 1e9:.2f} … {cost.caches[-1].nbytes / 1e9:.2f} GB"
        times = (cost.least_ms, *cost.step_ms.values(), cost.picture_ms)
        cells = (
            cost.target,
            f"{cost.weight_types['experts']}, {cost.experts}",
            _size(cost.weights),
            _size(cost.in_engines),
            _size(cost.build_peak),
            caches,
            f"{cost.memory_limit / 1e9:.0f} GB",
            f"{fitting[-1]}" if fitting else "none",
            *(f"{time:.1f} ms" for time in times),
        )
        yield "| " + " | ".join(cells) + " |"


def bytes_table(costs: Iterable[Costs]) -> Iterator[str]:
    """What a step must read, a row for each type of the experts, as Markdown."""
    yield "| experts stored in | experts | attention, MLPs, norms | embedding, twice | cache | together |"
    yield "|---|---|---|---|---|---|"
    for stored, parts in {cost.weight_types["experts"]: cost.step_bytes for cost in costs}.items():
        sizes = (*parts.values(), sum(parts.values()))
        yield f"| {stored} | " + " | ".join(f"{size / 1e9:.2f} GB" for size in sizes) + " |"


def lines(cost: Costs) -> Iterator[str]:
    """One target in full."""
    types = cost.weight_types
    yield (
        f"{cost.target}: experts in {types['experts']} by {cost.experts}, attention by {cost.attention}, "
        f"else {types['other']}"
    )
    inside = ", ".join(f"{name} {_size(size)}" for name, size in cost.engines.items())
    yield f"  engines            {inside}: {_size(cost.in_engines)} of weights inside"
    yield f"  weights as inputs  {_size(cost.bound)}, uploaded once from the checkpoint's files"
    yield f"  weights in all     {_size(cost.weights)}"
    yield (
        f"  peak of a build    about {_size(cost.build_peak)}, an estimate: four times the largest engine, scratch "
        "memory, and the largest input"
    )
    for cache in cost.caches:
        verdict = "fits" if cache.fits else "does not fit"
        total = cost.weights + cache.nbytes
        yield (
            f"  context {cache.context:<10} {_size(cache.nbytes)} of cache, {_size(total)} with the weights: "
            f"{verdict} into {cost.memory_limit / 1e9:.0f} GB"
        )
    parts = ", ".join(f"{name} {time:.2f}" for name, time in cost.step_ms.items())
    extra = f", dense intermediates {cost.dense_extra_ms:.2f}" if cost.dense_extra_ms else ""
    yield f"  a step, at least   {cost.least_ms:.2f} ms behind {cost.context} tokens ({parts}{extra})"
    read = ", ".join(f"{name} {_size(size)}" for name, size in cost.step_bytes.items())
    yield f"  a step reads       {read}"
    yield f"  a picture          at least {cost.picture_ms:.2f} ms"
    if not cost.fits:
        yield "  does not fit: choose another target, or a checkpoint with NVFP4 experts"


def _size(count: float) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e7 else f"{count / 1e6:.2f} MB"
