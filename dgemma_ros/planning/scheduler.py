"""Which task may come in, which ends, and which is next."""

from __future__ import annotations

import threading
from collections.abc import Callable

from dgemma_ros.planning.budget import Clock
from dgemma_ros.planning.jobs import Ending, Job, Queue, no_time, refusal
from dgemma_ros.planning.publisher import Publisher
from dgemma_ros.planning.types import ErrorCode, Settings, Status
from dgemma_ros.planning.watchdog import Watchdog


class Scheduler:
    """Always called with the planner's lock held; the plans of those that end are handed on by a flush behind it.

    ``work`` is the worker's condition.
    """

    def __init__(
        self, queue: Queue, publisher: Publisher, watchdog: Watchdog, work: threading.Condition, clock: Clock
    ) -> None:
        self.queue = queue
        self.running: Job | None = None
        self.inhibited = False
        self._publisher, self._watchdog, self._work, self._clock = publisher, watchdog, work, clock

    def admit(self, job: Job, closed: str, settings: Settings) -> None:
        """A task comes in; ``closed`` says why none is taken now, or nothing."""
        wrong = refusal(job.task)
        if wrong:
            self._publisher.end(job, Ending(Status.REJECTED, ErrorCode.BAD_TASK, wrong))
        elif closed:
            self._publisher.end(job, Ending(Status.REJECTED, ErrorCode.STOPPED, closed))
        elif self.inhibited:
            self._publisher.end(job, Ending(Status.REJECTED, ErrorCode.INHIBITED, "planning is inhibited"))
        else:
            ended = self.queue.admit(job, self.running, settings)
            for other, why in ended:
                self._end(other, why)
            if any(other is job for other, _ in ended):
                return
            if self._watchdog.latest_start(job) <= self._clock():
                hopeless = no_time(job.deadline - job.received, job.settings.publish_margin)
                self.end_all(hopeless, lambda other: other is job)
            else:
                self._watchdog.watch(job)
                self._work.notify()

    def next(self) -> Job | None:
        """Takes the job whose turn it is, which runs from now on."""
        self.running = self.queue.next()
        return self.running

    def end_all(self, ending: Ending, which: Callable[[Job], bool] = lambda job: True) -> int:
        """Ends those that run or wait; how many they were."""
        running = [self.running] if self.running is not None and self.running.ending is None else []
        jobs = [job for job in [*running, *self.queue.waiting] if which(job) and not job.claimed]
        self.queue.remove(jobs)
        for job in jobs:
            self._end(job, ending)
        return len(jobs)

    def _end(self, job: Job, ending: Ending) -> None:
        if job is self.running:
            job.ending = job.ending or ending  # the worker publishes it, within a step
        else:
            self._publisher.end(job, ending)
