"""What planning asks of a generator, and what it gets: a request in, the answer as it grows, the answer out.

A generator may be a model in this process (:mod:`dgemma_ros.generation.local`) or a server that somebody else keeps.
So nothing here names tokens, caches or sessions, and what a server does not tell is optional: a call's confidence and
its place, drafts, denoising steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from dgemma_ros.context.context import Context
from dgemma_ros.context.segments import Reply
from dgemma_ros.generation.canvas_loop import FinishReason
from dgemma_ros.skills.calls import ParsedAnswer
from dgemma_ros.skills.catalogue import SkillCatalogue

__all__ = ["NO_ANSWER", "Answer", "Draft", "FinishReason", "Generator", "Limits", "Request", "StepBudget", "Usage"]


class StepBudget(Protocol):
    """One answer's time, in denoising steps. Seconds are of :meth:`clock`."""

    @property
    def remaining(self) -> float:
        """Seconds to the deadline; negative behind it."""

    def clock(self) -> float:
        """Now."""

    def steps(self, tokens: int, most: int) -> int:
        """Steps that there is time for behind ``tokens`` of context, 0 … ``most``."""

    def allows(self, tokens: int, first: bool = False) -> bool:
        """Whether one more step would be done in time; for the ``first`` one, whether it may be."""

    def record(self, tokens: int, seconds: float) -> None:
        """A step took so long."""


@dataclass(frozen=True)
class Limits:
    """How long an answer may get."""

    max_canvases: int
    max_calls: int
    max_steps: int | None = None
    """Denoising steps of one canvas; None for the checkpoint's own."""


@dataclass(frozen=True, eq=False)
class Request:
    """One task to answer. Callbacks are called by the thread that answers."""

    context: Context
    task: str
    template: str
    """A plan with free slots, as :func:`~dgemma_ros.generation.template.read_template` takes it; empty: all is free."""
    skills: SkillCatalogue
    budget: StepBudget
    seed: int
    limits: Limits
    repair: bool
    """Whether what is wrong may be generated anew while there is time."""
    stop: Callable[[], bool]
    """Asked before each step: whether the answer is no longer wanted."""
    on_update: Callable[[Answer], None]
    """Gets the answer as it stands: when the task has been read, and after each step."""


@dataclass(frozen=True)
class Usage:
    """Where the time went, seconds, and what was done in it. Zero where it is not known."""

    context_tokens: int = 0
    """What had been read, the task included."""
    prefill: float = 0.0
    denoise: float = 0.0
    steps: int = 0
    step_budget: int = 0
    """Steps that the budget had room for at the start, of one canvas."""
    canvases: int = 0
    mean_entropy: float = 0.0
    """Nats, of the last step."""
    repairs: int = 0
    """How often a part of the answer was generated anew."""


@dataclass(frozen=True)
class Draft:
    """An answer after a denoising step, to be shown: up to its end, without thoughts."""

    canvas: int
    step: int
    steps: int
    text: str
    tokens: tuple[str, ...]
    accepted: tuple[bool, ...]
    """Which tokens the sampler accepted in this step."""
    entropy: tuple[float, ...]
    """Nats, of each token."""
    mean_entropy: float


class Answer(Protocol):
    """An answer as it stands. Immutable, safe from any thread; what costs time is done once, when it is asked for."""

    @property
    def parsed(self) -> ParsedAnswer:
        """Its calls, what is wrong with them, and its text."""

    @property
    def complete(self) -> bool:
        """Whether it came to its end."""

    @property
    def finish_reason(self) -> FinishReason:
        """Why it goes no further."""

    @property
    def usage(self) -> Usage:
        """Where the time went."""

    @property
    def reply(self) -> Reply:
        """What the context remembers of it."""

    def draft(self) -> Draft | None:
        """To be shown; None where no step was made, or no steps are known."""


@dataclass(frozen=True)
class WholeAnswer:
    """An :class:`Answer` that is known as a whole."""

    parsed: ParsedAnswer = field(default_factory=ParsedAnswer)
    complete: bool = False
    finish_reason: FinishReason = FinishReason.INTERRUPTED
    usage: Usage = field(default_factory=Usage)

    @property
    def reply(self) -> Reply:
        """Written from its calls."""
        return Reply(tuple((call.name, call.arguments) for call in self.parsed.calls), self.parsed.text)

    def draft(self) -> Draft | None:
        """There is none."""
        return None


NO_ANSWER = WholeAnswer()
"""What there is before there is anything."""


class Generator(Protocol):
    """Answers tasks, one at a time, always in the thread that the context belongs to."""

    name: str
    """Of the model, for people."""
    backend: str
    """What runs it, for people."""

    def answer(self, request: Request) -> Answer:
        """The best answer that the budget allows.

        The task stays open in the context until the caller commits or abandons it. Raises :class:`TemplateError` for a
        template and :class:`ContextFullError` for a task that cannot be used, with nothing read; any other error is the
        backend's, or a defect.
        """

    def warm_up(
        self, context: Context, record: Callable[[int, float], None], on_progress: Callable[[str], None]
    ) -> None:
        """Runs real steps and leaves the context as it was. ``record(tokens, seconds)`` is told what they took."""

    def canary(self, context: Context) -> None:
        """One denoising step without a task, to see that the model still runs; the context is left as it was.

        Raises what the backend raises. Of a generator that somebody else keeps, a sign of life.
        """
