"""How a planner behaves: policies and numbers, checked once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Final, Self

from dgemma_ros.context.ladder import Ladder, LadderError
from dgemma_ros.errors import DgemmaError

LADDER: Final = ("60:1", "600:2", "3600:8")
"""Every frame of the last minute, every 2nd of the last ten, every 8th of the last hour."""


class SettingsError(DgemmaError):
    """A setting is out of its range; the text names it."""


class Preemption(StrEnum):
    """What a new task does while another of the same priority runs; a higher priority always goes first."""

    LATEST = "latest"
    """It takes the running one's place, and that of all that wait."""
    QUEUE = "queue"
    REJECT = "reject"


class LatePolicy(StrEnum):
    """What a plan holds whose time was up before the model was done."""

    DRAFT = "draft"
    """The best draft; valid where it is right and in time."""
    EMPTY = "empty"
    """Nothing."""
    ACCEPT = "accept"
    """The best draft; valid where it is right, also behind the deadline."""


class StalePolicy(StrEnum):
    """What becomes of a task whose newest frame is too old."""

    MARK = "mark"
    REFUSE = "refuse"


def _range(default: Any, low: float, high: float) -> Any:
    return field(default=default, metadata={"range": (low, high)})


@dataclass(frozen=True)
class Settings:
    """How a planner behaves. Checked once; raises :class:`SettingsError`. All may change while it runs."""

    budget: float = _range(2.0, 0.001, 86400.0)
    """Seconds, for tasks that name none."""
    preemption: Preemption = Preemption.LATEST
    queue_limit: int = _range(16, 1, 100_000)
    """Tasks that may wait."""
    late_policy: LatePolicy = LatePolicy.DRAFT
    max_observation_age: float = _range(0.0, 0.0, 86400.0)
    """Seconds; 0 takes any frame, or none."""
    stale_policy: StalePolicy = StalePolicy.MARK
    frame_rate: float = _range(1.0, 0.0, 1000.0)
    """Frames a second taken into the context; 0 takes none."""
    max_frames: int = _range(0, 0, 1_000_000)
    """Frames kept in the context; 0 for as many as the model was found good with, or as fit."""
    keyframe_change: float = _range(0.07, 0.0, 1.0)
    """The difference from its camera's last keyframe that makes a frame one, which stays while others thin out with
    age; 0 makes a keyframe of each."""
    frame_ladder: tuple[str, ...] = LADDER
    """How other frames thin out with age: ``600:2`` keeps every 2nd of a camera until it is 600 s old."""
    max_frame_age: float = _range(0.0, 0.0, 1e9)
    """Seconds after which keyframes go, too; 0 keeps them."""
    recall: int = _range(0, 0, 1000)
    """Frames that may be brought back from the journal for one answer after they were forgotten; 0 for none."""
    max_turns: int = _range(1, 0, 1_000_000)
    """Earlier tasks kept in the context, with their plans."""
    max_notes: int = _range(8, 1, 1_000_000)
    """Notes kept in the context."""
    max_note_age: float = _range(0.0, 0.0, 1e9)
    """Seconds, as frames say them, after which a note goes that is not pinned; 0 keeps it."""
    image_tokens: int = _range(0, 0, 1 << 20)
    """Soft tokens a frame may take; 0 for the checkpoint's own."""
    seed: int = _range(0, 0, 2**63 - 1)
    max_steps: int | None = _range(None, 1, 100_000)
    """Denoising steps of one canvas; None for the checkpoint's own."""
    max_canvases: int = _range(4, 1, 10_000)
    """Bounds the answer, thinking included."""
    publish_margin: float = _range(0.02, 0.0, 60.0)
    """Seconds before the deadline by which a plan leaves the planner."""
    max_plan_steps: int = _range(32, 1, 100_000)
    valid_for: float = _range(10.0, 0.0, 86400.0)
    """Seconds for which a plan may be begun."""
    thinking: bool = False
    repair: bool = True
    confirm: bool = False
    """Whether a valid plan is made once more, from the next seed, where there is time, and the two compared."""
    context_tokens: int = _range(0, 0, 1 << 30)
    """Tokens that may be remembered, never more than the model's positions allow; 0 for as many as these and the
    machine's memory do."""
    context_bytes: int = _range(0, 0, 1 << 50)
    """Bytes of keys and values that what is remembered may take; 0 leaves it to ``context_tokens``."""

    def __post_init__(self) -> None:
        for name, kind in (("preemption", Preemption), ("late_policy", LatePolicy), ("stale_policy", StalePolicy)):
            value = getattr(self, name)
            if value not in [choice.value for choice in kind]:
                raise SettingsError(f"{name}: {value!r} is none of {', '.join(choice.value for choice in kind)}")
            object.__setattr__(self, name, kind(value))
        try:
            Ladder.of(self.frame_ladder)
        except LadderError as error:
            raise SettingsError(f"frame_ladder: {error}") from error
        object.__setattr__(self, "frame_ladder", tuple(self.frame_ladder))
        for entry in fields(self):
            value, limits = getattr(self, entry.name), entry.metadata.get("range")
            if limits is None or (value is None and entry.default is None):
                continue
            whole = isinstance(entry.default, int) or entry.default is None
            right = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
            if not (right and math.isfinite(value) and limits[0] <= value <= limits[1]):
                kind_name = "a whole number" if whole else "a number"
                raise SettingsError(f"{entry.name}: {value!r} is not {kind_name} in {limits[0]:g} … {limits[1]:g}")
        if self.publish_margin >= self.budget:
            raise SettingsError(
                f"publish_margin: {self.publish_margin:g} s leave no time of the budget, {self.budget:g} s"
            )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """From a mapping, as of parameters or YAML. Raises :class:`SettingsError` for an unknown name."""
        known = {entry.name for entry in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise SettingsError(f"{unknown[0]}: no such setting; there are {', '.join(sorted(known))}")
        return cls(**values)
