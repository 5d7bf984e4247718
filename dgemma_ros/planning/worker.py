"""What the worker's thread does with the model: it reads frames and notes, answers tasks, warms up.

What is not for a task is done in units, each no longer than a denoising step where it can be cut: a picture's encoding,
its place in the context, a slice of what is to be read. After each a waiting task goes first.

A task's way: a fresh frame where the newest is too old, the answer, the plan out, and only then what is remembered.

Longer than most files: units, words and tasks take turns in one thread and share what it knows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from dgemma_ros.context.context import Context
from dgemma_ros.context.frames import FrameEncoder
from dgemma_ros.errors import CheckpointError, ContextError, ContextFullError, DgemmaError, ImageError
from dgemma_ros.generation.contract import Answer, FinishReason, Generator, Request
from dgemma_ros.generation.template import TemplateError
from dgemma_ros.journal.arrivals import Arrivals
from dgemma_ros.journal.recorder import Recorder
from dgemma_ros.planning.budget import KEPT, Budget, Clock, StepTimes
from dgemma_ros.planning.confirmation import NOT_TRIED, read_again
from dgemma_ros.planning.jobs import LATE, Ending, Job
from dgemma_ros.planning.publisher import Publisher, described
from dgemma_ros.planning.record import basis_of, skills_of
from dgemma_ros.planning.trace import Trace
from dgemma_ros.planning.types import ErrorCode, EventKind, Frame, Plan, StalePolicy, Status
from dgemma_ros.planning.watchdog import Watchdog
from dgemma_ros.runtime.contract import Floats

STATUS = {
    FinishReason.CONVERGED: Status.CONVERGED,
    FinishReason.STEP_LIMIT: Status.STEP_LIMIT,
    FinishReason.INTERRUPTED: Status.DEADLINE,
}
SHARE = 4
"""A task's way may spend one part in so many of its time on frames, as much on words, and as much on reading both."""
SLICE, SMALLEST_SLICE, LARGEST_SLICE = 128, 16, 4096
"""Tokens that are read at a time: at first, and within what bounds that is fitted to a step's time."""


@dataclass
class Worker:
    """For the thread that has the model. ``encoder`` may be replaced between two calls."""

    context: Context
    generator: Generator
    encoder: FrameEncoder
    times: StepTimes
    publisher: Publisher
    watchdog: Watchdog
    clock: Clock
    recorder: Recorder | None = None
    """Where all is written down, if it is."""

    def __post_init__(self) -> None:
        self._frame_times: deque[float] = deque(maxlen=16)
        self._word_times: deque[float] = deque(maxlen=16)
        self._rebuilds = 0
        self._encoded: tuple[Frame, Floats] | None = None
        self.arrivals = Arrivals()
        """Is told that a frame has been read. To be set before any come."""
        self._slice = SLICE
        self._slices: deque[tuple[int, float]] = deque(maxlen=16)  # tokens and seconds of the last ones
        self._resting = False
        self.unit_times: deque[float] = deque(maxlen=KEPT)
        """Seconds of the last units of background work."""
        self.last_step = 0.0
        """By the clock, when the last denoising step ended; 0 where none did."""

    # -- what is read ---------------------------------------------------------------------------------------------

    def unit(self) -> Callable[[], None] | None:
        """The next unit of what was begun: an encoded picture, a slice of what is to be read, or of what comes back
        after a restart, positions before they run out; None where nothing waits.
        """
        if self._encoded is not None:
            return partial(self._timed, self._take_encoded)
        if self.context.behind and not self._resting:
            return partial(self._timed, self._read_slice)
        if self.context.restoring is not None:
            return partial(self._timed, self.context.restore_slice)
        if self.context.cramped:
            return partial(self._timed, self._shift)
        return None

    def _shift(self) -> None:
        self.context.shift()
        if self.recorder is not None:
            self.recorder.sync()

    def encode_frame(self, frame: Frame) -> None:
        """A unit: the vision tower. One that does not fit becomes an event."""
        self._timed(partial(self._told, frame, partial(self._encode, frame)))

    def read_frame_or_raise(self, frame: Frame) -> None:
        """Reads a frame into the context, at once. Raises :class:`ImageError` and :class:`ContextError`."""
        self._encode(frame)
        self._take_encoded_or_raise()
        while self.context.behind:
            self._read_slice()

    def _read_fresh(self, frame: Frame) -> float:
        """The same but for what :meth:`Context.begin` reads, on a task's way; seconds in the vision tower."""
        began = self.clock()
        self._told(frame, partial(self._encode, frame))
        seconds = self.clock() - began
        self._take_encoded()
        return seconds

    def _encode(self, frame: Frame) -> None:
        began = self.clock()
        try:
            self._encoded = frame, self.encoder.encode(frame)
        except BaseException:
            self.arrivals.gone(frame.arrival)
            raise
        self._frame_times.append(self.clock() - began)

    def _take_encoded(self) -> None:
        if self._encoded is not None:
            self._told(self._encoded[0], self._take_encoded_or_raise)

    def _take_encoded_or_raise(self) -> None:
        assert self._encoded is not None
        (frame, soft), self._encoded, self._resting = self._encoded, None, False
        with self.arrivals.together():
            try:
                self.context.add_frame(frame, soft)
                if self.recorder is not None:
                    self.recorder.picture(self.context.log.segments[-1], frame.rgb)
            finally:
                self.arrivals.gone(frame.arrival)
        self._tell_rebuilds()
        self.publisher.event(EventKind.FRAME_ENCODED, f"{frame.camera}: {len(soft)} soft tokens")

    def _told(self, frame: Frame, do: Callable[[], None]) -> None:
        """A picture that cannot be read becomes an event."""
        try:
            do()
        except (ImageError, ContextError) as error:
            self.publisher.event(EventKind.ERROR, f"a frame of {frame.camera}: {error}")

    def _read_slice(self) -> None:
        """Reads so much of what waits in the context as takes no longer than a denoising step, as far as is known."""
        began, self._resting = self.clock(), True  # after an error, until there is something new
        if not self.context.mirror.known:  # the system turn is a unit of its own
            self._resting = self.context.current.length == 0
            return
        count = self.context.read(self._slice)
        if self.recorder is not None:
            self.recorder.sync()
        seconds, self._resting = self.clock() - began, False
        step = self.times.estimate(self.context.tokens)
        if count < SMALLEST_SLICE or seconds <= 0:
            return
        self._slices.append((count, seconds))
        if 0 < step < seconds:
            self._slice = max(SMALLEST_SLICE, min(self._slice, int(0.9 * count * step / seconds)))
        elif 2 * seconds < step and count >= self._slice:
            self._slice = min(LARGEST_SLICE, 2 * self._slice)

    def _timed(self, unit: Callable[[], None]) -> None:
        began = self.clock()
        try:
            unit()
        finally:
            self.unit_times.append(self.clock() - began)

    def read_words(self, what: str, add: Callable[..., None], *words: Any) -> None:
        """Has the context ``add`` a note or a result; one that does not fit becomes an event."""
        began, self._resting = self.clock(), False
        try:
            add(*words)
            if 0 < self.context.behind <= self._slice:  # no longer than a step: who sent it may go on from there
                self._read_slice()
        except ContextFullError as error:
            self.publisher.event(EventKind.ERROR, f"{what}: {error}")
            return
        finally:
            self._word_times.append(self.clock() - began)
        self._tell_rebuilds()
        self.publisher.event(EventKind.REMEMBERED, f"{what}; {self.context.tokens} tokens")

    def room_for_frames(self, job: Job) -> int:
        """How many frames may be encoded on a task's own way: as many as take a quarter of its time."""
        return int(self._fitting(job, self._frame_times))

    def room_for_words(self, job: Job) -> int:
        """How many notes and results may be read on a task's own way: the same, or one where that takes but half."""
        fitting = self._fitting(job, self._word_times)
        return max(int(fitting), int(fitting > 2 / SHARE))

    def _fitting(self, job: Job, times: Iterable[float]) -> float:
        """How many of what took so long lately fit into the share of a job's time."""
        left, each = job.deadline - job.settings.publish_margin - self.clock(), max(times, default=0.0)
        return 0.0 if left <= 0 else left / (SHARE * each) if each > 0 else 1000.0

    def _tokens_fitting(self, job: Job) -> int | None:
        """How many tokens may be read on a task's way besides its own; None while nobody knows how long one takes."""
        if not self._slices:
            return None
        return int(self._fitting(job, [max(seconds / count for count, seconds in self._slices)]))

    def _tokens_to_recall(self, job: Job) -> int | None:
        """The same of frames that were forgotten; none where to choose them takes too long by itself."""
        recollection = self.context.recollection
        if recollection is None or self._fitting(job, recollection.times) < 1:
            return 0
        return self._tokens_fitting(job)

    # -- tasks ----------------------------------------------------------------------------------------------------

    def plan(self, job: Job, fresh: list[Frame]) -> None:
        """Makes and publishes a job's plan, unless somebody did. May raise anything; the context may be broken then."""
        self.publisher.event(EventKind.TASK_STARTED, job.task.text[:80], job.task.task_id)
        reserve = job.settings.publish_margin / 2 + self.watchdog.lead(job)
        budget = Budget(job.deadline, reserve, self.times, self.clock)
        if job.ending is not None or budget.usable <= 0:
            self.publisher.finish(job, job.ending or LATE)
            return
        self._take_encoded()
        for frame in fresh:
            job.vision += self._read_fresh(frame)
        self.context.catch_up = self._tokens_fitting(job)
        self.context.recall_tokens = self._tokens_to_recall(job)
        job.frame = self.context.newest
        if (refused := self._stale(job)) is not None:
            self.publisher.finish(job, refused)
            return
        try:
            trace = Trace(budget, lambda: job.ending is not None)
            request = self._request(job, trace)
            answer = job.answer = self.generator.answer(request)
            job.frame = self.context.seen
            self.context.model.check_weights()
        except TemplateError as error:
            self.publisher.finish(job, Ending(Status.REJECTED, ErrorCode.BAD_TASK, str(error)))
            return
        except ContextFullError as error:
            self.publisher.finish(job, Ending(Status.REJECTED, ErrorCode.CONTEXT_FULL, str(error)))
            return
        except CheckpointError as error:  # nobody knows what this answer was made with
            self.context.abandon()
            self.publisher.finish(job, Ending(Status.FAILED, ErrorCode.BACKEND, str(error)))
            return
        if job.settings.confirm:
            self._write_down(job, trace)  # before the context is used again
            self._confirm(job, request, answer, budget)
        interrupted = answer.finish_reason is FinishReason.INTERRUPTED
        late = LATE if interrupted and not answer.usage.canvases else None
        plan = self.publisher.finish(job, job.ending or late, STATUS[answer.finish_reason])
        if not job.settings.confirm:
            self._write_down(job, trace)
        self._remember(job, plan, answer)
        self._tell_drift()

    def fail(self, job: Job, error: Exception) -> None:
        """The task's plan says what broke."""
        code = ErrorCode.BACKEND if isinstance(error, DgemmaError) else ErrorCode.INTERNAL
        self.publisher.finish(job, Ending(Status.FAILED, code, described(error)))

    def _request(self, job: Job, trace: Trace) -> Request:
        def on_update(answer: Answer) -> None:
            job.answer = answer
            if answer.usage.steps:
                self.last_step = self.clock()
                self.publisher.draft(job)
            else:
                job.recalled = self.context.recalled
                self.publisher.event(EventKind.TASK_READ, f"{answer.usage.context_tokens} tokens", job.task.task_id)

        return job.request(self.context, trace, on_update)

    def _write_down(self, job: Job, trace: Trace) -> None:
        """What the plan rests on, in the journal; while the task is open."""
        if self.recorder is not None:
            basis = basis_of(job, trace, self.generator.backend)
            self.recorder.basis(self.publisher.plan_id(job), basis, skills_of(job.skills))

    def _confirm(self, job: Job, request: Request, answer: Answer, budget: Budget) -> None:
        """The same from another seed. What breaks in it costs no plan that is made already."""

        def on_update(second: Answer) -> None:
            if second.usage.steps:
                self.last_step = self.clock()

        again = replace(request, budget=budget, stop=lambda: job.ending is not None, on_update=on_update)
        job.second = NOT_TRIED  # where the watchdog publishes the plan meanwhile
        try:
            job.second = read_again(self.generator, again, answer, budget)
        except DgemmaError as error:
            self.publisher.event(EventKind.ERROR, f"the plan is not confirmed: {error}", job.task.task_id)

    def _stale(self, job: Job) -> Ending | None:
        limit = job.settings.max_observation_age
        if limit <= 0 or job.settings.stale_policy is StalePolicy.MARK:
            return None
        if job.frame is None:
            text = "there is no frame, and max_observation_age asks for one"
            return Ending(Status.REJECTED, ErrorCode.NO_FRAME, text)
        age = self.clock() - job.frame.received
        if age <= limit:
            return None
        text = f"the newest frame is {age:.2f} s old; max_observation_age is {limit:g} s"
        return Ending(Status.REJECTED, ErrorCode.STALE_CAMERA, text)

    def _remember(self, job: Job, plan: Plan | None, answer: Answer) -> None:
        """Only what was published as valid: what is wrong once should not be read again and again."""
        if plan is None or not (plan.valid and job.task.remember and answer.complete):
            self.context.abandon()
            return
        try:
            self.context.commit(job.task.text, answer.reply, plan.text, plan.plan_id)
        except ContextFullError as error:
            self.context.abandon()
            self.publisher.event(EventKind.ERROR, f"the plan is not remembered: {error}", job.task.task_id)
            return
        self._tell_rebuilds()
        self.publisher.event(EventKind.REMEMBERED, f"{self.context.tokens} tokens", job.task.task_id)

    def canary(self) -> None:
        """One denoising step without a task, to see that the model still runs. Raises what the backend raises."""
        try:
            self.generator.canary(self.context)
        except Exception:
            self.context.doubt()
            raise
        self.last_step = self.clock()

    # -- events --------------------------------------------------------------------------------------------------

    def _tell_rebuilds(self) -> None:
        if self.context.rebuilds != self._rebuilds:
            self._rebuilds, info = self.context.rebuilds, self.context.info
            dropped = ", ".join(f"{count} {kind}s" for kind, count in info.dropped.items())
            self.publisher.event(EventKind.CONTEXT_REBUILT, f"{info.tokens} tokens kept; forgotten so far: {dropped}")

    def _tell_drift(self) -> None:
        drifted = self.times.drifted()
        if drifted is not None:
            slow = f"steps take {self.times.drift:.2f} times as long as usual"
            word = slow if drifted else "steps take as long as usual again"
            self.publisher.event(EventKind.STEP_TIME_DRIFT, word)

    # -- before the first task ------------------------------------------------------------------------------------

    def warm_up(self, on_progress: Callable[[str], None]) -> None:
        """Each graph runs at least once, and enough steps for an estimate; the context is left as it was."""
        if self.encoder.sees:
            on_progress("the first picture")
            grey = np.full((240, 320, 3), 128, np.uint8)
            for _ in range(2):
                self.encoder.encode(Frame(grey, 0, "warm-up", "", 0.0))
        size = 0

        def record(tokens: int, seconds: float) -> None:
            nonlocal size
            size = tokens
            self.times.record(tokens, seconds)

        self.generator.warm_up(self.context, record, on_progress)
        self.times.set_usual(size)
