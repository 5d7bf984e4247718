"""What the model has read: the log, the bounds within which it is kept, and the cache that mirrors it.

Something is forgotten between tasks, never on a task's way unless the task itself needs the room. A task is read behind
a snapshot and committed only after its plan is out, so that one that is cancelled leaves no trace.

Longer than most files: it is the whole interface of this room, and each change must leave log, cache, retention and
what other threads are told in step. What it does is in the other files.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from dgemma_ros.checkpoint.untrusted import MAX_TEXT
from dgemma_ros.context import memory
from dgemma_ros.context.facts import Facts, cameras_of
from dgemma_ros.context.frame_segments import FrameSegments
from dgemma_ros.context.ladder import ladder_of
from dgemma_ros.context.log import Log
from dgemma_ros.context.mirror import CacheMirror
from dgemma_ros.context.notes import CalledOff, check_pins, note_of
from dgemma_ros.context.positions import most_remembered
from dgemma_ros.context.prompt import Pieces
from dgemma_ros.context.recall import OVERHEAD, Recall, Recalled, Recollection
from dgemma_ros.context.restoring import Restoring, Saved
from dgemma_ros.context.results import ResultStatus, SkillResult
from dgemma_ros.context.retention import Coming, Limits, Reason, Retention
from dgemma_ros.context.room import Room
from dgemma_ros.context.segments import FrameSegment, NoteSegment, Reply, ResultSegment, Segment, TurnSegment
from dgemma_ros.context.types import Bounds, ContextInfo, Frame, SegmentInfo
from dgemma_ros.errors import ContextError
from dgemma_ros.model import Model
from dgemma_ros.runtime.contract import Floats
from dgemma_ros.runtime.sequence import Sequence
from dgemma_ros.skills.catalogue import SkillCatalogue


class Context:
    """One conversation's memory. For the thread that has the model; :attr:`info` may be read from any.

    ``clock`` is what :attr:`Frame.received` is of. ``later``: what comes in is read by :meth:`read`, slice by slice, or
    by what needs it; without, at once. Raises :class:`ContextFullError` where the skills alone do not fit,
    :class:`TokenizerError` for an unusable template. After any error, the next use finds the cache as the log says.
    """

    def __init__(
        self,
        model: Model,
        skills: SkillCatalogue,
        bounds: Bounds,
        clock: Callable[[], float] = time.monotonic,
        log: Log | None = None,
        later: bool = False,
    ) -> None:
        self.model, self.log = model, log or Log()
        self._bounds, self._skills, self._now = bounds, skills, clock
        self.room = Room(model, memory.spare_tokens(model))
        """What fits, with which bounds. Safe from any thread."""
        self._dropped: Counter[str] = Counter()
        self._frames = FrameSegments()
        self._restoring: Restoring | None = None
        pieces = self.room.fitting_pieces(skills, bounds)
        self._mirror = CacheMirror(model, self.log, pieces, later=later)
        self._retention = Retention(lambda number: self._mirror.places.tokens_of(number))
        for segment in self.log.segments:
            self._retention.appended(segment)
        self.log.listen(self._retention)
        self.catch_up: int | None = None
        """How many tokens that are still to be read a task may wait for; None: any number."""
        self.recollection: Recollection | None = None
        """What keeps forgotten frames, for the setting ``recall``."""
        self.recall_tokens: int | None = None
        """How many tokens of them a task may wait for; None: any number."""
        with self._publishing():
            self._fit_bounds()

    # -- the system turn and the bounds ---------------------------------------------------------------------------

    def declare(self, skills: SkillCatalogue, bounds: Bounds) -> None:
        """Takes these skills and bounds; what is beyond them is forgotten, and what is kept read again where needed.

        Raises :class:`ContextFullError`, with nothing changed, where the skills do not fit.
        """
        with self._publishing():
            if skills is not self._skills or bounds.thinking != self._bounds.thinking:
                while self.restoring:
                    self._put_back()  # what is behind another system turn must be read again, so it must be there
                self._mirror.declare(self.room.fitting_pieces(skills, bounds))
            self._bounds, self._skills = bounds, skills
            self._fit_bounds()

    def reset(self) -> None:
        """Forgets all but the system turn."""
        with self._publishing():
            self._frames.clear()
            self._give_up()
            self._evict({segment.id: Reason.ASKED for segment in self.log.segments})
            if self.recollection is not None:
                self.recollection.clear()
            self._fit_bounds()

    @property
    def limit(self) -> int:
        """Tokens that the context may hold, a canvas included."""
        return self.room.limit(self._bounds)

    @property
    def _fillable(self) -> int:
        return self.room.fillable(self._bounds)

    @property
    def pieces(self) -> Pieces:
        """Of the prompt."""
        return self._mirror.pieces

    @property
    def mirror(self) -> CacheMirror:
        """What holds the cache as the log says."""
        return self._mirror

    @property
    def sequence(self) -> Sequence:
        """The cache's sequence, with all that is remembered; what was not read is read first."""
        return self._mirror.sequence

    @property
    def current(self) -> Sequence:
        """The same, as far as it has been read."""
        return self._mirror.current

    # -- what comes in --------------------------------------------------------------------------------------------

    def add_frame(self, frame: Frame, soft: Floats) -> None:
        """Takes a picture into the open user turn. Raises :class:`ContextFullError` where it cannot be held at all."""
        if not self._retention.frames and self._restoring is None:
            self._frames.restart()
        with self._frames.taking(frame, soft, self._retention.cameras, self._bounds.keyframe_change) as segment:
            self._add(segment, "a picture", Coming(frame.camera, segment.seconds))

    def add_note(self, text: str) -> None:
        """Takes somebody's words into the open user turn, as a line of their own; they ask for no answer.

        One that begins with ``pin:`` stays until one of ``unpin:`` and its beginning comes. Raises
        :class:`ContextFullError`, with nothing taken, where they cannot fit.
        """
        words = " ".join(text[:MAX_TEXT].split())
        self.room.check_words(words, "a note", self._bounds)
        note = note_of(words)
        if isinstance(note, CalledOff):
            with self._publishing():
                self._evict(dict.fromkeys(note.among(self._retention.pinned_notes), Reason.ASKED))
            return
        segment = NoteSegment(text=note.text, pinned=note.pinned, seconds=self._retention.now)
        if note.pinned:
            pinned = self._retention.pinned_notes
            tokens = sum(self._mirror.places.tokens_of(one.id) for one in pinned)
            free = self._fillable - len(self.pieces.system) - 2 * self.model.config.canvas_length
            tokens += self._mirror.transcript.needed_by(segment)
            check_pins(len(pinned) + 1, tokens, self._bounds.max_notes, free)
        self._add(segment, "a note", Coming(notes=1))

    def add_result(
        self,
        plan_id: str,
        step: int,
        outcome: ResultStatus,
        reason: str = "",
        skill: str = "",
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Takes what became of a plan's step, from 0, as the tool response to its call.

        Where that plan is no longer remembered it becomes a note, which names ``skill`` and ``arguments`` if they are
        given. Raises :class:`ContextFullError`, with nothing taken, where it cannot fit.
        """
        turn = self.log.turn(plan_id)
        if turn is not None and 0 <= step < len(turn.reply.calls):
            name, given = turn.reply.calls[step]
            result = SkillResult(name, given, outcome, reason)
            self._add(ResultSegment(plan_id=plan_id, step=step, result=result), "a result", Coming())
            return
        said = SkillResult(skill or f"step {step + 1} of an earlier plan", arguments or {}, outcome, reason)
        summary = said.summary if skill else said.summary.replace("()", "", 1)
        self._add(NoteSegment(text=summary, seconds=self._retention.now), "a note", Coming(notes=1))

    def _add(self, segment: Segment, what: str, coming: Coming) -> None:
        canvas, needed = self.model.config.canvas_length, self._mirror.transcript.needed_by(segment)
        self._check(needed + 2 * canvas, f"{what} of {needed} tokens")
        with self._publishing():
            self._tidy(needed + canvas, coming)
            self.log.append(segment)

    def _check(self, needed: int, what: str) -> None:
        self.room.check(len(self.pieces.system) + needed, what, self._bounds)

    @property
    def newest(self) -> Frame | None:
        """The particulars of the frame that arrived last (its pixels are gone)."""
        newest = self._retention.newest
        return None if newest is None else newest.frame

    @property
    def seen(self) -> Frame | None:
        """The newest frame that the open task is read behind, in the order of the log."""
        segment = self._seen
        return None if segment is None else segment.frame

    @property
    def _seen(self) -> FrameSegment | None:
        skipped = self._mirror.skipped
        if not skipped:
            return self._retention.newest
        kept = (self.log.segments[i] for i in reversed(range(len(self.log.segments))) if i not in skipped)
        return next((segment for segment in kept if isinstance(segment, FrameSegment)), None)

    # -- slices ---------------------------------------------------------------------------------------------------

    @property
    def behind(self) -> int:
        """Tokens that are remembered and have not been read yet."""
        return self._mirror.behind

    def read(self, most: int | None = None) -> int:
        """Reads about so many tokens of those, oldest first; how many. A picture is read as a whole."""
        with self._publishing():
            return self._mirror.read(most)

    @property
    def cramped(self) -> bool:
        """Whether positions will run out before long: :meth:`shift` while nobody waits spares a task to do it."""
        return self._mirror.cramped

    def shift(self) -> None:
        """Shifts positions down to the system turn."""
        with self._publishing():
            self._mirror.shift()

    # -- tasks ----------------------------------------------------------------------------------------------------

    def begin(self, text: str) -> int:
        """Reads a task and opens the reply; how many tokens have been read then.

        What was not read before is read first, if it is no more than :attr:`catch_up`, or else the newest part of it.
        Raises :class:`ContextFullError`, with nothing read, where the task cannot fit.
        """
        self.room.check_words(text, "a task", self._bounds)
        needed = self._mirror.transcript.needed_by_task(text) + 2 * self.model.config.canvas_length
        self._check(needed, f"a task of {needed} tokens, answer included,")
        with self._publishing():
            self._tidy(needed)
            return self._mirror.begin(text, self.catch_up, self._recall())

    def _recall(self) -> Recall | None:
        """What may be recalled for a task; None where nothing may."""
        bounds, tokens = self._bounds, self.room.recallable(self._bounds)
        if self.recall_tokens is not None:
            tokens = min(tokens, self.recall_tokens)
        if self.recollection is None or self._restoring is not None or tokens <= OVERHEAD:
            return None
        return Recall(self.recollection, bounds.recall, tokens)

    @property
    def recalled(self) -> tuple[Recalled, ...]:
        """The forgotten frames that the open task is read behind, oldest first; none is remembered by that."""
        return self._mirror.recalled

    def abandon(self) -> None:
        """The open task had never been; nothing where there is none."""
        self._mirror.abandon()

    def doubt(self) -> None:
        """Something broke that used the sequence: the next use reads everything anew."""
        self._mirror.doubt()

    def commit(self, task: str, reply: Reply, plan: str = "", plan_id: str = "") -> None:
        """Remembers the open task, whose text that is, and its answer, which is whole; ``plan`` is for people.

        Raises :class:`ContextFullError`, with the task still open, where the answer does not fit.
        """
        seen = self._seen
        turn = TurnSegment(task=task, reply=reply, plan=plan, plan_id=plan_id, frame_id=seen.id if seen else 0)
        with self._publishing():
            self.log.append(turn)
            self._fit_bounds()

    # -- after a restart ------------------------------------------------------------------------------------------

    def restore(self, saved: Saved, unread: Collection[Segment] = ()) -> None:
        """Puts back what was remembered before a restart: the newest now, the rest with :meth:`restore_slice`.

        Nothing is read but ``unread``, which had not been before either, and stands behind all. Before anything else
        comes in. Raises :class:`ContextError`, with nothing put back, where it
        does not fit this model.
        """
        with self._publishing():
            try:
                self._restoring = Restoring(self.log, self._mirror, saved)
                self.log.put_back(unread)
                self._mirror.take(unread)
            except ContextError:
                self._mirror.doubt()
                self._follow()
                raise
            self._remembered(saved.newest)

    def read_again(self, segments: Collection[Segment], last_id: int) -> None:
        """The same where only the segments are left, or rows that no longer fit: all of it is read."""
        with self._publishing():
            self.log.put_back(segments, last_id)
            self._remembered()

    def restore_slice(self) -> None:
        """Puts the next slice back, where there is room; else what is left stays away, and counts as dropped."""
        with self._publishing():
            self._put_back()

    @property
    def restoring(self) -> Restoring | None:
        """What is being put back; None where nothing is left to be."""
        return self._restoring

    def _put_back(self) -> None:
        if (restoring := self._restoring) is None:
            return
        used = len(self.pieces.system) + self._mirror.places.total
        if used + restoring.next_tokens + self.model.config.canvas_length > self._fillable:
            self._give_up()
            return
        restoring.step()
        self._follow()
        self._tidy()
        if not restoring.away:
            self._restoring = None

    def _give_up(self) -> None:
        restoring, self._restoring = self._restoring, None
        if restoring is not None:
            self._dropped["restored"] += len(restoring.give_up())

    def _follow(self) -> None:
        """The log holds segments of which it told nobody."""
        self._mirror.follow()
        self._retention.rebuild(self.log.segments)

    def _remembered(self, newest: FrameSegment | None = None) -> None:
        """``newest``: the last frame, where it may be away still."""
        self._follow()
        frames = [segment for segment in self.log.segments if isinstance(segment, FrameSegment)]
        if last := newest or (frames[-1] if frames else None):
            self._frames.resume(last)
        if self._restoring is not None and not self._restoring.away:
            self._restoring = None
        self._fit_bounds()

    # -- bounds ---------------------------------------------------------------------------------------------------

    def _fit_bounds(self) -> None:
        """Forgets what is beyond the bounds."""
        self._tidy()
        if not self._mirror.later:
            self._mirror.ready()

    def _tidy(self, room: int = 0, coming: Coming | None = None) -> None:
        """Forgets what is beyond the bounds, with ``room`` for more tokens and what is coming."""
        bounds, canvas = self._bounds, self.model.config.canvas_length
        left = min(self._fillable, most_remembered(self.model) + canvas) - max(room, canvas)
        limits = Limits(
            frames=bounds.max_frames or self.model.generation.max_frames or self.limit,
            turns=bounds.max_turns,
            notes=bounds.max_notes,
            tokens=left - len(self.pieces.system),
            ladder=ladder_of(bounds.frame_ladder),
            age=bounds.max_frame_age or float("inf"),
            note_age=bounds.max_note_age or float("inf"),
        )
        if gone := self._retention.to_forget(limits, self._mirror.places.total, coming):
            self._evict(gone)

    def _evict(self, reasons: Mapping[int, Reason]) -> None:
        gone = [segment for segment in map(self.log.find, reasons) if segment is not None]
        self._dropped.update(kind for segment in gone for kind in segment.kinds)
        self._retention.count(gone, reasons)
        self.log.evict(reasons)

    # -- for other threads ----------------------------------------------------------------------------------------

    @contextmanager
    def _publishing(self) -> Iterator[None]:
        """Other threads see what the log says afterwards, also where an error ends it."""
        try:
            yield
        finally:
            self._facts = self._found()

    def _found(self) -> Facts:
        newest, places, retention = self._retention.newest, self._mirror.places, self._retention
        length = len(self.pieces.system) + places.total
        info = ContextInfo(
            tokens=length,
            limit=self.limit,
            bytes=memory.used_bytes(self.model, length),
            segments=(SegmentInfo("system", len(self.pieces.system), None, f"{len(self._skills.usable)} skills"),),
            dropped=MappingProxyType(dict(self._dropped)),
            rebuilds=self._mirror.rebuilds,
            shifts=self._mirror.shifts,
            replaced_stamps=self._frames.replaced_stamps,
            newest_stamp_ns=None if newest is None else newest.frame.stamp_ns,
            newest_age=None if newest is None else newest.frame.received,
            cameras=cameras_of(retention),
            behind=self._mirror.behind,
        )
        return Facts(self.log.segments, places.tokens, retention.pinned, info, self._mirror.transcript.answer_length)

    @property
    def rebuilds(self) -> int:
        """How often what was kept had to be read again."""
        return self._facts.info.rebuilds

    @property
    def tokens(self) -> int:
        """Tokens that are remembered, the system turn's among them."""
        return self._facts.info.tokens

    @property
    def info(self) -> ContextInfo:
        """What is remembered now; safe to read from any thread."""
        return self._facts.told(self._now())
