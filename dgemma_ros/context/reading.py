"""Tokens on their way into the cache: a run of them, and a task with what is read before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dgemma_ros.context.rendering import Rendered
from dgemma_ros.runtime.contract import Array, Floats, Ints
from dgemma_ros.runtime.sequence import Sequence


class Reading:
    """Tokens to be read in one go, with the soft tokens that stand for some of them."""

    def __init__(self) -> None:
        self.count = 0
        self._ids: list[Ints] = []
        self._types: list[Ints] = []
        self._soft: list[Floats] = []

    def add(self, rendered: Rendered, ids: Ints, start: int = 0, stop: int | None = None) -> None:
        """Tokens ``start`` … ``stop`` - 1 of a segment; those of a picture are all added, or none."""
        types = np.zeros(len(ids), np.int64)  # 1 where a soft token stands: a picture's span but its first and last
        if rendered.soft is not None:
            types[-1 - len(rendered.soft) : -1] = 1
            self._soft.append(rendered.soft)
        self._ids.append(ids[start:stop])
        self._types.append(types[start:stop])
        self.count += len(self._ids[-1])

    def into(self, sequence: Sequence) -> None:
        """Appends all of it."""
        soft = np.concatenate(self._soft) if self._soft else None
        sequence.append(np.concatenate(self._ids), np.concatenate(self._types), soft)


@dataclass(frozen=True, eq=False)
class TaskReading:
    """A task, the reply opened, and what is read in front of it."""

    reading: Reading
    """All of it."""
    ids: Ints
    """The task's own, the opened reply's among them."""
    prefix: int | None
    """See :class:`~dgemma_ros.context.places.Place`."""
    reply: int
    """How many of the ids open the reply."""

    @property
    def count(self) -> int:
        """Tokens of all of it."""
        return self.reading.count

    def into(self, sequence: Sequence) -> None:
        """Appends all of it."""
        self.reading.into(sequence)

    def words(self, sequence: Sequence) -> tuple[Array, ...]:
        """The values [kv, n, D] of each full layer of the task's words, which are the last in the sequence."""
        own = len(self.ids) - (self.prefix or 0) - self.reply
        return sequence.export_rows(sequence.length - own - self.reply, own).values
