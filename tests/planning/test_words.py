"""Notes and skills' results: however many come, tasks keep their turn, and what is not read is counted."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dgemma_ros.context.results import ResultStatus
from dgemma_ros.model import Model, open_model
from dgemma_ros.planning import (
    ErrorCode,
    Event,
    EventKind,
    Planner,
    PlannerError,
    Settings,
    SkillCatalogue,
    Status,
    Task,
)
from dgemma_ros.planning.work_queue import WorkQueue
from tests.desk import Desk, Recorder, frame, write_model
from tests.scripted import Asked, Says, call, scripted

STOP = call("stop{}")
QUEUE = Settings(preemption="queue", frame_rate=1000.0)  # type: ignore[arg-type]


class Held:
    """A script that waits in its first step until it is let go."""

    def __init__(self, then: Says) -> None:
        self.then = then
        self.inside, self.go = threading.Event(), threading.Event()

    def __call__(self, asked: Asked) -> Any:
        if not self.go.is_set():
            self.inside.set()
            assert self.go.wait(60)
        return self.then(asked)


@pytest.fixture
def held(model: Model, skills: SkillCatalogue) -> Iterator[tuple[Desk, Held, str]]:
    """A planner in the first step of a task, what holds it there, and the task."""
    script = Held(Says(model, STOP))
    desk = Desk(scripted(model, script), skills, QUEUE)
    desk.planner.start()
    first = desk.submit()
    assert script.inside.wait(30)
    yield desk, script, first
    script.go.set()
    desk.planner.close()


def kinds(desk: Desk) -> list[str]:
    return [segment.kind for segment in desk.planner.context_info().segments]


def test_of_a_flood_only_the_newest_are_read(held: tuple[Desk, Held, str]) -> None:
    desk, script, first = held
    desk.planner.add_result("some plan", 0, ResultStatus.FAILED, "slipped")
    for number in range(1000):
        desk.planner.add_note(f"note {number}")
    second = desk.submit("go on")
    script.go.set()
    assert desk.seen.plan(first).valid and desk.seen.plan(second).valid
    assert desk.planner.statistics().words_dropped == {"note": 1000 - QUEUE.max_notes}
    read = script.then.read()
    assert "note: note 999\ngo on<turn|>" in read and "note 992" in read and "note 991" not in read
    assert sum(event.kind is EventKind.REMEMBERED and "a result" in event.text for event in desk.seen.events) == 1


def test_a_task_knows_the_words_before_it_and_not_those_behind(held: tuple[Desk, Held, str]) -> None:
    desk, script, _ = held
    desk.planner.add_note("before"), (second := desk.submit("second"))
    desk.planner.add_note("between"), (third := desk.submit("third"))
    script.go.set()
    desk.seen.plan(second), desk.seen.plan(third)
    by_task = [script.then.tokenizer.decode(asked.read) for asked in script.then.asked]
    of_second = next(read for read in by_task if "second<turn|>" in read and "third" not in read)
    assert "before" in of_second and "between" not in of_second
    assert "between" in script.then.read()


def test_a_flood_without_an_end_leaves_tasks_and_frames_their_turn(model: Model, skills: SkillCatalogue) -> None:
    """Each note that is read brings three more: before, no task was ever begun."""
    seen = Recorder()

    def on_event(event: Event) -> None:
        seen.on_event(event)
        if event.kind is EventKind.REMEMBERED and "a note" in event.text:
            for number in range(3):
                planner.add_note(f"and {number} more")

    planner = Planner(
        scripted(model, Says(model, STOP)), skills, QUEUE, seen.on_draft, seen.on_plan, on_event, real_time=False
    )
    planner.start()
    try:
        planner.add_note("the first one")
        seen.wait(lambda: sum(planner.statistics().words_dropped.values()) > 0)
        for number in range(30):
            assert planner.add_frame(frame(number, number))
            planner.submit(Task(f"t{number}", "go on", budget=20.0, received=time.monotonic()))
            plan = seen.plan(f"t{number}")
            assert plan.status is Status.CONVERGED and plan.valid and plan.finished < plan.deadline
        planner.add_frame(frame(31, 31))
        seen.wait(lambda: planner.context_info().newest_stamp_ns == 31 * 10**9)  # without a task
    finally:
        began = time.monotonic()
        planner.close()
    assert time.monotonic() - began < 2.0


class SlowReader:
    """A session that reads slowly."""

    def __init__(self, session: Any, seconds: float) -> None:
        self._session, self._seconds = session, seconds
        self.slow = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def encode(self, cache: Any, rows: Any, feeds: Any) -> None:
        if self.slow:
            time.sleep(self._seconds)
        self._session.encode(cache, rows, feeds)


def test_words_take_no_more_than_a_quarter_of_a_tasks_time(model: Model, skills: SkillCatalogue) -> None:
    script = Held(Says(model, STOP))
    mind = scripted(model, script)
    session = SlowReader(mind.session, 0.2)
    desk = Desk(replace(mind, session=session), skills, QUEUE)
    desk.planner.start()
    try:
        script.go.set()
        session.slow = True
        desk.planner.add_note("how long does a note take?")
        desk.seen.wait(lambda: any("a note" in event.text for event in desk.seen.events))
        session.slow = False
        script.go.clear()
        first = desk.submit()
        assert script.inside.wait(30)
        for number in range(8):
            desk.planner.add_note(f"note {number}")
        second = desk.submit(budget=2.0)  # eight would take 1.6 s
        session.slow = True
        script.go.set()
        assert desk.seen.plan(first).valid
        plan = desk.seen.plan(second)
        assert plan.status is Status.CONVERGED and plan.finished < plan.deadline
        desk.seen.wait(lambda: kinds(desk).count("note") == QUEUE.max_notes)  # the others are read behind it
        assert not desk.planner.statistics().words_dropped
    finally:
        script.go.set()
        desk.planner.close()


def test_a_reset_forgets_the_words_that_wait(held: tuple[Desk, Held, str]) -> None:
    desk, script, _ = held
    desk.planner.add_note("before the reset")
    desk.planner.reset_context()
    desk.planner.add_note("behind the reset")
    second = desk.submit("go on")
    script.go.set()
    desk.seen.plan(second)
    assert "before the reset" not in script.then.read() and "behind the reset" in script.then.read()


def test_orders_are_done_once_and_words_end_with_the_queue() -> None:
    errors: list[Exception] = []
    queue, done = WorkQueue(threading.Condition(threading.RLock()), errors.append), list[str]()

    def reset() -> None:
        done.append("reset")

    queue.acquire_model()
    for _ in range(1000):
        queue.put(reset)
    for number in range(3):
        queue.put_words("note", 2, lambda number=number: done.append(f"note {number}"))  # type: ignore[misc]
    assert len(queue) == 3 and queue.dropped == {"note": 1}
    queue.release_model()
    assert done == ["reset", "note 1", "note 2"] and not errors
    queue.acquire_model()
    waits = queue.put(reset)
    queue.close()
    with pytest.raises(PlannerError, match="closed"):
        waits.result(1)
    queue.put_words("note", 2, reset)
    queue.release_model()
    assert len(done) == 3 and not errors


def test_a_model_that_is_not_trusted_any_more(held: tuple[Desk, Held, str]) -> None:
    desk, script, first = held
    waiting = desk.submit("wait")
    desk.planner.add_note("never read")
    desk.planner.fail("the weights are gone")
    assert desk.submit("come later") and desk.seen.plan("t3").status is Status.REJECTED
    script.go.set()
    for task in (first, waiting):
        plan = desk.seen.plan(task)
        assert plan.status is Status.FAILED and plan.error_code is ErrorCode.BACKEND and not plan.valid
        assert plan.error == "the weights are gone"
    assert desk.planner.stop(30) and "note" not in kinds(desk)
    with pytest.raises(PlannerError, match="the weights are gone"):
        desk.planner.start()


@pytest.mark.parametrize("copied", [False, True])
def test_no_plan_rests_on_weights_that_changed(tmp_path: Path, skills: SkillCatalogue, copied: bool) -> None:
    folder = write_model(tmp_path / "model")
    model = open_model(folder, threads=1, copy_weights=copied)
    desk: Desk
    change: Callable[[], None] = lambda: os.utime(folder / "model.safetensors", (1, 1))  # noqa: E731
    desk = Desk(scripted(model, Says(model, STOP)), skills, QUEUE)
    desk.planner.start()
    try:
        assert desk.ask().valid
        change()
        plan = desk.ask()
        if copied:
            assert plan.valid
        else:
            assert plan.status is Status.FAILED and plan.error_code is ErrorCode.BACKEND and not plan.valid
            assert "model.safetensors: was changed or replaced" in plan.error
    finally:
        desk.planner.close()
        model.session.close()
