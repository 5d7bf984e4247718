"""After a failure in any kind of work with the context, what is used next is as in one that never failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dgemma_ros.context.context import Context
from dgemma_ros.context.results import ResultStatus
from dgemma_ros.context.segments import FrameSegment, NoteSegment, Reply, ResultSegment, TurnSegment
from dgemma_ros.errors import BackendError, ContextFullError
from dgemma_ros.model import Model
from dgemma_ros.planning import Settings, SkillCatalogue
from tests.desk import Breaks, frame
from tests.runtime.alike import assert_same

SETTINGS = Settings(max_frames=2, max_turns=2, max_notes=2)
STOP = Reply((("stop", {}),))


class Memory:
    def __init__(self, model: Model, skills: SkillCatalogue) -> None:
        self.breaks = Breaks(model.session)
        self.model, self.skills = replace(model, session=self.breaks), skills
        self.context = Context(self.model, skills, SETTINGS)
        self.see(1), self.note(1), self.turn("one", "p-1")

    def see(self, number: int) -> None:
        soft = np.random.default_rng(number).standard_normal((4, self.model.config.text.hidden_size)).astype(np.float32)
        self.context.add_frame(frame(number, number), soft)

    def note(self, number: int) -> None:
        self.context.add_note(f"note {number}")

    def turn(self, task: str, plan_id: str) -> None:
        self.context.begin(task)
        self.context.commit(task, STOP, "stop()", plan_id)

    def fresh(self) -> Context:
        """One that never failed, with the same log."""
        other = Context(self.model, self.skills, SETTINGS)
        for segment in self.context.log.segments:
            other.log.append(segment)
        return other


@pytest.fixture
def memory(model: Model, skills: SkillCatalogue) -> Memory:
    return Memory(model, skills)


WORK: dict[str, Callable[[Memory], None]] = {
    "a frame": lambda memory: memory.see(7),
    "a frame that makes another go": lambda memory: (memory.see(7), memory.see(8), memory.see(9))[0],
    "a note": lambda memory: memory.note(7),
    "a result": lambda memory: memory.context.add_result("p-1", 0, ResultStatus.FAILED, "slipped"),
    "a task": lambda memory: memory.turn("two", "p-2"),
    "a task that makes another go": lambda memory: (memory.turn("two", "p-2"), memory.turn("three", "p-3"))[0],
    "a reset": lambda memory: memory.context.reset(),
    "other skills": lambda memory: memory.context.declare(memory.skills.without(["turn"]), SETTINGS),
    "other settings": lambda memory: memory.context.declare(memory.skills, replace(SETTINGS, max_notes=1)),
}


@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize("name", WORK)
def test_a_failure_in_any_work_is_repaired_by_the_next_use(memory: Memory, name: str, after: int) -> None:
    memory.see(2), memory.note(2)
    memory.breaks.after = after
    broke = False
    try:
        WORK[name](memory)
    except BackendError:
        broke = True
    memory.breaks.after = None
    if name == "other skills":
        memory.skills = memory.skills.without(["turn"])
    memory.note(99)
    assert broke or after or name == "a reset"  # which reads nothing
    assert_same(memory.context.sequence, memory.fresh().sequence)
    info = memory.context.info
    assert info.tokens == memory.context.sequence.length == sum(segment.tokens for segment in info.segments)


def test_the_rebuild_itself_may_fail_any_number_of_times(memory: Memory) -> None:
    for _ in range(3):
        memory.breaks.after = 0
        with pytest.raises(BackendError):
            memory.note(5)
    memory.note(6)
    assert [s.text for s in memory.context.log.segments if isinstance(s, NoteSegment)] == ["note 1", "note 6"]
    assert_same(memory.context.sequence, memory.fresh().sequence)


def test_an_answer_that_broke_off_leaves_no_trace(memory: Memory) -> None:
    memory.context.begin("a task whose answer fails")
    memory.context.sequence.append(np.arange(5, 25))  # a canvas that was committed
    memory.note(5)  # nobody closed it
    assert_same(memory.context.sequence, memory.fresh().sequence)


def test_a_failed_frame_is_not_remembered_and_a_failed_eviction_is_not_undone(memory: Memory) -> None:
    before = memory.context.log.segments
    memory.breaks.after = 0
    with pytest.raises(BackendError):
        memory.see(5)
    assert memory.context.log.segments == before
    memory.breaks.after = 0
    with pytest.raises(BackendError):
        memory.context.reset()
    assert memory.context.log.segments == ()


def test_a_plan_that_does_not_fit_leaves_its_task_open(memory: Memory) -> None:
    memory.context.begin("two")
    room = memory.model.config.text.max_positions
    with pytest.raises(ContextFullError, match="does not fit"):
        memory.context.commit("two", Reply((), "", np.full(room, 5)))
    memory.context.abandon()
    assert len(memory.context.log.segments) == 3
    assert_same(memory.context.sequence, memory.fresh().sequence)


# -- results ----------------------------------------------------------------------------------------------------------


def test_a_result_stands_behind_its_plan_as_the_response_to_its_call(memory: Memory) -> None:
    memory.context.add_result("p-1", 0, ResultStatus.FAILED, "slipped")
    last = memory.context.log.segments[-1]
    assert isinstance(last, ResultSegment) and (last.plan_id, last.step) == ("p-1", 0)
    assert last.result.skill == "stop" and last.summary == "stop(): FAILED, slipped"
    assert memory.context.info.segments[-1].kind == "result"
    assert_same(memory.context.sequence, memory.fresh().sequence)


@pytest.mark.parametrize(
    ("plan_id", "step", "known", "text"),
    [
        ("p-0", 1, {}, "step 2 of an earlier plan: FAILED, slipped"),
        ("p-1", 4, {}, "step 5 of an earlier plan: FAILED, slipped"),
        ("", 0, {"skill": "pick", "arguments": {"object": "a"}}, "pick(object=a): FAILED, slipped"),
    ],
)
def test_a_result_of_a_plan_that_is_forgotten_is_a_note(
    memory: Memory, plan_id: str, step: int, known: Any, text: str
) -> None:
    memory.context.add_result(plan_id, step, ResultStatus.FAILED, "slipped", **known)
    last = memory.context.log.segments[-1]
    assert isinstance(last, NoteSegment) and last.text == text


def test_results_go_with_their_plan(memory: Memory) -> None:
    memory.context.add_result("p-1", 0, ResultStatus.SUCCEEDED)
    memory.turn("two", "p-2")
    memory.context.add_result("p-2", 0, ResultStatus.SUCCEEDED)
    memory.turn("three", "p-3")
    kinds = [type(segment) for segment in memory.context.log.segments]
    assert kinds == [FrameSegment, NoteSegment, TurnSegment, ResultSegment, TurnSegment]
    assert dict(memory.context.info.dropped) == {"task": 1, "plan": 1, "result": 1}


def test_what_another_model_answered_is_written_anew(memory: Memory, model: Model) -> None:
    said = '<|tool_call>call:pick{object:<|"|>red cube<|"|>}<tool_call|>'
    ids = np.array(model.chat.tokenizer.encode("Well. " + said, trusted=True))
    calls = (("pick", {"object": "red cube"}),)
    for reply in (Reply(calls, "Well. "), Reply(calls, "Well. ", ids)):
        memory.context.begin("again")
        memory.context.commit("again", reply)
    one, two = (s for s in memory.context.info.segments if s.kind == "plan" and s.tokens > 4)
    assert one.tokens == two.tokens
