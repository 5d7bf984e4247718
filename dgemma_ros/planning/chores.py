"""Work with the model besides tasks and frames, and who has the model: one thread at a time.

Chores wait for the worker, which does them before the next task. Where there is no worker, whoever asks does them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from dgemma_ros.errors import DgemmaError

Chore = Callable[[], object]


class PlannerError(DgemmaError):
    """The planner cannot do this now."""


class Chores:
    """``work`` is the worker's condition; ``on_error`` is told what a chore raised. Thread-safe."""

    def __init__(self, work: threading.Condition, on_error: Callable[[Exception], None]) -> None:
        self._work, self._on_error = work, on_error
        self._waiting: deque[Chore] = deque()
        self._owner = threading.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    def need_model(self) -> None:
        """Takes the model. Raises :class:`PlannerError` where another thread has it."""
        if not self._owner.acquire(blocking=False):
            raise PlannerError("the planner is running, or its last step has not ended yet; stop it first")

    def release_model(self) -> None:
        """Gives the model back, and does what came up meanwhile."""
        self._owner.release()
        self._do_if_free()

    def ask(self, chore: Chore) -> None:
        """The chore is done before the next task; not to be called with the lock held."""
        with self._work:
            self._waiting.append(chore)
            self._work.notify()
        self._do_if_free()

    def take(self) -> list[Chore]:
        """All that wait; with the lock held."""
        chores = list(self._waiting)
        self._waiting.clear()
        return chores

    def do(self, chore: Chore) -> None:
        """Does one; for whoever has the model. An error is told, and life goes on."""
        try:
            chore()
        except Exception as error:
            self._on_error(error)

    def _do_if_free(self) -> None:
        while self._waiting and self._owner.acquire(blocking=False):
            try:
                with self._work:
                    chores = self.take()
                for chore in chores:
                    self.do(chore)
            finally:
                self._owner.release()
