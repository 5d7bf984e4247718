"""The context: frames, notes, tasks, slices, evictions and shifts, as the reference's cache edited the same way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dgemma_ros.context.context import Context
from dgemma_ros.context.segments import Reply
from dgemma_ros.model import Model, open_model
from dgemma_ros.planning import Settings, SkillCatalogue
from dgemma_ros.runtime.sequence import Sequence, Snapshot
from dgemma_ros.runtime.visibility import VisionMask
from tests.desk import SKILLS, frame, write_model
from tests.journal.kept import keeping
from tests.oracle import reference
from tests.oracle.edited import Edited
from tests.oracle.test_edits import CLOSE

BOUNDS = Settings(max_frames=25, max_notes=25, max_turns=2, keyframe_change=0, frame_ladder=("20:1", "60:2"))
STOP = Reply((("stop", {}),))


class Judged(Sequence):
    """A sequence whose every change is made to the reference's cache as well."""

    edits = 0

    def __init__(self, session: Any, judge: reference.Model) -> None:
        super().__init__(session, VisionMask.TRANSFORMERS)
        self.judge = Edited(judge, str(VisionMask.TRANSFORMERS))
        self.branches: list[tuple[Snapshot, Edited]] = []

    def append(self, ids: Any, token_types: Any = None, soft_tokens: Any = None, chunks: Any = None) -> None:
        super().append(ids, token_types, soft_tokens, chunks)
        ids = np.asarray(ids, np.int64)
        types = np.zeros(len(ids), np.int64) if token_types is None else token_types
        self.judge.append(np.where(types == 1, 0, ids), types, soft_tokens)

    def evict(self, start: int, count: int) -> None:
        super().evict(start, count)
        self.judge.evict(start, count)
        Judged.edits += 1

    def shift(self, start: int, delta: int) -> None:
        super().shift(start, delta)
        self.judge.shift(start, delta)
        Judged.edits += 1

    def close_gaps(self, start: int) -> int:
        closed = super().close_gaps(start)
        self.judge.close_gaps(start)
        Judged.edits += closed > 0
        return closed

    def snapshot(self) -> Snapshot:
        self.branches.append((super().snapshot(), self.judge.copy()))
        return self.branches[-1][0]

    def restore(self, snapshot: Snapshot) -> None:
        super().restore(snapshot)
        self.judge = next(judge for own, judge in self.branches if own is snapshot).copy()

    def compare(self) -> None:
        assert (self.length, self.position) == (len(self.judge.orders), self.judge.position)
        for layer in self.config.text.layers:
            for ours, theirs in zip(self.rows(layer.index), self.judge.rows(layer.index), strict=True):
                assert ours.shape == theirs.shape and np.abs(ours - theirs).max(initial=0) < CLOSE


@dataclass(frozen=True)
class JudgedModel(Model):
    """Whose sequences are judged."""

    judge: Any = None

    def sequence(self, vision_mask: VisionMask = VisionMask.TRANSFORMERS) -> Sequence:
        return Judged(self.session, self.judge)


@cache
def judged() -> JudgedModel:
    folder = write_model(Path(mkdtemp(prefix="dgemma-context-")) / "tiny", positions=1400, feedback=0.03)
    model = open_model(folder, threads=1)
    judge = reference.load(folder)
    return JudgedModel(model.folder, model.config, model.generation, model.session, weights=model.weights, judge=judge)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(["frame", "frame", "note", "plan", "task", "unpin", "reset"]),
            st.tuples(st.just("read"), st.integers(1, 120)),
            st.tuples(st.just("late"), st.integers(0, 90)),
        ),
        min_size=5,
        max_size=30,
    ),
    st.booleans(),
)
def test_the_context_is_the_references_cache_edited_the_same_way(steps: list[Any], later: bool) -> None:
    context = Context(judged(), SkillCatalogue.of(SKILLS), BOUNDS, later=later)
    width = context.model.config.text.hidden_size

    def see(number: int) -> None:
        soft = np.random.default_rng(number).standard_normal((12, width)).astype(np.float32)
        context.add_frame(frame(number, number, received=float(number)), soft)

    for number in range(25):  # so much that it is moved and not read again
        see(number)
        context.add_note(("pin: " if number % 9 == 0 else "") + f"note {number} of something that was said")
    for number, step in enumerate(steps, 25):
        match step:
            case "frame":
                see(number)
            case "note":
                context.add_note(f"note {number}")
            case "plan" | "task":
                context.begin(f"task {number}")
                context.commit(f"task {number}", STOP, "stop()", f"p-{number}") if step == "plan" else context.abandon()
            case "unpin":
                context.add_note("unpin:")
            case "reset":
                context.reset() if number % 7 == 0 else None
            case ("read", most):
                context.read(most)
            case ("late", most):
                context.catch_up = most
                context.begin("in a hurry")
                context.current.compare()  # type: ignore[attr-defined]
                context.abandon()
                context.catch_up = None
        context.current.compare()  # type: ignore[attr-defined]
    sequence: Any = context.sequence
    sequence.compare()
    assert context.info.tokens == sequence.length


def test_positions_run_out_and_are_shifted() -> None:
    context = Context(judged(), SkillCatalogue.of(SKILLS), replace(BOUNDS, frame_ladder=()))
    width = context.model.config.text.hidden_size
    for number in range(90):
        soft = np.random.default_rng(number).standard_normal((20, width)).astype(np.float32)
        context.add_frame(frame(number, number, received=float(number)), soft)
        if number % 10 == 9:
            context.sequence.compare()  # type: ignore[attr-defined]
    assert context.info.shifts and not context.info.rebuilds and Judged.edits > 50


def test_what_is_recalled_is_read_as_the_reference_reads_it_and_leaves_no_trace(tmp_path: Path) -> None:
    bounds = replace(BOUNDS, max_frames=12, recall=3, image_tokens=20)
    with keeping(tmp_path / "memory.db", judged(), SkillCatalogue.of(SKILLS), bounds) as kept:
        context, recalled = kept.context, 0
        for number in range(40):
            kept.see(number, 20)
            if number % 6 == 5:
                assert kept.journal.flush()
                before = [
                    rows for layer in context.model.config.text.layers for rows in context.sequence.rows(layer.index)
                ]
                context.begin(f"task {number}")
                recalled += len(context.recalled)
                context.current.compare()  # type: ignore[attr-defined]
                context.abandon()
                context.current.compare()  # type: ignore[attr-defined]
                after = [
                    rows for layer in context.model.config.text.layers for rows in context.sequence.rows(layer.index)
                ]
                assert all(np.array_equal(one, two) for one, two in zip(before, after, strict=True))
        assert recalled == 3 * 4
