"""Positions are shifted before they run out, while nobody waits, so that no task pays for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dgemma_ros.context.context import Context
from dgemma_ros.generation.contract import Answer, Request
from dgemma_ros.generation.local import LocalGenerator
from dgemma_ros.model import Model, open_model
from dgemma_ros.planning import Frame, Planner, Settings, SkillCatalogue, Task
from tests.desk import Recorder, frame, write_model

SETTINGS = Settings(max_frames=40, keyframe_change=0, frame_ladder=(), context_tokens=1400, max_notes=20)
FRAMES = 160


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model with few positions."""
    return open_model(write_model(tmp_path_factory.mktemp("positions") / "tiny", positions=1800), threads=1)


def see(context: Context, number: int) -> None:
    soft = np.random.default_rng(number).standard_normal((12, context.model.config.text.hidden_size))
    context.add_frame(frame(number, number, received=float(number)), soft.astype(np.float32))
    context.read()


@pytest.mark.parametrize("early", [True, False])
def test_a_task_shifts_only_where_nobody_did_before(short: Model, skills: SkillCatalogue, early: bool) -> None:
    context, by_tasks = Context(short, skills, SETTINGS, later=True), 0
    for number in range(FRAMES):
        see(context, number)
        if early and context.cramped:
            before = context.sequence.position
            context.shift()
            assert context.sequence.position < before - 2 * 1800 // 16 and not context.cramped
        shifts = context.info.shifts
        context.begin("what is there")
        context.abandon()
        by_tasks += context.info.shifts - shifts
    assert context.info.shifts >= 1 and context.info.rebuilds == 0
    assert (by_tasks == 0) is early


def test_the_planner_does_it_between_tasks(short: Model, skills: SkillCatalogue) -> None:
    told: list[int] = []

    class Counting(LocalGenerator):
        def answer(self, request: Request) -> Answer:
            before = request.context.info.shifts
            made = super().answer(request)
            told.append(request.context.info.shifts - before)
            return made

    seen, settings = Recorder(), replace(SETTINGS, max_steps=1)
    planner = Planner(short, skills, settings, None, seen.on_plan, seen.on_event, generator=Counting(short))
    planner.start()
    try:
        for number in range(FRAMES):
            planner.read_frame(frame(number, number))
            if number % 4 == 3:
                planner.submit(Task(f"t{number}", "what is there", 60.0, remember=False))
                seen.plan(f"t{number}")
        planner.stop()
    finally:
        planner.close()
    assert planner.context_info().shifts >= 1 and told == [0] * (FRAMES // 4)


FULL = replace(SETTINGS, max_frames=200, context_tokens=0, keyframe_change=0.07)


def picked(number: int) -> Frame:
    """Every third shows something else: what is forgotten stands between what stays."""
    return replace(frame(number // 3, number, received=float(number)), stamp_ns=number * 10**9)


def test_a_context_that_is_full_never_reads_again(short: Model, skills: SkillCatalogue) -> None:
    context, width = Context(short, skills, FULL, later=True), short.config.text.hidden_size
    read: list[int] = []
    for number in range(220):
        soft = np.random.default_rng(number).standard_normal((12, width)).astype(np.float32)
        context.add_frame(picked(number), soft)
        read.append(context.read())
        if context.cramped:
            context.shift()
            assert not context.cramped
        assert context.sequence.position <= 1800 - 2 * 64
    info = context.info
    assert info.rebuilds == 0 and info.shifts >= 2 and max(read[1:]) < 30
    assert info.tokens <= 1800 - 1800 // 8 - 4 * 64 and info.dropped["frame"] > 50
    assert any(len(together) > 1 for together in context.sequence.shifts)  # what is gone stood between what stays


def test_in_a_full_context_no_task_shifts(short: Model, skills: SkillCatalogue) -> None:
    context = Context(short, skills, FULL, later=True)
    for number in range(160):
        see(context, number)
        if context.cramped:
            context.shift()
        before = context.info.shifts
        context.begin("what is there")
        context.abandon()
        assert context.info.shifts == before
