"""What lies in each slot of the full layers: which row it is, and at what position.

A row has three numbers. Its *slot* says where it lies in the full layers, and falls when rows before it are evicted.
Its *order* counts the rows ever appended, and never changes: the sliding layers' window goes by it. Its *position* is
what its key was rotated by. All three grow by one from row to row but where something was evicted or shifted, so the
table holds runs of such rows, as many as there were edits.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from dgemma_ros.runtime.contract import Ints

SLOT, ORDER, POSITION = range(3)


@dataclass(frozen=True)
class Row:
    """One row's three numbers."""

    slot: int
    order: int
    position: int

    def precedes(self, other: Row) -> bool:
        """Whether this one can lie before the other, whatever their slots."""
        return self.order < other.order and self.position < other.position


class RowTable:
    """The rows of the full layers. Not thread-safe; arguments are not checked."""

    def __init__(self) -> None:
        self.count = 0
        """Rows there are: the next one's slot."""
        self._runs = np.zeros((0, 3), np.int64)  # the three numbers of each run's first row

    def append(self, count: int, order: int, position: int) -> None:
        """``count`` rows behind the last one, the first of them with these numbers."""
        if count:
            self._runs = _joined(self._runs, np.array([[self.count, order, position]], np.int64))
            self.count += count

    def insert(self, slot: int, orders: Ints, positions: Ints) -> None:
        """Rows with these numbers before the one in ``slot``, or for ``count`` behind all."""
        count, index = len(orders), self._cut(slot)
        first = np.ones(count, np.bool_)
        first[1:] = (np.diff(orders) != 1) | (np.diff(positions) != 1)
        runs = np.stack([slot + np.arange(count), orders, positions], 1)[first]
        behind = self._runs[index:] + np.array([count, 0, 0])
        self._runs = _joined(_joined(self._runs[:index], runs), behind)
        self.count += count

    def truncate(self, count: int) -> None:
        """Only the first ``count`` rows stay."""
        runs = self._cut(count)
        self._runs = self._runs[:runs]
        self.count = count

    def evict(self, start: int, count: int) -> None:
        """Rows from slot ``start`` on go; those behind move down."""
        first, stop = self._cut(start), self._cut(start + count)
        behind = self._runs[stop:] - np.array([count, 0, 0])
        self._runs = _joined(self._runs[:first], behind)
        self.count -= count

    def shift(self, start: int, stop: int, delta: int) -> None:
        """Rows in slots ``start`` … ``stop`` - 1 have other positions."""
        first, last = self._cut(start), self._cut(stop)
        self._runs[first:last, POSITION] += delta

    def gaps(self, start: int) -> list[tuple[Row, int]]:
        """Each row from slot ``start`` on that positions are free before, and how many; the first row is not asked."""
        found = []
        for before, own in pairwise(self._runs.tolist()):
            gap = own[POSITION] - (before[POSITION] + own[SLOT] - before[SLOT])
            if gap and own[SLOT] >= start:
                found.append((Row(*own), gap))
        return found

    def at(self, slot: int) -> Row:
        """The row in a slot."""
        orders, positions = self.numbers(slot, slot + 1)
        return Row(slot, int(orders[0]), int(positions[0]))

    def numbers(self, start: int, stop: int) -> tuple[Ints, Ints]:
        """Orders and positions of the rows in slots ``start`` … ``stop`` - 1."""
        slots = np.arange(start, stop, dtype=np.int64)
        firsts = self._runs[np.searchsorted(self._runs[:, SLOT], slots, "right") - 1]
        return firsts[:, ORDER] + slots - firsts[:, SLOT], firsts[:, POSITION] + slots - firsts[:, SLOT]

    def _cut(self, slot: int) -> int:
        """The number of the run that begins at ``slot``, which is made to; that of none, where no row lies there."""
        index = int(np.searchsorted(self._runs[:, SLOT], slot, "right"))
        if index and self._runs[index - 1, SLOT] == slot:
            return index - 1
        if index and slot < self.count:
            by = slot - self._runs[index - 1, SLOT]
            self._runs = np.insert(self._runs, index, self._runs[index - 1] + by, 0)
        return index


def _joined(runs: Ints, more: Ints) -> Ints:
    """Runs, and more behind them; where the first of those goes on with the last one, they are one."""
    if len(runs) and len(more) and (runs[-1] + (more[0, SLOT] - runs[-1, SLOT]) == more[0]).all():
        more = more[1:]
    return np.concatenate([runs, more])
