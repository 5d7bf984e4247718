"""Who runs, who waits, who must go."""

from __future__ import annotations

from typing import Any

import pytest

from dgemma_ros.planning import ErrorCode, Settings, SkillCatalogue, Status, Task
from dgemma_ros.planning.jobs import Job, Queue, make_job, refusal

NO_SKILLS = SkillCatalogue({})


def job(serial: int, priority: int = 0) -> Job:
    return make_job(Task(f"t{serial}", "x", None, priority), Settings(), NO_SKILLS, serial, 1.0)


def admitted(policy: str, running: Job | None, waiting: list[Job], new: Job, limit: int = 3) -> tuple[Any, Any]:
    queue = Queue()
    queue.waiting = list(waiting)
    ended = queue.admit(new, running, Settings(preemption=policy, queue_limit=limit))
    return [j.serial for j in queue.waiting], {j.serial: (e.status, e.code) for j, e in ended}


PREEMPTED = (Status.PREEMPTED, ErrorCode.STOPPED)
FULL = (Status.PREEMPTED, ErrorCode.QUEUE_FULL)


@pytest.mark.parametrize(
    ("policy", "running", "waiting", "new", "waits", "ended"),
    [
        ("latest", job(1), [], job(2), [2], {1: PREEMPTED}),
        ("latest", job(1), [job(2)], job(3), [3], {1: PREEMPTED, 2: PREEMPTED}),
        ("latest", job(1, 5), [], job(2), [2], {}),
        ("latest", job(1, 5), [job(2)], job(3), [3], {2: PREEMPTED}),
        ("latest", None, [job(1)], job(2, 1), [2], {1: PREEMPTED}),
        ("queue", job(1), [job(2)], job(3), [2, 3], {}),
        ("queue", job(1), [job(2)], job(3, 1), [3, 2], {1: PREEMPTED}),
        ("queue", job(1, 1), [job(2)], job(3, 1), [3, 2], {}),
        ("queue", job(1), [job(2), job(3), job(4)], job(5), [2, 3, 4], {5: (Status.REJECTED, ErrorCode.QUEUE_FULL)}),
        ("queue", job(1, 9), [job(2), job(3, 1), job(4)], job(5, 1), [3, 5, 2], {4: FULL}),
        ("reject", job(1), [], job(2), [], {2: (Status.REJECTED, ErrorCode.BUSY)}),
        ("reject", None, [job(1)], job(2), [1], {2: (Status.REJECTED, ErrorCode.BUSY)}),
        ("reject", job(1), [], job(2, 1), [2], {1: PREEMPTED}),
        ("reject", None, [], job(2), [2], {}),
    ],
)
def test_rules(policy: str, running: Job | None, waiting: list[Job], new: Job, waits: Any, ended: Any) -> None:
    assert admitted(policy, running, waiting, new) == (waits, ended)


def test_deadlines_count_from_receipt() -> None:
    settings = Settings(budget=2.0)
    assert make_job(Task("a", "x", 0.5, received=9.0), settings, NO_SKILLS, 1, 10.0).deadline == 9.5
    assert make_job(Task("a", "x", None), settings, NO_SKILLS, 1, 10.0).deadline == 12.0
    assert make_job(Task("a", "x", 1.0, received=99.0), settings, NO_SKILLS, 1, 10.0).deadline == 11.0


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (Task("a", "", None), "no words"),
        (Task("a", " \n", 1.0), "no words"),
        (Task("a", "x", 0.0), "not above zero"),
        (Task("a", "x", -1.0), "not above zero"),
        (Task("a", "x", float("nan")), "not a number"),
        (Task("a", "x" * 10**6, None), "characters"),
        (Task("a", "", None, template_text="stop()"), ""),
    ],
)
def test_unusable_tasks(task: Task, said: str) -> None:
    assert said in refusal(task) and bool(refusal(task)) == bool(said)
