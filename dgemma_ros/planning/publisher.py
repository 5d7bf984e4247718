"""Plans on their way out: each task's one plan is claimed, written and handed on here, by the deadline.

Plans are handed on one at a time, by the thread that ends the task: the worker, a caller for a task that needs no
model, or the :mod:`watchdog`. Where another plan is being handed on just then, its thread takes the next one along.
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dgemma_ros.errors import DgemmaError, one_line
from dgemma_ros.planning.budget import Clock
from dgemma_ros.planning.jobs import LATE, Ending, Job, Queue
from dgemma_ros.planning.plan_writer import write_plan
from dgemma_ros.planning.statistics import Counters
from dgemma_ros.planning.types import ErrorCode, Event, EventKind, Plan, PlanDraft, Status
from dgemma_ros.planning.watchdog import Watchdog
from dgemma_ros.skills.catalogue import SkillCatalogue


@dataclass(frozen=True)
class Listeners:
    """Whom a planner tells."""

    on_plan: Callable[[Plan], None]
    on_draft: Callable[[PlanDraft], None] | None = None
    on_event: Callable[[Event], None] | None = None


class Publisher:
    """The way out of a planner. ``lock`` is the planner's; a job that has its plan leaves ``queue``.

    ``skills``, which is asked by any thread, gives those that hold now; ``model`` is the name that plans bear.
    """

    def __init__(
        self,
        lock: threading.RLock,
        queue: Queue,
        watchdog: Watchdog,
        listeners: Listeners,
        skills: Callable[[], SkillCatalogue],
        model: str,
        clock: Clock,
    ) -> None:
        self.counters = Counters()
        self._lock, self._queue, self._watchdog, self._listeners = lock, queue, watchdog, listeners
        self._skills, self._model, self._clock = skills, model, clock
        self._outbox: deque[tuple[Job, Ending]] = deque()
        self._handing_on = threading.Lock()
        self._prefix = uuid.uuid4().hex[:8]

    def end(self, job: Job, ending: Ending) -> None:
        """The job's plan is to be handed on without the model, at the next :meth:`flush`; with the lock held."""
        if self._claim(job):
            self._outbox.append((job, ending))

    def _claim(self, job: Job) -> bool:
        if job.claimed:
            return False
        job.claimed = True
        self._watchdog.forget(job)
        self._queue.discard(job)
        return True

    # -- without the lock -----------------------------------------------------------------------------------------

    def finish(self, job: Job, ending: Ending | None = None, status: Status = Status.CONVERGED) -> Plan | None:
        """Publishes a job's plan: its answer with ``status``, or how it ended. None where it had one already."""
        with self._lock:
            if not self._claim(job):
                return None
        with self._handing_on:
            plan = self._hand_on(job, ending, status)
        self.flush()
        return plan

    def flush(self) -> None:
        """Hands on the plans of jobs that were ended; where a thread is handing one on, it does this afterwards."""
        while self._outbox and self._handing_on.acquire(blocking=False):
            try:
                if self._outbox:
                    self._hand_on(*self._outbox.popleft(), Status.FAILED)
            finally:
                self._handing_on.release()

    def event(self, kind: EventKind, text: str, task_id: str = "") -> None:
        """Tells whoever listens."""
        self._tell(self._listeners.on_event, Event(kind, text, self._clock(), task_id))

    def error(self, error: Exception) -> None:
        """Tells of an error in the background."""
        self.event(EventKind.ERROR, described(error))

    def draft(self, job: Job) -> None:
        """Shows a job's answer as it stands, unless it has its plan or there is no listener."""
        if self._listeners.on_draft is None or job.claimed or (draft := job.answer.draft()) is None:
            return
        shown = PlanDraft(
            task_id=job.task.task_id,
            canvas=draft.canvas,
            step=draft.step,
            steps=draft.steps,
            text=draft.text,
            tokens=draft.tokens,
            accepted=draft.accepted,
            entropy=draft.entropy,
            mean_entropy=draft.mean_entropy,
            remaining=job.deadline - self._clock(),
        )
        self._tell(self._listeners.on_draft, shown)

    def close(self) -> None:
        """Hands on what is left, when the watchdog is closed. Idempotent."""
        with self._handing_on:  # whoever hands on a plan is done with it, and takes the rest along
            pass
        self.flush()

    def publish_overdue(self, job: Job) -> None:
        """For the watchdog: the job's plan goes out now, with what there is."""
        begun = job.answer.usage.canvases > 0
        if self.finish(job, None if begun else LATE, Status.DEADLINE) is not None:
            with self._lock:
                self.counters.watchdog += begun
                job.ending = job.ending or LATE  # so that the worker stops

    # -- inside ---------------------------------------------------------------------------------------------------

    def _hand_on(self, job: Job, ending: Ending | None, status: Status) -> Plan:
        began = self._clock()
        try:
            plan = self._written(job, ending, status)
        except Exception as error:  # a defect of ours: the task gets its plan all the same
            text = f"the plan could not be written: {described(error)}"
            plan = self._written(job, Ending(Status.FAILED, ErrorCode.INTERNAL, text), Status.FAILED)
        self._tell(self._listeners.on_plan, plan)
        with self._lock:
            handed_on = self._clock()
            self._watchdog.handed_on(handed_on - began)
            late = self.counters.add(plan, handed_on)
            self.counters.repairs += job.answer.usage.repairs
        if late:
            text = f"{plan.status} {1e3 * late:.1f} ms after the deadline"
            self.event(EventKind.DEADLINE_MISSED, text, job.task.task_id)
        return plan

    def plan_id(self, job: Job) -> str:
        """Of the plan that the job has, or will have."""
        return f"{self._prefix}-{job.serial}"

    def _written(self, job: Job, ending: Ending | None, status: Status) -> Plan:
        return write_plan(job, ending, status, self.plan_id(job), self._model, self._skills(), self._clock())

    def _tell(self, listener: Callable[[Any], None] | None, value: Any) -> None:
        """A listener's error becomes an event, unless it is that of whoever hears events."""
        if listener is None:
            return
        try:
            listener(value)
        except Exception as error:
            if not isinstance(value, Event):
                self.event(EventKind.ERROR, f"a callback failed: {described(error)}")


def described(error: BaseException) -> str:
    """An error for people; the class of one that was not expected is named."""
    name = "" if isinstance(error, DgemmaError) else f"{type(error).__name__}: "
    return one_line(f"{name}{error}", 300)
