"""The processes of a soak: started, signalled, started again, and watched all the while."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.nodes.graph import Graph, Process, until
from tests.soak.watch import Life

LOOK_EVERY = 1.0
NAP = 0.01
READY_WITHIN = 240.0
"""Seconds for a node to start, on a machine that does much else."""


@dataclass
class Member:
    """One node: how it is started, and its lives so far."""

    name: str
    start: Callable[[], Process]
    ready: str
    """What it writes when it is."""
    process: Process | None = None
    lives: list[Life] = field(default_factory=list)
    stopped: bool = False

    @property
    def life(self) -> Life:
        """The present one, or the last."""
        return self.lives[-1]


class Fleet:
    """The nodes by name. One thread torments them, another watches; ``note`` is told what happens."""

    def __init__(self, graph: Graph, note: Callable[[str], None]) -> None:
        self.graph, self._note = graph, note
        self.members: dict[str, Member] = {}
        self._ended = threading.Event()
        self.lateness = 0.0
        """Seconds by which this machine woke a thread too late that only sleeps, at the most."""
        self._threads = [threading.Thread(target=do, daemon=True) for do in (self._watch, self._nap)]

    def add(self, name: str, ready: str, start: Callable[[], Process]) -> None:
        """A node that is to run from now on."""
        self.members[name] = Member(name, start, ready)
        self.begin(name)

    def watch(self) -> None:
        """Begins to look after them."""
        for thread in self._threads:
            thread.start()

    def begin(self, name: str) -> None:
        """Starts a node and waits until it is ready."""
        member = self.members[name]
        process = member.process = member.start()
        member.lives.append(Life(name, process.popen.pid, process.log))

        def ready() -> bool:
            return member.ready in process.output or process.popen.poll() is not None

        until(ready, f"{name} to be ready", READY_WITHIN)
        self.look_after(name)
        self._note(f"{name} is ready, process {process.popen.pid}")

    def look_after(self, name: str) -> bool:
        """Whether a node lives; where it ended by itself, that is noted."""
        member = self.members[name]
        assert member.process is not None
        status = member.process.popen.poll()
        if status is None:
            return True
        if not member.life.how:
            member.life.how, member.life.status, member.life.ended = "by itself", status, time.time()
            self._note(f"{name} ended by itself, status {status}")
        return False

    def end(self, name: str, with_signal: signal.Signals) -> None:
        """Sends it a signal that ends it, and waits for the end."""
        member = self.members[name]
        assert member.process is not None
        popen, life = member.process.popen, member.life
        life.look()
        began = time.monotonic()
        life.how = with_signal.name
        popen.send_signal(with_signal)
        try:
            popen.wait(20)
        except subprocess.TimeoutExpired:
            popen.kill()
            popen.wait()
        life.leaving, life.status, life.ended = time.monotonic() - began, popen.returncode, time.time()
        self._note(f"{name} ended by {with_signal.name}, status {life.status}, after {life.leaving:.2f} s")

    def hold(self, name: str, seconds: float) -> None:
        """Stops it and lets it go on: SIGSTOP, SIGCONT."""
        member = self.members[name]
        assert member.process is not None
        member.process.popen.send_signal(signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            member.process.popen.send_signal(signal.SIGCONT)

    def lives(self) -> list[Life]:
        """Of all members."""
        return [life for member in self.members.values() for life in member.lives]

    def close(self) -> None:
        """Ends those that still run, as Ctrl-C would."""
        self._ended.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        for name in self.members:
            if self.look_after(name):
                self.end(name, signal.SIGINT)

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_EVERY):
            for member in list(self.members.values()):
                if member.lives and not member.life.how:
                    member.life.look()

    def _nap(self) -> None:
        while not self._ended.is_set():
            due = time.monotonic() + NAP
            time.sleep(NAP)
            self.lateness = max(self.lateness, time.monotonic() - due)
