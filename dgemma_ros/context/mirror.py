"""The KV cache as a mirror of the log: it grows with the log while it can, and else is read anew.

Every change of the cache goes through here, and this is the one place that copes with what breaks: while something is
being changed the mirror does not know what it holds, and what it does not know it reads anew before the next use.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from dgemma_ros.context.log import Log
from dgemma_ros.context.prompt import Pieces
from dgemma_ros.context.rendering import NOTHING, Rendered, Renderer
from dgemma_ros.context.segments import Segment, TurnSegment
from dgemma_ros.errors import ContextFullError
from dgemma_ros.model import Model
from dgemma_ros.runtime.contract import Ints
from dgemma_ros.runtime.sequence import Sequence, Snapshot


@dataclass(frozen=True, eq=False)
class OpenTask:
    """A task that has been read, and that is neither in the log nor abandoned."""

    ids: Ints
    snapshot: Snapshot
    """Before it."""
    length: int
    """Of the sequence behind it."""


class CacheMirror:
    """A :class:`~dgemma_ros.context.log.LogListener`. For the thread that has the model.

    Whatever an operation raises, the next one finds a cache that holds what the log says, or raises again.
    """

    def __init__(self, model: Model, log: Log, pieces: Pieces) -> None:
        self._model, self._log = model, log
        self._renderer = Renderer(model.chat, pieces)
        self._sequence: Sequence | None = None
        self._held: list[int] | None = None  # ids of the segments in the cache; None where nobody knows
        self._open: OpenTask | None = None
        self._carry = ""
        self.tokens: dict[int, int] = {}
        """Of each segment in the cache."""
        self.rebuilds = 0
        """How often what was kept had to be read again."""
        log.listen(self)

    @property
    def pieces(self) -> Pieces:
        """The system turn that it begins with."""
        return self._renderer.pieces

    @property
    def sequence(self) -> Sequence:
        """The cache's sequence, which holds what the log says."""
        if self._sequence is None or self._held is None:
            self.refresh()
        assert self._sequence is not None
        return self._sequence

    def ready(self) -> None:
        """Before each use: what is not as the log says is read anew, also behind a task that was never closed."""
        if self._open is not None or self._held != [segment.id for segment in self._log.segments]:
            self.refresh()

    def declare(self, pieces: Pieces) -> None:
        """Another system turn; it is read by the next :meth:`refresh` or use."""
        self._renderer = Renderer(self._model.chat, pieces)
        self.doubt()

    def doubt(self) -> None:
        """Nobody knows any more what the cache holds."""
        self._held, self._open = None, None

    def needed(self, rendered: Rendered) -> int:
        """Tokens that something would take behind what is there."""
        self.ready()
        return len(self._renderer.ids(rendered, self._carry))

    def needed_by(self, segment: Segment) -> int:
        """The same of a segment."""
        return self.needed(self._renderer.render(segment))

    def needed_by_task(self, text: str) -> int:
        """The same of a task."""
        return self.needed(self._renderer.task(text))

    def answer_length(self, segment: TurnSegment) -> int:
        """Tokens of a turn's answer, and of what closes the turn."""
        return len(self._renderer.answer(segment.reply))

    # -- the log --------------------------------------------------------------------------------------------------

    def appended(self, segment: Segment) -> None:
        """Reads the segment; of a turn whose task is open, only what is missing."""
        task = self._open
        if task is not None and isinstance(segment, TurnSegment):
            self._commit(segment, task)
            return
        self.ready()
        rendered = self._renderer.render(segment)
        ids = self._renderer.ids(rendered, self._carry)
        with self._changing(segment, len(ids), rendered.carry) as sequence:
            sequence.append(ids, _types(ids, rendered), rendered.soft)

    def evicted(self, segments: tuple[Segment, ...]) -> None:
        """Reads again what is left."""
        self.refresh()

    def _commit(self, segment: TurnSegment, task: OpenTask) -> None:
        sequence = self.sequence
        answer = self._renderer.answer(segment.reply)
        whole = len(task.ids) + len(answer)
        if len(answer) > sequence.room + sequence.length - task.length:
            raise ContextFullError(f"a plan of {len(answer)} tokens does not fit behind its task")
        self._open = None
        with self._changing(segment, whole, self._renderer.pieces.user):
            if sequence.length != task.length:  # canvases were read on the way, with their thoughts and repairs
                sequence.restore(task.snapshot)
                sequence.append(task.ids)
            sequence.append(answer)

    # -- an open task ---------------------------------------------------------------------------------------------

    def begin(self, text: str) -> int:
        """Reads a task and opens the reply; how many tokens there are then."""
        self.ready()
        sequence, snapshot = self.sequence, self.sequence.snapshot()
        ids = self._renderer.ids(self._renderer.task(text), self._carry)
        with self._changing():
            sequence.append(ids)
        self._open = OpenTask(ids, snapshot, sequence.length)
        return sequence.length

    def abandon(self) -> None:
        """The open task had never been; nothing where there is none."""
        task, self._open = self._open, None
        if task is not None:
            with self._changing() as sequence:
                sequence.restore(task.snapshot)

    # -- inside ---------------------------------------------------------------------------------------------------

    @contextmanager
    def _changing(self, segment: Segment | None = None, count: int = 0, carry: str = "") -> Iterator[Sequence]:
        """While it lasts, and for ever where it fails, nobody knows what the cache holds; then ``segment`` as well."""
        assert self._sequence is not None and self._held is not None
        held, self._held = self._held, None
        yield self._sequence
        if segment is not None:
            held.append(segment.id)
            self.tokens[segment.id], self._carry = count, carry
        self._held = held

    def refresh(self) -> None:
        """The cache becomes what the log says: the system turn, then all that is kept, in one run."""
        known = self._held is not None and self._open is None
        self.doubt()
        if self._sequence is None or not known:
            self._sequence = None  # first: two caches at once may be too many
            sequence = self._model.sequence()
            sequence.append(self.pieces.system)
            self._base = sequence.snapshot()
        else:
            sequence = self._sequence
            sequence.restore(self._base)
        ids, types, soft, tokens, carry = [NOTHING], [NOTHING], [], {}, self.pieces.user
        for segment in self._log.segments:
            rendered = self._renderer.render(segment)
            own = self._renderer.ids(rendered, carry)
            ids.append(own)
            types.append(_types(own, rendered))
            soft += [] if rendered.soft is None else [rendered.soft]
            tokens[segment.id], carry = len(own), rendered.carry
        if tokens:
            sequence.append(np.concatenate(ids), np.concatenate(types), np.concatenate(soft) if soft else None)
            self.rebuilds += 1
        self._sequence, self.tokens, self._carry = sequence, tokens, carry
        self._held = list(tokens)


def _types(ids: Ints, rendered: Rendered) -> Ints:
    """1 where a soft token stands: all of a picture's span but its first and last token."""
    types = np.zeros(len(ids), np.int64)
    if rendered.soft is not None:
        types[-1 - len(rendered.soft) : -1] = 1
    return types
