"""What lies in each slot of the full layers: which row it is, and at what position.

A row has three numbers. Its *slot* says where it lies in the full layers, and falls when rows before it are evicted.
Its *order* counts the rows ever appended, and never changes: the sliding layers' window goes by it. Its *position* is
what its key was rotated by. All three grow by one from row to row but where something was evicted or shifted, so the
table holds runs of such rows, as many as there were edits.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace

import numpy as np

from dgemma_ros.runtime.contract import Ints


@dataclass(frozen=True)
class Row:
    """One row's three numbers; in the table, the first row of a run."""

    slot: int
    order: int
    position: int


class RowTable:
    """The rows of the full layers. Not thread-safe; arguments are not checked."""

    def __init__(self) -> None:
        self.count = 0
        """Rows there are: the next one's slot."""
        self._runs: list[Row] = []

    def append(self, count: int, order: int, position: int) -> None:
        """``count`` rows behind the last one, the first of them with these numbers."""
        first = Row(self.count, order, position)
        if count and not (self._runs and _moved(self._runs[-1], self.count) == first):
            self._runs.append(first)
        self.count += count

    def truncate(self, count: int) -> None:
        """Only the first ``count`` rows stay."""
        del self._runs[self._cut(count) :]
        self.count = count

    def evict(self, start: int, count: int) -> None:
        """Rows from slot ``start`` on go; those behind move down."""
        first, behind = self._cut(start), self._cut(start + count)
        self._runs[first:] = [replace(run, slot=run.slot - count) for run in self._runs[behind:]]
        self.count -= count

    def shift(self, start: int, delta: int) -> None:
        """Rows from slot ``start`` on have other positions."""
        first = self._cut(start)
        self._runs[first:] = [replace(run, position=run.position + delta) for run in self._runs[first:]]

    def at(self, slot: int) -> Row:
        """The row in a slot."""
        return _moved(self._runs[bisect_right(self._runs, slot, key=lambda run: run.slot) - 1], slot)

    def positions(self, start: int, stop: int) -> Ints:
        """The positions of the rows in slots ``start`` … ``stop`` - 1."""
        ends = [*(run.slot for run in self._runs[1:]), self.count]
        parts = [np.zeros(0, np.int64)]
        for run, end in zip(self._runs, ends, strict=True):
            low, high = max(run.slot, start), min(end, stop)
            if low < high:
                parts.append(np.arange(low, high, dtype=np.int64) + (run.position - run.slot))
        return np.concatenate(parts)

    def _cut(self, slot: int) -> int:
        """The number of the run that begins at ``slot``, which is made to; that of none, where no row lies there."""
        index = bisect_right(self._runs, slot, key=lambda run: run.slot)
        if index and self._runs[index - 1].slot == slot:
            return index - 1
        if index and slot < self.count:
            self._runs.insert(index, _moved(self._runs[index - 1], slot))
        return index


def _moved(run: Row, slot: int) -> Row:
    """The row of a run that lies in ``slot``."""
    by = slot - run.slot
    return Row(slot, run.order + by, run.position + by)
