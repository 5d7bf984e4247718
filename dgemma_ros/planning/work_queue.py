"""Work with the model besides tasks and frames, and which thread has the model: one at a time.

An item waits for the worker. Orders (settings, a reset) are done before the next task, words (notes, skills' results)
before the next task that came behind them. Where there is no worker, the thread that puts an item does it.

Words come from anybody, and reading them takes as long as a denoising step. So of each kind only the newest few wait:
where more come than are read, the oldest go unread, and are counted.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from dgemma_ros.errors import DgemmaError
from dgemma_ros.journal.arrivals import Arrivals


class PlannerError(DgemmaError):
    """The planner cannot do this now."""


@dataclass(eq=False)
class WorkItem:
    """Something to be done by the thread that has the model."""

    do: Callable[[], object]
    number: int = 0
    """Counts what was put; 0 for what never waited."""
    kind: str = ""
    """Of words; empty for an order."""
    arrival: int = 0
    """Under which the journal keeps them until they are read; 0 where none does."""
    done: Future[None] = field(default_factory=Future)

    def run(self) -> Exception | None:
        """Does it; the error that it raised, which :attr:`done` holds as well."""
        try:
            self.do()
        except Exception as error:
            self.done.set_exception(error)
            return error
        self.done.set_result(None)
        return None

    def refuse(self) -> None:
        """It will not be done."""
        self.done.set_exception(PlannerError("the planner is closed"))


class WorkQueue:
    """``work`` is the worker's condition; ``on_error`` is told what an item raised. Thread-safe."""

    def __init__(self, work: threading.Condition, on_error: Callable[[Exception], None]) -> None:
        self.arrivals = Arrivals()
        """Is told what becomes of words. To be set before any come."""
        self.dropped: Counter[str] = Counter()
        """Words that nobody will read, by kind; guarded by the lock."""
        self.last = 0
        """The number of what was put last; guarded by the lock."""
        self._work, self._on_error = work, on_error
        self._waiting: deque[WorkItem] = deque()
        self._owner = threading.Lock()
        self._closed = False

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
        """An order. One that waits already is not done twice. An error is told; not to be called with the lock held."""
        with self._work:
            same = next((item for item in self._waiting if item.do == do), None)
            item = same or self._append(do)
        self._do_if_free()
        return item.done

    def put_words(self, kind: str, most: int, do: Callable[[], object], arrival: int = 0) -> None:
        """Words of a kind of which the newest ``most`` wait; not to be called with the lock held."""
        with self._work:
            if not self._closed:
                same = [item for item in self._waiting if item.kind == kind]
                for item in same[: max(0, len(same) + 1 - most)]:
                    self._drop(item)
            self._append(do, kind, arrival)
        self._do_if_free()

    def forget_words(self) -> None:
        """Words that wait are not read, and nobody misses them: what they would be read into is being forgotten."""
        with self._work:
            for item in self._waiting:
                self.arrivals.gone(item.arrival)
            self._waiting = deque(item for item in self._waiting if not item.kind)

    def close(self) -> None:
        """The model is not to be used any more: what waits and what comes is not done. Idempotent."""
        with self._work:
            self._closed = True
            while self._waiting:
                self._waiting.popleft().refuse()

    def take(self, last: int, words: int) -> list[WorkItem]:
        """For a task behind the item ``last``: all orders, and at most ``words`` that came before it, in order.

        With the lock held.
        """
        taken: list[WorkItem] = []
        for item in self._waiting:
            if not item.kind or (item.number <= last and words > 0):
                words -= bool(item.kind)
                taken.append(item)
        self._waiting = deque(item for item in self._waiting if item not in taken)
        return taken

    def take_next(self) -> list[WorkItem]:
        """What has waited longest, if anything; with the lock held."""
        return [self._waiting.popleft()] if self._waiting else []

    def do(self, item: WorkItem) -> None:
        """Does one; for the thread that has the model. An error is told, and the next item has its turn."""
        if self._closed:
            item.refuse()
        elif (error := self._run(item)) is not None:
            self._on_error(error)

    def _run(self, item: WorkItem) -> Exception | None:
        if not item.arrival:
            return item.run()
        with self.arrivals.together():
            error = item.run()
            self.arrivals.gone(item.arrival)
        return error

    def _append(self, do: Callable[[], object], kind: str = "", arrival: int = 0) -> WorkItem:
        self.last += 1
        item = WorkItem(do, self.last, kind, arrival)
        if self._closed:
            item.refuse()
        else:
            self._waiting.append(item)
            self._work.notify()
        return item

    def _drop(self, item: WorkItem) -> None:
        self._waiting.remove(item)
        self.dropped[item.kind] += 1
        self.arrivals.gone(item.arrival)

    def _do_if_free(self) -> None:
        while self._waiting and self._owner.acquire(blocking=False):
            try:
                with self._work:
                    items = self.take_next()
                for item in items:
                    self.do(item)
            finally:
                self._owner.release()
