"""Work with the model besides tasks and frames, and which thread has the model: one at a time.

An item waits for the worker, which does it before the next task. Where there is no worker, the thread that puts it does
it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from dgemma_ros.errors import DgemmaError


class PlannerError(DgemmaError):
    """The planner cannot do this now."""


class WorkItem:
    """Something to be done by the thread that has the model."""

    def __init__(self, do: Callable[[], object]) -> None:
        self._do = do
        self.done: Future[None] = Future()

    def run(self) -> Exception | None:
        """Does it; the error that it raised, which :attr:`done` holds as well."""
        try:
            self._do()
        except Exception as error:
            self.done.set_exception(error)
            return error
        self.done.set_result(None)
        return None


class WorkQueue:
    """``work`` is the worker's condition; ``on_error`` is told what an item raised. Thread-safe."""

    def __init__(self, work: threading.Condition, on_error: Callable[[Exception], None]) -> None:
        self._work, self._on_error = work, on_error
        self._waiting: deque[WorkItem] = deque()
        self._owner = threading.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    def acquire_model(self) -> None:
        """Takes the model. Raises :class:`PlannerError` where another thread has it."""
        if not self._owner.acquire(blocking=False):
            raise PlannerError("the planner is running, or its last step has not ended yet; stop it first")

    def release_model(self) -> None:
        """Gives the model back, and does what came up meanwhile."""
        self._owner.release()
        self._do_if_free()

    def put(self, do: Callable[[], object]) -> Future[None]:
        """It is done before the next task, and an error is told; not to be called with the lock held."""
        item = WorkItem(do)
        with self._work:
            self._waiting.append(item)
            self._work.notify()
        self._do_if_free()
        return item.done

    def take(self) -> list[WorkItem]:
        """All that wait; with the lock held."""
        items = list(self._waiting)
        self._waiting.clear()
        return items

    def do(self, item: WorkItem) -> None:
        """Does one; for the thread that has the model. An error is told, and the next item has its turn."""
        if (error := item.run()) is not None:
            self._on_error(error)

    def _do_if_free(self) -> None:
        while self._waiting and self._owner.acquire(blocking=False):
            try:
                with self._work:
                    items = self.take()
                for item in items:
                    self.do(item)
            finally:
                self._owner.release()
