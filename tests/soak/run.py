"""One soak: nodes, a client, a stream of tasks, acts one after another, and now and then silence for an audit."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.nodes.graph import ROOT, Graph, Process, until
from tests.soak import bad_input
from tests.soak.acts import Torment
from tests.soak.client import Client
from tests.soak.fleet import Fleet
from tests.soak.judge import Audit, Row, audit, judge
from tests.soak.ledger import Ledger
from tests.soak.watch import Life

NANO = ROOT / "engines" / "nano"
CLIP = ROOT / "launch" / "demo" / "tabletop.mp4"
ENDS_UNTIL = 0.4
"""Share of the time in which a planner's life may be ended: what is left is one long life, whose memory is judged."""
AUDIT_EVERY = 60.0
QUIET_WITHIN = 30.0
"""Seconds in which all that is owed must have come once nothing more is sent: more than any budget."""


@dataclass
class Outcome:
    """What a soak found."""

    seed: int
    seconds: float
    rows: list[Row]
    acts: dict[str, int] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    drafts: int = 0
    lateness: float = 0.0
    """Seconds by which this machine woke a thread too late that only sleeps, at the most."""
    lives: list[Life] = field(default_factory=list)

    @property
    def broken(self) -> bool:
        """Whether any promise was."""
        return any(row.broken for row in self.rows)


class Soak:
    """``note`` is told what happens, line by line."""

    def __init__(self, graph: Graph, seed: int, note: Callable[[str], None], model: Path = NANO) -> None:
        self.graph, self.seed, self._note = graph, seed, note
        self.ledger = Ledger()
        self.fleet = Fleet(graph, note)
        self.client = Client(graph, self.ledger)
        self.torment = Torment(self.client, self.fleet, random.Random(f"{seed} acts"))
        self._model = model
        self._audits: list[Audit] = []
        self._acts: Counter[str] = Counter()
        self._open = threading.Event()
        """Whether the stream of tasks flows."""
        self._ended = threading.Event()

    def run(self, seconds: float) -> Outcome:
        """Torments for so long, then waits for what is owed, ends the nodes, and judges."""
        began = time.monotonic()
        self._start()
        stream = threading.Thread(target=self._stream, daemon=True)
        stream.start()
        try:
            self.audit()
            self._torment(seconds)
            self.audit()
        finally:
            self._ended.set()
            self._open.set()
            stream.join()
            self.fleet.close()
        left = self._left_in_shared_memory()
        lateness = self.fleet.lateness
        rows = judge(self.ledger, self.fleet.lives(), self._audits, self.torment.broken, left, lateness)
        statuses = dict(Counter(came.status for came in self.ledger.came).most_common())
        took, lives = time.monotonic() - began, self.fleet.lives()
        return Outcome(self.seed, took, rows, dict(self._acts), statuses, self.client.drafts, lateness, lives)

    def _start(self) -> None:
        self.fleet.add("camera", " Hz on ", lambda: self.graph.start("camera", source=CLIP, rate=10))
        self.fleet.add("planner", "ready: ", self._planner)
        self.torment.listens()
        self.fleet.watch()
        self._open.set()

    def _planner(self) -> Process:
        more = {"budget": 2.0, "frame_rate": 5.0, "canary_period": 3.0, "clock_tolerance": 300.0}
        return self.graph.start("planner", model=self._model, threads=1, **more)

    def _stream(self) -> None:
        """Tasks at random moments, in plain words and with terms, at a pace that changes."""
        chance, pace = random.Random(f"{self.seed} stream"), 5.0
        while not self._ended.is_set():
            self._open.wait()
            if chance.random() < 0.02:
                pace = chance.choice((1.0, 5.0, 20.0))
            if chance.random() < 0.3:
                self.client.send_text(bad_input.task_text(chance))
            else:
                self.client.send_request(chance)
            self._ended.wait(chance.expovariate(pace))

    def _torment(self, seconds: float) -> None:
        """Every act once, in random order, then by their weights."""
        chance, acts = random.Random(f"{self.seed} order"), self.torment.acts
        everything = acts | self.torment.ends
        todo = chance.sample(sorted(everything), len(everything))
        began = audited = time.monotonic()
        while (now := time.monotonic()) < began + seconds or todo:
            choice = everything if now < began + ENDS_UNTIL * seconds else acts
            weights = [weight for weight, _ in choice.values()]
            name = todo.pop() if todo else chance.choices(list(choice), weights)[0]
            self._note(f"{now - began:6.1f} s  {name}")
            self._acts[name] += 1
            self._act(everything[name][1], name)
            if now > audited + AUDIT_EVERY:
                self.audit()
                audited = time.monotonic()

    def _act(self, act: Callable[[], None], name: str) -> None:
        try:
            act()
        except AssertionError as error:  # something was waited for and did not come
            self.torment.broken.append(f"{name}: {error}"[:500])
        try:
            if not self.fleet.look_after("planner"):
                with self.ledger.sending:
                    self.ledger.killed()
                self.torment.start_again()
            elif self.ledger.excuse:
                self.torment.listens()
        except AssertionError as error:  # one that hears nothing; whoever runs a robot would start it again
            self.torment.broken.append(f"behind {name}: {error}"[:500])
            self.torment.kill()
        time.sleep(self.torment.chance.uniform(0.0, 0.5))

    def audit(self) -> None:
        """Silence: all that is owed comes, and the planner's own counts are what came."""
        self._open.clear()
        end = time.monotonic() + QUIET_WITHIN
        while (self.ledger.missing() or self.ledger.waiting_goals()) and time.monotonic() < end:
            time.sleep(0.02)
        asked = time.time()
        try:
            until(lambda: self.client.figures_came > asked + 1.0, "the planner's diagnostics", QUIET_WITHIN)
        except AssertionError as error:
            self.torment.broken.append(f"audit: {error}")
        made = [came for came in list(self.ledger.came) if came.made]
        if made and self.client.figures.get("state") == "active":
            self._audits.append(audit(made, made[-1].maker, self.client.figures))
        for member in self.fleet.members.values():
            member.life.look_quietly()
        self._note(f"audit: {len(self.ledger.sent)} sent, {len(made)} plans, {len(self.ledger.missing())} missing")
        self._open.set()

    def _left_in_shared_memory(self) -> set[Path]:
        """Files of our processes. What a kill left goes with a next start, once it is a few seconds old."""
        held = {path for life in self.fleet.lives() for path in life.segments}
        killed = [life.ended for life in self.fleet.lives() if life.how == "SIGKILL"]
        time.sleep(max(0.0, max(killed, default=0.0) + 6.0 - time.time()))
        self.fleet.begin("camera")
        self.fleet.close()
        return {path for path in held if path.exists()}
