"""The KV cache as a mirror of the log: it grows with the log, and rows move down over what the log forgets.

So that a picture costs the same after an hour as after a minute, forgetting reads nothing again: the tokens that are
left are those that would be read, but they keep what they saw of what is gone. Where positions run out, those of all
rows behind the system turn are shifted down.

What is in the log and not yet in the cache is read in slices, oldest first, so that a task need not wait for all of it:
it is read behind what there is and the newest that there is time for, and afterwards the slices go on.

Every change of the cache goes through here, and this is the one place that copes with what breaks: while something is
being changed the mirror does not know what it holds, and what it does not know it reads anew before the next use.

Longer than most files: all of that changes one piece of state, and a fault in any of it is dealt with alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from dgemma_ros.context.log import Log
from dgemma_ros.context.places import Place, Places
from dgemma_ros.context.prompt import LINE, Pieces
from dgemma_ros.context.reading import Reading
from dgemma_ros.context.recall import Recall, Recalled
from dgemma_ros.context.rendering import Rendered, Renderer
from dgemma_ros.context.segments import FrameSegment, Segment, TurnSegment
from dgemma_ros.errors import ContextFullError
from dgemma_ros.model import Model
from dgemma_ros.runtime.contract import Array, Ints
from dgemma_ros.runtime.rows import Layout, Rows, Window
from dgemma_ros.runtime.sequence import Sequence, Snapshot

READ_AGAIN: Final = 512
EARLY, WORTH = 16, 8
"""Positions are shifted when fewer than one in ``EARLY`` are left, if that makes one in ``WORTH`` of them free."""


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
    skipped: range
    """The indices of the segments that had not been read, nor are with it."""
    recalled: tuple[Recalled, ...] = ()
    """Frames that are there for its answer only."""


@dataclass(frozen=True)
class Settled:
    """Where what has been read of the log ends in the cache."""

    order: int
    position: int
    """Both of the row behind it."""
    layout: Layout
    open: bool
    """Whether a task lies behind it."""


def _early(model: Model) -> int:
    """Positions are shifted when fewer are left."""
    return max(model.session.config.text.max_positions // EARLY, 4 * model.config.canvas_length)


def most_remembered(model: Model) -> int:
    """Tokens that leave so many positions that shifting them in time pays, instead of again and again."""
    most = model.session.config.text.max_positions
    return most - most // WORTH - _early(model)


class CacheMirror:
    """A :class:`~dgemma_ros.context.log.LogListener`. For the thread that has the model.

    ``read_again``: tokens behind the system turn, up to which what is left is read again rather than moved. ``later``:
    what the log takes is read by :meth:`read`, slice by slice, or by the next use; without, at once.

    After any error, the next operation finds a cache that holds what the log says, or raises again.
    """

    def __init__(
        self, model: Model, log: Log, pieces: Pieces, read_again: int = READ_AGAIN, later: bool = False
    ) -> None:
        self._model, self._log, self._read_again, self.later = model, log, read_again, later
        self._renderer = Renderer(model.chat, pieces)
        self._sequence: Sequence | None = None
        self._has_read = False  # any of the log, ever
        self._known = False  # whether the cache holds what ``places`` says
        self._open: OpenTask | None = None
        self._coming: Segment | None = None  # about to stand in the log
        self._partial = 0  # tokens in the cache of the first segment that is not wholly read
        self.places = Places()
        self.rebuilds = 0
        """How often what was kept had to be read again."""
        self.shifts = 0
        """How often positions ran out and were shifted."""
        self.epoch = 0
        """Another whenever all of the cache was read anew."""
        for segment in log.segments:
            self._place(segment)
        log.listen(self)

    @property
    def tokens(self) -> dict[int, int]:
        """Of each segment, by its id."""
        return dict(zip(self.places.ids, self.places.tokens, strict=True))

    @property
    def known(self) -> bool:
        """Whether the cache holds the system turn, and nothing but what the log says."""
        return self._known

    @property
    def held(self) -> list[tuple[int, Place]]:
        """The places of the segments in the cache, in order, by their ids."""
        return [(number, self.places[index]) for index, number in enumerate(self.places.ids[: self.places.read])]

    @property
    def settled(self) -> Settled | None:
        """Where what was read of the log ends, an open task left out; None where that is not known, or within one."""
        sequence, task = self._sequence, self._open
        if not self._known or self._partial or sequence is None:
            return None
        if task is not None:
            return Settled(task.snapshot.order, task.snapshot.position, task.layout, open=True)
        return Settled(sequence.order, sequence.position, sequence.layout, open=False)

    @property
    def base_length(self) -> int:
        """Rows of the system turn."""
        return self._base.length

    @property
    def behind(self) -> int:
        """Tokens of the log that are not in the cache."""
        read = self.places.before(self.places.read) if self._known else 0
        return self.places.total - read - self._partial * self._known

    @property
    def pieces(self) -> Pieces:
        """The system turn that it begins with."""
        return self._renderer.pieces

    @property
    def sequence(self) -> Sequence:
        """The cache's sequence, which holds what the log says, and the open task."""
        if self._open is None or not self._known:
            self.ready()
        assert self._sequence is not None
        return self._sequence

    @property
    def current(self) -> Sequence:
        """The same, but with only so much of the log as has been read."""
        if self._sequence is None or not self._known:
            self._restart()
        assert self._sequence is not None
        return self._sequence

    @property
    def recalled(self) -> tuple[Recalled, ...]:
        """What was forgotten and is there for the open task."""
        return () if self._open is None else self._open.recalled

    @property
    def skipped(self) -> range:
        """The indices of segments that the open task is not read behind."""
        return range(0) if self._open is None else self._open.skipped

    def ready(self) -> None:
        """Before each use: what the log says is read, and a task that was never closed is gone."""
        if not self._known:
            self._restart()
        if self._open is not None:
            self.abandon()
        while self.places.read < len(self.places):
            self.read()

    def declare(self, pieces: Pieces) -> None:
        """Another system turn; it is read by the next use."""
        self._renderer = Renderer(self._model.chat, pieces)
        self.doubt()
        for index in range(len(self.places)):
            self._place_again(index)

    def doubt(self) -> None:
        """It is not known any more what the cache holds."""
        self._known, self._open, self.places.read, self._partial = False, None, 0, 0

    def needed(self, rendered: Rendered) -> int:
        """Tokens that something would take behind what is in the log."""
        return len(self._renderer.ids(rendered, self._carry(len(self.places))))

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
        """Takes the segment, and reads it, unless that is left for later; of the open task's turn, what is missing."""
        task = self._open
        if task is not None and isinstance(segment, TurnSegment):
            self._commit(segment, task)
            return
        if not self.later:
            self.ready()
        elif task is not None:
            self.abandon()
        self._place(segment)
        if not self.later:
            self._coming = segment
            try:
                self.ready()
            except BaseException:
                self.places.remove(len(self.places) - 1, len(self.places))
                raise
            finally:
                self._coming = None

    def evicted(self, segments: tuple[Segment, ...]) -> None:
        """Moves what is left over what is gone.

        Read again is what is so little that it costs no more than a few denoising steps, as then no trace is left of
        what is gone: rows that move keep what they saw, and sliding layers see what is forgotten until as much as their
        window holds has come in. So is what cannot be moved.
        """
        if not (runs := self.places.runs(segment.id for segment in segments)):
            return
        if self._open is not None and self._known:
            self.abandon()
        left = self.places.total - sum(self.places.tokens_of(segment.id) for segment in segments)
        again = left <= self._read_again or not all(map(self._movable, runs))
        moves = []
        if self._known and not again:
            moves = self._forget_partial(runs) + [move for run in reversed(runs) for move in self._move_over(*run)]
        else:
            self.places.read = 0
        for first, stop in reversed(runs):
            self.places.remove(first, stop)
        before = 0
        for first, stop in runs:
            if self.places.read <= first - before < len(self.places):
                self._place_again(first - before)
            before += stop - first
        if self._known and again:
            self._restart()
            if not self.later:
                self.ready()
        elif moves:
            with self._changing() as sequence:
                for start, count in moves:
                    sequence.evict(start, count)

    def _movable(self, run: tuple[int, int]) -> bool:
        """Whether what lies behind these segments, which may have to carry on other words, can be moved over them."""
        first, stop = run
        if stop >= self.places.read:
            return True
        return self.places[first].prefix is not None and self.places[stop].prefix is not None

    def _forget_partial(self, runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Rows to evict where the segment that has been read in part goes, or what it carries on."""
        if not self._partial or not any(first <= self.places.read <= stop for first, stop in runs):
            return []
        rows = (self._base.length + self.places.before(self.places.read), self._partial)
        self._partial = 0
        return [rows]

    def _move_over(self, first: int, stop: int) -> list[tuple[int, int]]:
        """The rows to evict of segments ``first`` … ``stop`` - 1; those behind them are moved already.

        The carry before them stays, for the next segment instead of theirs; but where none follows, it goes, too: it
        is read with the next one.
        """
        read, base = self.places.read, self._base.length
        start, end = (base + self.places.before(min(index, read)) for index in (first, stop))
        if stop < read:
            kept, follower = self.places[first].prefix or 0, self.places[stop]
            own = follower.prefix or 0
            start, end = start + kept, end + own
            self.places.put(stop, replace(follower, tokens=follower.tokens - own + kept, prefix=kept))
        return [(start, end - start)] if end > start else []

    @property
    def cramped(self) -> bool:
        """Whether positions will run out before long, and :meth:`shift` would give many back."""
        if not self._known or self._open is not None or self._sequence is None:
            return False
        most, sequence = self._model.session.config.text.max_positions, self._sequence
        early = most - sequence.position < _early(self._model)
        return early and sequence.position - sequence.length >= most // WORTH

    def shift(self) -> None:
        """Makes positions of what is gone free again: rows are shifted down to the system turn.

        Where that gives few, as what is gone stood between them, to one another, too: then nothing in the positions
        says any more how much went by between them.
        """
        with self._changing() as sequence:
            gap = sequence.gap(self._first_row)
            if gap >= self._model.session.config.text.max_positions // WORTH:
                sequence.shift(self._first_row, -gap)
            else:
                gap = sequence.close_gaps(self._first_row)
        self.shifts += gap > 0

    @property
    def _first_row(self) -> int:
        """Of what can be shifted: behind the system turn there is the carry that was kept, then what is left."""
        return self._base.length + (self.places[0].prefix or 0 if self.places.read else 0)

    def _make_room(self, count: int) -> None:
        """So many positions behind what is there, if that many can be made free."""
        sequence, most = self.current, self._model.session.config.text.max_positions
        while sequence.position + count > most and sequence.position > sequence.length:
            self.shift()

    def _commit(self, segment: TurnSegment, task: OpenTask) -> None:
        sequence = self.sequence
        answer = self._renderer.answer(segment.reply)
        if len(answer) > sequence.room + sequence.length - task.length:
            raise ContextFullError(f"a plan of {len(answer)} tokens does not fit behind its task")
        self._open, whole = None, self.places.read == len(self.places)
        place = Place(len(task.ids) + len(answer), task.prefix, self._renderer.pieces.user)
        with self._changing():
            if not whole:
                sequence.restore(task.snapshot)  # it is read behind what was not
            elif task.recalled or sequence.length != task.length:
                # Frames were recalled, or canvases were read on the way, with their thoughts and repairs.
                sequence.restore(task.snapshot)
                sequence.append(task.ids)
            if whole:
                sequence.append(answer)
        if whole:
            self.places.append(segment.id, place)
            self.places.read += 1
        else:
            self._place(segment)

    # -- after a restart ------------------------------------------------------------------------------------------

    def resume(self, window: Window, layout: Layout | None) -> None:
        """Behind the system turn the sequence goes on where another left off. Nothing may be held yet.

        Raises :class:`ContextError` where ``window`` or ``layout`` do not fit this model.
        """
        sequence = self.current
        assert not self.places.read
        with self._changing():
            sequence.restore_window(window, layout)

    def put_back(self, before: int, skip: int, places: list[tuple[int, Place]], rows: list[Rows]) -> None:
        """Rows of segments that stand in the log again, without reading them.

        They go ``skip`` rows behind the beginning of the ``before``-th segment held, whose place is the last one in
        ``places``, unless it is to stand behind all; the segments themselves stand before that one. Raises
        :class:`ContextError` where they do not fit there; the next use reads everything anew then.
        """
        slot = self._base.length + self.places.before(before) + skip
        with self._changing() as sequence:
            for part in reversed(rows):
                sequence.restore_rows(part, slot)
            for number, place in places:
                self.places.insert(number, place)

    def take(self, segments: Iterable[Segment]) -> None:
        """Segments that stand in the log again, behind all that is held: they are read as others that come in."""
        for segment in segments:
            self._place(segment)

    def follow(self) -> None:
        """The log has got segments of which nobody told; what was not put back is read anew with all others."""
        if self.places.ids != tuple(segment.id for segment in self._log.segments):
            self.doubt()
            self.places = Places()
            for segment in self._log.segments:
                self._place(segment)

    # -- slices ---------------------------------------------------------------------------------------------------

    def read(self, most: int | None = None) -> int:
        """Reads so many tokens of what the log holds and the cache does not, oldest first; how many they were.

        Words are cut anywhere, pictures never, so that one may be more; None reads all.
        """
        if not self._known:
            self._restart()
        elif self._open is not None:
            self.abandon()
        index, offset, reading = self.places.read, self._partial, Reading()
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
        if (index, offset) == (self.places.read, self._partial):
            return 0
        self._make_room(reading.count + self._model.config.canvas_length)
        with self._changing() as sequence:
            reading.into(sequence)
        self.places.read, self._partial, self._has_read = index, offset, True
        return reading.count

    # -- an open task ---------------------------------------------------------------------------------------------

    def begin(self, text: str, most: int | None = None, recall: Recall | None = None) -> int:
        """Reads a task and opens the reply; how many tokens there are then.

        Where more than ``most`` tokens of the log are still to be read (None: any number), the task is read behind what
        there is and the newest segments of no more than so many tokens. With ``recall`` it is read behind forgotten
        frames, too.
        """
        whole = most is None or self.behind <= most
        if whole:
            self.ready()
        elif self._open is not None:
            self.abandon()
        sequence = self.current
        newest = range(0) if whole else self._newest(most or 0)
        segments = [self._log.segments[index] for index in newest]
        reading, ids, prefix = self._with_task(segments, text)
        room = reading.count + (recall.tokens if recall is not None else 0)
        self._make_room(room + 2 * self._model.config.canvas_length)
        snapshot, layout = sequence.snapshot(), sequence.layout

        def words() -> tuple[Array, ...]:
            reading.into(sequence)
            own = len(ids) - (prefix or 0) - len(self.pieces.reply)
            return sequence.export_rows(sequence.length - own - len(self.pieces.reply), own).values

        recalled: list[FrameSegment] = []
        with self._changing():
            if recall is not None:
                recalled = recall.find(words, self.places.ids)
            if recalled:
                sequence.restore(snapshot)
                reading, _, _ = self._with_task([*recalled, *segments], text)
            if sequence.length == snapshot.length:
                reading.into(sequence)
        skipped = range(self.places.read, newest.start if newest else len(self.places))
        told = tuple(map(Recalled.of, recalled))
        self._open = OpenTask(ids, prefix, snapshot, sequence.length, layout, skipped, told)
        return sequence.length

    def _with_task(self, segments: Iterable[Segment], text: str) -> tuple[Reading, Ints, int | None]:
        """Segments and a task behind what has been read; the task's own ids, and what of them is carried over."""
        reading, carry = Reading(), LINE if self._partial else self._carry(self.places.read)
        for segment in segments:
            rendered = self._renderer.render(segment)
            reading.add(rendered, self._renderer.ids(rendered, carry))
            carry = rendered.carry
        rendered = self._renderer.task(text)
        ids = self._renderer.ids(rendered, carry)
        reading.add(rendered, ids)
        return reading, ids, self._renderer.prefix(rendered, carry)

    def _newest(self, most: int) -> range:
        """The indices of the newest segments, none of them read, that have no more than so many tokens."""
        first, lowest = len(self.places), self.places.read + bool(self._partial)
        while first > lowest and (most := most - self.places[first - 1].tokens) >= 0:
            first -= 1
        return range(first, len(self.places))

    def abandon(self) -> None:
        """The open task had never been; nothing where there is none."""
        task, self._open = self._open, None
        if task is not None:
            with self._changing() as sequence:
                sequence.restore(task.snapshot)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _carry(self, index: int) -> str:
        """What there is to be carried to the segment of that index."""
        return self.places[index - 1].carry if index else self.pieces.user

    def _rendered(self, index: int) -> tuple[Rendered, Ints]:
        segments = self._log.segments
        segment = segments[index] if index < len(segments) else self._coming
        assert segment is not None
        rendered = self._renderer.render(segment)
        return rendered, self._renderer.ids(rendered, self._carry(index))

    def _place(self, segment: Segment) -> None:
        """Behind all others."""
        self.places.append(segment.id, self._place_of(segment, len(self.places)))

    def _place_again(self, index: int) -> None:
        """What is before it, or how it is rendered, has changed."""
        self.places.put(index, self._place_of(self._log.segments[index], index))

    def _place_of(self, segment: Segment, index: int) -> Place:
        rendered, carry = self._renderer.render(segment), self._carry(index)
        ids = self._renderer.ids(rendered, carry)
        return Place(len(ids), self._renderer.prefix(rendered, carry), rendered.carry)

    @contextmanager
    def _changing(self) -> Iterator[Sequence]:
        """Meanwhile, and after an error, it is not known what the cache holds."""
        assert self._sequence is not None and self._known
        self._known = False
        try:
            yield self._sequence
        except BaseException:
            self.doubt()
            raise
        self._known = True

    def refresh(self) -> None:
        """All that the log holds is read anew, in one run."""
        self._restart()
        self.ready()

    def _restart(self) -> None:
        """The cache holds the system turn and nothing else."""
        known = self._known and self._open is None
        self.doubt()
        self.epoch += 1
        if self._sequence is None or not known:
            self._sequence = None  # first: two caches at once may be too many
            sequence = self._model.sequence()
            sequence.append(self.pieces.system)
            self._base = sequence.snapshot()
            self._sequence = sequence
        else:
            self._sequence.restore(self._base)
        self._known = True
        self.rebuilds += self._has_read and len(self.places) > 0
