"""The watch over deadlines: a thread that needs neither the worker nor the model.

Where a plan is not out shortly before its deadline, because a step hangs or the task still waits, it is published here
with what there is. Where many are due at once, it begins so early that the last of them is in time, too.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
from collections import deque
from collections.abc import Callable

from dgemma_ros.planning.budget import Clock, StepTimes
from dgemma_ros.planning.jobs import Job

WAKE_UPS = 128
"""So many wake-ups tell how late this machine wakes a thread."""
HANDED_ON = 64
"""So many plans tell how long it takes to hand one on."""
FIRST_GUESS = 0.0005
"""Seconds for a plan, while none was handed on."""
RESERVE = 2.0
"""So many times what plans took is kept for each that is due."""


class Watchdog:
    """``lock`` is the planner's.

    Its thread goes before ordinary ones where the system lets it (``ulimit -r``): it has little to do, and nothing may
    keep it from doing that in time.
    """

    def __init__(self, lock: threading.RLock, times: StepTimes, clock: Clock) -> None:
        self.real_time = False
        """Whether the thread has a real-time priority."""
        self._lock, self._times, self._clock = lock, times, clock
        self._alarm = threading.Condition(lock)
        self._next_alarm = math.inf
        self._watched: dict[int, Job] = {}
        self._closing = False
        self._overslept: deque[float] = deque(maxlen=WAKE_UPS)
        self._slack = 0.0
        self._took: deque[float] = deque([FIRST_GUESS], maxlen=HANDED_ON)
        self._unseen = 0
        """Jobs that came since the thread looked."""
        self._thread: threading.Thread | None = None

    def start(self, publish: Callable[[Job], None], real_time: bool) -> None:
        """Begins to watch. ``publish`` is called without the lock, for each job whose plan must go out now."""
        self._thread = threading.Thread(
            target=self._run, args=(publish, real_time), name="dgemma-watchdog", daemon=True
        )
        self._thread.start()

    def watch(self, job: Job) -> None:
        """From now on the job has its plan by its deadline; with the lock held."""
        self._watched[job.serial] = job
        self._unseen += 1
        # Each that comes may have the others begun earlier by one plan's time: half of the lead may pass unseen.
        if self._due(job) < self._next_alarm or self._unseen * self._each > job.settings.publish_margin / 4:
            self._alarm.notify()

    def forget(self, job: Job) -> None:
        """The job has its plan; with the lock held."""
        self._watched.pop(job.serial, None)

    def handed_on(self, seconds: float) -> None:
        """It took so long to hand on a plan; with the lock held."""
        self._took.append(seconds)

    @property
    def _each(self) -> float:
        """Seconds that are kept for handing on one plan."""
        return RESERVE * sum(self._took) / len(self._took)

    def lead(self, job: Job) -> float:
        """Seconds before a job's deadline at which what there is goes out.

        Half the margin, and more on a machine so busy that it wakes threads late, up to a quarter of the budget.
        """
        half = job.settings.publish_margin / 2
        return max(half, min(half + self._slack, (job.deadline - job.received) / 4))

    def latest_start(self, job: Job) -> float:
        """When it is too late to begin a job: not even a quick step would be done in time."""
        return job.deadline - job.settings.publish_margin / 2 - self.lead(job) - self._times.shortest

    def close(self) -> None:
        """Publishes what is due and ends the thread. Idempotent; not to be called with the lock held."""
        with self._lock:
            self._closing = True
            self._alarm.notify()
        if self._thread is not None:
            self._thread.join()

    def _due(self, job: Job) -> float:
        return job.deadline - self.lead(job) if job.began else self.latest_start(job)

    def _run(self, publish: Callable[[Job], None], real_time: bool) -> None:
        if real_time:
            with contextlib.suppress(OSError, AttributeError):  # not allowed, or not Linux
                # Threads that a listener may start from here are ordinary ones.
                os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
                self.real_time = True
        while True:
            with self._lock:
                while not (overdue := self._overdue()):
                    if self._closing:
                        return
                    alarm, now = self._next_alarm, self._clock()
                    if not self._alarm.wait(None if alarm == math.inf else alarm - now) and alarm < math.inf:
                        self._overslept.append(max(0.0, self._clock() - alarm))
                        self._slack = sorted(self._overslept)[99 * len(self._overslept) // 100]
            for job in overdue:
                publish(job)

    def _overdue(self) -> list[Job]:
        """The jobs whose plans must go out now, in order; otherwise when to look again.

        Each must begin early enough for those behind it. Among equals, what is least likely to be planned goes first.
        """
        now, each, start = self._clock(), self._each, math.inf
        watched = [(self._due(job), job.task.priority, -job.serial, job) for job in self._watched.values()]
        watched.sort(key=lambda entry: entry[:3], reverse=True)
        overdue: list[Job] = []
        for due, _, _, job in watched:
            start = min(due, start - each)
            if start <= now:
                overdue.append(job)
        self._next_alarm, self._unseen = start, 0
        return overdue[::-1]
