"""The planner: frames and tasks in from any thread, each task's one plan out by its deadline.

Three kinds of thread meet here. Callers take a lock for a moment, and hand on the plans of tasks that they end without
the model. One worker has the model: it encodes frames, makes plans and keeps the context tidy, tasks first. The
:mod:`watchdog` watches the deadlines.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from dgemma_ros.context.context import Context
from dgemma_ros.context.frames import FrameEncoder, FrameGate
from dgemma_ros.context.results import ResultStatus
from dgemma_ros.generation.contract import Generator
from dgemma_ros.generation.local import LocalGenerator
from dgemma_ros.model import Model
from dgemma_ros.planning.budget import Clock, StepTimes
from dgemma_ros.planning.jobs import Ending, Job, Queue, make_job
from dgemma_ros.planning.publisher import Listeners, Publisher
from dgemma_ros.planning.scheduler import Scheduler
from dgemma_ros.planning.statistics import percentiles
from dgemma_ros.planning.types import (
    ContextInfo,
    ErrorCode,
    Event,
    Frame,
    Plan,
    PlanDraft,
    Settings,
    SettingsError,
    Statistics,
    Status,
    Task,
)
from dgemma_ros.planning.watchdog import Watchdog
from dgemma_ros.planning.work_queue import PlannerError, WorkItem, WorkQueue
from dgemma_ros.planning.worker import Worker
from dgemma_ros.skills.catalogue import SkillCatalogue, SkillsError

__all__ = ["Planner", "PlannerError"]

STOPPED = Ending(Status.CANCELLED, ErrorCode.STOPPED, "the planner was stopped")


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
    ) -> None:
        self.model = model
        self._settings, self._skills, self._clock = settings, skills, clock
        self._lock = threading.RLock()
        self._changing = threading.Lock()  # settings and skills: one change is checked at a time
        self._work = threading.Condition(self._lock)  # there is something for the worker
        self._gate = FrameGate(clock)
        self._stopping = self._closed = False
        self._thread: threading.Thread | None = None
        self._serial = 0
        self._times = times or StepTimes(clock)
        self._context = Context(model, skills, settings, clock)
        self._generator = generator or LocalGenerator(model)
        queue, listeners = Queue(), Listeners(on_plan, on_draft, on_event)
        self._watchdog = Watchdog(self._lock, self._times, clock)
        self._publisher = Publisher(
            self._lock, queue, self._watchdog, listeners, lambda: self._skills, self._generator.name, clock
        )
        self._scheduler = Scheduler(queue, self._publisher, self._watchdog, self._work, clock)
        self._work_queue = WorkQueue(self._work, self._publisher.error)
        encoder = FrameEncoder(model, settings.image_tokens)
        self._worker = Worker(
            self._context, self._generator, encoder, self._times, self._publisher, self._watchdog, clock
        )
        self._watchdog.start(self._publisher.publish_overdue, real_time)

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
        with self._lock:
            if self._closed:
                raise PlannerError("the planner is closed")
        self._work_queue.acquire_model()
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
            self._scheduler.end_all(STOPPED)
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
            if (running := self._scheduler.running) is not None:
                self._publisher.end(running, running.ending or STOPPED)
        self._publisher.flush()
        return False

    def close(self, timeout: float | None = 5.0) -> None:
        """Stops for good, when the last plan is out. Idempotent."""
        self.stop(timeout)
        with self._lock:
            self._closed = True
        self._watchdog.close()
        self._publisher.close()

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

    def read_frame(self, frame: Frame) -> None:
        """Reads a recorded picture into the context, whatever ``frame_rate`` says, and returns when that is done.

        Raises :class:`ImageError`, :class:`ContextError` or :class:`DgemmaError` where it cannot be read.
        """
        self._work_queue.put(partial(self._worker.read_frame_or_raise, frame)).result()

    def frame_due(self, camera: str) -> float:
        """When the next frame of a camera is wanted, of ``time.monotonic()``: what comes before need not be decoded.

        Earlier than ``frame_rate`` has it where ``max_observation_age`` may ask a task for a fresher frame.
        """
        settings = self._settings
        with self._lock:
            due = self._gate.due(camera, settings.frame_rate)
            if settings.max_observation_age > 0.0 and settings.frame_rate > 0.0:
                due = min(due, self._gate.last(camera) + settings.max_observation_age / 2)
            return due

    def add_note(self, text: str) -> None:
        """Anybody's words into the context, before the next task: what the model should know and not answer.

        Empty ones are passed over; one that does not fit becomes an event.
        """
        if text.strip():
            self._work_queue.put(partial(self._worker.read_words, "a note", self._context.add_note, text))

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
        result = (plan_id, step, outcome, reason, skill, arguments)
        self._work_queue.put(partial(self._worker.read_words, "a result", self._context.add_result, *result))

    def submit(self, task: Task) -> None:
        """Its plan comes through ``on_plan``, exactly one, whatever happens. Never raises.

        A task that needs no model, or that has no time for a single step, is answered before this returns, unless
        another plan is being handed on just then.
        """
        with self._lock:
            self._serial += 1
            job = make_job(task, self._settings, self._skills, self._serial, self._clock())
            asleep = self._thread is None or self._stopping
            closed = "the planner is closed" if self._closed else "the planner is stopped" if asleep else ""
            self._scheduler.admit(job, closed, self._settings)
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
        return self._settings

    @property
    def skills(self) -> SkillCatalogue:
        """The skills that hold now."""
        return self._skills

    def update(self, settings: Settings) -> None:
        """From the next task on. Raises :class:`SettingsError` where the skills would not fit the context any more."""
        with self._changing:
            needed, limit = self._context.needed(self._skills, settings), self._context.limit_of(settings)
            if limit < needed:
                name = "context_tokens" if limit == settings.context_tokens else "context_bytes"
                value = getattr(settings, name)
                raise SettingsError(f"{name}: {value} is too small: the skills need {needed} tokens")
            with self._lock:
                self._settings = settings
        self._work_queue.put(self._declare)

    def set_skill_enabled(self, name: str, on: bool) -> None:
        """What is switched off is in no plan from now on; what is switched on, from the next task on.

        Raises :class:`SkillsError` for an unknown skill, and where the skills would not fit the context any more.
        """
        with self._changing:
            if name not in self._skills.skills:
                self._skills.without({name})  # raises
            skills = self._skills.without(self._skills.off - {name} if on else self._skills.off | {name})
            if skills.off == self._skills.off:
                return
            needed, limit = self._context.needed(skills, self._settings), self._context.limit_of(self._settings)
            if on and limit < needed:
                text = f"the skills would need {needed} tokens, and the context holds {limit}"
                raise SkillsError(f"{name!r}: {text}: raise context_tokens or context_bytes")
            with self._lock:
                self._skills = skills
        self._work_queue.put(self._declare)

    def _declare(self) -> None:
        with self._lock:
            settings, skills = self._settings, self._skills
        self._worker.encoder = FrameEncoder(self.model, settings.image_tokens)
        self._context.declare(skills, settings)

    def reset_context(self) -> None:
        """Forgets frames, those that wait too, notes, tasks and plans, before the next task."""
        with self._lock:
            self._gate.clear()
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
            awake = self._thread is not None and not self._stopping
            state = "inhibited" if self._scheduler.inhibited else "planning" if running else "idle"
            waiting, taken, dropped = len(self._scheduler.queue.waiting), self._gate.taken, dict(self._gate.dropped)
        return Statistics(
            state=state if awake else "stopped",
            running=running.task.task_id if running else "",
            waiting=waiting,
            plans=dict(counted.plans),
            valid_plans=counted.valid,
            deadline_hits=counted.hits,
            deadline_misses=counted.misses,
            lateness=percentiles(counted.lateness),
            latency=percentiles(counted.latency),
            step_time=percentiles(self._times.latest),
            steps_per_plan=percentiles(counted.steps),
            step_drift=self._times.drift,
            last_step=self._worker.last_step,
            frames_taken=taken,
            frames_dropped={reason: count for reason, count in dropped.items() if count},
            repairs=counted.repairs,
            watchdog=counted.watchdog,
            real_time=self._watchdog.real_time,
            context=self._context.info,
            model=self._generator.name,
            backend=self._generator.backend,
        )

    # -- the worker's thread --------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while (work := self._next()) is not None:
                for item in work[0]:
                    self._work_queue.do(item)
                if (job := work[1]) is not None:
                    self._plan(job)
                if (frame := work[2]) is not None:
                    self._work_queue.do(WorkItem(partial(self._worker.read_frame, frame)))
        finally:
            with self._lock:
                self._scheduler.running = None
            self._work_queue.release_model()

    def _next(self) -> tuple[list[WorkItem], Job | None, Frame | None] | None:
        """What the worker does next: all work that waits, else a task, else a frame; None where it is to end."""
        with self._lock:
            self._scheduler.running = None
            while not (self._stopping or self._work_queue or self._scheduler.queue.waiting or self._gate.waiting):
                self._work.wait()
            if self._stopping:
                return None
            if items := self._work_queue.take():
                return items, None, None
            if (job := self._scheduler.next()) is not None:
                return [], job, None
            return [], None, self._gate.next()

    def _plan(self, job: Job) -> None:
        with self._lock:
            job.begin(self._settings, self._skills, self._clock())
            oldest, room = job.settings.max_observation_age, self._worker.room_for_frames(job)
            fresh = self._gate.before_a_task(self._context.newest, oldest, room)
        try:
            self._worker.plan(job, fresh)
        except Exception as error:
            self._worker.fail(job, error)
