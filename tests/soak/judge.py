"""What was promised, and whether it held: one line a promise. Knows no ROS."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.soak.ledger import Came, Ledger
from tests.soak.watch import Life

CLOCK = 0.05
"""Seconds by which a deadline may differ from publication and budget: two clocks are read one after the other."""
JUST = 0.002
"""Seconds behind its deadline by which a plan that was written in time may be published."""
LEAVES_WITHIN = 2.5
"""Seconds from a signal to the end: two are promised, and the watching takes some."""
PROMPT = 0.5
"""Seconds of widening up to which a node that ends has no excuse for leaving work undone."""
UNFINISHED = "ended with work still running"
GROWTH = 16.0
"""MiB by which a process may have grown from the second to the last quarter of its life, and a planner from its first
cleanups to its last, where it holds nothing that it was sent."""
KEPT = {"planner": 100 * 4 * 300_000 / 2**20}
"""MiB on top that a node may keep while it listens. Fast DDS's pool of a reader's messages grows to the largest, one
for each that may wait, and shrinks only with the reader: 100 notes, of 300,000 characters of four bytes in a soak."""
LONG = 480.0
"""Seconds of life from which on memory is judged: until then what is kept for late readers (1,000 plans) fills up."""
CLEAN = {"SIGTERM": 0, "SIGINT": 0, "SIGKILL": -9}
WRONG = re.compile(r"Traceback|Segmentation|terminate called|Exception ignored|core dumped")


@dataclass
class Row:
    """One promise: what it was tried on, and where it was broken."""

    promise: str
    tried: str
    broken: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Audit:
    """What a planner counted by itself when nothing was under way, and the plans that came from it."""

    maker: str
    figures: Mapping[str, str]
    plans: int
    late: int


def audit(came: Sequence[Came], maker: str, figures: Mapping[str, str]) -> Audit:
    """Of the configuration that writes ``maker`` before its plans' ids."""
    mine = [plan for plan in came if plan.made and plan.maker == maker]
    late = sum(plan.late > JUST and not plan.simulated for plan in mine)
    return Audit(maker, figures, len(mine), late)


def judge(
    ledger: Ledger,
    lives: Sequence[Life],
    audits: Sequence[Audit],
    broken: Sequence[str],
    left: Iterable[Path],
    lateness: float = 0.0,
) -> list[Row]:
    """All promises. ``broken``: what acts saw; ``left``: files of these processes that are still in /dev/shm.

    ``lateness``: seconds by which the machine let a process wait that was ready; so much later may all be.
    """
    excused = Counter(entry.excused for entry in ledger.sent.values() if entry.excused)
    owed = len(ledger.sent) - sum(excused.values())
    said = ", ".join(f"{count} {why}" for why, count in sorted(excused.items()))
    files = sorted(map(str, left))
    return [
        Row("every task has a plan", f"{owed} owed one; not owed: {said or 'none'}", _missing(ledger)),
        Row("and only one", f"{len(ledger.came)} plans", _twice(ledger)),
        Row("nobody else's", f"{len(ledger.came)} plans", [f"a plan of {key!r}" for key in ledger.strangers]),
        _deadlines(ledger, CLOCK + lateness),
        _late(ledger),
        _counts(audits),
        *_goals(ledger),
        Row("every act goes as it should", "lifecycle, services, parameters", list(broken)),
        _ends(lives, LEAVES_WITHIN + 2 * lateness),
        _logs(lives),
        *_flat(lives),
        Row(
            "/dev/shm as before", f"{sum(len(life.segments) for life in lives)} files of {len(lives)} processes", files
        ),
    ]


def _missing(ledger: Ledger) -> list[str]:
    return [f"{entry.key} ({entry.way}), sent at {entry.before:.3f}" for entry in ledger.missing()]


def _twice(ledger: Ledger) -> list[str]:
    counts = Counter(came.key for came in ledger.came if came.key in ledger.sent)
    return [f"{key}: {count} plans" for key, count in counts.items() if count > 1]


def _deadlines(ledger: Ledger, tolerance: float) -> Row:
    """Deadline = publication + budget."""
    row, tried = Row("a budget counts from publication", ""), 0
    for came in ledger.came:
        entry = ledger.sent.get(came.key)
        if entry is None or entry.way != "request" or entry.budget <= 0 or not came.made or came.simulated:
            continue
        tried += 1
        low, high = entry.before + entry.budget - tolerance, entry.after + entry.budget + tolerance
        if not low <= came.deadline <= high:
            off = came.deadline - entry.before - entry.budget
            row.broken.append(f"{came.key}: a deadline {off:+.3f} s from publication and budget")
    row.tried = f"{tried} plans of tasks with a budget"
    return row


def _late(ledger: Ledger) -> Row:
    timed = [came for came in ledger.came if came.made and not came.simulated]
    late = [came for came in timed if came.late > JUST]
    p99 = 1e3 * float(np.percentile([came.late for came in late], 99)) if late else 0.0
    tried = f"{len(timed)} plans, {len(late)} late, 99 % of these by {p99:.1f} ms at most"
    return Row("no late plan is valid", tried, [f"{c.key}: {1e3 * c.late:.1f} ms late" for c in late if c.valid])


def _counts(audits: Sequence[Audit]) -> Row:
    """What the planner says in /diagnostics is what its client saw."""
    row, plans, late, missed = Row("lateness is counted as the client sees it", ""), 0, 0, 0
    for one in audits:
        counted = sum(int(value) for name, value in one.figures.items() if name.startswith("plans "))
        misses = int(one.figures.get("deadline misses", "0"))
        if counted != one.plans:
            row.broken.append(f"planner {one.maker} counts {counted} plans, and {one.plans} came")
        if misses < one.late:
            row.broken.append(f"planner {one.maker} counts {misses} late plans, and {one.late} came late")
    newest = {one.maker: one for one in audits}.values()
    plans, late = sum(one.plans for one in newest), sum(one.late for one in newest)
    missed = sum(int(one.figures.get("deadline misses", "0")) for one in newest)
    row.tried = f"{len(audits)} audits: {plans} plans, {late} late, {missed} counted as late"
    return row


def _goals(ledger: Ledger) -> list[Row]:
    goals, planned = list(ledger.goals.values()), {came.key for came in ledger.came}
    accepted = [goal for goal in goals if goal.accepted]
    ended = [goal for goal in accepted if goal.ending]
    refused = sum(goal.accepted is False for goal in goals)
    spared = sum(bool(goal.excused) and not goal.ending and goal.accepted is not False for goal in goals)
    wrong = [
        f"{goal.key}: {goal.ending}, with a plan {goal.plan_status}{', valid' * goal.valid}"
        for goal in ended
        if goal.ending
        != (
            "SUCCEEDED"
            if goal.valid
            else "CANCELED"
            if _was_cancelled(goal.plan_status, goal.cancelled, goal.ending)
            else "ABORTED"
        )
    ]
    return [
        Row(
            "a goal is accepted or refused",
            f"{len(goals)} goals, {refused} refused",
            [
                f"{goal.key}, {'which has a plan' if goal.key in planned else 'without a plan'}"
                for goal in ledger.unanswered()
            ],
        ),
        Row(
            "an accepted goal has a result",
            f"{len(accepted)} accepted, {len(ended)} results, {spared} with a planner that ended",
            [goal.key for goal in ledger.waiting_goals()],
        ),
        Row("a goal ends as its plan", f"{sum(goal.cancelled for goal in goals)} cancelled", wrong),
    ]


def _was_cancelled(status: str, asked: bool, ending: str) -> bool:
    """A goal that was asked to be cancelled may still be aborted, where something else ended it first."""
    return status == "CANCELLED" and asked and ending == "CANCELED"


def _ends(lives: Sequence[Life], within: float) -> Row:
    row = Row("a signal ends a node within two seconds, and nothing else does", "")
    for life in lives:
        what = f"{life.name} {life.pid}, {life.how}"
        if life.how not in CLEAN or life.status != CLEAN[life.how]:
            row.broken.append(f"{what}: status {life.status}, see {life.log}")
        elif life.leaving > within:
            row.broken.append(f"{what}: took {life.leaving:.1f} s")
        elif within < LEAVES_WITHIN + PROMPT and UNFINISHED in life.log.read_text(errors="replace"):
            row.broken.append(f"{what}: {UNFINISHED}, see {life.log}")
    ends = Counter(life.how for life in lives)
    longest = max((life.leaving for life in lives), default=0.0)
    row.tried = ", ".join(f"{count} {how}" for how, count in sorted(ends.items())) + f"; {longest:.1f} s at most"
    return row


def _logs(lives: Sequence[Life]) -> Row:
    row = Row("no traceback on any stderr", f"{len(lives)} logs")
    for life in lives:
        for line in life.log.read_text(errors="replace").splitlines():
            if WRONG.search(line):
                row.broken.append(f"{life.log.name}: {line[:200]}")
    return row


def _flat(lives: Sequence[Life]) -> list[Row]:
    """Of each node its longest life."""
    rows = []
    for name in sorted({life.name for life in lives}):
        life = max((life for life in lives if life.name == name), key=lambda life: life.seconds)
        early, late = life.memory() if life.samples else (0.0, 0.0)
        row = Row(
            f"{name}: memory, threads and descriptors are flat",
            f"{life.seconds:.0f} s of one life: {early:.1f} → {late:.1f} MiB ({life.grown():+.1f} an hour)",
        )
        if life.seconds >= LONG and late - early > GROWTH + KEPT.get(name, 0.0):
            row.broken.append(f"grew by {late - early:.1f} MiB")
        if len(life.unconfigured) >= 2:
            first, last = life.kept()
            row.tried += f"; after {len(life.unconfigured)} cleanups {first:.1f} → {last:.1f} MiB"
            if last - first > GROWTH:
                row.broken.append(f"after cleanups: {[round(sample.memory, 1) for sample in life.unconfigured]} MiB")
        if len(life.quiet) >= 2:
            for what in ("threads", "descriptors"):
                before, after = getattr(life.quiet[0], what), getattr(life.quiet[-1], what)
                row.tried += f"; {what} {before} → {after}"
                if after > before:
                    row.broken.append(f"{what}: {[getattr(sample, what) for sample in life.quiet]}")
        rows.append(row)
    return rows
