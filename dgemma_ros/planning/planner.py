"""The planner: frames and tasks in from any thread, each task's one plan out by its deadline.

Three kinds of thread meet here. Callers take a lock for a moment, and hand on the plans of tasks that they end without
the model. One worker owns the model: it encodes frames, makes plans and keeps the context tidy, tasks first. The
publisher's thread (see :mod:`publisher`) watches the deadlines.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

from dgemma_ros.context.context import Context
from dgemma_ros.context.frames import FrameEncoder, FrameGate
from dgemma_ros.errors import DgemmaError
from dgemma_ros.model import Model
from dgemma_ros.planning.answer import Outcome, Thinker
from dgemma_ros.planning.budget import StepTimes
from dgemma_ros.planning.chores import Chores, PlannerError
from dgemma_ros.planning.jobs import Ending, Job, Queue, make_job, refusal
from dgemma_ros.planning.publisher import LATE, Maker, Publisher
from dgemma_ros.planning.record import percentiles
from dgemma_ros.planning.types import (
    ContextInfo,
    ErrorCode,
    Event,
    EventKind,
    Frame,
    Plan,
    PlanDraft,
    Settings,
    SettingsError,
    Statistics,
    Status,
    Task,
)
from dgemma_ros.planning.worker import Worker, warm_up
from dgemma_ros.skills.catalogue import SkillCatalogue
from dgemma_ros.skills.validation import Checked, check

__all__ = ["Planner", "PlannerError"]


class Planner:
    """Thread-safe. ``on_plan`` gets every task's plan, one call at a time; ``on_draft`` comes from the worker.

    ``on_plan`` is called by the worker, by the publisher's thread, and by whoever calls what ends a task that needs no
    model (refused, hopeless, preempted or cancelled while it waited): no hand-over between threads could be in time
    for a budget of a millisecond. So do not hold a lock that it takes.

    Making one reads the skills into the model's context, and raises :class:`ContextError`, :class:`TokenizerError` or
    :class:`BackendError` where that fails. The model is the planner's alone until :meth:`close`, which leaves it open.
    Callbacks must be quick: a plan that waits for a callback is late. Their errors become events. They may call
    anything here but :meth:`close`.
    """

    def __init__(
        self,
        model: Model,
        skills: SkillCatalogue,
        settings: Settings,
        on_draft: Callable[[PlanDraft], None] | None,
        on_plan: Callable[[Plan], None],
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        self.model = model
        self._settings, self._skills = settings, skills
        self._lock = threading.RLock()
        self._work = threading.Condition(self._lock)  # there is something for the worker
        self._queue = Queue()
        self._gate = FrameGate()
        self._running: Job | None = None
        self._inhibited = self._stopping = self._closed = False
        self._thread: threading.Thread | None = None
        self._broken = False
        self._serial = 0
        self._times = StepTimes()
        self._context = Context(model, skills, settings)
        self._thinker = Thinker(model, self._context.pieces.end)
        maker = Maker(model.folder.name, self._read, lambda: self._settings, self._forget)
        self._publisher = Publisher(self._lock, maker, self._times, on_plan, on_event)
        self._chores = Chores(self._work, lambda error: self._publisher.event(EventKind.ERROR, _one_line(error)))
        self._worker = Worker(self._context, self._thinker, self._times, self._publisher, on_draft)
        self._worker.encoder = FrameEncoder(model, settings.image_tokens)

    # -- life -----------------------------------------------------------------------------------------------------

    def warm_up(self, on_progress: Callable[[str], None] | None = None) -> None:
        """Runs real steps, so that the first task is as fast as the others and its budget known.

        Before :meth:`start` only. Raises :class:`BackendError` where the model does not run.
        """
        self._chores.need_model()
        try:
            warm_up(self._worker, self._settings, on_progress or (lambda text: None))
        finally:
            self._chores.release_model()

    def start(self) -> None:
        """Begins to take frames and tasks. Raises :class:`PlannerError` where it runs, or the last step still hangs."""
        with self._lock:
            if self._closed:
                raise PlannerError("the planner is closed")
        self._chores.need_model()
        with self._lock:
            self._stopping = False
            self._thread = threading.Thread(target=self._run, name="dgemma-worker", daemon=True)
        self._thread.start()

    def stop(self, timeout: float | None = None) -> bool:
        """Ends at the next step's end; tasks that run or wait are CANCELLED. False where that step takes too long.

        Even then every task has its plan. What is remembered stays. Idempotent.
        """
        thread = self._thread
        with self._lock:
            self._stopping = True
            self._end_all(self._stopped)
            self._gate.clear()
            self._work.notify()
        self._publisher.flush()
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(timeout)
        if not thread.is_alive():
            with self._lock:
                if self._thread is thread:
                    self._thread = None
            return True
        with self._lock:
            if self._running is not None:
                self._publisher.end(self._running, self._running.ending or self._stopped)
        self._publisher.flush()
        return False

    def close(self, timeout: float | None = 5.0) -> None:
        """Stops for good, when the last plan is out. Idempotent."""
        self.stop(timeout)
        with self._lock:
            self._closed = True
        self._publisher.close()

    _stopped = Ending(Status.CANCELLED, ErrorCode.STOPPED, "the planner was stopped")

    # -- what comes in --------------------------------------------------------------------------------------------

    def add_frame(self, frame: Frame) -> bool:
        """Whether the frame is taken into the context, unless a newer one of its camera comes first."""
        with self._lock:
            if self._thread is None or self._stopping or not self._worker.encoder.sees:
                self._gate.dropped["stopped" if self._worker.encoder.sees else "refused"] += 1
                return False
            taken = self._gate.offer(frame, self._settings.frame_rate)
            if taken:
                self._work.notify()
            return taken

    def add_note(self, text: str) -> None:
        """Anybody's words into the context, before the next task: what the model should know and not answer.

        Empty ones are passed over; one that does not fit becomes an event.
        """
        if text.strip():
            self._chores.ask(partial(self._use, partial(self._worker.note, text)))

    def submit(self, task: Task) -> None:
        """Its plan comes through ``on_plan``, exactly one, whatever happens. Never raises.

        A task that needs no model, or that has no time for a single step, is answered before this returns, unless
        another plan is being handed on just then.
        """
        with self._lock:
            self._serial += 1
            self._admit(make_job(task, self._settings, self._serial, time.monotonic()))
        self._publisher.flush()

    def cancel(self, task_id: str) -> bool:
        """Whether a task of that id was running or waiting; it is CANCELLED within a step."""
        ending = Ending(Status.CANCELLED, ErrorCode.STOPPED, "the task was cancelled")
        with self._lock:
            ended = self._end_all(ending, lambda job: job.task.task_id == task_id)
        self._publisher.flush()
        return ended > 0

    def cancel_all(self) -> int:
        """Cancels what runs and waits; how many tasks that was."""
        with self._lock:
            ended = self._end_all(Ending(Status.CANCELLED, ErrorCode.STOPPED, "all tasks were cancelled"))
        self._publisher.flush()
        return ended

    def inhibit(self, on: bool) -> None:
        """While on, nothing is planned: what runs and waits is cancelled, new tasks are refused."""
        with self._lock:
            self._inhibited = on
            if on:
                self._end_all(Ending(Status.CANCELLED, ErrorCode.INHIBITED, "planning was inhibited"))
        self._publisher.flush()

    # -- settings -------------------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """The settings that hold now."""
        return self._settings

    @property
    def skills(self) -> SkillCatalogue:
        """The skills that hold now."""
        return self._skills

    def update(self, settings: Settings) -> None:
        """From the next task on. Raises :class:`SettingsError` where the skills would not fit the context any more."""
        needed = len(self._context.pieces.system) + self.model.config.canvas_length
        if (limit := self._context.limit_of(settings)) < needed:
            name = "context_tokens" if limit == settings.context_tokens else "context_bytes"
            raise SettingsError(f"{name}: {getattr(settings, name)} is too small: the skills need {needed} tokens")
        with self._lock:
            self._settings = settings
        self._chores.ask(self._take_settings)

    def _take_settings(self) -> None:
        settings, thinking = self._settings, self._context.thinking
        self._worker.encoder = FrameEncoder(self.model, settings.image_tokens)
        self._context.update(settings)
        if thinking != settings.thinking:
            self._context.declare(self._skills)

    def set_skill_enabled(self, name: str, on: bool) -> None:
        """At once: a plan that is being made is checked against what holds when it is done.

        Raises :class:`SkillsError` for an unknown skill.
        """
        with self._lock:
            off = self._skills.off - {name} if on else self._skills.off | {name}
            skills = self._skills.without(off)
            if name not in skills.skills:
                self._skills.without({name})  # raises
            if skills.off == self._skills.off:
                return
            self._skills = skills
        self._chores.ask(lambda: self._context.declare(self._skills))

    def reset_context(self) -> None:
        """Forgets frames, those that wait too, notes, tasks and plans, before the next task."""
        with self._lock:
            self._gate.clear()
        self._chores.ask(self._context.reset)

    # -- what can be asked ----------------------------------------------------------------------------------------

    def context_info(self) -> ContextInfo:
        """What the model has read."""
        return self._context.info

    def statistics(self) -> Statistics:
        """The record since the planner was made."""
        with self._lock:  # copies only: whoever hands in a task should not wait for sums
            record, running = self._publisher.record.copy(), self._running
            awake = self._thread is not None and not self._stopping
            state = "inhibited" if self._inhibited else "planning" if running else "idle"
            waiting, taken, dropped = len(self._queue.waiting), self._gate.taken, dict(self._gate.dropped)
        return Statistics(
            state=state if awake else "stopped",
            running=running.task.task_id if running else "",
            waiting=waiting,
            plans=dict(record.plans),
            valid_plans=record.valid,
            deadline_hits=record.hits,
            deadline_misses=record.misses,
            lateness=percentiles(record.lateness),
            latency=percentiles(record.latency),
            step_time=percentiles(list(self._worker.step_times)),
            steps_per_plan=percentiles(record.steps),
            step_drift=self._times.drift,
            frames_taken=taken,
            frames_dropped={reason: count for reason, count in dropped.items() if count},
            repairs=record.repairs,
            watchdog=record.watchdog,
            real_time=self._publisher.real_time,
            context=self._context.info,
            model=self.model.folder.name,
            backend=self.model.session.backend,
        )

    # -- inside: with the lock held -------------------------------------------------------------------------------

    def _admit(self, job: Job) -> None:
        wrong = refusal(job.task)
        ending: Ending | None = None
        if self._closed:
            ending = Ending(Status.REJECTED, ErrorCode.STOPPED, "the planner is closed")
        elif wrong:
            ending = Ending(Status.REJECTED, ErrorCode.BAD_TASK, wrong)
        elif self._thread is None or self._stopping:
            ending = Ending(Status.REJECTED, ErrorCode.STOPPED, "the planner is stopped")
        elif self._inhibited:
            ending = Ending(Status.REJECTED, ErrorCode.INHIBITED, "planning is inhibited")
        if ending is not None:
            self._publisher.end(job, ending)
            return
        ended = self._queue.admit(job, self._running, self._settings)
        for other, why in ended:
            self._end(other, why)
        if all(other is not job for other, _ in ended):
            if self._publisher.last_moment(job) <= time.monotonic():
                self._end_all(LATE, lambda other: other is job)
            else:
                self._publisher.watch(job)
                self._work.notify()

    def _end(self, job: Job, ending: Ending) -> None:
        if job is self._running:
            job.ending = job.ending or ending  # the worker publishes it, within a step
        else:
            self._publisher.end(job, ending)

    def _end_all(self, ending: Ending, which: Callable[[Job], bool] = lambda job: True) -> int:
        running = [self._running] if self._running is not None and self._running.ending is None else []
        jobs = [job for job in [*running, *self._queue.waiting] if which(job) and not job.claimed]
        self._queue.remove(jobs)
        for job in jobs:
            self._end(job, ending)
        return len(jobs)

    def _forget(self, job: Job) -> None:
        self._queue.remove([job])

    # -- inside: the worker's thread ------------------------------------------------------------------------------

    def _read(self, outcome: Outcome) -> tuple[Checked, str]:
        answer = self._thinker.read(outcome)
        limit = self._settings.max_plan_steps
        return check(answer, self._skills, outcome.entropy.tolist(), limit, outcome.complete), answer.text

    def _run(self) -> None:
        try:
            while True:
                with self._lock:
                    self._running = None
                    while not (self._stopping or self._chores or self._queue.waiting or self._gate.waiting):
                        self._work.wait()
                    if self._stopping:
                        return
                    chores = self._chores.take()
                    job = None if chores else self._queue.next()
                    frame = None if chores or job else self._gate.next()
                    self._running = job
                for chore in chores:
                    self._chores.do(chore)
                if job is not None:
                    self._plan(job)
                elif frame is not None:
                    self._chores.do(partial(self._use, partial(self._worker.see, frame)))
        finally:
            with self._lock:
                self._running = None
            self._chores.release_model()

    def _plan(self, job: Job) -> None:
        settings, skills = self._settings, self._skills
        with self._lock:
            fresh = self._gate.before_a_task(
                self._context.newest, settings.max_observation_age, self._worker.room_for_frames(job, settings)
            )
        try:
            self._mended()
            self._worker.plan(job, settings, skills, fresh, self._read)
        except Exception as error:
            self._broken = True
            code = ErrorCode.BACKEND if isinstance(error, DgemmaError) else ErrorCode.INTERNAL
            self._publisher.finish(job, Ending(Status.FAILED, code, _one_line(error)))

    def _use(self, read: Callable[[], object]) -> None:
        try:
            self._mended()
            read()
        except Exception:
            self._broken = True
            raise

    def _mended(self) -> None:
        """After an error nobody knows what the cache holds: the log is read into a new one."""
        if self._broken:
            self._context.declare(self._skills)
            self._broken = False


def _one_line(error: BaseException) -> str:
    name = "" if isinstance(error, DgemmaError) else f"{type(error).__name__}: "
    return " ".join(f"{name}{error}".split())[:300]
