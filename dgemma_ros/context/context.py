"""What the model has read: the log, the bounds within which it is kept, and the cache that mirrors it.

Something is forgotten between tasks, never on a task's way unless the task itself needs the room. A task is read behind
a snapshot and committed only after its plan is out, so that one that is cancelled leaves no trace.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from dgemma_ros.checkpoint.untrusted import MAX_TEXT
from dgemma_ros.context.frames import FrameClock, clock_text
from dgemma_ros.context.log import Log
from dgemma_ros.context.memory import tokens_within, used_bytes
from dgemma_ros.context.mirror import CacheMirror
from dgemma_ros.context.prompt import Pieces, longer_than, make_pieces
from dgemma_ros.context.restoring import Restoring, Saved
from dgemma_ros.context.results import ResultStatus, SkillResult
from dgemma_ros.context.retention import to_evict
from dgemma_ros.context.segments import SUMMARY, FrameSegment, NoteSegment, Reply, ResultSegment, Segment, TurnSegment
from dgemma_ros.context.types import Bounds, ContextInfo, Frame, SegmentInfo
from dgemma_ros.errors import ContextError, ContextFullError
from dgemma_ros.model import Model
from dgemma_ros.runtime.contract import Floats
from dgemma_ros.runtime.sequence import Sequence
from dgemma_ros.skills.catalogue import SkillCatalogue

SHORT_TASK = 16
"""Tokens of the words of a short task."""


class Context:
    """One conversation's memory. For the thread that has the model; :attr:`info` may be read from any.

    ``clock`` is what :attr:`Frame.received` is of. Raises :class:`ContextFullError` where the skills alone do not fit,
    :class:`TokenizerError` for an unusable template. After any error, the next use finds the cache as the log says.
    """

    def __init__(
        self,
        model: Model,
        skills: SkillCatalogue,
        bounds: Bounds,
        clock: Callable[[], float] = time.monotonic,
        log: Log | None = None,
    ) -> None:
        self.model, self.log = model, log or Log()
        self._bounds, self._skills, self._now = bounds, skills, clock
        self._dropped: Counter[str] = Counter()
        self._clock = FrameClock()
        self._restoring: Restoring | None = None
        pieces = self._fitting(skills, bounds)
        self._mirror = CacheMirror(model, self.log, pieces)
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
                self._mirror.declare(self._fitting(skills, bounds))
            self._bounds, self._skills = bounds, skills
            self._fit_bounds()

    def reset(self) -> None:
        """Forgets all but the system turn."""
        with self._publishing():
            self._give_up()
            self._evict({segment.id for segment in self.log.segments})
            self._fit_bounds()

    def needed(self, skills: SkillCatalogue, bounds: Bounds) -> int:
        """Tokens that a context needs to hold these skills, a short task and its answer. Safe from any thread."""
        pieces = self._pieces(skills, bounds)
        return len(pieces.system) + SHORT_TASK + len(pieces.reply) + 2 * self.model.config.canvas_length

    def misfit(self, skills: SkillCatalogue, bounds: Bounds) -> str:
        """Which bound is too small for these skills, a short task and its answer; empty where they fit.

        Safe from any thread.
        """
        needed, limit = self.needed(skills, bounds), self.limit_of(bounds)
        if needed <= limit:
            return ""
        words = f"skills, a task and its answer need {needed} tokens"
        if limit == bounds.context_tokens:
            return f"context_tokens: {limit} is too small: {words}"
        if limit < self.model.session.max_rows:
            return f"context_bytes: {bounds.context_bytes} is too small, it holds {limit} tokens: {words}"
        return f"{words}, and this model holds no more than {limit}: switch skills off"

    def limit_of(self, bounds: Bounds) -> int:
        """Tokens that the context may hold with these bounds, a canvas included. Safe from any thread."""
        most = min(bounds.context_tokens, self.model.session.max_rows)
        return min(most, tokens_within(self.model, bounds.context_bytes)) if bounds.context_bytes else most

    @property
    def limit(self) -> int:
        """Tokens that the context may hold, a canvas included."""
        return self.limit_of(self._bounds)

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
        """The cache's sequence: what has been read."""
        return self._mirror.sequence

    def _pieces(self, skills: SkillCatalogue, bounds: Bounds) -> Pieces:
        return make_pieces(self.model.chat, skills, bounds.thinking)

    def _fitting(self, skills: SkillCatalogue, bounds: Bounds) -> Pieces:
        pieces = self._pieces(skills, bounds)
        if len(pieces.system) + self.model.config.canvas_length > self.limit_of(bounds):
            raise ContextFullError(self.misfit(skills, bounds))
        return pieces

    # -- what comes in --------------------------------------------------------------------------------------------

    def add_frame(self, frame: Frame, soft: Floats) -> None:
        """Reads a picture into the open user turn. Raises :class:`ContextFullError` where it cannot be held at all."""
        shown = [segment.frame for segment in self.log.segments if isinstance(segment, FrameSegment)]
        if not shown:
            self._clock.restart()
        label = clock_text(self._clock.seconds(frame.stamp_ns, frame.received))
        if len({other.camera for other in shown} | {frame.camera}) > 1:
            label += f" {frame.camera}"
        bare = replace(frame, rgb=np.empty((0, 0, 3), np.uint8))
        self._add(FrameSegment(frame=bare, label=label, soft=soft), "a picture", frames=1)

    def add_note(self, text: str) -> None:
        """Reads somebody's words into the open user turn, as a line of their own; they ask for no answer.

        Raises :class:`ContextFullError`, with nothing read, where they cannot fit.
        """
        text = " ".join(text[:MAX_TEXT].split())
        self._check_length(text, "a note")
        self._add(NoteSegment(text=text), "a note", notes=1)

    def add_result(
        self,
        plan_id: str,
        step: int,
        outcome: ResultStatus,
        reason: str = "",
        skill: str = "",
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Reads what became of a plan's step, from 0, as the tool response to its call.

        Where that plan is no longer remembered it becomes a note, which names ``skill`` and ``arguments`` if they are
        given. Raises :class:`ContextFullError`, with nothing read, where it cannot fit.
        """
        turn = self.log.turn(plan_id)
        if turn is not None and 0 <= step < len(turn.reply.calls):
            name, given = turn.reply.calls[step]
            result = SkillResult(name, given, outcome, reason)
            self._add(ResultSegment(plan_id=plan_id, step=step, result=result), "a result")
            return
        said = SkillResult(skill or f"step {step + 1} of an earlier plan", arguments or {}, outcome, reason)
        summary = said.summary if skill else said.summary.replace("()", "", 1)
        self.add_note(summary)

    def _add(self, segment: Segment, what: str, frames: int = 0, notes: int = 0) -> None:
        canvas, needed = self.model.config.canvas_length, self._mirror.needed_by(segment)
        self._check(needed + 2 * canvas, f"{what} of {needed} tokens")
        with self._publishing():
            self._tidy(needed + canvas, frames, notes)
            self.log.append(segment)

    def _check(self, needed: int, what: str) -> None:
        if len(self.pieces.system) + needed > self.limit:
            raise ContextFullError(f"{what} does not fit: the context holds {self.limit}")

    def _check_length(self, words: str, what: str) -> None:
        if longer_than(self.model.chat, words, self.limit):
            raise ContextFullError(f"{what} of {len(words)} characters does not fit: the context holds {self.limit}")

    @property
    def newest(self) -> Frame | None:
        """The particulars of the frame that arrived last (its pixels are gone)."""
        frames = [segment.frame for segment in self.log.segments if isinstance(segment, FrameSegment)]
        return max(reversed(frames), key=lambda frame: frame.received, default=None)

    # -- tasks ----------------------------------------------------------------------------------------------------

    def begin(self, text: str) -> int:
        """Reads a task and opens the reply; how many tokens have been read then.

        Raises :class:`ContextFullError`, with nothing read, where it cannot fit.
        """
        self._check_length(text, "a task")
        needed = self._mirror.needed_by_task(text) + 2 * self.model.config.canvas_length
        self._check(needed, f"a task of {needed} tokens, answer included,")
        with self._publishing():
            self._tidy(needed)
            return self._mirror.begin(text)

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
        with self._publishing():
            self.log.append(TurnSegment(task=task, reply=reply, plan=plan, plan_id=plan_id))
            self._fit_bounds()

    # -- after a restart ------------------------------------------------------------------------------------------

    def restore(self, saved: Saved) -> None:
        """Puts back what was remembered before a restart: the newest now, the rest with :meth:`restore_slice`.

        Nothing is read. Before anything else comes in. Raises :class:`ContextError`, with nothing put back, where it
        does not fit this model.
        """
        with self._publishing():
            try:
                self._restoring = Restoring(self.log, self._mirror, saved)
            except ContextError:
                self._mirror.doubt()
                raise
            self._remembered()

    def read_again(self, segments: Collection[Segment], last_id: int) -> None:
        """The same where only the segments are left, or rows that no longer fit: all of it is read, in one run."""
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
        used = len(self.pieces.system) + sum(self._mirror.tokens.values())
        if used + restoring.next_tokens + self.model.config.canvas_length > self.limit:
            self._give_up()
            return
        restoring.step()
        self._tidy()
        if not restoring.away:
            self._restoring = None

    def _give_up(self) -> None:
        restoring, self._restoring = self._restoring, None
        if restoring is not None:
            self._dropped["restored"] += len(restoring.give_up())

    def _remembered(self) -> None:
        frames = [segment for segment in self.log.segments if isinstance(segment, FrameSegment)]
        if frames:
            self._clock.resume(frames[-1].label, frames[-1].frame.stamp_ns, frames[-1].frame.received)
        if self._restoring is not None and not self._restoring.away:
            self._restoring = None
        self._fit_bounds()

    # -- bounds ---------------------------------------------------------------------------------------------------

    def _fit_bounds(self) -> None:
        """Forgets what is beyond the bounds, once it is known what all of it takes."""
        self._tidy()
        self._mirror.ready()
        self._tidy()  # again: with other pieces, segments may take more tokens

    def _tidy(self, room: int = 0, frames: int = 0, notes: int = 0) -> None:
        """Forgets what is beyond the bounds, with ``room`` for more tokens, frames and notes."""
        free = self.limit - len(self.pieces.system) - max(room, self.model.config.canvas_length)
        self._evict(to_evict(self.log.segments, self._mirror.tokens, self._bounds, free, frames, notes))

    def _evict(self, ids: set[int]) -> None:
        gone = {segment.id: segment.kinds for segment in self.log.segments if segment.id in ids}
        for kinds in gone.values():
            self._dropped.update(kinds)
        self.log.evict(ids)

    # -- for other threads ----------------------------------------------------------------------------------------

    @contextmanager
    def _publishing(self) -> Iterator[None]:
        """Other threads see what the log says afterwards, also where an error ends it."""
        try:
            yield
        finally:
            self._info = self._made_info()

    def _made_info(self) -> ContextInfo:
        newest, tokens = self.newest, self._mirror.tokens
        length = len(self.pieces.system) + sum(tokens.get(segment.id, 0) for segment in self.log.segments)
        system = SegmentInfo("system", len(self.pieces.system), None, f"{len(self._skills.usable)} skills")
        infos = [info for segment in self.log.segments for info in self._infos_of(segment)]
        return ContextInfo(
            tokens=length,
            limit=self.limit,
            bytes=used_bytes(self.model, length),
            segments=(system, *infos),
            dropped=MappingProxyType(dict(self._dropped)),
            rebuilds=self._mirror.rebuilds,
            shifts=self._mirror.shifts,
            replaced_stamps=self._clock.replaced,
            newest_stamp_ns=None if newest is None else newest.stamp_ns,
            newest_age=None if newest is None else newest.received,
        )

    def _infos_of(self, segment: Segment) -> list[SegmentInfo]:
        """For people a turn is two: the task and the plan."""
        tokens = self._mirror.tokens.get(segment.id, 0)
        stamp = segment.frame.stamp_ns if isinstance(segment, FrameSegment) else None
        if not isinstance(segment, TurnSegment):
            return [SegmentInfo(segment.kinds[0], tokens, stamp, segment.summary, segment.id)]
        answer = self._mirror.answer_length(segment)
        task = SegmentInfo("task", tokens - answer, None, segment.summary, segment.id)
        return [task, SegmentInfo("plan", answer, None, segment.plan[:SUMMARY], segment.id)]

    @property
    def info(self) -> ContextInfo:
        """What is remembered now; safe to read from any thread."""
        info = self._info
        return replace(info, newest_age=None if info.newest_age is None else self._now() - info.newest_age)
