"""What the worker's thread does with the model: it sees a frame, it plans a task, it warms up.

A task's way: a fresh frame where the newest is too old, the template, the task's words into the context, canvases,
repair while there is time, the plan out, and only then what is remembered.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable

import numpy as np

from dgemma_ros.context.context import Context
from dgemma_ros.context.frames import FrameEncoder
from dgemma_ros.context.prompt import answer_ids
from dgemma_ros.context.segments import Turn
from dgemma_ros.errors import ContextError, ImageError
from dgemma_ros.generation.canvas_loop import Draft, Ended
from dgemma_ros.generation.pins import PinnedCanvas, Pinner
from dgemma_ros.generation.template import TemplateError, read_template
from dgemma_ros.planning.answer import Outcome, Request, Thinker
from dgemma_ros.planning.budget import Budget, StepTimes
from dgemma_ros.planning.drafts import draft_of
from dgemma_ros.planning.jobs import Ending, Job
from dgemma_ros.planning.publisher import LATE, Publisher
from dgemma_ros.planning.repair import ATTEMPTS, Repairer
from dgemma_ros.planning.types import ErrorCode, EventKind, Frame, PlanDraft, Settings, StalePolicy, Status
from dgemma_ros.runtime.noise import Noise
from dgemma_ros.skills.catalogue import SkillCatalogue
from dgemma_ros.skills.validation import Checked, plan_text

WARM_STEPS = 16
REPAIR_NOISE = 1 << 20
"""Canvas numbers from here on key the noise of repairs."""
STATUS = {Ended.CONVERGED: Status.CONVERGED, Ended.STEP_LIMIT: Status.STEP_LIMIT, Ended.STOPPED: Status.DEADLINE}

Read = Callable[[Outcome], tuple[Checked, str]]


class Worker:
    """For the thread that owns the model. ``encoder`` may be replaced between two calls."""

    def __init__(
        self,
        context: Context,
        thinker: Thinker,
        times: StepTimes,
        publisher: Publisher,
        on_draft: Callable[[PlanDraft], None] | None,
    ) -> None:
        model = thinker.model
        self.context, self.thinker, self.times = context, thinker, times
        self.publisher = publisher
        self.encoder = FrameEncoder(model)
        self.step_times: deque[float] = deque(maxlen=1000)
        self._frame_times: deque[float] = deque(maxlen=16)
        self._rebuilds = 0
        self._on_draft = on_draft
        self._pinner = Pinner(
            model.chat.tokenizer, model.allowed, thinker.length, context.pieces.end, model.generation.pad_id
        )
        self._repairer = Repairer(self._pinner, model.allowed)
        self._noise = Noise(0, thinker.length, model.config.text.vocab_size)

    # -- frames ---------------------------------------------------------------------------------------------------

    def see(self, frame: Frame) -> float:
        """Reads a frame into the context; seconds in the vision tower. A picture that does not fit becomes an event."""
        began = time.monotonic()
        try:
            soft = self.encoder.encode(frame)
            seconds = time.monotonic() - began
            self.context.add_frame(frame, soft)
        except (ImageError, ContextError) as error:
            self.publisher.event(EventKind.ERROR, f"a frame of {frame.camera}: {error}")
            return 0.0
        self._frame_times.append(time.monotonic() - began)
        self._tell_rebuilds()
        self.publisher.event(EventKind.FRAME_ENCODED, f"{frame.camera}: {len(soft)} soft tokens")
        return seconds

    def note(self, text: str) -> None:
        """Reads a note into the context; one that does not fit becomes an event."""
        try:
            self.context.add_note(text)
        except ContextError as error:
            self.publisher.event(EventKind.ERROR, f"a note: {error}")
            return
        self._tell_rebuilds()
        self.publisher.event(EventKind.REMEMBERED, f"a note; {self.context.info.tokens} tokens")

    def room_for_frames(self, job: Job, settings: Settings) -> int:
        """How many frames may be encoded on a task's own way: as many as take a quarter of its time."""
        spendable = job.deadline - settings.publish_margin - time.monotonic()
        each = max(self._frame_times, default=0.0)
        return 0 if spendable <= 0 else 1000 if each <= 0 else int(spendable / (4 * each))

    # -- tasks ----------------------------------------------------------------------------------------------------

    def plan(self, job: Job, settings: Settings, skills: SkillCatalogue, fresh: list[Frame], read: Read) -> None:
        """Makes and publishes a job's plan, unless somebody did. May raise anything; the context may be broken then."""
        job.began = time.monotonic()
        self.publisher.event(EventKind.TASK_STARTED, job.task.text[:80], job.task.task_id)
        budget = Budget(job.deadline, settings.publish_margin / 2 + self.publisher.lead(job), self.times)
        if job.ending is not None or budget.spendable <= 0:
            self.publisher.finish(job, job.ending or LATE)
            return
        for frame in fresh:
            job.vision += self.see(frame)
        job.frame = self.context.newest
        refused = self._stale(job, settings)
        pinned: PinnedCanvas | None = None
        if job.task.template_text.strip():
            try:
                pinned = self._pinner.pin(read_template(job.task.template_text), skills)
            except TemplateError as error:
                refused = refused or Ending(Status.REJECTED, ErrorCode.BAD_TASK, str(error))
        if refused is not None:
            self.publisher.finish(job, refused)
            return
        began = time.monotonic()
        try:
            turn = self.context.begin(job.task.text)
        except ContextError as error:
            self.publisher.finish(job, Ending(Status.REJECTED, ErrorCode.CONTEXT_FULL, str(error)))
            return
        job.prefill = time.monotonic() - began
        job.context_tokens = turn.length
        self._think(job, settings, skills, pinned, budget, turn, read)

    def _stale(self, job: Job, settings: Settings) -> Ending | None:
        limit = settings.max_observation_age
        if limit <= 0 or settings.stale_policy is StalePolicy.MARK:
            return None
        if job.frame is None:
            text = "there is no frame, and max_observation_age asks for one"
            return Ending(Status.REJECTED, ErrorCode.NO_FRAME, text)
        age = time.monotonic() - job.frame.received
        if age <= limit:
            return None
        text = f"the newest frame is {age:.2f} s old; max_observation_age is {limit:g} s"
        return Ending(Status.REJECTED, ErrorCode.STALE_CAMERA, text)

    def _think(
        self,
        job: Job,
        settings: Settings,
        skills: SkillCatalogue,
        pinned: PinnedCanvas | None,
        budget: Budget,
        turn: Turn,
        read: Read,
    ) -> None:
        noise = self._noise
        if noise.seed != settings.seed:
            noise = self._noise = Noise(settings.seed, self.thinker.length, self.thinker.model.config.text.vocab_size)

        def on_step(outcome: Outcome, draft: Draft) -> None:
            job.outcome = outcome
            self._draft(job, outcome, draft)

        request = Request(budget, settings, noise, lambda: job.ending is not None, on_step, pinned)
        outcome = self.thinker.answer(self.context.sequence, request)
        ended = outcome.ended
        job.outcome = outcome
        if job.ending is None and ended is not Ended.STOPPED and settings.repair:
            outcome = job.outcome = self._repaired(request, outcome, skills, read)
        late = LATE if ended is Ended.STOPPED and not outcome.canvases else None
        published = self.publisher.finish(job, job.ending or late, STATUS[ended])
        self._remember(job, turn, outcome, published and job.ending is None, read)
        drifted = self.times.drifted()
        if drifted is not None:
            slow = f"steps take {self.times.drift:.2f} times as long as usual"
            word = slow if drifted else "steps take as long as usual again"
            self.publisher.event(EventKind.STEP_TIME_DRIFT, word)

    def _remember(self, job: Job, turn: Turn, outcome: Outcome, published: bool, read: Read) -> None:
        """Only what was published as valid: what is wrong once should not be read again and again."""
        checked = read(outcome)[0] if published and job.task.remember else None
        if checked is None or not checked.valid or not outcome.complete:
            self.context.abandon(turn)
            return
        ids = outcome.tokens.tolist()
        said = answer_ids(ids, self.thinker.format.visible(ids))
        try:
            self.context.commit(turn, said, plan_text(checked.steps))
        except ContextError as error:
            self.context.abandon(turn)
            self.publisher.event(EventKind.ERROR, f"the plan is not remembered: {error}", job.task.task_id)
            return
        self._tell_rebuilds()
        self.publisher.event(EventKind.REMEMBERED, f"{self.context.info.tokens} tokens", job.task.task_id)

    def _tell_rebuilds(self) -> None:
        info = self.context.info
        if info.rebuilds != self._rebuilds:
            self._rebuilds = info.rebuilds
            dropped = ", ".join(f"{count} {kind}s" for kind, count in info.dropped.items())
            self.publisher.event(EventKind.CONTEXT_REBUILT, f"{info.tokens} tokens kept; forgotten so far: {dropped}")

    def _repaired(self, request: Request, outcome: Outcome, skills: SkillCatalogue, read: Read) -> Outcome:
        """The answer with its problems' tokens noised again, for as long as there is time; the better of the two."""
        problems = read(outcome)[0].problems
        best, fewest = outcome, len(problems)
        size = self.context.sequence.length + self.thinker.length
        for attempt in range(ATTEMPTS):
            if not problems or request.stop():
                break
            canvas = self._repairer.canvas(best, problems, skills, request.pinned)
            most = request.settings.max_steps or self.thinker.model.generation.max_steps
            steps = request.budget.steps(size, most)
            if canvas is None or steps == 0:
                break
            with_repairs = self.thinker.repair(
                self.context.sequence, request, REPAIR_NOISE + attempt, steps, best, outcome, canvas
            )
            if with_repairs.steps == outcome.steps:
                break  # not one more step fits
            self.publisher.record.repairs += 1
            outcome = with_repairs
            problems_now = read(with_repairs)[0].problems
            if len(problems_now) < fewest and with_repairs.complete:
                best, fewest, problems = with_repairs, len(problems_now), problems_now
        return best.counting(outcome)

    def _draft(self, job: Job, outcome: Outcome, draft: Draft) -> None:
        self.step_times.append(self.thinker.last_step)
        if self._on_draft is not None and not job.claimed:
            remaining = job.deadline - time.monotonic()
            made = draft_of(job.task.task_id, outcome, draft, self.thinker.format, remaining)
            self.publisher.guarded(self._on_draft, made)


def warm_up(worker: Worker, settings: Settings, on_progress: Callable[[str], None]) -> None:
    """Each graph runs at least once, and enough steps for an estimate; the context is left as it was."""
    if worker.encoder.sees:
        on_progress("the first picture")
        grey = np.full((240, 320, 3), 128, np.uint8)
        for _ in range(2):
            worker.encoder.encode(Frame(grey, 0, "warm-up", "", 0.0))
    context, thinker = worker.context, worker.thinker
    turn = context.begin("warm up")
    try:
        steps: list[float] = []
        size = context.sequence.length + thinker.length

        def on_step(outcome: Outcome, draft: Draft) -> None:
            steps.append(thinker.last_step)
            on_progress(f"denoising step {len(steps)} of {WARM_STEPS}, {1e3 * steps[-1]:.1f} ms")

        noise = Noise(settings.seed, thinker.length, thinker.model.config.text.vocab_size)
        budget = Budget(math.inf, 0.0, StepTimes())

        def enough() -> bool:
            return len(steps) >= WARM_STEPS

        request = Request(budget, settings, noise, enough, on_step)
        for number in range(WARM_STEPS):
            if not enough():
                thinker.canvas(context.sequence, request, number, WARM_STEPS, Outcome(), None)
        for seconds in steps[1:]:  # the first one loads graphs
            worker.times.record(size, seconds)
        worker.times.settle(size)
    finally:
        context.abandon(turn)
