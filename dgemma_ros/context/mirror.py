"""The KV cache as a mirror of the log: it grows with the log, and rows move down over what the log forgets.

So that a picture costs the same after an hour as after a minute, forgetting reads nothing again: the tokens that are
left are those that would be read, but they keep what they saw of what is gone. Where positions run out, those of all
rows behind the system turn are shifted down.

What is in the log and not yet in the cache is read in slices, oldest first, so that a task need not wait for all of it:
it is read behind what there is and the newest that there is time for, and afterwards the slices go on.

Every change of the cache goes through here. While something is being changed the mirror does not know what it holds,
and what it does not know it reads anew before the next use.

Longer than most files by a little: appending, forgetting, slices, tasks and restarts each change the same two things,
the places of segments and the rows, which must agree behind each of them. What can be told of either alone is in
`transcript`, `moving`, `positions`, `guarded` and `recall`.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from dgemma_ros.context import moving, positions
from dgemma_ros.context.guarded import GuardedSequence
from dgemma_ros.context.log import Log
from dgemma_ros.context.places import Place, Places
from dgemma_ros.context.prompt import Pieces
from dgemma_ros.context.reading import TaskReading
from dgemma_ros.context.recall import Recall, Recalled
from dgemma_ros.context.segments import FrameSegment, Segment, TurnSegment
from dgemma_ros.context.transcript import Transcript
from dgemma_ros.errors import ContextFullError
from dgemma_ros.model import Model
from dgemma_ros.runtime.rows import Layout, Rows, Window
from dgemma_ros.runtime.sequence import Sequence, Snapshot

READ_AGAIN: Final = 512


@dataclass(frozen=True, eq=False)
class OpenTask:
    """A task that has been read, and that is neither in the log nor abandoned."""

    reading: TaskReading
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
        self.transcript = Transcript(model.chat, log, pieces)
        self._guarded = GuardedSequence(model, self._forget_progress)
        self._has_read = False  # any of the log, ever
        self._open: OpenTask | None = None
        self.rebuilds = 0
        """How often what was kept had to be read again."""
        self.shifts = 0
        """How often positions ran out and were shifted."""
        log.listen(self)

    @property
    def places(self) -> Places:
        """Of the log's segments."""
        return self.transcript.places

    @property
    def tokens(self) -> dict[int, int]:
        """Of each segment, by its id."""
        return dict(zip(self.places.ids, self.places.tokens, strict=True))

    @property
    def known(self) -> bool:
        """Whether the cache holds the system turn, and nothing but what the log says."""
        return self._guarded.known

    @property
    def epoch(self) -> int:
        """Another whenever all of the cache was read anew."""
        return self._guarded.epoch

    @property
    def held(self) -> list[tuple[int, Place]]:
        """The places of the segments in the cache, in order, by their ids."""
        return [(number, self.places[index]) for index, number in enumerate(self.places.ids[: self.places.read])]

    @property
    def settled(self) -> Settled | None:
        """Where what was read of the log ends, an open task left out; None where that is not known, or within one."""
        if not self.known or self.places.partial:
            return None
        if (task := self._open) is not None:
            return Settled(task.snapshot.order, task.snapshot.position, task.layout, open=True)
        sequence = self._guarded.sequence
        return Settled(sequence.order, sequence.position, sequence.layout, open=False)

    @property
    def base_length(self) -> int:
        """Rows of the system turn."""
        return self._guarded.base_length

    @property
    def behind(self) -> int:
        """Tokens of the log that are not in the cache."""
        return self.places.behind if self.known else self.places.total

    @property
    def pieces(self) -> Pieces:
        """The system turn that it begins with."""
        return self.transcript.pieces

    @property
    def sequence(self) -> Sequence:
        """The cache's sequence, which holds what the log says, and the open task."""
        if self._open is None or not self.known:
            self.ready()
        return self._guarded.sequence

    @property
    def current(self) -> Sequence:
        """The same, but with only so much of the log as has been read."""
        if not self.known:
            self._restart()
        return self._guarded.sequence

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
        if not self.known:
            self._restart()
        if self._open is not None:
            self.abandon()
        while self.places.read < len(self.places):
            self.read()

    def declare(self, pieces: Pieces) -> None:
        """Another system turn; it is read by the next use."""
        self.doubt()
        self.transcript.declare(pieces)

    def doubt(self) -> None:
        """It is not known any more what the cache holds."""
        self._guarded.doubt()

    def refresh(self) -> None:
        """All that the log holds is read anew, in one run."""
        self._restart()
        self.ready()

    # -- the log ------------------------------------------------------------------------------------------------------

    def appended(self, segment: Segment) -> None:
        """Takes the segment, and reads it, unless that is left for later; of the open task's turn, what is missing."""
        task = self._open
        if task is not None and isinstance(segment, TurnSegment):
            self._commit(segment, task)
            return
        if self.later:
            if task is not None:
                self.abandon()
            self.transcript.add([segment])
            return
        self.ready()
        with self.transcript.coming(segment):
            self.ready()

    def evicted(self, segments: tuple[Segment, ...]) -> None:
        """Moves what is left over what is gone.

        Read again is what is so little that it costs no more than a few denoising steps, as then no trace is left of
        what is gone: rows that move keep what they saw, and sliding layers see what is forgotten until as much as their
        window holds has come in. So is what cannot be moved.
        """
        if not (runs := self.places.runs(segment.id for segment in segments)):
            return
        if self._open is not None and self.known:
            self.abandon()
        left = self.places.total - sum(self.places.tokens_of(segment.id) for segment in segments)
        again = left <= self._read_again or not moving.movable(self.places, runs)
        moves: list[moving.Run] = []
        if self.known and not again:
            moves = moving.move(self.places, runs, self.base_length)
        else:
            self.places.unread()
        self.transcript.remove(runs)
        if self.known and again:
            self._restart()
            if not self.later:
                self.ready()
        elif moves:
            with self._changing() as sequence:
                for start, count in moves:
                    sequence.evict(start, count)

    def _commit(self, segment: TurnSegment, task: OpenTask) -> None:
        sequence = self.sequence
        answer = self.transcript.answer(segment)
        if len(answer) > sequence.room + sequence.length - task.length:
            raise ContextFullError(f"a plan of {len(answer)} tokens does not fit behind its task")
        self._open, whole = None, self.places.read == len(self.places)
        with self._changing():
            if not whole:
                sequence.restore(task.snapshot)  # it is read behind what was not
            elif task.recalled or sequence.length != task.length:
                # Frames were recalled, or canvases were read on the way, with their thoughts and repairs.
                sequence.restore(task.snapshot)
                sequence.append(task.reading.ids)
            if whole:
                sequence.append(answer)
        if whole:
            self.transcript.add_task(segment, task.reading)
        else:
            self.transcript.add([segment])

    # -- positions ----------------------------------------------------------------------------------------------------

    @property
    def cramped(self) -> bool:
        """Whether positions will run out before long, and :meth:`shift` would give many back."""
        return self.known and self._open is None and positions.cramped(self._model, self._guarded.sequence)

    def shift(self) -> None:
        """Makes positions of what is gone free again: rows are shifted down to the system turn."""
        # Behind which there is the carry that was kept, then what is left.
        first = self.base_length + (self.places[0].prefix or 0 if self.places.read else 0)
        with self._changing() as sequence:
            freed = positions.shift(self._model, sequence, first)
        self.shifts += freed > 0

    def _make_room(self, count: int) -> None:
        """So many positions behind what is there, if that many can be made free."""
        while positions.lacking(self._model, self.current, count):
            self.shift()

    # -- after a restart ----------------------------------------------------------------------------------------------

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
        slot = self.base_length + self.places.before(before) + skip
        with self._changing() as sequence:
            for part in reversed(rows):
                sequence.restore_rows(part, slot)
            for number, place in places:
                self.places.insert(number, place)

    def take(self, segments: Iterable[Segment]) -> None:
        """Segments that stand in the log again, behind all that is held: they are read as others that come in."""
        self.transcript.add(segments)

    def follow(self) -> None:
        """The log has got segments of which nobody told; what was not put back is read anew with all others."""
        if not self.transcript.up_to_date:
            self.doubt()
            self.transcript.follow()

    # -- slices -------------------------------------------------------------------------------------------------------

    def read(self, most: int | None = None) -> int:
        """Reads so many tokens of what the log holds and the cache does not, oldest first; how many they were.

        Words are cut anywhere, pictures never, so that one may be more; None reads all.
        """
        if not self.known:
            self._restart()
        elif self._open is not None:
            self.abandon()
        reading, end = self.transcript.slice(most)
        if end == (self.places.read, self.places.partial):
            return 0
        self._make_room(reading.count + self._model.config.canvas_length)
        with self._changing() as sequence:
            reading.into(sequence)
        self.places.read, self.places.partial = end
        self._has_read = True
        return reading.count

    # -- an open task -------------------------------------------------------------------------------------------------

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
        newest = range(0) if whole else self.places.newest(most or 0)
        segments = [self._log.segments[index] for index in newest]
        reading = self.transcript.task(text, segments)
        room = reading.count + (recall.tokens if recall is not None else 0)
        self._make_room(room + 2 * self._model.config.canvas_length)
        snapshot, layout = sequence.snapshot(), sequence.layout

        def behind(frames: list[FrameSegment]) -> TaskReading:
            return self.transcript.task(text, [*frames, *segments])

        recalled: list[FrameSegment] = []
        with self._changing():
            if recall is None:
                reading.into(sequence)
            else:
                recalled = recall.read(reading, behind, sequence, self.places.ids)
        skipped = range(self.places.read, newest.start if newest else len(self.places))
        told = tuple(map(Recalled.of, recalled))
        self._open = OpenTask(reading, snapshot, sequence.length, layout, skipped, told)
        return sequence.length

    def abandon(self) -> None:
        """The open task had never been; nothing where there is none."""
        task, self._open = self._open, None
        if task is not None:
            with self._changing() as sequence:
                sequence.restore(task.snapshot)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _changing(self) -> AbstractContextManager[Sequence]:
        return self._guarded.changing()

    def _forget_progress(self) -> None:
        """Nothing of what was read counts any more."""
        self._open = None
        self.places.unread()

    def _restart(self) -> None:
        """The cache holds the system turn and nothing else."""
        self._guarded.restart(self.pieces.system, anew=self._open is not None)
        self.rebuilds += self._has_read and len(self.places) > 0
