"""A past plan made again from a journal: as it was, bit by bit, or as it would have been without a frame or a note."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, Final

from dgemma_ros.context.context import Context
from dgemma_ros.context.recall import Again
from dgemma_ros.context.restoring import Pace
from dgemma_ros.context.segments import FrameSegment
from dgemma_ros.errors import ContextError
from dgemma_ros.generation.contract import Answer
from dgemma_ros.generation.local import LocalGenerator
from dgemma_ros.journal.archive import Archive, PlanEntry
from dgemma_ros.journal.errors import JournalError
from dgemma_ros.journal.identity import model_digest, system_digest
from dgemma_ros.journal.row_codec import RowCodec
from dgemma_ros.model import Model
from dgemma_ros.planning.jobs import Job
from dgemma_ros.planning.plan_writer import write_plan
from dgemma_ros.planning.record import job_of, plan_content
from dgemma_ros.planning.trace import Retrace
from dgemma_ros.planning.types import Plan, Status

SAME: Final = ("steps", "text", "status", "valid", "error_code", "denoising_steps", "canvases", "mean_entropy", "seed")
"""Fields of a plan that are the same where every bit of its answer is."""
ENDED: Final = (Status.CANCELLED, Status.PREEMPTED, Status.REJECTED, Status.FAILED)
ALL: Final = 1 << 40


@dataclass(frozen=True)
class Replayed:
    """A plan that was made again."""

    recorded: dict[str, Any]
    made: Plan
    differences: tuple[str, ...]
    """Fields in which the two differ; of confidence and entropy every bit counts."""
    backend: str
    recorded_backend: str

    @property
    def equal(self) -> bool:
        """Whether it is the recorded plan, bit by bit."""
        return not self.differences


class Replayer:
    """Makes plans of one journal again. The model is its alone. Raises :class:`JournalError` for another model's."""

    def __init__(self, archive: Archive, model: Model) -> None:
        self._archive, self._model = archive, model
        if archive.about().get("model") != model_digest(model):
            raise JournalError(f"{archive.file}: is of another model than {model.folder}; name the right one (--model)")
        self._codec = RowCodec.of(model, model.session.new_cache().dtype)
        self._generator = LocalGenerator(model)

    def again(self, plan_id: str) -> Replayed:
        """As it was. Raises :class:`JournalError` where the journal does not hold all that it rests on."""
        entry, job = self._job(plan_id)
        state = self._archive.state_of(entry)
        context = Context(self._model, job.skills, job.settings)
        if system_digest(context.pieces) != state.system:
            raise JournalError(f"{self._archive.file}: the system turn of that plan reads otherwise in this version")
        saved = self._archive.saved(self._codec, state, _received, Pace(at_once=ALL))
        try:
            context.restore(saved)
        except ContextError as error:
            raise JournalError(f"{self._archive.file}: plan {plan_id} cannot be made again: {error}") from None
        self._recall(entry, context)
        return self._made(entry, job, context)

    def anew(self, plan_id: str, without: Collection[int] = ()) -> Replayed:
        """As it would have been without some segments, all others read anew.

        Rows that were there when the robot planned had seen what is left out. So what the plan rests on is read again
        from the segments themselves, which may by itself make a difference: compare with ``without`` nothing.
        """
        entry, job = self._job(plan_id)
        state = self._archive.state_of(entry)
        known = [placed.id for placed in state.placed]
        if unknown := sorted(set(without) - {*known, *entry.basis.get("recalled", [])}):
            raise JournalError(
                f"segment {unknown[0]}: plan {plan_id} does not rest on it; it rests on {_ranges(known)}"
            )
        width = self._model.config.text.hidden_size
        segments = [self._archive.segment(number, width, _received) for number in known if number not in without]
        context = Context(self._model, job.skills, job.settings)
        context.read_again(segments, max(known, default=0))
        self._recall(entry, context, without)
        return self._made(entry, job, context)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _job(self, plan_id: str) -> tuple[PlanEntry, Job]:
        entry = self._archive.plan(plan_id)
        if entry is None:
            raise JournalError(f"{self._archive.file}: no plan {plan_id}; `dgemma journal` lists those that there are")
        if entry.plan is None:
            raise JournalError(f"{self._archive.file}: plan {plan_id} was never published")
        status = entry.plan.get("status")
        if entry.basis is None or status in ENDED or not entry.plan.get("denoising_steps"):
            raise JournalError(
                f"{self._archive.file}: plan {plan_id} ended as {status} without an answer of the model's, so there is "
                "nothing to make again"
            )
        return entry, job_of(entry.basis, self._archive.skills(str(entry.basis.get("skills"))))

    def _recall(self, entry: PlanEntry, context: Context, without: Collection[int] = ()) -> None:
        """The frames that were recalled then are recalled now."""
        width, numbers = self._model.config.text.hidden_size, entry.basis.get("recalled", [])
        if not isinstance(numbers, list) or not all(isinstance(number, int) for number in numbers):
            raise JournalError(f"{self._archive.file}: what plan {entry.id} recalled is not what a journal holds")
        segments = [self._archive.segment(number, width, _received) for number in numbers if number not in without]
        frames = tuple(segment for segment in segments if isinstance(segment, FrameSegment))
        context.recollection = Again(frames) if frames else None

    def _made(self, entry: PlanEntry, job: Job, context: Context) -> Replayed:
        recorded = entry.plan
        retrace = Retrace.of(entry.basis.get("trace") or {})
        wanted = int(recorded["denoising_steps"])

        def on_update(answer: Answer) -> None:
            # A plan that the watchdog had to publish holds the draft of then, whatever came of it later.
            if answer.usage.steps == wanted:
                job.answer = answer

        last = self._generator.answer(job.request(context, retrace, on_update))
        if last.usage.steps == wanted or not job.answer.usage.steps:
            job.answer = last
        job.recalled = context.recalled
        finished, status = float(recorded["finished"]), Status(recorded["status"])
        plan = write_plan(job, None, status, entry.id, self._generator.name, job.skills, finished)
        plan = replace(plan, latency=replace(plan.latency, total=finished - job.received))
        now = plan_content(plan)
        differences = tuple(name for name in SAME if now[name] != recorded.get(name))
        return Replayed(recorded, plan, differences, self._generator.backend, str(entry.basis.get("backend", "")))


def _received(appended_ns: int) -> float:
    return time.monotonic()


def _ranges(numbers: list[int]) -> str:
    """``1 … 5, 8``, or ``no segment``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ", ".join(" … ".join(map(str, run)) for run in runs) or "no segment"
