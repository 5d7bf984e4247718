"""The thread that has the model while the planner runs: tasks first, each behind the words that came before it.

Where no task waits, there is background work, a unit at a time: what was begun, words and frames, in turn.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from dgemma_ros.context.frames import FrameGate
from dgemma_ros.planning.budget import Clock
from dgemma_ros.planning.configuration import Configuration
from dgemma_ros.planning.jobs import Job
from dgemma_ros.planning.scheduler import Scheduler
from dgemma_ros.planning.work_queue import WorkItem, WorkQueue
from dgemma_ros.planning.worker import Worker


class WorkerThread:
    """``work`` is the condition of the planner's lock that says that there is something to do."""

    def __init__(
        self,
        work: threading.Condition,
        configuration: Configuration,
        scheduler: Scheduler,
        gate: FrameGate,
        work_queue: WorkQueue,
        worker: Worker,
        clock: Clock,
    ) -> None:
        self.stopping = False
        """Guarded by the planner's lock."""
        self._work, self._configuration, self._scheduler = work, configuration, scheduler
        self._gate, self._work_queue, self._worker, self._clock = gate, work_queue, worker, clock
        self._thread: threading.Thread | None = None
        self._background = (self._unit, self._work_queue.take_next, self._frame)
        self._turn = 0

    @property
    def running(self) -> bool:
        """Whether tasks and frames are taken; with the lock held."""
        return self._thread is not None and not self.stopping

    def start(self, check: Callable[[], None]) -> None:
        """Raises :class:`PlannerError` where it runs, or its last step has not ended, and what ``check`` raises.

        That is called with the lock held. Who stops it meanwhile does so before, or finds a thread that has begun.
        """
        with self._work:
            check()
            self._work_queue.acquire_model()
            self.stopping = False
            thread = threading.Thread(target=self._run, name="dgemma-worker", daemon=True)
            thread.start()
            self._thread = thread

    def join(self, timeout: float | None) -> bool:
        """Waits for the end of its last step; whether that came. From the thread itself, nothing is waited for."""
        with self._work:
            thread = self._thread
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(timeout)
        if thread.is_alive():
            return False
        with self._work:
            if self._thread is thread:
                self._thread = None
        return True

    def _run(self) -> None:
        try:
            while (todo := self._next()) is not None:
                items, job = todo
                for item in items:
                    self._work_queue.do(item)
                if job is not None:
                    self._plan(job)
        finally:
            with self._work:
                self._scheduler.running = None
            self._work_queue.release_model()

    def _next(self) -> tuple[list[WorkItem], Job | None] | None:
        """A task and what is done before it, else one unit of background work; None where it is to end."""
        with self._work:
            self._scheduler.running = None
            while not self.stopping:
                if (job := self._scheduler.next()) is not None:
                    return self._work_queue.take(job.behind, self._worker.room_for_words(job)), job
                for number in range(len(self._background)):
                    turn = (self._turn + number) % len(self._background)
                    if items := self._background[turn]():
                        self._turn = turn + 1
                        return items, None
                self._work.wait()
            return None

    def _frame(self) -> list[WorkItem]:
        frame = self._gate.next()
        return [] if frame is None else [WorkItem(partial(self._worker.encode_frame, frame))]

    def _unit(self) -> list[WorkItem]:
        unit = self._worker.unit()
        return [] if unit is None else [WorkItem(unit)]

    def _plan(self, job: Job) -> None:
        with self._work:
            settings, skills = self._configuration.current
            job.begin(settings, skills, self._clock())
            room = self._worker.room_for_frames(job)
            fresh = self._gate.before_a_task(self._worker.context.newest, settings.max_observation_age, room)
        try:
            self._worker.plan(job, fresh)
        except Exception as error:
            self._worker.fail(job, error)
