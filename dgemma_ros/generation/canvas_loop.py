"""The canvas loop: noise in, a denoised canvas out, a draft after every step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from dgemma_ros.runtime.contract import Array, Bools, Floats, Ints
from dgemma_ros.runtime.noise import Noise
from dgemma_ros.runtime.sampling import Sampling, StoppingRule
from dgemma_ros.runtime.sequence import Sequence


class FinishReason(StrEnum):
    """Why denoising ended."""

    CONVERGED = "converged"
    """Stable and sure."""
    STEP_LIMIT = "step_limit"
    """All the steps that the budget had room for were used."""
    INTERRUPTED = "interrupted"
    """The time was up, or the caller wanted no more."""


@dataclass(frozen=True)
class Pins:
    """Tokens of the canvas that are known and stay fixed: ``mask`` bool [C], ``ids`` int64 [C]."""

    mask: Bools
    ids: Ints


@dataclass(frozen=True)
class LogitsMask:
    """Which tokens may be sampled: ``sets`` bool [G, V], and for each position [C] the number of its set.

    Without ``set_of`` the first set is every position's.
    """

    sets: Bools
    set_of: Ints | None = None


@dataclass(frozen=True)
class CanvasDraft:
    """The canvas after a step: its likeliest tokens, how unsure each is (nats), and which the sampler accepted; [C]."""

    step: int
    steps: int
    argmax: Ints
    entropy: Floats
    accepted: Bools
    mean_entropy: float


@dataclass(frozen=True)
class CanvasResult:
    """A canvas: its last draft (None where not one step was made), and why the loop ended."""

    draft: CanvasDraft | None
    finish_reason: FinishReason
    steps: int


def denoise(
    sequence: Sequence,
    sampling: Sampling,
    noise: Noise,
    canvas: int = 0,
    pins: Pins | None = None,
    mask: LogitsMask | None = None,
    on_draft: Callable[[CanvasDraft], None] | None = None,
    keep_going: Callable[[int], bool] | None = None,
    repin: Callable[[CanvasDraft], Pins | None] | None = None,
) -> CanvasResult:
    """Denoises one canvas behind the sequence's last token; the sequence is left as it was.

    ``canvas``: its number in this generation, which keys the noise. ``keep_going(step)`` is asked before every step, so
    a cancel takes effect within one. ``repin(draft)`` is asked after every step whether other pins hold from then on;
    where they do, the canvas is not done yet. The result is the argmax canvas, not the sampled one.
    """
    feeds: dict[str, Array] = {"entropy_bound": np.array([sampling.entropy_bound], np.float32)}
    if pins is not None:
        feeds |= {"pin": pins.mask, "pin_ids": pins.ids}
    if mask is not None:
        feeds["allowed"] = mask.sets
        if mask.set_of is not None:
            feeds["allowed_row"] = mask.set_of
    device = sequence.open_canvas(feeds)
    tokens = noise.canvas(canvas)
    if pins is not None:
        tokens = np.where(pins.mask, pins.ids, tokens)
    stop = StoppingRule(sampling.stability, sampling.confidence)
    draft: CanvasDraft | None = None
    changed: dict[str, Array] = {}
    for step in range(sampling.steps):
        if keep_going is not None and not keep_going(step):
            return CanvasResult(draft, FinishReason.INTERRUPTED, step)
        uniform, random_tokens = noise.step(canvas, step)
        temperature = np.array([sampling.temperature(step)], np.float32)
        own: dict[str, Array] = {"canvas": tokens, "uniform": uniform, "random_tokens": random_tokens}
        own["temperature"] = temperature
        result = device.step(own | changed)
        changed = {}
        tokens = result.next_canvas
        draft = CanvasDraft(step, sampling.steps, result.argmax, result.entropy, result.accepted, result.mean_entropy)
        if on_draft is not None:
            on_draft(draft)
        converged = stop(result.argmax, result.mean_entropy)
        if repin is not None and (pins := repin(draft)) is not None:
            changed = {"pin": pins.mask, "pin_ids": pins.ids}
            tokens = np.where(pins.mask, pins.ids, tokens)
        elif converged:
            return CanvasResult(draft, FinishReason.CONVERGED, step + 1)
    return CanvasResult(draft, FinishReason.STEP_LIMIT, sampling.steps)
