"""Contexts that are journalled, and what is compared of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from dgemma_ros.checkpoint.config import LayerKind
from dgemma_ros.context.context import Context
from dgemma_ros.context.restoring import Pace
from dgemma_ros.context.results import ResultStatus
from dgemma_ros.context.segments import Reply, Segment
from dgemma_ros.journal.journal import Journal, Limits
from dgemma_ros.journal.recorder import Recorder
from dgemma_ros.model import Model
from dgemma_ros.planning import Settings, SkillCatalogue
from dgemma_ros.runtime.rows import layers_of
from tests.desk import frame, picture

SETTINGS = Settings(max_frames=6, max_turns=3, max_notes=4, context_tokens=2000)
STOP = Reply((("stop", {}),))


@dataclass
class Kept:
    """A context with its journal."""

    context: Context
    journal: Journal
    recorder: Recorder
    troubles: list[str] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    def see(self, number: int, tokens: int = 100) -> None:
        width = self.context.model.config.text.hidden_size
        soft = np.random.default_rng(number).standard_normal((tokens, width)).astype(np.float32)
        self.context.add_frame(frame(number, number), soft)
        self.recorder.picture(self.context.log.segments[-1], picture(number))

    def note(self, number: int) -> None:
        self.context.add_note(f"note {number}")

    def turn(self, number: int, kept: bool = True) -> None:
        self.context.begin(f"task {number}")
        if kept:
            self.context.commit(f"task {number}", STOP, "stop()", f"p-{number}")
        else:
            self.context.abandon()

    def result(self, number: int) -> None:
        self.context.add_result(f"p-{number}", 0, ResultStatus.FAILED, "slipped")

    def restore_all(self) -> None:
        while self.context.restoring is not None:
            self.context.restore_slice()


def keep(
    file: Path,
    model: Model,
    skills: SkillCatalogue,
    bounds: Settings = SETTINGS,
    limits: Limits | None = None,
    pace: Pace | None = None,
    later: bool = False,
) -> Kept:
    context, journal = Context(model, skills, bounds, later=later), Journal(file, model, limits, pace=pace)
    kept = Kept(context, journal, None)  # type: ignore[arg-type]
    kept.recorder = journal.attach(context, kept.troubles.append, kept.errors.append)
    return kept


@contextmanager
def keeping(*given: Any, **more: Any) -> Iterator[Kept]:
    kept = keep(*given, **more)
    try:
        yield kept
    finally:
        kept.journal.close()
    assert not kept.errors


def killed(kept: Kept, to: Path) -> Path:
    """The files as a kill would leave them now, when all that was told is on the disk."""
    assert kept.journal.flush()
    to.mkdir(parents=True, exist_ok=True)
    source = Path(kept.journal.figures().file)  # type: ignore[union-attr]
    for name in (source.name, source.name + "-wal"):
        if (source.parent / name).exists():
            shutil.copy(source.parent / name, to / name)
    return to / source.name


def content(segment: Segment) -> dict[str, Any]:
    """All fields, arrays as lists; when a frame arrived is of a clock that began anew."""
    told: dict[str, Any] = {}
    for entry in fields(segment):
        value = getattr(segment, entry.name)
        if entry.name == "frame":
            value = {name: getattr(value, name) for name in ("stamp_ns", "camera", "frame_id")}
        elif isinstance(value, Reply):
            value = value.calls, value.text, None if value.ids is None else value.ids.tolist()
        told[entry.name] = value.tolist() if isinstance(value, np.ndarray) else value
    return told


def assert_equal(ours: Context, other: Context) -> None:
    """Bit by bit: log, places, numbers, keys and values of every layer."""
    assert [content(s) for s in ours.log.segments] == [content(s) for s in other.log.segments]
    left, right = ours.sequence, other.sequence
    assert ours.mirror.held == other.mirror.held
    assert (left.length, left.order, left.position) == (right.length, right.order, right.position)
    mine, theirs = (sequence.export_rows(0, sequence.length, with_keys=True) for sequence in (left, right))
    np.testing.assert_array_equal(mine.orders, theirs.orders)
    np.testing.assert_array_equal(mine.positions, theirs.positions)
    for layer in layers_of(left.config, LayerKind.FULL) + layers_of(left.config, LayerKind.SLIDING):
        for one, two in zip(left.rows(layer.index), right.rows(layer.index), strict=True):
            np.testing.assert_array_equal(one, two, err_msg=f"layer {layer.index}")
