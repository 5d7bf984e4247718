"""What the log forgets: rows move, and the tokens that are left in the cache are those that would be read anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgemma_ros.checkpoint.config import LayerKind
from dgemma_ros.context.log import Log
from dgemma_ros.context.mirror import CacheMirror
from dgemma_ros.context.prompt import make_pieces
from dgemma_ros.context.results import ResultStatus, SkillResult
from dgemma_ros.context.segments import FrameSegment, NoteSegment, Reply, ResultSegment, Segment, TurnSegment
from dgemma_ros.model import Model, open_model
from dgemma_ros.planning import SkillCatalogue
from tests.desk import frame, write_model
from tests.runtime.alike import assert_same
from tests.scripted import scripted

STOP = Reply((("stop", {}),))


def segment(kind: str, number: int, width: int) -> Segment:
    match kind:
        case "frame":
            soft = np.random.default_rng(number).standard_normal((2, width)).astype(np.float32)
            return FrameSegment(frame=frame(number, number), label=f"00:{number:02d}", soft=soft)
        case "note":
            return NoteSegment(text=f"note {number}")
        case "turn":
            return TurnSegment(task=f"task {number}", reply=STOP, plan_id=f"p-{number}")
        case "odd turn":  # whose words grow together with what stands before them
            return TurnSegment(task=f"\n\n  task {number}", reply=STOP)
    return ResultSegment(plan_id="p", step=0, result=SkillResult("stop", {}, ResultStatus.FAILED, "slipped"))


def read(mirror: CacheMirror) -> list[int]:
    """The ids in the full layers of a scripted model's cache."""
    cache: Any = mirror.sequence.cache
    return cache.rows[LayerKind.FULL][: mirror.sequence.length].astype(int).tolist()


KINDS = ("frame", "note", "turn", "odd turn", "result")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(KINDS), st.sets(st.integers(0, 9), min_size=1, max_size=4)), max_size=25))
def test_the_tokens_left_are_those_that_would_be_read(
    script_model: Model, skills: SkillCatalogue, steps: list[str | set[int]]
) -> None:
    pieces = make_pieces(script_model.chat, skills)
    log = Log()
    mirror = CacheMirror(script_model, log, pieces, read_again=0)
    mirror.refresh()
    for number, step in enumerate(steps):
        if isinstance(step, set):
            log.evict({log.segments[i].id for i in step if i < len(log.segments)})
        else:
            log.append(segment(step, number, 1))
        same = Log()
        same.segments = log.segments
        fresh = CacheMirror(script_model, same, pieces)
        fresh.refresh()
        assert read(mirror) == read(fresh)
        assert mirror.tokens == fresh.tokens
        assert mirror.sequence.length == len(pieces.system) + sum(mirror.tokens.values())


@pytest.fixture(scope="module")
def script_model(model: Model) -> Model:
    return scripted(model, lambda asked: ([], 0.0))


def test_nothing_is_read_again_and_positions_are_shifted_where_they_run_out(
    tmp_path: Path, skills: SkillCatalogue
) -> None:
    """Frame after frame far beyond the model's positions, with a task now and then: only what comes is read."""
    model = open_model(write_model(tmp_path / "tiny", positions=900), threads=1)
    reading = Reading(model.session)
    log = Log()
    mirror = CacheMirror(replace(model, session=reading), log, make_pieces(model.chat, skills), read_again=0)
    mirror.refresh()
    for number in range(200):
        if len(log.segments) > 12:
            log.evict({log.segments[0].id})
        reading.tokens = 0
        log.append(segment("turn" if number % 10 == 9 else "frame", number, model.config.text.hidden_size))
        assert reading.tokens == mirror.tokens[log.segments[-1].id]
        assert mirror.sequence.room >= 0
        mirror.begin("a task"), mirror.abandon()
    assert mirror.rebuilds == 0 and mirror.shifts >= 2


def test_little_is_read_again_so_that_no_trace_is_left(model: Model, skills: SkillCatalogue) -> None:
    log = Log()
    mirror = CacheMirror(model, log, make_pieces(model.chat, skills))
    mirror.refresh()
    for number in range(6):
        log.append(segment("frame", number, model.config.text.hidden_size))
    log.evict({log.segments[0].id})
    same = Log()
    same.segments = log.segments
    fresh = CacheMirror(model, same, mirror.pieces)
    assert mirror.rebuilds == 1
    assert_same(mirror.sequence, fresh.sequence)


def test_what_is_read_again_is_read_into_the_same_cache_unless_nobody_knows_what_it_holds(
    script_model: Model, skills: SkillCatalogue
) -> None:
    log = Log()
    mirror = CacheMirror(script_model, log, make_pieces(script_model.chat, skills))
    log.append(segment("note", 1, 1))
    held, before = mirror.sequence, read(mirror)
    mirror.refresh()
    assert mirror.sequence is held and read(mirror) == before and mirror.epoch == 2
    mirror.doubt()
    assert not mirror.known and mirror.behind == mirror.tokens[1]
    assert read(mirror) == before and mirror.sequence is not held
    assert mirror.known and mirror.behind == 0 and mirror.epoch == 3


class Reading:
    """A session that counts the tokens that it reads."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.tokens = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def encode(self, cache: Any, rows: Any, feeds: Any) -> None:
        self.tokens += len(rows)
        self._session.encode(cache, rows, feeds)
