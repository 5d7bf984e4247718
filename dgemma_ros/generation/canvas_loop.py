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


class Ended(StrEnum):
    """Why a canvas's loop ended."""

    CONVERGED = "converged"
    STEP_LIMIT = "step_limit"
    STOPPED = "stopped"
    """``keep_going`` said no."""


@dataclass(frozen=True)
class Pins:
    """Tokens of the canvas that are known and stay fixed: ``mask`` bool [C], ``ids`` int64 [C]."""

    mask: Bools
    ids: Ints


@dataclass(frozen=True)
class Draft:
    """The canvas after a step: its likeliest tokens, how unsure each is (nats), and which the sampler accepted; [C]."""

    step: int
    steps: int
    argmax: Ints
    entropy: Floats
    accepted: Bools
    mean_entropy: float


@dataclass(frozen=True)
class CanvasResult:
    """A canvas: its last draft (None where not one step was made), and how the loop ended."""

    draft: Draft | None
    ended: Ended
    steps: int


def denoise(
    sequence: Sequence,
    sampling: Sampling,
    noise: Noise,
    canvas: int = 0,
    pins: Pins | None = None,
    allowed: Bools | None = None,
    allowed_row: Ints | None = None,
    on_draft: Callable[[Draft], None] | None = None,
    keep_going: Callable[[int], bool] | None = None,
    hold: Callable[[Draft], Pins | None] | None = None,
) -> CanvasResult:
    """Denoises one canvas behind the sequence's last token; the sequence is left as it was.

    ``canvas``: its number in this generation, which keys the noise. ``allowed`` bool [G, V] are sets of tokens that may
    be drawn, ``allowed_row`` int64 [C] the set of each position (default, the first). ``keep_going(step)`` is asked
    before every step, so a cancel takes effect within one. ``hold(draft)`` is asked after every step whether other pins
    hold from then on; where they do, the canvas is not done yet. The result is the argmax canvas, not the drawn one.
    """
    feeds: dict[str, Array] = {"entropy_bound": np.array([sampling.entropy_bound], np.float32)}
    if pins is not None:
        feeds |= {"pin": pins.mask, "pin_ids": pins.ids}
    if allowed is not None:
        feeds["allowed"] = allowed
    if allowed_row is not None:
        feeds["allowed_row"] = allowed_row
    device = sequence.open_canvas(feeds)
    tokens = noise.canvas(canvas)
    if pins is not None:
        tokens = np.where(pins.mask, pins.ids, tokens)
    stop = StoppingRule(sampling.stability, sampling.confidence)
    draft: Draft | None = None
    changed: dict[str, Array] = {}
    for step in range(sampling.steps):
        if keep_going is not None and not keep_going(step):
            return CanvasResult(draft, Ended.STOPPED, step)
        uniform, random_tokens = noise.step(canvas, step)
        temperature = np.array([sampling.temperature(step)], np.float32)
        own: dict[str, Array] = {"canvas": tokens, "uniform": uniform, "random_tokens": random_tokens}
        own["temperature"] = temperature
        result = device.step(own | changed)
        changed = {}
        tokens = result.next_canvas
        draft = Draft(step, sampling.steps, result.argmax, result.entropy, result.accepted, result.mean_entropy)
        if on_draft is not None:
            on_draft(draft)
        converged = stop(result.argmax, result.mean_entropy)
        if hold is not None and (held := hold(draft)) is not None:
            changed = {"pin": held.mask, "pin_ids": held.ids}
            tokens = np.where(held.mask, held.ids, tokens)
        elif converged:
            return CanvasResult(draft, Ended.CONVERGED, step + 1)
    return CanvasResult(draft, Ended.STEP_LIMIT, sampling.steps)
