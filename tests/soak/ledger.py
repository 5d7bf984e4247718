"""What was sent, what came back, and what is owed. Knows no ROS.

A task is owed a plan when a planner listened as it was sent, and was not killed before it could answer. What is sent
while a planner leaves of its own accord (SIGTERM, cleanup) is not owed one: before it is told to, all that was sent
is seen to have arrived.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

ASKED_EARLY = 0.5
"""Seconds before a planner leaves by which a result must have been asked for to be owed."""


@dataclass
class Sent:
    """A task on one of the three ways in. Times of ``time.time()``."""

    key: str
    way: str
    """``task``, ``request`` or ``goal``."""
    before: float
    after: float = 0.0
    """Round its publication."""
    budget: float = 0.0
    """Seconds; 0 for the planner's own."""
    excused: str = ""
    """Why no plan is owed; empty where one is."""


@dataclass
class Came:
    """A plan, as it arrived. ``stamp`` and ``deadline`` are its own, in ROS time."""

    key: str
    plan_id: str
    at: float
    stamp: float
    deadline: float
    status: str
    valid: bool
    made: bool
    """By a configured planner: the others know of no deadline."""
    simulated: bool
    """The planner's time was a simulation's."""

    @property
    def late(self) -> float:
        """Seconds behind the deadline when it was published; negative before it."""
        return self.stamp - self.deadline

    @property
    def maker(self) -> str:
        """Names the configuration that made it."""
        return self.plan_id.rpartition("-")[0]


@dataclass
class Goal:
    """A goal of ``generate_plan``."""

    key: str
    accepted: bool | None = None
    """None as long as nobody has answered."""
    asked: float = 0.0
    """When its result was asked for."""
    cancelled: bool = False
    ending: str = ""
    """``SUCCEEDED``, ``CANCELED`` or ``ABORTED``; empty as long as there is no result."""
    plan_status: str = ""
    valid: bool = False
    excused: str = ""


@dataclass
class Ledger:
    """Thread-safe. ``sending`` is held by whoever sends, so that nothing is sent between a look and a mark."""

    sent: dict[str, Sent] = field(default_factory=dict)
    came: list[Came] = field(default_factory=list)
    goals: dict[str, Goal] = field(default_factory=dict)
    strangers: list[str] = field(default_factory=list)
    """Plans for what nobody sent."""
    excuse: str = "nobody listened"
    """Why what is sent now is not owed a plan."""
    sending: threading.RLock = field(default_factory=threading.RLock)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def send(self, key: str, way: str, budget: float = 0.0) -> Sent:
        """Notes what is about to be sent; ``sending`` is held."""
        entry = Sent(key, way, time.time(), budget=budget, excused=self.excuse)
        with self._lock:
            self.sent[key] = entry
            if way == "goal":
                self.goals[key] = Goal(key, excused=self.excuse)
        return entry

    def hear(self, came: Came) -> None:
        """A plan came."""
        with self._lock:
            self.came.append(came)
            if came.key not in self.sent:
                self.strangers.append(came.key)

    def leaves(self, how: str) -> None:
        """The planner is about to be told to go; all tasks so far have arrived there. ``sending`` is held."""
        self.excuse = how
        with self._lock:
            for goal in self._open_goals():
                if goal.accepted is None or goal.asked > time.time() - ASKED_EARLY:
                    goal.excused = how
                if goal.accepted is None:
                    self.sent[goal.key].excused = how

    def killed(self) -> None:
        """The planner was killed: what has no plan yet gets none. ``sending`` is held."""
        self.excuse = "killed"
        with self._lock:
            answered = {came.key for came in self.came}
            for entry in self.sent.values():
                if entry.key not in answered:
                    entry.excused = entry.excused or "killed"
            for goal in self._open_goals():
                goal.excused = goal.excused or "killed"

    def listens(self) -> None:
        """A planner is there, and hears what is sent."""
        self.excuse = ""

    def _open_goals(self) -> list[Goal]:
        return [goal for goal in self.goals.values() if not goal.ending and goal.accepted is not False]

    def missing(self) -> list[Sent]:
        """What is owed a plan and has none. A goal is owed one once it is accepted."""
        with self._lock:
            answered = {came.key for came in self.came}
            answered |= {goal.key for goal in self.goals.values() if not goal.accepted}
            return [entry for entry in self.sent.values() if not entry.excused and entry.key not in answered]

    def unanswered(self) -> list[Goal]:
        """Goals that nobody has taken or refused, though somebody was there."""
        with self._lock:
            return [goal for goal in self._open_goals() if goal.accepted is None and not goal.excused]

    def waiting_goals(self) -> list[Goal]:
        """Accepted goals that are owed a result and have none."""
        with self._lock:
            return [goal for goal in self._open_goals() if goal.accepted and not goal.excused]
