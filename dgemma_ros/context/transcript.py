"""The log as the model reads it: each segment's tokens, behind what the one before it carries over.

It counts, and says what is to be read next. It has no cache: how far one has been read stands in ``places``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from dgemma_ros.checkpoint.chat import ChatTemplate
from dgemma_ros.context.log import Log
from dgemma_ros.context.moving import Run
from dgemma_ros.context.places import Place, Places
from dgemma_ros.context.prompt import LINE, Pieces
from dgemma_ros.context.reading import Reading, TaskReading
from dgemma_ros.context.rendering import Rendered, Renderer
from dgemma_ros.context.segments import Segment, TurnSegment
from dgemma_ros.runtime.contract import Ints


class Transcript:
    """One place for each segment of the log, kept so by its owner. For one thread, but for :meth:`answer_length`."""

    def __init__(self, chat: ChatTemplate, log: Log, pieces: Pieces) -> None:
        self._log, self._renderer = log, Renderer(chat, pieces)
        self._coming: Segment | None = None  # about to stand in the log
        self.places = Places()
        self.add(log.segments)

    @property
    def pieces(self) -> Pieces:
        """The system turn that stands before it, and what encloses tasks and answers."""
        return self._renderer.pieces

    # -- what something takes -----------------------------------------------------------------------------------------

    def needed_by(self, segment: Segment) -> int:
        """Tokens that a segment would take behind what is in the log."""
        return self._needed(self._renderer.render(segment))

    def needed_by_task(self, text: str) -> int:
        """The same of a task."""
        return self._needed(self._renderer.task(text))

    def answer(self, segment: TurnSegment) -> Ints:
        """A turn's answer, and what closes the turn."""
        return self._renderer.answer(segment.reply)

    def answer_length(self, segment: TurnSegment) -> int:
        """Tokens of it. Safe from any thread."""
        return len(self.answer(segment))

    def _needed(self, rendered: Rendered) -> int:
        return len(self._renderer.ids(rendered, self._carry(len(self.places))))

    # -- what changes -------------------------------------------------------------------------------------------------

    def declare(self, pieces: Pieces) -> None:
        """Another system turn."""
        self._renderer = Renderer(self._renderer.chat, pieces)
        for index in range(len(self.places)):
            self._place_again(index)

    def add(self, segments: Iterable[Segment]) -> None:
        """Segments behind all others, of which nothing has been read."""
        for segment in segments:
            self.places.append(segment.id, self._place_of(segment, len(self.places)))

    @contextmanager
    def coming(self, segment: Segment) -> Iterator[None]:
        """Adds a segment that is about to stand in the log, unless an error keeps it out."""
        self.add([segment])
        self._coming = segment
        try:
            yield
        except BaseException:
            self.places.remove(len(self.places) - 1, len(self.places))
            raise
        finally:
            self._coming = None

    def add_task(self, segment: TurnSegment, task: TaskReading) -> None:
        """A task that lies in the cache behind all others, with its answer, as a turn that is read."""
        tokens = len(task.ids) + self.answer_length(segment)
        self.places.append(segment.id, Place(tokens, task.prefix, self.pieces.user))
        self.places.read += 1

    def remove(self, runs: list[Run]) -> None:
        """Segments of these indices; the log has lost them already."""
        for first, stop in reversed(runs):
            self.places.remove(first, stop)
        before = 0
        for first, stop in runs:
            if self.places.read <= first - before < len(self.places):
                self._place_again(first - before)
            before += stop - first

    @property
    def up_to_date(self) -> bool:
        """Whether it has the segments that the log has: it may have got some of which nobody told."""
        return self.places.ids == tuple(segment.id for segment in self._log.segments)

    def follow(self) -> None:
        """It has those of the log, none of them read."""
        self.places = Places()
        self.add(self._log.segments)

    # -- what is to be read -------------------------------------------------------------------------------------------

    def slice(self, most: int | None = None) -> tuple[Reading, tuple[int, int]]:
        """So many tokens of what has not been read, oldest first; ``read`` and ``partial`` of the places behind them.

        Words are cut anywhere, pictures never, so that one may be more; None takes all.
        """
        index, offset, reading = self.places.read, self.places.partial, Reading()
        while index < len(self.places) and (most is None or reading.count < most):
            rendered, ids = self._rendered(index)
            count = len(ids) - offset
            if most is not None and count > most - reading.count:
                if rendered.soft is None:
                    count = most - reading.count
                elif reading.count:
                    break
            reading.add(rendered, ids, offset, offset + count)
            index, offset = (index + 1, 0) if offset + count == len(ids) else (index, offset + count)
        return reading, (index, offset)

    def task(self, text: str, before: Iterable[Segment] = ()) -> TaskReading:
        """A task with the reply opened, behind what has been read and some segments more."""
        reading, carry = Reading(), LINE if self.places.partial else self._carry(self.places.read)
        for segment in before:
            rendered = self._renderer.render(segment)
            reading.add(rendered, self._renderer.ids(rendered, carry))
            carry = rendered.carry
        rendered = self._renderer.task(text)
        ids = self._renderer.ids(rendered, carry)
        reading.add(rendered, ids)
        return TaskReading(reading, ids, self._renderer.prefix(rendered, carry), len(self.pieces.reply))

    # -- inside -------------------------------------------------------------------------------------------------------

    def _carry(self, index: int) -> str:
        """What there is to be carried to the segment of that index."""
        return self.places[index - 1].carry if index else self.pieces.user

    def _rendered(self, index: int) -> tuple[Rendered, Ints]:
        segments = self._log.segments
        segment = segments[index] if index < len(segments) else self._coming
        assert segment is not None
        rendered = self._renderer.render(segment)
        return rendered, self._renderer.ids(rendered, self._carry(index))

    def _place_again(self, index: int) -> None:
        """What is before it, or how it is rendered, has changed."""
        self.places.put(index, self._place_of(self._log.segments[index], index))

    def _place_of(self, segment: Segment, index: int) -> Place:
        rendered, carry = self._renderer.render(segment), self._carry(index)
        ids = self._renderer.ids(rendered, carry)
        return Place(len(ids), self._renderer.prefix(rendered, carry), rendered.carry)
