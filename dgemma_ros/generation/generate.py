"""The one answer loop: canvas after canvas, as far as an end token, the limits, the time or the caller let it go.

The planner's generator, the oracle, the evaluation and the benchmarks all run this one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from dgemma_ros.checkpoint.config import GenerationConfig
from dgemma_ros.generation.canvas_loop import CanvasDraft, CanvasResult, FinishReason, LogitsMask, Pins, denoise
from dgemma_ros.generation.contract import StepBudget
from dgemma_ros.generation.pins import PinnedCanvas
from dgemma_ros.model import Model
from dgemma_ros.runtime.contract import Bools, Floats, Ints
from dgemma_ros.runtime.noise import Noise
from dgemma_ros.runtime.sampling import Sampling
from dgemma_ros.runtime.sequence import Sequence


class NoDeadline:
    """A budget with time for every step."""

    remaining = float("inf")
    clock = staticmethod(time.monotonic)

    def steps(self, tokens: int, most: int) -> int:
        """All of them."""
        return most

    def allows(self, tokens: int, first: bool = False) -> bool:
        """Always."""
        return True

    def record(self, tokens: int, seconds: float) -> None:
        """Not needed."""


@dataclass(frozen=True)
class Decoding:
    """How an answer is decoded. ``config`` names the end tokens and the padding; ``noise`` is keyed by the seed.

    ``pinned`` holds for the first canvas, ``mask`` for the others. ``stop`` is asked before each step; ``on_step`` gets
    the answer as it stands after it.
    """

    config: GenerationConfig
    noise: Noise
    max_canvases: int
    max_steps: int
    """Of one canvas."""
    mask: LogitsMask | None = None
    pinned: PinnedCanvas | None = None
    budget: StepBudget = field(default_factory=NoDeadline)
    stop: Callable[[], bool] = lambda: False
    on_step: Callable[[Generation], None] | None = None

    @classmethod
    def of(cls, model: Model, seed: int, max_steps: int | None = None, prompt: int = 0) -> Decoding:
        """As the model's folder says, media tokens masked, behind ``prompt`` tokens.

        Its ``max_new_tokens``, or what its ``max_length`` leaves behind the prompt, is rounded up to whole canvases.
        """
        length = model.config.canvas_length
        return cls(
            model.generation,
            Noise(seed, length, model.config.text.vocab_size),
            max(1, -(-model.generation.new_tokens(prompt) // length)),
            max_steps or model.generation.max_steps,
            LogitsMask(model.allowed),
        )


def _no_ids() -> Ints:
    return np.zeros(0, np.int64)


def _no_values() -> Floats:
    return np.zeros(0, np.float32)


def _no_flags() -> Bools:
    return np.zeros(0, np.bool_)


@dataclass(frozen=True, eq=False)
class Generation:
    """An answer's tokens as they stand: up to the end token, which is not among them, and without padding.

    ``entropy`` (nats), ``highest``, ``accepted`` and ``positions`` are arrays over ``tokens``.
    """

    tokens: Ints = field(default_factory=_no_ids)
    entropy: Floats = field(default_factory=_no_values)
    """Of the last step."""
    accepted: Bools = field(default_factory=_no_flags)
    """Those that the sampler accepted in the last step."""
    positions: Ints = field(default_factory=_no_ids)
    """Where in the last canvas each token stands; -1 for those of earlier canvases, which the sequence holds."""
    eos: int | None = None
    """The end token that was reached."""
    canvases: tuple[CanvasResult, ...] = ()
    """Those that were begun and made a step. The last one may still be going on."""
    finish_reason: FinishReason = FinishReason.INTERRUPTED
    steps: int = 0
    """Denoising steps in all, those of repairs included."""
    step_budget: int = 0
    """Steps that the budget had room for at the start, of one canvas."""
    seconds: float = 0.0
    """In denoising steps."""
    highest: Floats = field(default_factory=_no_values)
    """The highest entropy that a token's place in its canvas had in any step."""

    @property
    def complete(self) -> bool:
        """Whether it has its end token."""
        return self.eos is not None

    @property
    def draft(self) -> CanvasDraft | None:
        """The last canvas after its last step."""
        return self.canvases[-1].draft if self.canvases else None

    def counting(self, work: Generation) -> Generation:
        """This answer, with the steps and the time of ``work``, which came of it and may have been in vain."""
        return replace(self, steps=work.steps, seconds=work.seconds)


def until_eos(canvas: Ints, eos_ids: tuple[int, ...]) -> tuple[Ints, int | None]:
    """The tokens of a canvas before the first end token, and that token; the rest of a canvas is padding."""
    ends = np.flatnonzero(np.isin(canvas, eos_ids))
    return (canvas[: ends[0]], int(canvas[ends[0]])) if ends.size else (canvas, None)


def generate(sequence: Sequence, decoding: Decoding) -> Generation:
    """Denoises canvases until one holds an end token, or there is no time or room for another.

    A canvas is committed to the sequence only when the next one starts; the last one never is. Raises
    :class:`ContextError` where the context has no room for the first.
    """
    length = sequence.config.canvas_length
    answer = Generation()
    for number in range(decoding.max_canvases):
        if number:
            if sequence.room < 2 * length:
                break
            sequence.append(answer.tokens[answer.positions >= 0])
        steps = decoding.budget.steps(sequence.length + length, decoding.max_steps)
        if steps == 0 or decoding.stop():
            return replace(answer, finish_reason=FinishReason.INTERRUPTED)
        pinned = decoding.pinned if number == 0 else None
        answer = _canvas(sequence, decoding, number, steps, answer, answer, pinned, decoding.on_step)
        if answer.complete or answer.finish_reason is FinishReason.INTERRUPTED:
            break
    return answer


def redo_last_canvas(
    sequence: Sequence, decoding: Decoding, number: int, old: Generation, work: Generation, pinned: PinnedCanvas
) -> Generation | None:
    """The last canvas of ``old`` once more, with what ``pinned`` says free; the counts go on from ``work``'s.

    ``number`` keys its noise. ``on_step`` is not called. None where not one step fits.
    """
    size = sequence.length + sequence.config.canvas_length
    steps = decoding.budget.steps(size, decoding.max_steps)
    if steps == 0 or decoding.stop():
        return None
    kept = old.positions < 0
    before = replace(
        old,
        tokens=old.tokens[kept],
        entropy=old.entropy[kept],
        highest=old.highest[kept],
        accepted=old.accepted[kept],
        positions=old.positions[kept],
        canvases=old.canvases[:-1],
    )
    again = _canvas(sequence, decoding, number, steps, before, work, pinned, None)
    return again if again.steps > work.steps else None


def _canvas(
    sequence: Sequence,
    decoding: Decoding,
    number: int,
    steps: int,
    before: Generation,
    work: Generation,
    pinned: PinnedCanvas | None,
    on_step: Callable[[Generation], None] | None,
) -> Generation:
    """One canvas behind the tokens of ``before``; steps and time count on from those of ``work``."""
    budget = decoding.budget
    size, began = sequence.length + sequence.config.canvas_length, 0.0
    answer = replace(work, step_budget=work.step_budget or steps)
    pins = None if pinned is None else pinned.pins
    highest = np.zeros(sequence.config.canvas_length, np.float32)

    def keep_going(step: int) -> bool:
        nonlocal began
        began = budget.clock()
        return not decoding.stop() and budget.allows(size, first=work.steps == 0 and step == 0)

    def on_draft(draft: CanvasDraft) -> None:
        nonlocal answer
        np.maximum(highest, draft.entropy, out=highest)
        seconds = budget.clock() - began
        budget.record(size, seconds)
        answer = replace(
            _joined(decoding, before, draft, highest, pinned),
            steps=work.steps + draft.step + 1,
            step_budget=answer.step_budget,
            seconds=answer.seconds + seconds,
        )
        if on_step is not None:
            on_step(answer)

    def repin(draft: CanvasDraft) -> Pins | None:
        nonlocal pins
        assert pinned is not None and pins is not None
        decided = pinned.pin_decided(draft.argmax, draft.accepted, pins)
        pins = decided or pins
        return decided

    result = denoise(
        sequence,
        Sampling.of(decoding.config, steps),
        decoding.noise,
        number,
        pins,
        decoding.mask if pinned is None else pinned.mask,
        on_draft,
        keep_going,
        None if pinned is None else repin,
    )
    canvases = answer.canvases if result.draft is None else (*before.canvases, result)
    return replace(answer, canvases=canvases, finish_reason=result.finish_reason)


def _joined(
    decoding: Decoding, before: Generation, draft: CanvasDraft, highest: Floats, pinned: PinnedCanvas | None
) -> Generation:
    """The answer with this draft for its last canvas, padding in slots squeezed out."""
    canvas, kept = draft.argmax, np.arange(len(draft.argmax))
    if pinned is not None:
        canvas, kept = pinned.squeeze(canvas, decoding.config.pad_id)
    own, eos = until_eos(canvas, decoding.config.eos_ids)
    kept = kept[: len(own)]
    going_on = CanvasResult(draft, FinishReason.INTERRUPTED, draft.step + 1)
    return Generation(
        tokens=np.concatenate([before.tokens, own]),
        entropy=np.concatenate([before.entropy, draft.entropy[kept]]),
        highest=np.concatenate([before.highest, highest[kept]]),
        accepted=np.concatenate([before.accepted, draft.accepted[kept]]),
        positions=np.concatenate([np.full(len(before.tokens), -1, np.int64), kept]),
        eos=eos,
        canvases=(*before.canvases, going_on),
    )
