"""What the model has read: an append-only log of segments, and the sequence in the cache that mirrors it.

The log is the truth. The sequence grows with it while it can; once something must be forgotten, the sequence goes back
to the end of the system turn and reads again what is kept. That happens between tasks, never on a task's way unless
the task itself needs the room. A task is read behind a snapshot and committed only after its plan is out, so that one
that is cancelled leaves no trace.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from dgemma_ros.context.frames import FrameClock, clock_text
from dgemma_ros.context.memory import tokens_within, used_bytes
from dgemma_ros.context.prompt import LINE, make_pieces, words_ids
from dgemma_ros.context.segments import FRAME, NOTE, NOTHING, PLAN, SUMMARY, SYSTEM, TASK, Reply, Segment, Turn, kept
from dgemma_ros.context.types import MAX_TEXT, Bounds, ContextInfo, Frame
from dgemma_ros.errors import ContextError, ContextFullError
from dgemma_ros.model import Model
from dgemma_ros.runtime.contract import Floats, Ints
from dgemma_ros.skills.catalogue import SkillCatalogue


class Context:
    """One conversation's memory. For the thread that owns the model; :attr:`info` may be read from any.

    Raises :class:`ContextError` where the skills alone do not fit, :class:`TokenizerError` for an unusable template.
    """

    def __init__(self, model: Model, skills: SkillCatalogue, settings: Bounds) -> None:
        self.model = model
        self._settings = settings
        self._dropped: Counter[str] = Counter()
        self._rebuilds = 0
        self._turn = 0
        self._open: Turn | None = None
        self._clock = FrameClock()
        self._log: list[Segment] = []
        self.declare(skills)

    # -- the system turn ------------------------------------------------------------------------------------------

    def declare(self, skills: SkillCatalogue) -> None:
        """Starts a new sequence with these skills, and reads again what is kept; also after an error broke it."""
        pieces = make_pieces(self.model.chat, skills, self._settings.thinking)
        count = len(pieces.system)
        if count + self.model.config.canvas_length > self.limit:
            bound = "context_tokens" if self.limit == self._settings.context_tokens else "context_bytes"
            raise ContextFullError(f"the skills take {count} tokens; the context holds {self.limit}: raise {bound}")
        sequence = self.model.sequence()
        sequence.append(pieces.system)
        self.pieces, self.sequence, self._base = pieces, sequence, sequence.snapshot()
        types = np.zeros(count, np.int64)
        self._system = Segment(SYSTEM, "", pieces.system, types, pieces.user, f"{len(skills.usable)} skills", count)
        self._keep(self._kept())
        self._read_again()

    @property
    def thinking(self) -> bool:
        """Whether the system turn asks for thoughts."""
        return self._settings.thinking

    def update(self, settings: Bounds) -> None:
        """Takes other bounds, and forgets what is beyond them."""
        self._settings = settings
        self.tidy()
        self._publish_info()

    def reset(self) -> None:
        """Forgets all but the system turn."""
        self._keep([])
        self._clock = FrameClock()
        self._read_again()

    # -- frames ---------------------------------------------------------------------------------------------------

    def add_frame(self, frame: Frame, soft: Floats) -> None:
        """Reads a picture into the open user turn. Raises :class:`ContextError` where it cannot be held at all."""
        tokens = self.model.chat.tokenizer.images
        if tokens is None:
            raise ContextError("this model's tokenizer has no tokens to hold a picture's place")
        cameras = {segment.frame.camera for segment in self._log if segment.frame is not None} | {frame.camera}
        clock = clock_text(self._clock.seconds(frame.stamp_ns))
        if len(cameras) > 1:
            clock += f" {frame.camera}"
        span = np.array(tokens.span(len(soft)), np.int64)
        types = np.array([0, *[1] * len(soft), 0], np.int64)
        bare = replace(frame, rgb=np.empty((0, 0, 3), np.uint8))
        segment = Segment(FRAME, f"{clock} ", span, types, LINE, clock, frame=bare, soft=soft)
        if len(self.pieces.system) + len(span) + 2 * self.model.config.canvas_length > self.limit:
            raise ContextFullError(f"a picture of {len(span)} tokens does not fit: the context holds {self.limit}")
        self.tidy(len(span) + len(clock) + 2 + self.model.config.canvas_length, frames=1)
        self._append(segment)
        self._publish_info()

    def add_note(self, text: str) -> None:
        """Reads anybody's words into the open user turn, as a line of their own; they ask for no answer.

        Raises :class:`ContextError`, with nothing read, where they cannot fit.
        """
        line = " ".join(text[:MAX_TEXT].split())
        # It ends in a line break, over which words do not grow together: the one other place to cut.
        segment = Segment(NOTE, f"note: {line}{LINE}", NOTHING, NOTHING, "", line[:SUMMARY])
        needed = len(self._ids(segment, self._carry))
        if len(self.pieces.system) + needed + 2 * self.model.config.canvas_length > self.limit:
            raise ContextFullError(f"a note of {needed} tokens does not fit: the context holds {self.limit}")
        self.tidy(needed + self.model.config.canvas_length, notes=1)
        self._append(segment)
        self._publish_info()

    @property
    def newest(self) -> Frame | None:
        """The newest frame's particulars (its pixels are gone)."""
        frames = [segment.frame for segment in self._log if segment.frame is not None]
        return max(frames, key=lambda frame: frame.received, default=None)

    # -- tasks ----------------------------------------------------------------------------------------------------

    def begin(self, text: str) -> int:
        """Reads a task and opens the reply; how many tokens have been read then.

        Raises :class:`ContextFullError`, with nothing read, where it cannot fit.
        """
        reply = self.pieces.reply
        summary = " ".join(text.split())[:SUMMARY]
        self._turn += 1
        segment = Segment(TASK, text, reply, np.zeros(len(reply), np.int64), "", summary, turn=self._turn)
        needed = len(self._ids(segment, self._carry)) + 2 * self.model.config.canvas_length
        if len(self.pieces.system) + needed > self.limit:
            text = f"a task of {needed} tokens, answer included, does not fit: the context holds {self.limit}"
            raise ContextFullError(text)
        self.tidy(needed)
        snapshot = self.sequence.snapshot()
        ids = self._ids(segment, self._carry)
        try:
            self.sequence.append(ids)
        except BaseException:
            self.sequence.restore(snapshot)
            raise
        self._open = Turn(replace(segment, tokens=len(ids)), snapshot, self.sequence.length)
        return self._open.length

    def abandon(self) -> None:
        """The open task had never been; nothing where there is none."""
        turn, self._open = self._open, None
        if turn is not None:
            self.sequence.restore(turn.snapshot)

    def commit(self, reply: Reply, summary: str) -> None:
        """Remembers the open task and its answer, which is whole."""
        turn, self._open = self._open, None
        assert turn is not None and reply.ids is not None
        ids = np.concatenate([reply.ids, self.pieces.close]).astype(np.int64)
        types = np.zeros(len(ids), np.int64)
        plan = Segment(PLAN, "", ids, types, self.pieces.user, summary[:SUMMARY], len(ids), turn=turn.task.turn)
        if self.sequence.length != turn.length:  # canvases were read on the way, with their thoughts and repairs
            self.sequence.restore(turn.snapshot)
            self.sequence.append(self._ids(turn.task, self._carry))
        self.sequence.append(ids)
        self._log += [turn.task, plan]
        self.tidy()
        self._publish_info()

    # -- bounds ---------------------------------------------------------------------------------------------------

    @property
    def limit(self) -> int:
        """Tokens that the context may hold, a canvas included."""
        return self.limit_of(self._settings)

    def limit_of(self, settings: Bounds) -> int:
        """:attr:`limit`, as other settings would have it."""
        most = min(settings.context_tokens, self.model.session.max_rows)
        return min(most, tokens_within(self.model, settings.context_bytes)) if settings.context_bytes else most

    def tidy(self, room: int = 0, frames: int = 0, notes: int = 0) -> bool:
        """Forgets what is beyond the bounds, with ``room`` for more tokens, frames and notes; whether anything was."""
        kept = self._kept(room, frames, notes)
        if len(kept) == len(self._log):
            return False
        self._keep(kept)
        self._read_again()
        return True

    def _kept(self, room: int = 0, frames: int = 0, notes: int = 0) -> list[Segment]:
        free = self.limit - len(self.pieces.system) - max(room, self.model.config.canvas_length)
        return kept(self._log, self._settings, free, frames, notes)

    def _keep(self, kept: list[Segment]) -> None:
        ids = {id(segment) for segment in kept}
        self._dropped.update(segment.kind for segment in self._log if id(segment) not in ids)
        self._log = kept

    # -- log and cache --------------------------------------------------------------------------------------------

    @property
    def _carry(self) -> str:
        return self._log[-1].carry if self._log else self._system.carry

    def _ids(self, segment: Segment, carry: str) -> Ints:
        words = carry + segment.words
        return np.concatenate([words_ids(self.model.chat, words), segment.ids]) if words else segment.ids

    def _append(self, segment: Segment) -> None:
        ids = self._ids(segment, self._carry)
        types = np.concatenate([np.zeros(len(ids) - len(segment.ids), np.int64), segment.types])
        self.sequence.append(ids, types, segment.soft)
        self._log.append(replace(segment, tokens=len(ids)))

    def _read_again(self) -> None:
        """The cache becomes what the log says: the system turn, then all that is kept, in one run."""
        self.sequence.restore(self._base)
        ids, types, soft, log, carry = [NOTHING], [NOTHING], [], [], self._system.carry
        for segment in self._log:
            own = self._ids(segment, carry)
            ids.append(own)
            types += [np.zeros(len(own) - len(segment.ids), np.int64), segment.types]
            soft += [] if segment.soft is None else [segment.soft]
            log.append(replace(segment, tokens=len(own)))
            carry = segment.carry
        if log:
            self.sequence.append(np.concatenate(ids), np.concatenate(types), np.concatenate(soft) if soft else None)
            self._rebuilds += 1
        self._log = log
        self._publish_info()

    # -- for other threads ----------------------------------------------------------------------------------------

    def _publish_info(self) -> None:
        """One assignment, so that readers always see a whole one."""
        newest = self.newest
        segments: Iterable[Segment] = [self._system, *self._log]
        self._info = ContextInfo(
            tokens=self.sequence.length,
            limit=self.limit,
            bytes=used_bytes(self.model, self.sequence.length),
            segments=tuple(segment.info for segment in segments),
            dropped=MappingProxyType(dict(self._dropped)),
            rebuilds=self._rebuilds,
            newest_stamp_ns=None if newest is None else newest.stamp_ns,
            newest_age=None if newest is None else newest.received,
        )

    @property
    def info(self) -> ContextInfo:
        """What is remembered now; safe to read from any thread."""
        info = self._info
        return replace(info, newest_age=None if info.newest_age is None else time.monotonic() - info.newest_age)
