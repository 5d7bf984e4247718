"""Plans on their way out: each task's one plan is claimed, written and handed on here, by the deadline.

Plans are handed on one at a time, by the thread that ends the task: the worker, or a caller for a task that needs no
model. Where another plan is being handed on just then, its thread takes the next one along. A thread of its own keeps
watch: where a plan is not out shortly before its deadline, because a step hangs or the task still waits, it publishes
what there is.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dgemma_ros.planning.answer import Outcome
from dgemma_ros.planning.budget import StepTimes
from dgemma_ros.planning.jobs import Ending, Job
from dgemma_ros.planning.record import Record
from dgemma_ros.planning.types import ErrorCode, Event, EventKind, Latency, LatePolicy, Plan, Settings, Status
from dgemma_ros.skills.validation import Checked, plan_text

LATE = Ending(Status.DEADLINE, ErrorCode.LATE, "the time was up before there was an answer")
SLEEPS = 128
"""So many wake-ups tell how late this machine wakes a thread."""
TEXT_SHOWN = 2000
"""Characters of what the model says where it calls nothing."""


@dataclass(frozen=True)
class Maker:
    """What a publisher must know of its planner. All three may be called from any thread."""

    model: str
    read: Callable[[Outcome], tuple[Checked, str]]
    """An outcome's steps and problems, and what it says outside of calls."""
    settings: Callable[[], Settings]
    forget: Callable[[Job], None]
    """The job has its plan and need not wait any more; called with the lock held."""


class Publisher:
    """The way out of a planner. ``lock`` is the planner's. Its thread goes before ordinary ones where the system lets
    it (``ulimit -r``): it has little to do, and nothing may keep it from doing that in time.
    """

    def __init__(
        self,
        lock: threading.RLock,
        maker: Maker,
        times: StepTimes,
        on_plan: Callable[[Plan], None],
        on_event: Callable[[Event], None] | None,
    ) -> None:
        self.record = Record()
        self.real_time = False
        """Whether the thread has a real-time priority."""
        self._lock = lock
        self._alarm = threading.Condition(lock)
        self._next_alarm = math.inf
        self._maker, self._times = maker, times
        self._on_plan, self._on_event = on_plan, on_event
        self._watched: dict[int, Job] = {}
        self._outbox: deque[tuple[Job, Ending]] = deque()
        self._calling = threading.Lock()
        self._closing = False
        self._overslept: deque[float] = deque(maxlen=SLEEPS)
        self._slack = 0.0
        self._prefix = uuid.uuid4().hex[:8]
        self._thread = threading.Thread(target=self._run, name="dgemma-publisher", daemon=True)
        self._thread.start()

    # -- with the lock held ---------------------------------------------------------------------------------------

    def watch(self, job: Job) -> None:
        """From now on the job has its plan by its deadline."""
        self._watched[job.serial] = job
        if self._due(job) < self._next_alarm:
            self._alarm.notify()

    def end(self, job: Job, ending: Ending) -> None:
        """The job's plan is to be handed on without the model, at the next :meth:`flush`."""
        if self._claim(job):
            self._outbox.append((job, ending))

    def lead(self, job: Job) -> float:
        """Seconds before a job's deadline at which what there is goes out.

        Half the margin, and more on a machine so busy that it wakes threads late, up to a quarter of the budget.
        """
        half = self._maker.settings().publish_margin / 2
        return max(half, min(half + self._slack, (job.deadline - job.received) / 4))

    def last_moment(self, job: Job) -> float:
        """When it is too late to begin a job: not even a quick step would be done in time."""
        margin = self._maker.settings().publish_margin / 2
        return job.deadline - margin - self.lead(job) - self._times.shortest

    def _due(self, job: Job) -> float:
        return job.deadline - self.lead(job) if job.began else self.last_moment(job)

    def _claim(self, job: Job) -> bool:
        if job.claimed:
            return False
        job.claimed = True
        self._watched.pop(job.serial, None)
        self._maker.forget(job)
        return True

    # -- without it -----------------------------------------------------------------------------------------------

    def finish(self, job: Job, ending: Ending | None = None, status: Status = Status.CONVERGED) -> bool:
        """Publishes a job's plan: its outcome with ``status``, or how it ended. False where it had one already."""
        with self._lock:
            if not self._claim(job):
                return False
        with self._calling:
            self._hand_on(job, ending, status)
        self.flush()
        return True

    def flush(self) -> None:
        """Hands on the plans of jobs that were ended; where a thread is handing one on, it does this afterwards."""
        while self._outbox and self._calling.acquire(blocking=False):
            try:
                if self._outbox:
                    self._hand_on(*self._outbox.popleft(), Status.FAILED)
            finally:
                self._calling.release()

    def _hand_on(self, job: Job, ending: Ending | None, status: Status) -> None:
        try:
            plan = self._plan(job, ending, status)
        except Exception as error:  # a defect of ours: the task gets its plan all the same
            text = f"the plan could not be written: {_one_line(error)}"
            plan = self._plan(job, Ending(Status.FAILED, ErrorCode.INTERNAL, text), Status.FAILED)
        self._guard(self._on_plan, plan)
        with self._lock:
            late = self.record.add(plan)
        if late:
            text = f"{plan.status} {1e3 * (plan.finished - plan.deadline):.1f} ms after the deadline"
            self.event(EventKind.DEADLINE_MISSED, text, job.task.task_id)

    def event(self, kind: EventKind, text: str, task_id: str = "") -> None:
        """Tells whoever listens."""
        if self._on_event is not None:
            self._guard(self._on_event, Event(kind, text, time.monotonic(), task_id))

    def close(self) -> None:
        """Publishes what is left and ends the thread. Idempotent."""
        with self._lock:
            self._closing = True
            self._alarm.notify()
        self._thread.join()
        with self._calling:  # whoever hands on a plan is done with it, and takes the rest along
            pass
        self.flush()

    def _guard(self, callback: Callable[[Any], None], value: Any) -> None:
        """A listener's error is the listener's."""
        try:
            callback(value)
        except Exception as error:
            if callback is not self._on_event:
                self.event(EventKind.ERROR, f"a callback failed: {_one_line(error)}")

    def guarded(self, callback: Callable[[Any], None], value: Any) -> None:
        """Calls a listener, whose errors become events."""
        self._guard(callback, value)

    # -- the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        with contextlib.suppress(OSError, AttributeError):  # not allowed, or not Linux
            # Threads that a listener may start from here are ordinary ones.
            os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
            self.real_time = True
        while True:
            with self._lock:
                while not (overdue := self._overdue()):
                    if self._closing:
                        return
                    alarm, now = self._next_alarm, time.monotonic()
                    if not self._alarm.wait(None if alarm == math.inf else alarm - now) and alarm < math.inf:
                        self._overslept.append(max(0.0, time.monotonic() - alarm))
                        self._slack = sorted(self._overslept)[99 * len(self._overslept) // 100]
            for job in overdue:
                begun = job.outcome.canvases > 0
                if self.finish(job, None if begun else LATE, Status.DEADLINE):
                    with self._lock:
                        self.record.watchdog += begun
                        job.ending = job.ending or LATE  # so that the worker stops

    def _overdue(self) -> list[Job]:
        """The jobs whose plans must go out now; otherwise when to look again."""
        now = time.monotonic()
        due = {job.serial: self._due(job) for job in self._watched.values()}
        self._next_alarm = min(due.values(), default=math.inf)
        return [job for job in self._watched.values() if due[job.serial] <= now]

    # -- writing a plan -------------------------------------------------------------------------------------------

    def _plan(self, job: Job, ending: Ending | None, status: Status) -> Plan:
        settings, outcome, task = self._maker.settings(), job.outcome, job.task
        checked, said = Checked((), ()), ""
        if ending is None:
            checked, said = self._maker.read(outcome)
            if status is Status.DEADLINE and settings.late_policy is LatePolicy.EMPTY:
                checked = Checked((), checked.problems)
                ending = Ending(status, ErrorCode.LATE, "the time was up; late_policy is 'empty'")
        if ending is not None:
            status, code, error = ending.status, ending.code, ending.text
        elif checked.problems:
            first, more = checked.problems[0], len(checked.problems) - 1
            code, error = first.code, first.text + (f" (and {more} more)" if more else "")
        else:
            code, error = ErrorCode.NONE, ""
        valid = code is ErrorCode.NONE
        frame = job.frame
        now = time.monotonic()
        oldest = settings.max_observation_age
        return Plan(
            plan_id=f"{self._prefix}-{job.serial}",
            task_id=task.task_id,
            task=str(task.text),
            status=status,
            valid=valid,
            stale=oldest > 0 and (frame is None or now - frame.received > oldest),
            error_code=code,
            error=error,
            valid_for=settings.valid_for if valid else 0.0,
            camera=frame.camera if frame else "",
            frame_id=frame.frame_id if frame else "",
            observation_stamp_ns=frame.stamp_ns if frame else None,
            steps=checked.steps,
            text=plan_text(checked.steps) or " ".join(said.split())[:TEXT_SHOWN],
            deadline=job.deadline,
            finished=now,
            latency=Latency(now - job.received, job.vision, job.prefill, outcome.denoise),
            denoising_steps=outcome.steps,
            step_budget=outcome.step_budget,
            canvases=outcome.canvases,
            mean_entropy=outcome.mean_entropy,
            context_tokens=job.context_tokens,
            model=self._maker.model,
            seed=settings.seed,
            priority=task.priority,
            parent_plan_id=str(task.parent_plan_id),
        )


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
