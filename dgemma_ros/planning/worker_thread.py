"""The thread that has the model while the planner runs: tasks first, each behind the words that came before it."""

from __future__ import annotations

import threading
from functools import partial

from dgemma_ros.context.frames import FrameGate
from dgemma_ros.planning.budget import Clock
from dgemma_ros.planning.configuration import Configuration
from dgemma_ros.planning.jobs import Job
from dgemma_ros.planning.scheduler import Scheduler
from dgemma_ros.planning.types import Frame
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
        self._frame_next = False

    @property
    def running(self) -> bool:
        """Whether tasks and frames are taken; with the lock held."""
        return self._thread is not None and not self.stopping

    def start(self) -> None:
        """Raises :class:`PlannerError` where it runs, or its last step has not ended."""
        self._work_queue.acquire_model()
        with self._work:
            self.stopping = False
            self._thread = threading.Thread(target=self._run, name="dgemma-worker", daemon=True)
        self._thread.start()

    def join(self, timeout: float | None) -> bool:
        """Waits for the end of its last step; whether that came. From the thread itself, nothing is waited for."""
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
                items, job, frame = todo
                for item in items:
                    self._work_queue.do(item)
                if job is not None:
                    self._plan(job)
                if frame is not None:
                    self._work_queue.do(WorkItem(partial(self._worker.read_frame, frame)))
        finally:
            with self._work:
                self._scheduler.running = None
            self._work_queue.release_model()

    def _next(self) -> tuple[list[WorkItem], Job | None, Frame | None] | None:
        """A task and what is done before it, else words and frames in turn, one at a time; None where it is to end.

        Where there is none of these, a slice of what comes back after a restart.
        """
        with self._work:
            self._scheduler.running = None
            while not (self.stopping or self._work_queue or self._scheduler.queue.waiting or self._gate.waiting):
                if self._worker.context.restoring is not None:
                    return [WorkItem(self._worker.context.restore_slice)], None, None
                self._work.wait()
            if self.stopping:
                return None
            if (job := self._scheduler.next()) is not None:
                return self._work_queue.take(job.behind, self._worker.room_for_words(job)), job, None
            self._frame_next = not self._frame_next
            if self._frame_next and (frame := self._gate.next()) is not None:
                return [], None, frame
            if items := self._work_queue.take_next():
                return items, None, None
            return [], None, self._gate.next()

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
