"""One task's canvases, denoised as far as its time allows, and what they say so far.

All that a plan is made of is in an :class:`Outcome`. There is one after each step, so that whoever has to publish (the
worker when it is done, or the watch when the worker hangs in a step) finds the best answer there is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from dgemma_ros.errors import ContextError
from dgemma_ros.generation.canvas_loop import Draft, Ended, Pins, denoise
from dgemma_ros.generation.generate import until_eos
from dgemma_ros.generation.pins import PinnedCanvas
from dgemma_ros.model import Model
from dgemma_ros.planning.budget import Budget
from dgemma_ros.planning.types import Settings
from dgemma_ros.runtime.contract import Bools, Floats, Ints
from dgemma_ros.runtime.noise import Noise
from dgemma_ros.runtime.sampling import Sampling
from dgemma_ros.runtime.sequence import Sequence
from dgemma_ros.skills.calls import Answer, CallFormat


def _no_ids() -> Ints:
    return np.zeros(0, np.int64)


def _no_values() -> Floats:
    return np.zeros(0, np.float32)


def _no_flags() -> Bools:
    return np.zeros(0, np.bool_)


@dataclass(frozen=True, eq=False)
class Outcome:
    """An answer as it stands. Arrays over its tokens, up to the end token and without padding."""

    tokens: Ints = field(default_factory=_no_ids)
    entropy: Floats = field(default_factory=_no_values)
    place: Ints = field(default_factory=_no_ids)
    """Where in the last canvas each token stands; -1 for those of earlier canvases."""
    canvas: Ints = field(default_factory=_no_ids)
    """The last canvas, [C]."""
    settled: Bools = field(default_factory=_no_flags)
    complete: bool = False
    """It has its end token."""
    ended: Ended = Ended.STOPPED
    steps: int = 0
    step_budget: int = 0
    canvases: int = 0
    mean_entropy: float = 0.0
    denoise: float = 0.0
    """Seconds in denoising steps."""

    def counting(self, work: Outcome) -> Outcome:
        """This answer, with the steps and the time of ``work``, which came of it and may have been in vain."""
        return replace(self, steps=work.steps, denoise=work.denoise)


@dataclass(frozen=True)
class Request:
    """What a thinker is asked. ``stop`` is asked before each step; ``on_step`` gets the outcome and draft after it."""

    budget: Budget
    settings: Settings
    noise: Noise
    stop: Callable[[], bool]
    on_step: Callable[[Outcome, Draft], None]
    pinned: PinnedCanvas | None = None


class _Holder:
    """The pins of one canvas, which become more as its slots are settled."""

    def __init__(self, pinned: PinnedCanvas) -> None:
        self._pinned, self._pins = pinned, pinned.pins

    def __call__(self, draft: Draft) -> Pins | None:
        more = self._pinned.settle(draft.argmax, draft.accepted, self._pins)
        self._pins = more or self._pins
        return more


class Thinker:
    """Denoises answers with one model. For the thread that owns it, apart from :meth:`read`, which is pure."""

    def __init__(self, model: Model, end: int) -> None:
        self.model = model
        self.format = CallFormat(model.chat.tokenizer)
        self.eos = tuple(dict.fromkeys([*model.generation.eos_ids, end]))
        self.length = model.config.canvas_length
        self.last_step = 0.0
        """Seconds that the last step took."""

    def read(self, outcome: Outcome) -> Answer:
        """The calls in an outcome. Safe from any thread."""
        return self.format.read(outcome.tokens.tolist())

    def answer(self, sequence: Sequence, request: Request) -> Outcome:
        """Canvas after canvas, as long as there is time and no end. The sequence may have grown by canvases."""
        outcome = Outcome()
        for number in range(request.settings.max_canvases):
            if number:
                try:
                    sequence.append(outcome.tokens[outcome.place >= 0])
                except ContextError:
                    return outcome  # the context is full: the answer is cut
            most = request.settings.max_steps or self.model.generation.max_steps
            steps = request.budget.steps(sequence.length + self.length, most)
            if steps == 0 or request.stop():
                return replace(outcome, ended=Ended.STOPPED)
            outcome = self.canvas(sequence, request, number, steps, outcome, request.pinned if number == 0 else None)
            if outcome.complete or outcome.ended is Ended.STOPPED:
                return outcome
        return outcome

    def canvas(
        self,
        sequence: Sequence,
        request: Request,
        number: int,
        steps: int,
        before: Outcome,
        pinned: PinnedCanvas | None,
    ) -> Outcome:
        """One more canvas behind ``before``, whose counts go on. ``number`` keys its noise."""
        return self._denoised(sequence, request, number, steps, before, before, before.canvases + 1, pinned)

    def repair(
        self,
        sequence: Sequence,
        request: Request,
        number: int,
        steps: int,
        old: Outcome,
        work: Outcome,
        pinned: PinnedCanvas,
    ) -> Outcome:
        """The last canvas of ``old`` once more, with all but the offending tokens pinned; the counts are ``work``'s."""
        kept = old.place < 0
        stays = replace(old, tokens=old.tokens[kept], entropy=old.entropy[kept], settled=old.settled[kept])
        return self._denoised(sequence, request, number, steps, stays, work, old.canvases, pinned, quiet=True)

    def _denoised(
        self,
        sequence: Sequence,
        request: Request,
        number: int,
        steps: int,
        stays: Outcome,
        work: Outcome,
        canvases: int,
        pinned: PinnedCanvas | None,
        quiet: bool = False,
    ) -> Outcome:
        """``stays``: the tokens before the canvas; ``work``: what the counts go on from; ``quiet``: tells nobody."""
        size, began = sequence.length + self.length, 0.0
        outcome = replace(work, step_budget=work.step_budget or steps)

        def keep_going(step: int) -> bool:
            nonlocal began
            began = time.monotonic()
            first = step == 0 and not stays.canvases
            return not request.stop() and request.budget.allows(size, first)

        def on_draft(draft: Draft) -> None:
            nonlocal outcome
            self.last_step = time.monotonic() - began
            request.budget.times.record(size, self.last_step)
            outcome = replace(
                self._joined(stays, draft, pinned),
                steps=work.steps + draft.step + 1,
                step_budget=outcome.step_budget,
                canvases=canvases,
                denoise=outcome.denoise + self.last_step,
            )
            if not quiet:
                request.on_step(outcome, draft)

        result = denoise(
            sequence,
            Sampling.of(self.model.generation, steps),
            request.noise,
            number,
            None if pinned is None else pinned.pins,
            self.model.allowed if pinned is None else pinned.allowed,
            None if pinned is None else pinned.allowed_row,
            on_draft,
            keep_going,
            None if pinned is None else _Holder(pinned),
        )
        return replace(outcome, ended=result.ended)

    def _joined(self, earlier: Outcome, draft: Draft, pinned: PinnedCanvas | None) -> Outcome:
        """The answer with this draft for its last canvas, padding in slots squeezed out."""
        canvas, kept = draft.argmax, np.arange(len(draft.argmax))
        if pinned is not None:
            canvas, kept = pinned.squeeze(canvas, self.model.generation.pad_id)
        own, eos = until_eos(canvas, self.eos)
        kept = kept[: len(own)]
        return Outcome(
            tokens=np.concatenate([earlier.tokens, own]),
            entropy=np.concatenate([earlier.entropy, draft.entropy[kept]]),
            place=np.concatenate([np.full(len(earlier.tokens), -1, np.int64), kept]),
            canvas=draft.argmax,
            settled=np.concatenate([earlier.settled, draft.accepted[kept]]),
            complete=eos is not None,
            mean_entropy=draft.mean_entropy,
        )
