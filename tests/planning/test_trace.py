"""How far the clock let an answer go, written down and told again."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgemma_ros.generation.generate import NoDeadline
from dgemma_ros.planning.trace import Retrace, Trace, TraceError


class Clock(NoDeadline):
    def __init__(self, answers: list[int]) -> None:
        self.answers = iter(answers)

    def steps(self, tokens: int, most: int) -> int:
        return next(self.answers)

    def allows(self, tokens: int, first: bool = False) -> bool:
        return bool(next(self.answers) % 2)


QUESTIONS = st.lists(st.tuples(st.sampled_from(["steps", "allows", "stop"]), st.integers(0, 40)), max_size=40)


@given(QUESTIONS)
def test_the_same_answers_come_again(asked: list[tuple[str, int]]) -> None:
    stops = iter([answer % 3 == 0 for name, answer in asked if name == "stop"])
    trace = Trace(Clock([answer for name, answer in asked if name != "stop"]), lambda: next(stops))
    ask = {
        "steps": lambda own: own.steps(100, 40),
        "allows": lambda own: own.allows(100),
        "stop": lambda own: own.stop(),
    }
    then = [ask[name](trace) for name, _ in asked]
    again = Retrace.of(json.loads(json.dumps(trace.content)))
    assert [ask[name](again) for name, _ in asked] == then
    assert again.steps(100, 40) == 0 and not again.allows(100) and again.stop()  # there was no more time


@pytest.mark.parametrize(
    "content",
    [{}, {"steps": 3}, {"steps": ["x"], "asked": 1, "refused": [], "looked": 1, "stopped": []},
     {"steps": [1 << 60], "asked": 1, "refused": [], "looked": 1, "stopped": []},
     {"steps": [1], "asked": -1, "refused": [], "looked": 1, "stopped": []}],
)  # fmt: skip
def test_what_is_no_trace_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(TraceError):
        Retrace.of(content)
