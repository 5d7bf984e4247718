"""The generator that runs a model in this process: canvases on a session, templates pinned, wrong parts repaired."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np

from dgemma_ros.context.context import Context
from dgemma_ros.context.prompt import answer_ids, make_pieces
from dgemma_ros.context.segments import Reply
from dgemma_ros.generation.canvas_loop import FinishReason, LogitsMask
from dgemma_ros.generation.contract import Answer, Draft, Request, Usage
from dgemma_ros.generation.generate import Decoding, Generation, NoDeadline, generate, redo_last_canvas
from dgemma_ros.generation.pins import PinnedCanvas, Pinner
from dgemma_ros.generation.repair import ATTEMPTS, Repairer
from dgemma_ros.generation.template import read_template
from dgemma_ros.model import Model
from dgemma_ros.runtime.noise import Noise
from dgemma_ros.skills.calls import CallFormat, ParsedAnswer
from dgemma_ros.skills.catalogue import SkillCatalogue
from dgemma_ros.skills.validation import Problem, check

WARM_STEPS = 16
REPAIR_NOISE = 1 << 20
"""Canvas numbers from here on key the noise of repairs."""


@dataclass(frozen=True, eq=False)
class _Reading:
    """What some tokens say, found out when it is asked for."""

    generation: Generation
    format: CallFormat
    highest: bool
    """Whether confidence comes of the highest entropies, or of the last step's."""

    @cached_property
    def parsed(self) -> ParsedAnswer:
        made = self.generation
        entropy = made.highest if self.highest else made.entropy
        return self.format.read(made.tokens.tolist(), entropy=entropy.tolist())

    @cached_property
    def reply(self) -> Reply:
        ids = self.generation.tokens.tolist()
        calls = tuple((call.name, call.arguments) for call in self.parsed.calls)
        return Reply(calls, self.parsed.text, answer_ids(ids, self.format.visible(ids)))


@dataclass(frozen=True, eq=False)
class LocalAnswer:
    """An :class:`Answer` in this model's tokens."""

    reading: _Reading
    usage: Usage
    finish_reason: FinishReason

    @property
    def complete(self) -> bool:
        """Whether it has its end token."""
        return self.reading.generation.complete

    @property
    def parsed(self) -> ParsedAnswer:
        """Its calls, with spans and confidence."""
        return self.reading.parsed

    @property
    def reply(self) -> Reply:
        """With its tokens, thoughts left out."""
        return self.reading.reply

    def draft(self) -> Draft | None:
        """Text and tokens as they stand."""
        generation, form = self.reading.generation, self.reading.format
        if (canvas := generation.draft) is None:
            return None
        ids = generation.tokens.tolist()
        shown = np.flatnonzero(form.visible(ids))
        kept = [ids[index] for index in shown]
        return Draft(
            canvas=len(generation.canvases) - 1,
            step=canvas.step,
            steps=canvas.steps,
            text=form.tokenizer.decode(kept),
            tokens=tuple(map(form.spelling, kept)),
            accepted=tuple(generation.accepted[shown].tolist()),
            entropy=tuple(generation.entropy[shown].tolist()),
            mean_entropy=canvas.mean_entropy,
        )


class LocalGenerator:
    """A :class:`Generator` on one model. For the thread that the context belongs to; its answers are for any."""

    def __init__(self, model: Model) -> None:
        self.name, self.backend = model.folder.name, model.session.backend
        end = make_pieces(model.chat, SkillCatalogue(MappingProxyType({}))).end
        self._model = model
        self._config = replace(model.generation, eos_ids=tuple(dict.fromkeys([*model.generation.eos_ids, end])))
        self._format = CallFormat(model.chat.tokenizer, model.generation.calibration)
        self._pinner = Pinner(
            model.chat.tokenizer, model.allowed, model.config.canvas_length, end, model.generation.pad_id
        )
        self._repairer = Repairer(self._pinner, model.allowed)

    def answer(self, request: Request) -> Answer:
        """See :meth:`Generator.answer`. What repairs find is not told to ``on_update``, but for the best of it."""
        pinned: PinnedCanvas | None = None
        if request.template.strip():
            pinned = self._pinner.pin(read_template(request.template), request.skills)
        began = request.budget.clock()
        tokens = request.context.begin(request.task)
        read = Usage(context_tokens=tokens, prefill=request.budget.clock() - began)

        def tell(generation: Generation) -> None:
            request.on_update(self._answer(generation, read))

        tell(Generation())
        decoding = Decoding(
            self._config,
            self._noise(request.seed),
            request.limits.max_canvases,
            request.limits.max_steps or self._config.max_steps,
            LogitsMask(self._model.allowed),
            pinned,
            request.budget,
            request.stop,
            tell,
        )
        answer = self._answer(generate(request.context.sequence, decoding), read)
        if request.repair and answer.finish_reason is not FinishReason.INTERRUPTED:
            answer = self._repaired(request, decoding, answer)
        return answer

    def warm_up(
        self, context: Context, record: Callable[[int, float], None], on_progress: Callable[[str], None]
    ) -> None:
        """Each graph runs at least once, and enough steps for an estimate. The first one, which loads, is not told."""
        budget = _Stopwatch(record, on_progress)
        context.begin("warm up")
        try:
            for seed in range(WARM_STEPS):  # one canvas may converge early
                decoding = Decoding(
                    self._config,
                    self._noise(seed),
                    1,
                    WARM_STEPS,
                    LogitsMask(self._model.allowed),
                    budget=budget,
                    stop=lambda: budget.count >= WARM_STEPS,
                )
                generate(context.sequence, decoding)
        finally:
            context.abandon()

    def canary(self, context: Context) -> None:
        """See :meth:`Generator.canary`."""
        generate(context.current, Decoding(self._config, self._noise(0), 1, 1, LogitsMask(self._model.allowed)))

    def _noise(self, seed: int) -> Noise:
        return Noise(seed, self._model.config.canvas_length, self._model.config.text.vocab_size)

    def _answer(self, generation: Generation, read: Usage) -> LocalAnswer:
        calibration = self._config.calibration
        reading = _Reading(generation, self._format, calibration is not None and calibration.highest)
        return LocalAnswer(reading, _usage(generation, read), generation.finish_reason)

    def _repaired(self, request: Request, decoding: Decoding, first: LocalAnswer) -> LocalAnswer:
        """The answer with its problems' tokens noised again, for as long as there is time; the better of the two."""

        def problems_of(answer: LocalAnswer) -> tuple[Problem, ...]:
            return check(answer.parsed, request.skills, request.limits.max_calls, answer.complete).problems

        best, work, problems, repairs = first, first.reading.generation, problems_of(first), 0
        while problems and repairs < ATTEMPTS:
            old = best.reading.generation
            canvas = self._repairer.canvas(old, problems, request.skills, decoding.pinned)
            if canvas is None:
                break
            number = REPAIR_NOISE + repairs
            again = redo_last_canvas(request.context.sequence, decoding, number, old, work, canvas)
            if again is None:
                break
            work, repairs = again, repairs + 1
            answer = self._answer(again, first.usage)
            if answer.complete and len(now := problems_of(answer)) < len(problems):
                best, problems = answer, now
        usage = _usage(best.reading.generation.counting(work), first.usage)
        return LocalAnswer(best.reading, replace(usage, repairs=repairs), first.finish_reason)


def _usage(generation: Generation, read: Usage) -> Usage:
    return replace(
        read,
        denoise=generation.seconds,
        steps=generation.steps,
        step_budget=generation.step_budget,
        canvases=len(generation.canvases),
        mean_entropy=0.0 if generation.draft is None else generation.draft.mean_entropy,
    )


class _Stopwatch(NoDeadline):
    """Tells what steps take, but for the first one."""

    def __init__(self, record: Callable[[int, float], None], on_progress: Callable[[str], None]) -> None:
        self._record, self._on_progress = record, on_progress
        self.count = 0

    def record(self, tokens: int, seconds: float) -> None:
        """A step took so long."""
        self.count += 1
        if self.count > 1:
            self._record(tokens, seconds)
        self._on_progress(f"denoising step {self.count} of {WARM_STEPS}, {1e3 * seconds:.1f} ms")
