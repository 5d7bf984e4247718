"""The entries of the context's log: what each kind of them holds. Immutable, shared between threads freely."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from dgemma_ros.context.results import SkillResult
from dgemma_ros.context.types import Frame
from dgemma_ros.runtime.contract import Floats, Ints

SUMMARY = 120
"""Characters of a segment that are shown to people."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Segment:
    """What all entries have. The log gives ``id`` and ``appended_ns`` when it takes one."""

    id: int = 0
    """Counts from 1 in the order of the log, and is never used again."""
    appended_ns: int = 0
    """Wall clock, nanoseconds since 1970."""
    kinds: ClassVar[tuple[str, ...]]
    """What it is counted as."""

    @property
    def summary(self) -> str:
        """One line for people."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False, kw_only=True)
class FrameSegment(Segment):
    """A picture."""

    kinds: ClassVar[tuple[str, ...]] = ("frame",)
    frame: Frame
    """Whose it is, without its pixels."""
    label: str
    """What the model reads before it: its time, and its camera where there are several."""
    soft: Floats
    """Its soft tokens, [n, H]."""
    seconds: float = 0.0
    """Since the first frame that was remembered, see :class:`~dgemma_ros.context.frames.FrameClock`."""
    number: int = 0
    """Of its camera's frames, from 0: the ladder goes by it."""
    kept: str = ""
    """Why it is a keyframe, for people; empty where it is none, and thins out with age."""

    @property
    def summary(self) -> str:
        """Its label."""
        return self.label


@dataclass(frozen=True, eq=False, kw_only=True)
class NoteSegment(Segment):
    """Anybody's words, one line, that ask for no answer."""

    kinds: ClassVar[tuple[str, ...]] = ("note",)
    text: str
    pinned: bool = False
    """Whether it stays until somebody asks for it to go."""
    seconds: float = 0.0
    """Those that the newest frame said when it came: its age is counted from there."""

    @property
    def summary(self) -> str:
        """Its beginning."""
        return self.text[:SUMMARY]


@dataclass(frozen=True, eq=False)
class Reply:
    """What was answered to a task, as it is remembered: without thoughts."""

    calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    """Each skill's name and arguments."""
    text: str = ""
    """What was said outside of calls."""
    ids: Ints | None = None
    """All of it in the model's own tokens; None where another one said it: then it is written anew."""


@dataclass(frozen=True, eq=False, kw_only=True)
class TurnSegment(Segment):
    """A task with its plan."""

    kinds: ClassVar[tuple[str, ...]] = ("task", "plan")
    task: str
    reply: Reply = field(default_factory=Reply)
    plan_id: str = ""
    plan: str = ""
    """The plan for people."""
    frame_id: int = 0
    """The id of the newest frame that it rests on; 0 where there was none."""

    @property
    def summary(self) -> str:
        """The task's beginning."""
        return " ".join(self.task.split())[:SUMMARY]


@dataclass(frozen=True, eq=False, kw_only=True)
class ResultSegment(Segment):
    """What became of one step of a plan that is remembered."""

    kinds: ClassVar[tuple[str, ...]] = ("result",)
    plan_id: str
    step: int
    """Of the plan, from 0."""
    result: SkillResult

    @property
    def summary(self) -> str:
        """The call and its outcome."""
        return self.result.summary[:SUMMARY]
