"""Several canvases in a row, as far as an end token, the token limit or the caller lets it go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from dgemma_ros.checkpoint.config import GenerationConfig
from dgemma_ros.generation.canvas_loop import CanvasResult, Draft, Ended, Pins, denoise
from dgemma_ros.runtime.contract import Bools, Ints
from dgemma_ros.runtime.noise import Noise
from dgemma_ros.runtime.sampling import Sampling
from dgemma_ros.runtime.sequence import Sequence


@dataclass(frozen=True)
class Generation:
    """What was generated. ``tokens`` end before the end token; padding is never part of them.

    ``eos`` is the end token that was reached, or None. The last canvas is *not* in the sequence yet: whoever goes on
    calls :func:`commit`.
    """

    tokens: Ints
    eos: int | None
    canvases: tuple[CanvasResult, ...]
    committed: int
    """How many of ``tokens`` the sequence already holds: all canvases but the last."""

    @property
    def steps(self) -> int:
        """Denoising steps over all canvases."""
        return sum(canvas.steps for canvas in self.canvases)


def until_eos(canvas: Ints, eos_ids: tuple[int, ...]) -> tuple[Ints, int | None]:
    """The tokens of a canvas before the first end token, and that token; the rest of a canvas is padding."""
    ends = np.flatnonzero(np.isin(canvas, eos_ids))
    return (canvas[: ends[0]], int(canvas[ends[0]])) if ends.size else (canvas, None)


def generate(
    sequence: Sequence,
    generation: GenerationConfig,
    sampling: Sampling,
    noise: Noise,
    max_new_tokens: int | None = None,
    pins: Pins | None = None,
    allowed: Bools | None = None,
    on_draft: Callable[[int, Draft], None] | None = None,
    keep_going: Callable[[int, int], bool] | None = None,
) -> Generation:
    """Denoises canvases until one holds an end token.

    ``max_new_tokens`` is rounded up to whole canvases; ``pins`` hold for the first one. ``on_draft(canvas, draft)`` and
    ``keep_going(canvas, step)`` are called for each step. A canvas is committed only when the next one starts, and that
    only where the context has room for it. Raises :class:`ContextError` where it has none for the first.
    """
    length = sequence.config.canvas_length
    limit = generation.max_new_tokens if max_new_tokens is None else max_new_tokens
    tokens: list[Ints] = []
    results: list[CanvasResult] = []
    committed = 0
    for number in range(max(1, -(-limit // length))):
        if number:
            if sequence.room < 2 * length:
                break
            sequence.append(tokens[-1])
            committed += length
        result = denoise(
            sequence,
            sampling,
            noise,
            number,
            pins if number == 0 else None,
            allowed,
            on_draft=on_draft and partial(on_draft, number),
            keep_going=keep_going and partial(keep_going, number),
        )
        results.append(result)
        if result.draft is None:
            break
        own, eos = until_eos(result.draft.argmax, generation.eos_ids)
        tokens.append(own)
        if eos is not None or result.ended is Ended.STOPPED:
            return Generation(np.concatenate(tokens), eos, tuple(results), committed)
    flat = np.concatenate(tokens) if tokens else np.empty(0, np.int64)
    return Generation(flat, None, tuple(results), committed)


def commit(sequence: Sequence, generation: Generation, then: Ints | None = None) -> None:
    """Reads what was generated into the sequence, up to the end token and never its padding, and ``then`` behind it."""
    rest = generation.tokens[generation.committed :]
    ids = rest if then is None else np.concatenate([rest, np.asarray(then, np.int64)])
    if len(ids):
        sequence.append(ids)
