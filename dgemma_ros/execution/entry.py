"""How one skill is carried out: its action, its goal's fields, and its terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from dgemma_ros.execution import units
from dgemma_ros.execution.located import TableError

OURS: Final = "dgemma_msgs/action/ExecuteSkill"
NOBODY: Final = "none"
"""An action of that name is nobody's: the skill succeeds at once, for nothing is to be done."""


class Approval(StrEnum):
    """When a person is asked."""

    NEVER = "never"
    PLAN = "plan"
    """Once, for the plan as a whole, before its first step."""
    STEP = "step"
    """Before this step, each time."""


@dataclass(frozen=True)
class Field:
    """One field of a goal: a constant, or an argument, in other units or looked up in ``choices``."""

    path: str
    value: Any = None
    argument: str = ""
    unit: str = ""
    choices: Mapping[Any, Any] | None = None

    def of(self, arguments: Mapping[str, Any]) -> Any:
        """What goes into the field. Raises :class:`TableError` where the argument is not given."""
        if not self.argument:
            return self.value
        if self.argument not in arguments:
            raise TableError(f"{self.path}: needs the argument {self.argument!r}, which the call does not give")
        value = arguments[self.argument]
        if self.choices is not None:
            return self.choices[value]
        convert = units.converter(self.unit) if self.unit else None
        return convert(value) if convert else value


@dataclass(frozen=True)
class Requirement:
    """A topic of std_msgs/Bool that must say true, not longer ago than ``max_age`` seconds."""

    topic: str
    max_age: float


@dataclass(frozen=True)
class Entry:
    """How one skill is carried out. Seconds throughout; ``line`` is its line in the file."""

    skill: str
    action: str
    type: str = OURS
    goal: tuple[Field, ...] = ()
    success: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the action's result with the values that they must have, besides the goal's own success."""
    timeout: float = 30.0
    feedback_timeout: float = 0.0
    """Without feedback for so long the server counts as dead; 0: feedback is not counted on."""
    retries: int = 0
    retry_on: tuple[str, ...] = ()
    """Reasons of a failure that another attempt may fix; empty: any, where ``retries`` are allowed."""
    approval: Approval = Approval.NEVER
    effect: bool = True
    """Whether it changes anything out there; a plan without effect needs no look at its goal."""
    idle: bool = False
    """The call says that nothing has to be done."""
    after: tuple[str, ...] = ()
    """Only directly behind one of these in the same plan."""
    requires: tuple[Requirement, ...] = ()
    line: int = 0

    @property
    def ours(self) -> bool:
        """Whether the goal is our own type's, filled with the call as it is."""
        return self.type == OURS

    def goal_fields(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Values by path, for a type that is not ours. Raises :class:`TableError`."""
        return {field.path: field.of(arguments) for field in self.goal}
