"""A planner's journal from beginning to end: opened and locked, read into a context that starts again, then kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

from dgemma_ros.context.context import Context
from dgemma_ros.context.restoring import Pace
from dgemma_ros.context.segments import Segment
from dgemma_ros.errors import ContextError
from dgemma_ros.journal import schema
from dgemma_ros.journal.archive import Archive, State
from dgemma_ros.journal.arrivals import Arrivals, Waiting
from dgemma_ros.journal.changes import Cleared
from dgemma_ros.journal.errors import DamageError, JournalError
from dgemma_ros.journal.identity import model_digest, system_digest
from dgemma_ros.journal.inspection import Inspection
from dgemma_ros.journal.recollection import CANDIDATES, JournalRecollection
from dgemma_ros.journal.recorder import LastIds, Recorder
from dgemma_ros.journal.row_codec import RowCodec
from dgemma_ros.journal.store import Limits, Store
from dgemma_ros.journal.writer import JournalFigures, Writer
from dgemma_ros.model import Model

UNREAD: Final = "some of it had not been read"


class Journal:
    """Opening it takes the lock and sets aside what is not this model's; :meth:`attach` does the rest.

    Raises :class:`JournalError` where there can be none.
    """

    def __init__(
        self,
        file: Path,
        model: Model,
        limits: Limits | None = None,
        about: dict[str, str] | None = None,
        pace: Pace | None = None,
    ) -> None:
        """``about``: what ``dgemma replay-plan`` opens the model with again; ``pace``: of coming back."""
        self._model, self._pace = model, pace
        self.warnings: list[str] = []
        """What a person should know of how it was opened, one line each."""
        self.arrivals = Arrivals()
        """Is to be told of all that comes, from :meth:`attach` on."""
        self.waiting: tuple[Waiting, ...] = ()
        """What had come before the restart and was not read, in order; to be handed in again behind :meth:`attach`."""
        digest = model_digest(model)
        self._codec = RowCodec.of(model, model.session.new_cache().dtype)
        self._store = Store(file, digest, self._codec, limits or Limits(), about or {})
        self._writer: Writer | None = None
        self._inspection: Inspection | None = None
        self._context: Context | None = None
        if self._store.warning:
            self.warnings.append(self._store.warning)

    def attach(
        self,
        context: Context,
        on_trouble: Callable[[str], None],
        on_error: Callable[[Exception], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> Recorder:
        """Puts back what the journal says of an empty context, and keeps what becomes of it from now on.

        ``clock`` is what :attr:`Frame.received` is of. ``on_trouble`` hears from the journal's thread. Raises
        :class:`JournalError`.
        """
        last, state, forgotten, arrival = LastIds(), None, [], 0
        try:
            with closing(Archive(self._store.file)) as archive:
                last.segments, last.rows, last.windows, last.shifts = archive.last_ids()
                state = self._restored(context, archive, last, clock)
                forgotten = archive.forgotten_keyframes(CANDIDATES)
                self.waiting, arrival = tuple(archive.waiting(_received_at(clock))), archive.last_arrival()
        except DamageError as error:
            self._store.begin_anew(str(error))
            self.warnings.append(self._store.warning)
            context.reset()
            last, state = LastIds(), None
        self._writer = writer = Writer(self._store, on_trouble)
        if self._store.file.stat().st_size > schema.CHECKED_BYTES:
            self._inspection = Inspection(self._store.file, on_trouble)
        self._context = context
        recorder = Recorder(context, writer, on_error, last, state)
        recollection = JournalRecollection(
            self._store.file, self._codec, forgotten, last.segments, lambda number: writer.put(Cleared(number))
        )
        self.arrivals = Arrivals(writer, arrival)
        context.log.listen(recollection)
        context.recollection = recollection
        return recorder

    def _restored(self, context: Context, archive: Archive, last: LastIds, clock: Callable[[], float]) -> State | None:
        """What the journal and the context both hold then, rows and all; None where rows are to be told anew."""
        context.log.put_back((), last.segments)
        state = archive.state()
        if not (state.placed or state.unread):
            return None
        received = _received_at(clock)
        why = self._misfit(context, state)
        if not why and state.placed:
            try:
                # Read through a connection that lives as long as something is still away.
                saved = Archive(self._store.file).saved(self._codec, state, received, self._pace)
                context.restore(saved, self._unread(archive, state, received))
            except (DamageError, ContextError) as error:
                why = str(error)
                context.reset()
            else:
                return state
        segments = self._segments(archive, state, context, received)
        context.read_again(segments, last.segments)
        if (lost := len(state.placed) - len(state.forgotten) + len(state.unread) - len(segments)) or why:
            gone = f"; {lost} of it are gone" if lost else ""
            self.warnings.append(f"{self._store.file}: what was remembered was read again: {why or UNREAD}{gone}")
        return None

    def _misfit(self, context: Context, state: State) -> str:
        """Why the rows cannot be put back; empty where they can, or there are none."""
        if not state.placed:
            return ""
        if state.system != system_digest(context.pieces):
            return "the skills are others"
        if state.forgotten or any(number < state.placed[-1].id for number in state.unread):
            return UNREAD
        return ""

    def _segments(
        self, archive: Archive, state: State, context: Context, received: Callable[[int], float]
    ) -> list[Segment]:
        """The newest segments that fit, without rows."""
        free = context.limit - len(context.pieces.system) - 2 * self._model.config.canvas_length
        found: list[Segment] = []
        for placed in reversed(state.placed):
            if placed.id in state.forgotten:
                continue
            free -= placed.tokens
            if free < 0:
                break
            found += self._loaded(archive, placed.id, received)
        unread = self._unread(archive, state, received)
        return sorted([*found, *unread], key=lambda segment: segment.id)

    def _unread(self, archive: Archive, state: State, received: Callable[[int], float]) -> list[Segment]:
        return [segment for number in state.unread for segment in self._loaded(archive, number, received)]

    def _loaded(self, archive: Archive, number: int, received: Callable[[int], float]) -> list[Segment]:
        """That segment, or nothing where it is damaged."""
        try:
            return [archive.segment(number, self._model.config.text.hidden_size, received)]
        except DamageError:
            return []

    def figures(self) -> JournalFigures | None:
        """State and counts; None before :meth:`attach`. Safe from any thread."""
        if self._writer is None or self._context is None:
            return None
        figures, restoring = self._writer.figures(), self._context.restoring
        if restoring is None:
            return figures
        return replace(figures, restored=restoring.tokens - restoring.left, restoring=restoring.left)

    def flush(self, timeout: float = 10.0) -> bool:
        """Whether all that was told is on the disk."""
        return self._writer is None or self._writer.flush(timeout)

    def close(self) -> None:
        """Writes what is left. Idempotent."""
        if self._inspection is not None:
            self._inspection.close()
        if self._writer is not None:
            self._writer.close()
        else:
            self._store.close()


def _received_at(clock: Callable[[], float]) -> Callable[[int], float]:
    """When something arrived by that clock, from when it did by the wall's."""
    now_ns, now = time.time_ns(), clock()
    return lambda wall_ns: now - max(0, now_ns - wall_ns) / 1e9


__all__ = ["Journal", "JournalError", "Limits"]
