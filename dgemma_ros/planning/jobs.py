"""Tasks on their way, which of them wait, and which must go: the rules of preemption and priority, without threads.

Every task that comes in leaves as exactly one plan. A :class:`Job` is that promise: it is claimed once, by the
thread that writes its plan, and no other may then.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from dgemma_ros.checkpoint.untrusted import MAX_TEXT
from dgemma_ros.context.context import Context
from dgemma_ros.context.recall import Recalled
from dgemma_ros.generation.contract import NO_ANSWER, Answer, Limits, Request
from dgemma_ros.planning.confirmation import NOT_ASKED, SecondReading
from dgemma_ros.planning.trace import Retrace, Trace
from dgemma_ros.planning.types import ErrorCode, Frame, Preemption, Settings, Status, Task
from dgemma_ros.skills.catalogue import SkillCatalogue


@dataclass(frozen=True)
class Ending:
    """Why a task ends without an answer of its own."""

    status: Status
    code: ErrorCode
    text: str


LATE = Ending(Status.DEADLINE, ErrorCode.LATE, "the time was up before there was an answer")


def no_time(budget: float, margin: float) -> Ending:
    """Why a task ends at once for which not even one step would be done in time."""
    if budget > margin + 1e-6:  # the difference of two moments, and so not to the last digit
        return LATE
    text = f"the budget of {budget:g} s leaves no time before publish_margin, {margin:g} s: give more"
    return Ending(Status.DEADLINE, ErrorCode.LATE, text)


@dataclass(eq=False)
class Job:
    """A task on its way. All but ``answer`` and what the worker alone reads is guarded by the planner's lock."""

    task: Task
    received: float
    deadline: float
    serial: int
    settings: Settings
    skills: SkillCatalogue
    """What the plan rests on, also where they change meanwhile: as they are when the worker begins with the task."""
    behind: int = 0
    """The number of the last note or other work that came before it."""
    ending: Ending | None = None
    """Set from outside: the worker stops before its next step."""
    claimed: bool = False
    answer: Answer = NO_ANSWER
    """The best so far. Replaced as a whole by the worker, read by the watchdog."""
    frame: Frame | None = None
    """The newest frame that the model had read when the task began."""
    began: float = 0.0
    """When the worker began with it; 0 while it waits."""
    recalled: tuple[Recalled, ...] = ()
    """Forgotten frames that the answer rests on, too. Replaced as a whole by the worker, read by the watchdog."""
    vision: float = 0.0
    second: SecondReading = NOT_ASKED
    """Of the same task from another seed. Replaced as a whole by the worker, read by the watchdog."""

    def begin(self, settings: Settings, skills: SkillCatalogue, now: float) -> None:
        """The worker begins with it."""
        self.settings, self.skills, self.began = settings, skills, now

    def request(self, context: Context, budget: Trace | Retrace, on_update: Callable[[Answer], None]) -> Request:
        """What the generator is asked for it, now and when the plan is made again."""
        return Request(
            context=context,
            task=self.task.text,
            template=self.task.template_text,
            skills=self.skills,
            budget=budget,
            seed=self.settings.seed,
            limits=Limits(self.settings.max_canvases, self.settings.max_plan_steps, self.settings.max_steps),
            repair=self.settings.repair,
            stop=budget.stop,
            on_update=on_update,
        )


def make_job(task: Task, settings: Settings, skills: SkillCatalogue, serial: int, now: float) -> Job:
    """A job for a task that has been accepted or will be refused; any budget makes some deadline."""
    received = task.received if 0.0 < task.received <= now else now
    usable = isinstance(task.budget, int | float) and math.isfinite(task.budget) and task.budget > 0
    budget = float(task.budget) if usable and task.budget is not None else settings.budget
    return Job(task, received, received + budget, serial, settings, skills)


def refusal(task: Task) -> str:
    """Why a task cannot be used, or nothing."""
    if not task.text.strip() and not task.template_text.strip():
        return "the task has no words"
    if len(task.text) > MAX_TEXT or len(task.template_text) > MAX_TEXT:
        return f"the task has more than {MAX_TEXT} characters"
    if task.budget is not None and not (isinstance(task.budget, int | float) and math.isfinite(task.budget)):
        return f"the budget {task.budget!r} is not a number of seconds"
    if task.budget is not None and task.budget <= 0:
        return f"the budget {task.budget!r} is not above zero"
    return ""


class Queue:
    """The tasks that wait, most urgent first and oldest first among equals. Not thread-safe."""

    def __init__(self) -> None:
        self.waiting: list[Job] = []

    def admit(self, job: Job, running: Job | None, settings: Settings) -> list[tuple[Job, Ending]]:
        """Lets a job in, or not: the jobs that end by this, among them perhaps itself.

        A running job that ends is to be told so; it is not in the queue any more.
        """
        before = ([running] if running and running.ending is None else []) + self.waiting
        policy, urgency = settings.preemption, job.task.priority
        if policy is Preemption.REJECT and any(other.task.priority >= urgency for other in before):
            busy = "another task is being planned; preemption is 'reject'"
            return [(job, Ending(Status.REJECTED, ErrorCode.BUSY, busy))]
        ended: list[tuple[Job, Ending]] = []
        for other in before:
            lower = other.task.priority < urgency
            same = other.task.priority == urgency and policy is Preemption.LATEST
            if same or (lower and (other is running or policy is not Preemption.QUEUE)):
                word = "more urgent" if lower else "newer"
                text = f"a {word} task, {job.task.task_id!r}, took its place"
                ended.append((other, Ending(Status.PREEMPTED, ErrorCode.STOPPED, text)))
        self.remove(other for other, _ in ended)
        if len(self.waiting) >= settings.queue_limit:
            last = min(self.waiting, key=lambda other: (other.task.priority, -other.serial))
            full = f"{settings.queue_limit} tasks wait already (queue_limit)"
            if last.task.priority >= urgency:
                return [*ended, (job, Ending(Status.REJECTED, ErrorCode.QUEUE_FULL, full))]
            self.waiting.remove(last)
            ended.append((last, Ending(Status.PREEMPTED, ErrorCode.QUEUE_FULL, f"{full}, and a more urgent one came")))
        self.waiting.append(job)
        self.waiting.sort(key=lambda other: (-other.task.priority, other.serial))
        return ended

    def next(self) -> Job | None:
        """Takes the job whose turn it is."""
        return self.waiting.pop(0) if self.waiting else None

    def discard(self, job: Job) -> None:
        """Takes out that job, where it still waits."""
        with suppress(ValueError):
            self.waiting.remove(job)

    def remove(self, jobs: Iterable[Job]) -> None:
        """Takes out those jobs, where they still wait."""
        gone = {id(job) for job in jobs}
        self.waiting = [job for job in self.waiting if id(job) not in gone]
