"""The judge finds each broken promise, and finds none where all held."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.soak.judge import GROWTH, KEPT, Audit, Row, audit, judge
from tests.soak.ledger import Came, Ledger
from tests.soak.watch import Life, Sample, sample, segments

NOW = time.time()


def plan(key: str, **changes: object) -> Came:
    made = Came(key, f"p-{key}", NOW + 0.1, NOW + 0.1, NOW + 1.0, "CONVERGED", True, True, False)
    return replace(made, **changes)  # type: ignore[arg-type]


class Day:
    """Two tasks and a goal, a planner's life of an hour: all as promised."""

    def __init__(self, folder: Path) -> None:
        self.ledger, self.broken, self.left = Ledger(), list[str](), list[Path]()
        self.ledger.listens()
        for key, way in (("a", "task"), ("b", "request"), ("g", "goal")):
            entry = self.ledger.send(key, way, budget=1.0)
            entry.before = entry.after = NOW
            self.ledger.hear(plan(key))
        goal = self.ledger.goals["g"]
        goal.accepted, goal.asked, goal.ending, goal.valid = True, NOW, "SUCCEEDED", True
        log = folder / "planner.log"
        log.write_text("[INFO] ready: \n")
        self.life = Life("planner", 1, log, how="SIGTERM", status=0, leaving=0.5)
        self.life.samples = [Sample(NOW + second, 200.0, 20, 60) for second in range(3600)]
        self.life.quiet = self.life.samples[::600]
        self.life.unconfigured = [Sample(NOW + second, 110.0, 20, 60) for second in (600, 1200, 1800)]
        self.figures = {"plans converged": "3", "deadline misses": "0"}

    @property
    def audits(self) -> list[Audit]:
        return [audit(self.ledger.came, "p", self.figures)]

    def rows(self) -> list[Row]:
        return judge(self.ledger, [self.life], self.audits, self.broken, self.left)


def forgets(day: Day) -> None:
    day.ledger.send("c", "task")


def repeats(day: Day) -> None:
    day.ledger.hear(plan("a"))
    day.figures["plans converged"] = "4"


def invents(day: Day) -> None:
    day.ledger.hear(plan("z"))
    day.figures["plans converged"] = "4"


def counts_from_arrival(day: Day) -> None:
    day.ledger.came[1].deadline += 0.2


def is_late_and_valid(day: Day) -> None:
    day.ledger.came[0].stamp = NOW + 1.01
    day.figures["deadline misses"] = "1"


def hides_a_late_plan(day: Day) -> None:
    day.ledger.came[0].stamp, day.ledger.came[0].valid = NOW + 1.01, False


def counts_less(day: Day) -> None:
    day.figures["plans converged"] = "2"


def ignores_a_goal(day: Day) -> None:
    day.ledger.send("h", "goal")


def keeps_a_result(day: Day) -> None:
    day.ledger.goals["g"].ending = ""


def ends_a_goal_wrongly(day: Day) -> None:
    day.ledger.goals["g"].ending = "ABORTED"


def takes_long_to_leave(day: Day) -> None:
    day.life.leaving = 4.0


def dies(day: Day) -> None:
    day.life.how, day.life.status = "by itself", -11


def writes_a_traceback(day: Day) -> None:
    day.life.log.write_text("Traceback (most recent call last):\n")


def grows(day: Day) -> None:
    most = 3 * (GROWTH + KEPT["planner"])
    day.life.samples = [replace(s, memory=200 + most * i / 3600) for i, s in enumerate(day.life.samples)]


def keeps_what_it_was_sent(day: Day) -> None:
    day.life.unconfigured = [replace(s, memory=110 + GROWTH * i) for i, s in enumerate(day.life.unconfigured)]


def keeps_it_behind_many_cleanups(day: Day) -> None:
    """A little more each time; every other look meets a planner that has not gone yet."""
    looks = [Sample(NOW + number, 110 + 0.5 * number + 30 * (number % 2), 20, 60) for number in range(60)]
    day.life.unconfigured = looks


def leaks_threads(day: Day) -> None:
    day.life.quiet[-1] = replace(day.life.quiet[-1], threads=21)


def leaks_descriptors(day: Day) -> None:
    day.life.quiet[-1] = replace(day.life.quiet[-1], descriptors=61)


def leaves_shared_memory(day: Day) -> None:
    day.left.append(Path("/dev/shm/fastrtps_0"))


def test_a_good_day(tmp_path: Path) -> None:
    assert not [row for row in Day(tmp_path).rows() if row.broken]


@pytest.mark.parametrize(
    ("wrong", "promise"),
    [
        (forgets, "every task has a plan"),
        (repeats, "and only one"),
        (invents, "nobody else's"),
        (counts_from_arrival, "a budget counts from publication"),
        (is_late_and_valid, "no late plan is valid"),
        (hides_a_late_plan, "lateness is counted as the client sees it"),
        (counts_less, "lateness is counted as the client sees it"),
        (ignores_a_goal, "a goal is accepted or refused"),
        (keeps_a_result, "an accepted goal has a result"),
        (ends_a_goal_wrongly, "a goal ends as its plan"),
        (takes_long_to_leave, "a signal ends a node within two seconds, and nothing else does"),
        (dies, "a signal ends a node within two seconds, and nothing else does"),
        (writes_a_traceback, "no traceback on any stderr"),
        (grows, "planner: memory, threads and descriptors are flat"),
        (keeps_what_it_was_sent, "planner: memory, threads and descriptors are flat"),
        (keeps_it_behind_many_cleanups, "planner: memory, threads and descriptors are flat"),
        (leaks_threads, "planner: memory, threads and descriptors are flat"),
        (leaks_descriptors, "planner: memory, threads and descriptors are flat"),
        (leaves_shared_memory, "/dev/shm as before"),
    ],
)
def test_a_bad_day(tmp_path: Path, wrong: Callable[[Day], None], promise: str) -> None:
    day = Day(tmp_path)
    wrong(day)
    assert [row.promise for row in day.rows() if row.broken] == [promise]


def test_what_goes_a_moment_behind_a_cleanup_is_not_kept(tmp_path: Path) -> None:
    day = Day(tmp_path)
    day.life.unconfigured = [Sample(NOW + number, 110.0, 20, 60) for number in range(60)]
    day.life.unconfigured[-1] = replace(day.life.unconfigured[-1], memory=140.0)
    assert not [row for row in day.rows() if row.broken]


def test_who_is_killed_owes_nothing_and_who_leaves_owes_what_came_before() -> None:
    ledger = Ledger()
    ledger.send("early", "task")
    ledger.listens()
    ledger.send("before", "task")
    ledger.leaves("SIGTERM")
    ledger.send("while", "task")
    ledger.listens()
    ledger.send("next", "task")
    assert [entry.key for entry in ledger.missing()] == ["before", "next"]
    ledger.killed()
    assert not ledger.missing()


def test_a_process_is_seen_as_it_is() -> None:
    own = sample(os.getpid())
    assert own is not None and own.memory > 10 and own.threads >= 1 and own.descriptors >= 3
    assert sample(2**22 + 1) is None and not segments(2**22 + 1)
