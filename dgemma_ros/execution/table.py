"""Which action a skill is, and on what terms: the part ``execution`` of the skills file, read once and checked.

::

    execution:
      defaults: {action: execute_skill, type: dgemma_msgs/action/ExecuteSkill, timeout: 20}
      skills:
        place: {approval: plan, retries: 1, retry_on: [slipped]}
        say: {effect: false}
        go_to:
          action: navigate_to_pose
          type: nav2_msgs/action/NavigateToPose
          goal:
            pose.header.frame_id: {value: map}
            pose.pose.position.x: {argument: x, unit: cm -> m}
            pose.pose.orientation: {argument: heading, unit: deg -> quaternion}
          success: {error_code: 0}

A skill that is not there is not mapped, and no plan that calls it is carried out. Every mistake is found when the table
is read, and named with its line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from dgemma_ros.execution import units
from dgemma_ros.execution.located import Located, Place, TableError
from dgemma_ros.skills.catalogue import Argument, Skill, SkillCatalogue

OURS: Final = "dgemma_msgs/action/ExecuteSkill"
NOBODY: Final = "none"
"""An action of that name is nobody's: the skill succeeds at once, for nothing is to be done."""
_NAME: Final = re.compile(r"[~/]?[A-Za-z_~][A-Za-z0-9_/]*")
_TYPE: Final = re.compile(r"[a-z][a-z0-9_]*/action/[A-Z][A-Za-z0-9]*")
_FIELD: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
_SECTIONS: Final = ("defaults", "skills")


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
    """Reasons of a failure that another attempt may mend; empty: any, where ``retries`` are allowed."""
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


@dataclass(frozen=True)
class ExecutionTable:
    """All skills that can be carried out."""

    entries: Mapping[str, Entry]
    file: str = ""

    @classmethod
    def load(cls, file: Path | str, catalogue: SkillCatalogue) -> ExecutionTable:
        """Reads the table in a skills file. Raises :class:`TableError` naming the line."""
        document = Located(Path(file))
        section = document.content.get("execution") if isinstance(document.content, dict) else None
        if section is None:
            text = "has no part 'execution', so nothing can be carried out; docs/execution.md shows one"
            raise TableError(f"{file}: {text}")
        return cls(MappingProxyType(_Reader(document, catalogue).read(section)), str(file))


class _Reader:
    def __init__(self, document: Located, catalogue: SkillCatalogue) -> None:
        self._document, self._catalogue = document, catalogue

    def read(self, section: Any) -> dict[str, Entry]:
        place: Place = ("execution",)
        self._keys(section, _SECTIONS, place)
        defaults = section.get("defaults") or {}
        self._keys(defaults, TERMS, (*place, "defaults"))
        for name, value in defaults.items():
            TERMS[name](self, value, (*place, "defaults", name))
        skills = section.get("skills")
        if not isinstance(skills, dict) or not skills:
            raise self._document.error((*place, "skills"), "names no skill")
        entries = {}
        for name, given in skills.items():
            own: Place = (*place, "skills", name)
            skill = self._catalogue.skills.get(name)
            if skill is None:
                raise self._document.error(own, f"no such skill; there are {', '.join(self._catalogue.skills)}")
            self._keys(given if given is not None else {}, TERMS, own)
            entries[name] = self._entry(skill, {**defaults, **(given or {})}, own)
        return entries

    def _entry(self, skill: Skill, given: Mapping[str, Any], place: Place) -> Entry:
        terms: dict[str, Any] = {}
        for name, value in given.items():
            terms[name] = TERMS[name](self, value, (*place, name))
        if not terms.get("action"):
            raise self._document.error(place, "needs an action's name, here or in defaults; `none` is nobody's")
        line, mapped = self._document.line(place), terms.pop("goal", {})
        entry = Entry(skill.name, line=line, **terms)
        if entry.ours or entry.action == NOBODY:
            if mapped:
                raise self._document.error((*place, "goal"), f"a goal is mapped for types other than {OURS} only")
            return entry
        fields = tuple(self._field(skill, path, value, (*place, "goal", path)) for path, value in mapped.items())
        if not fields:
            raise self._document.error(place, f"{entry.type} needs 'goal', which fills its fields")
        unused = [a.name for a in skill.arguments if a.name not in {f.argument for f in fields}]
        if unused:
            raise self._document.error((*place, "goal"), f"the argument {unused[0]!r} goes nowhere")
        return replace(entry, goal=fields)

    def _field(self, skill: Skill, path: str, given: Any, place: Place) -> Field:
        if not _FIELD.fullmatch(path):
            raise self._document.error(place, "is no field of a goal, as pose.position.x")
        self._keys(given, ("value", "argument", "unit", "choices"), place)
        if ("value" in given) == ("argument" in given):
            raise self._document.error(place, "needs either 'value' or 'argument'")
        if "value" in given:
            if set(given) != {"value"}:
                raise self._document.error(place, "'unit' and 'choices' go with 'argument'")
            return Field(path, given["value"])
        argument = skill.argument(str(given["argument"]))
        if argument is None:
            names = ", ".join(a.name for a in skill.arguments) or "none"
            raise self._document.error((*place, "argument"), f"{skill.name} has no such argument; there are {names}")
        return self._of_argument(path, argument, given, place)

    def _of_argument(self, path: str, argument: Argument, given: Mapping[str, Any], place: Place) -> Field:
        if not argument.required:
            raise self._document.error((*place, "argument"), f"{argument.name!r} may be left out, and the field not")
        choices, unit = given.get("choices"), given.get("unit", "")
        if choices is not None:
            if not isinstance(choices, dict) or not argument.choices:
                raise self._document.error((*place, "choices"), f"{argument.name!r} has no choices in the catalogue")
            missing = [c for c in argument.choices if c not in choices]
            if missing or len(choices) != len(argument.choices):
                what = f"lacks {missing[0]!r}" if missing else "names what is no choice"
                raise self._document.error((*place, "choices"), what)
        elif unit:
            if argument.type not in ("integer", "number"):
                raise self._document.error((*place, "unit"), f"{argument.name!r} is no number")
            if not isinstance(unit, str) or units.converter(unit) is None:
                raise self._document.error((*place, "unit"), f"write 'FROM -> TO'; there are {units.known()}")
        return Field(path, argument=argument.name, unit=unit, choices=choices)

    def _keys(self, given: Any, known: Any, place: Place) -> None:
        if not isinstance(given, dict):
            raise self._document.error(place, "must be a mapping of names to values")
        for name in given:
            if name not in known:
                raise self._document.error((*place, name), f"is not known; there are {', '.join(known)}")

    # -- terms ----------------------------------------------------------------------------------------------------

    def name(self, value: Any, place: Place) -> str:
        if not isinstance(value, str) or not _NAME.fullmatch(value) or "//" in value:
            raise self._document.error(place, f"{value!r} is no name")
        return value

    def type(self, value: Any, place: Place) -> str:
        if not isinstance(value, str) or not _TYPE.fullmatch(value):
            raise self._document.error(place, f"{value!r} is no action's type, as nav2_msgs/action/NavigateToPose")
        return value

    def seconds(self, value: Any, place: Place) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 86400:
            raise self._document.error(place, f"{value!r} is no number of seconds in 0 … 86400")
        return float(value)

    def timeout(self, value: Any, place: Place) -> float:
        if self.seconds(value, place) <= 0 or not math.isfinite(value):
            raise self._document.error(place, "must be more than 0: every skill has an end")
        return float(value)

    def count(self, value: Any, place: Place) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 100:
            raise self._document.error(place, f"{value!r} is no whole number in 0 … 100")
        return value

    def truth(self, value: Any, place: Place) -> bool:
        if not isinstance(value, bool):
            raise self._document.error(place, f"{value!r} is neither true nor false")
        return value

    def texts(self, value: Any, place: Place) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise self._document.error(place, "must be a list of texts")
        return tuple(value)

    def skills(self, value: Any, place: Place) -> tuple[str, ...]:
        for index, name in enumerate(names := self.texts(value, place)):
            if name not in self._catalogue.skills:
                raise self._document.error((*place, index), f"{name!r} is no skill")
        return names

    def approval(self, value: Any, place: Place) -> Approval:
        if value not in [choice.value for choice in Approval]:
            raise self._document.error(place, f"{value!r} is none of {', '.join(Approval)}")
        return Approval(value)

    def mapping(self, value: Any, place: Place) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._document.error(place, "must be a mapping of fields to values")
        for path in value:
            if not isinstance(path, str) or not _FIELD.fullmatch(path):
                raise self._document.error((*place, path), "is no field, as pose.position.x")
        return value

    def requirements(self, value: Any, place: Place) -> tuple[Requirement, ...]:
        if not isinstance(value, list):
            raise self._document.error(place, "must be a list, as [{topic: gripper_ready, max_age: 1}]")
        result = []
        for index, item in enumerate(value):
            own: Place = (*place, index)
            self._keys(item, ("topic", "max_age"), own)
            if "topic" not in item:
                raise self._document.error(own, "needs 'topic', of std_msgs/msg/Bool")
            age = self.timeout(item.get("max_age", 2.0), (*own, "max_age"))
            result.append(Requirement(self.name(item["topic"], (*own, "topic")), age))
        return tuple(result)


TERMS: Final = {
    "action": _Reader.name,
    "type": _Reader.type,
    "goal": _Reader.mapping,
    "success": _Reader.mapping,
    "timeout": _Reader.timeout,
    "feedback_timeout": _Reader.seconds,
    "retries": _Reader.count,
    "retry_on": _Reader.texts,
    "approval": _Reader.approval,
    "effect": _Reader.truth,
    "idle": _Reader.truth,
    "after": _Reader.skills,
    "requires": _Reader.requirements,
}
