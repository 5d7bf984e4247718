"""The KV cache as a mirror of the log: it grows with the log, and rows move down over what the log forgets.

So that a picture costs the same after an hour as after a minute, forgetting reads nothing again: the tokens that are
left are those that would be read, but they keep what they saw of what is gone. Where positions run out, those of all
rows behind the system turn are shifted down.

Every change of the cache goes through here, and this is the one place that copes with what breaks: while something is
being changed the mirror does not know what it holds, and what it does not know it reads anew before the next use.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from dgemma_ros.context.log import Log
from dgemma_ros.context.prompt import Pieces
from dgemma_ros.context.rendering import NOTHING, Rendered, Renderer
from dgemma_ros.context.segments import Segment, TurnSegment
from dgemma_ros.errors import ContextFullError
from dgemma_ros.model import Model
from dgemma_ros.runtime.contract import Ints
from dgemma_ros.runtime.rows import Layout, Rows, Window
from dgemma_ros.runtime.sequence import Sequence, Snapshot

READ_AGAIN: Final = 512


@dataclass(frozen=True)
class Place:
    """Of a segment in the cache."""

    tokens: int
    """In all, the carry of the one before it among them."""
    prefix: int | None
    """Of them, the carry of the one before; None where it cannot be told from the segment's own words."""
    carry: str
    """What it leaves for the next one."""


@dataclass(frozen=True, eq=False)
class OpenTask:
    """A task that has been read, and that is neither in the log nor abandoned."""

    ids: Ints
    prefix: int | None
    """See :class:`Place`."""
    snapshot: Snapshot
    """Before it."""
    length: int
    """Of the sequence behind it."""
    layout: Layout
    """Of the cache before it."""


@dataclass(frozen=True)
class Settled:
    """Where what the log says ends in the cache."""

    order: int
    position: int
    """Both of the row behind it."""
    layout: Layout
    open: bool
    """Whether a task lies behind it."""


class CacheMirror:
    """A :class:`~dgemma_ros.context.log.LogListener`. For the thread that has the model.

    ``read_again``: tokens behind the system turn, up to which what is left is read again rather than moved.

    After any error, the next operation finds a cache that holds what the log says, or raises again.
    """

    def __init__(self, model: Model, log: Log, pieces: Pieces, read_again: int = READ_AGAIN) -> None:
        self._model, self._log, self._read_again = model, log, read_again
        self._renderer = Renderer(model.chat, pieces)
        self._sequence: Sequence | None = None
        self._held: list[int] | None = None  # ids of the segments in the cache; None where that is not known
        self._open: OpenTask | None = None
        self._places: dict[int, Place] = {}
        self.rebuilds = 0
        """How often what was kept had to be read again."""
        self.shifts = 0
        """How often positions ran out and were shifted."""
        self.epoch = 0
        """Another whenever all of the cache was read anew."""
        log.listen(self)

    @property
    def tokens(self) -> dict[int, int]:
        """Of each segment in the cache, by its id."""
        return {number: place.tokens for number, place in self._places.items()}

    @property
    def places(self) -> list[tuple[int, Place]]:
        """Of the segments in the cache, in order, by their ids."""
        return [(number, self._places[number]) for number in self._held or ()]

    @property
    def settled(self) -> Settled | None:
        """Where what the log says ends, an open task left out; None where it is not known what the cache holds."""
        sequence, task = self._sequence, self._open
        if self._held is None or sequence is None:
            return None
        if task is not None:
            return Settled(task.snapshot.order, task.snapshot.position, task.layout, open=True)
        return Settled(sequence.order, sequence.position, sequence.layout, open=False)

    @property
    def base_length(self) -> int:
        """Rows of the system turn."""
        return self._base.length

    @property
    def _carry(self) -> str:
        """What the last segment leaves for the next one."""
        return self._places[self._held[-1]].carry if self._held else self.pieces.user

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
        """It is not known any more what the cache holds."""
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
        ids, prefix = self._renderer.ids(rendered, self._carry), self._renderer.prefix(rendered, self._carry)
        self._make_room(len(ids) + self._model.config.canvas_length)
        with self._changing(segment, Place(len(ids), prefix, rendered.carry)) as sequence:
            sequence.append(ids, _types(ids, rendered), rendered.soft)

    def evicted(self, segments: tuple[Segment, ...]) -> None:
        """Moves what is left over what is gone.

        Read again is what is so little that it costs no more than a few denoising steps, as then no trace is left of
        what is gone: rows that move keep what they saw, and sliding layers see what is forgotten until as much as their
        window holds has come in. So is what cannot be moved.
        """
        gone, held = {segment.id for segment in segments}, self._held
        left = [segment.id for segment in self._log.segments]
        if held is None or self._open is not None or [number for number in held if number not in gone] != left:
            self.refresh()
            return
        if sum(self._places[number].tokens for number in left) <= self._read_again:
            self.refresh()
            return
        runs = _runs([number in gone for number in held])
        ends = [place for first, stop in runs for place in (first, stop) if place < len(held)]
        if any(self._places[held[end]].prefix is None for end in ends):
            self.refresh()
            return
        with self._changing():
            for first, stop in reversed(runs):
                self._move_over(held, first, stop)
        self._held = left
        self._places = {number: self._places[number] for number in left}

    def _move_over(self, held: list[int], first: int, stop: int) -> None:
        """Evicts the rows of the segments ``held[first:stop]``; those behind them are moved already.

        The carry before them stays, for the next segment instead of theirs; but where none follows, it goes, too: it
        is read with the next one.
        """
        assert self._sequence is not None
        start = self._base.length + sum(self._places[number].tokens for number in held[:first])
        end = start + sum(self._places[number].tokens for number in held[first:stop])
        if stop < len(held):
            kept, follower = self._places[held[first]].prefix or 0, self._places[held[stop]]
            own = follower.prefix or 0
            start, end = start + kept, end + own
            self._places[held[stop]] = replace(follower, tokens=follower.tokens - own + kept, prefix=kept)
        else:
            end = self._sequence.length
        self._sequence.evict(start, end - start)

    def _make_room(self, count: int) -> None:
        """So many positions behind what is there: rows are shifted down to the system turn, or else read again."""
        sequence, most = self.sequence, self._model.session.config.text.max_positions
        if sequence.position + count <= most:
            return
        row = self._base.length  # behind it there is the carry that was kept, then what was not evicted
        if self._held:
            row += self._places[self._held[0]].prefix or 0
        if gap := sequence.gap(row):
            with self._changing():
                sequence.shift(row, -gap)
            self.shifts += 1
        if sequence.position + count > most and sequence.position > sequence.length:
            self.refresh()  # what is left between is given up

    def _commit(self, segment: TurnSegment, task: OpenTask) -> None:
        sequence = self.sequence
        answer = self._renderer.answer(segment.reply)
        whole = len(task.ids) + len(answer)
        if len(answer) > sequence.room + sequence.length - task.length:
            raise ContextFullError(f"a plan of {len(answer)} tokens does not fit behind its task")
        self._open = None
        with self._changing(segment, Place(whole, task.prefix, self._renderer.pieces.user)):
            if sequence.length != task.length:  # canvases were read on the way, with their thoughts and repairs
                sequence.restore(task.snapshot)
                sequence.append(task.ids)
            sequence.append(answer)

    # -- after a restart ------------------------------------------------------------------------------------------

    def resume(self, window: Window, layout: Layout | None) -> None:
        """Behind the system turn the sequence goes on where another left off. Nothing may be held yet.

        Raises :class:`ContextError` where ``window`` or ``layout`` do not fit this model.
        """
        sequence = self.sequence
        assert not self._held
        with self._changing():
            sequence.restore_window(window, layout)

    def put_back(self, before: int, skip: int, places: list[tuple[int, Place]], rows: list[Rows]) -> None:
        """Rows of segments that stand in the log again, without reading them.

        They go ``skip`` rows behind the beginning of the ``before``-th segment held, whose place is the last one in
        ``places``, unless it is to stand behind all; the segments themselves stand before that one. Raises
        :class:`ContextError` where they do not fit there; the next use reads everything anew then.
        """
        held = self._held
        assert held is not None
        slot = self._base.length + sum(self._places[number].tokens for number in held[:before]) + skip
        known = set(held)
        with self._changing() as sequence:
            for part in reversed(rows):
                sequence.restore_rows(part, slot)
            held[before:before] = [number for number, _ in places if number not in known]
            self._places |= dict(places)

    # -- an open task ---------------------------------------------------------------------------------------------

    def begin(self, text: str) -> int:
        """Reads a task and opens the reply; how many tokens there are then."""
        self.ready()
        rendered = self._renderer.task(text)
        ids, prefix = self._renderer.ids(rendered, self._carry), self._renderer.prefix(rendered, self._carry)
        self._make_room(len(ids) + 2 * self._model.config.canvas_length)
        sequence, snapshot, layout = self.sequence, self.sequence.snapshot(), self.sequence.layout
        with self._changing():
            sequence.append(ids)
        self._open = OpenTask(ids, prefix, snapshot, sequence.length, layout)
        return sequence.length

    def abandon(self) -> None:
        """The open task had never been; nothing where there is none."""
        task, self._open = self._open, None
        if task is not None:
            with self._changing() as sequence:
                sequence.restore(task.snapshot)

    # -- inside ---------------------------------------------------------------------------------------------------

    @contextmanager
    def _changing(self, segment: Segment | None = None, place: Place | None = None) -> Iterator[Sequence]:
        """Meanwhile, and after an error, it is not known what the cache holds; when it is done, ``segment`` as well."""
        assert self._sequence is not None and self._held is not None
        held, self._held = self._held, None
        yield self._sequence
        if segment is not None and place is not None:
            held.append(segment.id)
            self._places[segment.id] = place
        self._held = held

    def refresh(self) -> None:
        """The cache becomes what the log says: the system turn, then all that is kept, in one run."""
        known = self._held is not None and self._open is None
        self.doubt()
        self.epoch += 1
        if self._sequence is None or not known:
            self._sequence = None  # first: two caches at once may be too many
            sequence = self._model.sequence()
            sequence.append(self.pieces.system)
            self._base = sequence.snapshot()
        else:
            sequence = self._sequence
            sequence.restore(self._base)
        ids, types, soft, carry = [NOTHING], [NOTHING], [], self.pieces.user
        places: dict[int, Place] = {}
        for segment in self._log.segments:
            rendered = self._renderer.render(segment)
            own = self._renderer.ids(rendered, carry)
            ids.append(own)
            types.append(_types(own, rendered))
            soft += [] if rendered.soft is None else [rendered.soft]
            places[segment.id] = Place(len(own), self._renderer.prefix(rendered, carry), rendered.carry)
            carry = rendered.carry
        if places:
            sequence.append(np.concatenate(ids), np.concatenate(types), np.concatenate(soft) if soft else None)
            self.rebuilds += 1
        self._sequence, self._places = sequence, places
        self._held = list(places)


def _runs(marks: list[bool]) -> list[tuple[int, int]]:
    """[first, stop) of each run of True."""
    edges = np.flatnonzero(np.diff(np.array([False, *marks, False], np.int8))).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def _types(ids: Ints, rendered: Rendered) -> Ints:
    """1 where a soft token stands: all of a picture's span but its first and last token."""
    types = np.zeros(len(ids), np.int64)
    if rendered.soft is not None:
        types[-1 - len(rendered.soft) : -1] = 1
    return types
