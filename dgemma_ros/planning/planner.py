"""The planner: frames and tasks in from any thread, each task's one plan out by its deadline.

Three kinds of thread meet here. Callers take a lock for a moment, and hand on the plans of tasks that they end without
the model. One worker has the model: it encodes frames, makes plans and keeps the context tidy, tasks first. The
:mod:`watchdog` watches the deadlines. This file is the whole of the public interface in one place, hence its length;
what it does is in the other files of this room.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from dgemma_ros.checkpoint.untrusted import MAX_TEXT
from dgemma_ros.context.context import Context
from dgemma_ros.context.frames import FrameEncoder, FrameGate
from dgemma_ros.context.results import ResultStatus
from dgemma_ros.generation.contract import Generator
from dgemma_ros.generation.local import LocalGenerator
from dgemma_ros.journal.arrivals import Arrivals, Note, Result
from dgemma_ros.journal.journal import Journal
from dgemma_ros.journal.recorder import Recorder
from dgemma_ros.model import Model
from dgemma_ros.planning.budget import Clock, StepTimes
from dgemma_ros.planning.configuration import Configuration
from dgemma_ros.planning.jobs import Ending, Queue, make_job
from dgemma_ros.planning.publisher import Listeners, Publisher
from dgemma_ros.planning.record import plan_content
from dgemma_ros.planning.scheduler import Scheduler
from dgemma_ros.planning.statistics import percentiles
from dgemma_ros.planning.types import (
    ContextInfo,
    ErrorCode,
    Event,
    EventKind,
    Frame,
    Plan,
    PlanDraft,
    Settings,
    Statistics,
    Status,
    Task,
)
from dgemma_ros.planning.watchdog import Watchdog
from dgemma_ros.planning.work_queue import PlannerError, WorkQueue
from dgemma_ros.planning.worker import Worker
from dgemma_ros.planning.worker_thread import WorkerThread
from dgemma_ros.skills.catalogue import SkillCatalogue

__all__ = ["Planner", "PlannerError"]

STOPPED = Ending(Status.CANCELLED, ErrorCode.STOPPED, "the planner was stopped")
WORDS_WAITING = 64
"""So many notes wait at most, and so many results of skills; never more notes than the context keeps."""


class Planner:
    """Thread-safe. ``on_plan`` gets every task's plan, one call at a time; ``on_draft`` comes from the worker.

    ``on_plan`` is called by the worker, by the watchdog, and by whoever calls what ends a task that needs no model
    (refused, hopeless, preempted or cancelled while it waited): no hand-over between threads could be in time for a
    budget of a millisecond. So do not hold a lock that it takes.

    Making one reads the skills into the model's context, and raises :class:`ContextError`, :class:`TokenizerError` or
    :class:`BackendError` where that fails. The model is the planner's alone until :meth:`close`, which leaves it open.
    Callbacks must be quick: a plan that waits for a callback is late. Their errors become events. They may call
    anything here but :meth:`close` and :meth:`read_frame`.

    ``generator`` answers the tasks, by default with ``model``; ``times`` are those of its steps; ``clock`` is what
    ``Task.received`` and ``Frame.received`` are of; ``real_time``: whether the watchdog asks for a priority.
    ``journal``: what it remembers is read from there, and kept there; whoever opened it closes it. Raises
    :class:`JournalError` then, too.
    """

    def __init__(
        self,
        model: Model,
        skills: SkillCatalogue,
        settings: Settings,
        on_draft: Callable[[PlanDraft], None] | None,
        on_plan: Callable[[Plan], None],
        on_event: Callable[[Event], None] | None = None,
        *,
        generator: Generator | None = None,
        times: StepTimes | None = None,
        clock: Clock = time.monotonic,
        real_time: bool = True,
        journal: Journal | None = None,
    ) -> None:
        self.model = model
        self._clock = clock
        self._lock = threading.RLock()
        work = threading.Condition(self._lock)  # there is something for the worker
        self._times = times or StepTimes(clock)
        self._context = Context(model, skills, settings, clock, later=True)
        self._generator = generator or LocalGenerator(model)
        self._configuration = Configuration(self._context, settings, skills)
        self._watchdog = Watchdog(self._lock, self._times, clock)
        self._journal, self._on_plan, self._recorder = journal, on_plan, None
        queue, listeners = Queue(), Listeners(self._hand_on, on_draft, on_event)
        self._publisher = Publisher(
            self._lock, queue, self._watchdog, listeners, lambda: self.skills, self._generator.name, clock
        )
        self._scheduler = Scheduler(queue, self._publisher, self._watchdog, work, clock)
        self._arrivals = Arrivals()
        self._gate = FrameGate(clock, lambda frame: self._arrivals.gone(frame.arrival))
        self._work_queue = WorkQueue(work, self._publisher.error)
        encoder = FrameEncoder(model, settings.image_tokens)
        self._worker = Worker(
            self._context, self._generator, encoder, self._times, self._publisher, self._watchdog, clock
        )
        self._thread = WorkerThread(
            work, self._configuration, self._scheduler, self._gate, self._work_queue, self._worker, clock
        )
        self._work, self._closed, self._serial = work, "", 0
        if journal is not None:
            self._recorder = self._worker.recorder = self._attached(journal)
            self._take_up(journal)
        self._watchdog.start(self._publisher.publish_overdue, real_time)

    def _take_up(self, journal: Journal) -> None:
        """What had come before a restart and was not read is read now, as it comes; what comes from now on is told."""
        self._arrivals = self._work_queue.arrivals = self._worker.arrivals = journal.arrivals
        for waiting in journal.waiting:
            match waiting.content:
                case Note(text):
                    self._put_note(text, waiting.number)
                case Result() as result:
                    self._put_result(result, waiting.number)
                case Frame() as frame:
                    if not (self._worker.encoder.sees and self._gate.offer(frame, max(self.settings.frame_rate, 1.0))):
                        self._arrivals.gone(waiting.number)

    def _attached(self, journal: Journal) -> Recorder:
        def tell(text: str) -> None:
            self._publisher.event(EventKind.JOURNAL, text)

        recorder = journal.attach(self._context, tell, self._publisher.error, self._clock)
        for text in journal.warnings:
            tell(text)
        return recorder

    def _hand_on(self, plan: Plan) -> None:
        try:
            self._on_plan(plan)
        finally:
            if self._recorder is not None:
                self._recorder.made(plan.plan_id, time.time_ns(), plan_content(plan))

    # -- life -----------------------------------------------------------------------------------------------------

    def warm_up(self, on_progress: Callable[[str], None] | None = None) -> None:
        """Runs real steps, so that the first task is as fast as the others and its budget known.

        Before :meth:`start` only. Raises :class:`BackendError` where the model does not run.
        """
        self._work_queue.acquire_model()
        try:
            self._worker.warm_up(on_progress or (lambda text: None))
        finally:
            self._work_queue.release_model()

    def start(self) -> None:
        """Begins to take frames and tasks. Raises :class:`PlannerError` where it runs, or the last step still hangs."""
        self._thread.start(self._check_open)

    def _check_open(self) -> None:
        if self._closed:
            raise PlannerError(self._closed)

    def stop(self, timeout: float | None = None) -> bool:
        """Ends at the next step's end; tasks that run or wait are CANCELLED. False where that step takes too long.

        Even then every task has its plan. What is remembered stays. Idempotent.
        """
        with self._lock:
            self._thread.stopping = True
            self._scheduler.end_all(STOPPED)
            self._gate.clear()
            self._work.notify()
        self._publisher.flush()
        if self._thread.join(timeout):
            return True
        with self._lock:
            if (running := self._scheduler.running) is not None:
                self._publisher.end(running, running.ending or STOPPED)
        self._publisher.flush()
        return False

    def close(self, timeout: float | None = 5.0) -> None:
        """Stops for good, when the last plan is out; notes that wait go unread. Idempotent."""
        with self._lock:
            self._closed = self._closed or "the planner is closed"
        self._work_queue.close()
        self.stop(timeout)
        self._watchdog.close()
        self._publisher.close()

    def fail(self, why: str) -> None:
        """The model is not to be trusted any more: what runs and waits is FAILED, new tasks are REJECTED.

        It is not asked again, but for the end of a step that runs. Only :meth:`close` is of use afterwards.
        """
        with self._lock:
            self._closed = why
            self._thread.stopping = True
            self._scheduler.end_all(Ending(Status.FAILED, ErrorCode.BACKEND, why))
            self._work.notify()
        self._work_queue.close()
        self._publisher.flush()

    # -- what comes in --------------------------------------------------------------------------------------------

    def add_frame(self, frame: Frame) -> bool:
        """Whether the frame is taken into the context, unless a newer one of its camera comes first.

        A frame that is wanted is prepared for the model in the caller's thread, so that no task waits for that.
        """
        if frame.received >= self.frame_due(frame.camera):
            frame = self._worker.encoder.prepared(frame)
        with self._lock:
            if not (self._thread.running and self._worker.encoder.sees):
                self._gate.dropped["stopped" if self._worker.encoder.sees else "refused"] += 1
                return False
            frame = self._arrivals.numbered(frame)
            taken = self._gate.offer(frame, self.settings.frame_rate)
            if taken:
                self._arrivals.frame(frame)
                self._work.notify()
            return taken

    def read_frame(self, frame: Frame) -> None:
        """Reads a recorded picture into the context, whatever ``frame_rate`` says, and returns when that is done.

        Raises :class:`ImageError`, :class:`ContextError` or :class:`DgemmaError` where it cannot be read.
        """
        self._work_queue.put(partial(self._worker.read_frame_or_raise, frame)).result()

    def frame_due(self, camera: str) -> float:
        """When the next frame of a camera is wanted, of ``time.monotonic()``: what comes before need not be decoded.

        Earlier than ``frame_rate`` has it where ``max_observation_age`` may ask a task for a fresher frame.
        """
        with self._lock:
            return self._gate.due(camera, self.settings.frame_rate, self.settings.max_observation_age)

    def add_note(self, text: str) -> None:
        """Anybody's words into the context, before the next task: what the model should know and not answer.

        Empty ones are passed over; one that does not fit becomes an event. Where more wait than the context keeps,
        the oldest go unread.
        """
        if said := text[:MAX_TEXT].strip():
            self._put_note(said, self._arrivals.note(said))

    def _put_note(self, text: str, arrival: int) -> None:
        do = partial(self._worker.read_words, "a note", self._context.add_note, text)
        self._work_queue.put_words("note", min(self.settings.max_notes, WORDS_WAITING), do, arrival)

    def add_result(
        self,
        plan_id: str,
        step: int,
        outcome: ResultStatus,
        reason: str = "",
        skill: str = "",
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """What became of a plan's step, from 0, into the context before the next task: as the response to its call.

        Where the plan is no longer remembered it is a note, which names ``skill`` and ``arguments`` if they are given.
        One that does not fit becomes an event.
        """
        result = Result(plan_id, step, outcome, reason, skill, arguments or {})
        self._put_result(result, self._arrivals.result(result))

    def _put_result(self, result: Result, arrival: int) -> None:
        told = (result.plan_id, result.step, result.outcome, result.reason, result.skill, result.arguments)
        do = partial(self._worker.read_words, "a result", self._context.add_result, *told)
        self._work_queue.put_words("result", WORDS_WAITING, do, arrival)

    def submit(self, task: Task) -> None:
        """Its plan comes through ``on_plan``, exactly one, whatever happens. Never raises.

        A task that needs no model, or that has no time for a single step, is answered before this returns, unless
        another plan is being handed on just then.
        """
        with self._lock:
            self._serial += 1
            job = make_job(task, self.settings, self.skills, self._serial, self._clock())
            job.behind = self._work_queue.last
            stopped = "" if self._thread.running else "the planner is stopped"
            self._scheduler.admit(job, self._closed or stopped, self.settings)
        self._publisher.flush()

    def cancel(self, task_id: str) -> bool:
        """Whether a task of that id was running or waiting; it is CANCELLED within a step."""
        ending = Ending(Status.CANCELLED, ErrorCode.STOPPED, "the task was cancelled")
        with self._lock:
            ended = self._scheduler.end_all(ending, lambda job: job.task.task_id == task_id)
        self._publisher.flush()
        return ended > 0

    def cancel_all(self) -> int:
        """Cancels what runs and waits; how many tasks that was."""
        with self._lock:
            ended = self._scheduler.end_all(Ending(Status.CANCELLED, ErrorCode.STOPPED, "all tasks were cancelled"))
        self._publisher.flush()
        return ended

    def inhibit(self, on: bool) -> None:
        """While on, nothing is planned: what runs and waits is cancelled, new tasks are refused."""
        with self._lock:
            self._scheduler.inhibited = on
            if on:
                self._scheduler.end_all(Ending(Status.CANCELLED, ErrorCode.INHIBITED, "planning was inhibited"))
        self._publisher.flush()

    # -- settings -------------------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """The settings that hold now."""
        return self._configuration.settings

    @property
    def skills(self) -> SkillCatalogue:
        """The skills that hold now."""
        return self._configuration.skills

    def update(self, settings: Settings) -> None:
        """From the next task on. Raises :class:`SettingsError` where the skills would not fit the context any more."""
        self._configuration.update(settings)
        self._work_queue.put(self._declare)

    def set_skill_enabled(self, name: str, on: bool) -> None:
        """What is switched off is in no plan from now on; what is switched on, from the next task on.

        Raises :class:`SkillsError` for an unknown skill, and where the skills would not fit the context any more.
        """
        if self._configuration.enable(name, on):
            self._work_queue.put(self._declare)

    def _declare(self) -> None:
        settings, skills = self._configuration.current
        self._worker.encoder = FrameEncoder(self.model, settings.image_tokens)
        self._context.declare(skills, settings)
        if self._recorder is not None:
            self._recorder.sync()

    def reset_context(self) -> None:
        """Forgets frames and notes, those that wait too, tasks and plans, before the next task."""
        with self._lock:
            self._gate.clear()
        self._work_queue.forget_words()
        self._work_queue.put(self._context.reset)

    def canary(self) -> None:
        """Has one denoising step made soon that changes nothing: ``statistics().last_step`` says that it was."""
        self._work_queue.put(self._worker.canary)

    # -- what can be asked ----------------------------------------------------------------------------------------

    def context_info(self) -> ContextInfo:
        """What the model has read."""
        return self._context.info

    def statistics(self) -> Statistics:
        """The counts since the planner was made."""
        with self._lock:  # copies only: whoever hands in a task should not wait for sums
            counted, running = self._publisher.counters.copy(), self._scheduler.running
            running_now = self._thread.running
            state = "inhibited" if self._scheduler.inhibited else "planning" if running else "idle"
            waiting, taken, dropped = len(self._scheduler.queue.waiting), self._gate.taken, dict(self._gate.dropped)
            unread = dict(self._work_queue.dropped)
        return Statistics(
            state=state if running_now else "stopped",
            running=running.task.task_id if running else "",
            waiting=waiting,
            step_time=percentiles(self._times.latest),
            step_drift=self._times.drift,
            unit_time=percentiles(list(self._worker.unit_times)),
            last_step=self._worker.last_step,
            frames_taken=taken,
            frames_dropped={reason: count for reason, count in dropped.items() if count},
            words_dropped=unread,
            real_time=self._watchdog.real_time,
            context=self._context.info,
            model=self._generator.name,
            backend=self._generator.backend,
            journal=None if self._journal is None else self._journal.figures(),
            **counted.figures(),
        )
