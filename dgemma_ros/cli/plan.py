"""``dgemma plan``: for now the model's own words, unchecked."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dgemma_ros.cli import drafts, terminal
from dgemma_ros.cli.options import Device, DeviceChoice, Json, ModelFolder, Threads, open_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from dgemma_ros.model import Model
    from dgemma_ros.runtime.canvas_loop import Draft


def plan(
    model: ModelFolder,
    task: Annotated[str, typer.Option("--task", metavar="TEXT", help="What the robot is asked to do.")],
    image: Annotated[
        list[Path] | None, typer.Option("--image", metavar="FILE", help="A picture to look at; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**64 - 1, metavar="N", help="Keys all of the noise.")] = 0,
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps", min=1, metavar="N", help="Denoising steps a canvas may take; default, the model's own."
        ),
    ] = None,
    device: DeviceChoice = Device.CPU,
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Make one plan, without ROS."""
    with terminal.progress() as update:
        opened = open_model(model, device, threads, update)
        tokenizer = opened.chat.tokenizer
    with drafts.live(tokenizer, opened.generation.eos_ids) as on_draft:
        outcome = make_plan(opened, task, image or [], seed, steps, on_draft)
    if as_json:
        terminal.emit_json(outcome)
    else:
        terminal.emit(terminal.clean(outcome["text"]))


def make_plan(
    model: Model,
    task: str,
    images: list[Path],
    seed: int,
    steps: int | None,
    on_draft: Callable[[int, Draft], None] | None = None,
) -> dict[str, Any]:
    """The object that ``--json`` prints. Nothing here reads the text as a plan: ``valid`` is null, ``steps`` empty."""
    import numpy as np

    from dgemma_ros.checkpoint.images import read_image
    from dgemma_ros.runtime.canvas_loop import Ended
    from dgemma_ros.runtime.generate import generate
    from dgemma_ros.runtime.noise import Noise
    from dgemma_ros.runtime.sampling import Sampling

    begun = perf_counter()
    pictures = [model.images.prepare(read_image(file)) for file in images]
    content = [{"type": "image", "image": picture} for picture in pictures] + [{"type": "text", "text": task}]
    prompt = model.chat.prompt_ids([{"role": "user", "content": content}])
    soft = [model.soft_tokens(picture.patches, picture.positions) for picture in prompt.images]
    seen = perf_counter()
    sequence = model.sequence()
    sequence.append(prompt.ids, prompt.token_types, np.concatenate(soft) if soft else None)
    read = perf_counter()
    sampling = Sampling.of(model.generation, steps)
    noise = Noise(seed, model.config.canvas_length, model.config.text.vocab_size)
    answer = generate(sequence, model.generation, sampling, noise, allowed=model.allowed, on_draft=on_draft)
    done = perf_counter()
    converged = all(canvas.ended is Ended.CONVERGED for canvas in answer.canvases)
    last = answer.canvases[-1].draft
    return {
        "status": "CONVERGED" if converged else "STEP_LIMIT",
        "valid": None,
        "stale": False,
        "steps": [],
        "text": model.chat.tokenizer.decode(answer.tokens.tolist()),
        "denoising_steps": answer.steps,
        "step_budget": sampling.steps,
        "canvases": len(answer.canvases),
        "mean_entropy": None if last is None else last.mean_entropy,
        "context_tokens": len(prompt.ids),
        "latency_ms": {
            "total": 1e3 * (done - begun),
            "vision": 1e3 * (seen - begun),
            "prefill": 1e3 * (read - seen),
            "denoise": 1e3 * (done - read),
        },
        "seed": seed,
        "error": None,
    }
