"""The values of the execution table's terms: each read and checked, each mistake named with its line."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Final

from dgemma_ros.execution.entry import Approval, Requirement
from dgemma_ros.execution.located import Located, Place
from dgemma_ros.skills.catalogue import SkillCatalogue

FIELD: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
"""A field of a goal or a result."""
_NAME: Final = re.compile(r"[~/]?[A-Za-z_~][A-Za-z0-9_/]*")
_TYPE: Final = re.compile(r"[a-z][a-z0-9_]*/action/[A-Z][A-Za-z0-9]*")


@dataclass(frozen=True)
class TermReader:
    """One method a kind of value; ``place`` is where it stands. All raise :class:`TableError`."""

    document: Located
    catalogue: SkillCatalogue

    def keys(self, given: Any, known: Any, place: Place) -> None:
        """Checks that something is a mapping with none but known names."""
        if not isinstance(given, dict):
            raise self.document.error(place, "must be a mapping of names to values")
        for name in given:
            if name not in known:
                raise self.document.error((*place, name), f"is not known; there are {', '.join(known)}")

    def name(self, value: Any, place: Place) -> str:
        """An action's or topic's name."""
        if not isinstance(value, str) or not _NAME.fullmatch(value) or "//" in value:
            raise self.document.error(place, f"{value!r} is no name")
        return value

    def type(self, value: Any, place: Place) -> str:
        """An action's type."""
        if not isinstance(value, str) or not _TYPE.fullmatch(value):
            raise self.document.error(place, f"{value!r} is no action's type, as nav2_msgs/action/NavigateToPose")
        return value

    def seconds(self, value: Any, place: Place) -> float:
        """0 … 86400."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 86400:
            raise self.document.error(place, f"{value!r} is no number of seconds in 0 … 86400")
        return float(value)

    def timeout(self, value: Any, place: Place) -> float:
        """Seconds, more than 0."""
        if self.seconds(value, place) <= 0 or not math.isfinite(value):
            raise self.document.error(place, "must be more than 0: every skill has an end")
        return float(value)

    def count(self, value: Any, place: Place) -> int:
        """A whole number, 0 … 100."""
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 100:
            raise self.document.error(place, f"{value!r} is no whole number in 0 … 100")
        return value

    def truth(self, value: Any, place: Place) -> bool:
        """True or false."""
        if not isinstance(value, bool):
            raise self.document.error(place, f"{value!r} is neither true nor false")
        return value

    def texts(self, value: Any, place: Place) -> tuple[str, ...]:
        """A list of texts."""
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise self.document.error(place, "must be a list of texts")
        return tuple(value)

    def skills(self, value: Any, place: Place) -> tuple[str, ...]:
        """A list of skills of the catalogue."""
        for index, name in enumerate(names := self.texts(value, place)):
            if name not in self.catalogue.skills:
                raise self.document.error((*place, index), f"{name!r} is no skill")
        return names

    def approval(self, value: Any, place: Place) -> Approval:
        """When a person is asked."""
        if value not in [choice.value for choice in Approval]:
            raise self.document.error(place, f"{value!r} is none of {', '.join(Approval)}")
        return Approval(value)

    def mapping(self, value: Any, place: Place) -> dict[str, Any]:
        """Values by field."""
        if not isinstance(value, dict):
            raise self.document.error(place, "must be a mapping of fields to values")
        for path in value:
            if not isinstance(path, str) or not FIELD.fullmatch(path):
                raise self.document.error((*place, path), "is no field, as pose.position.x")
        return value

    def requirements(self, value: Any, place: Place) -> tuple[Requirement, ...]:
        """Topics with the age up to which they count."""
        if not isinstance(value, list):
            raise self.document.error(place, "must be a list, as [{topic: gripper_ready, max_age: 1}]")
        result = []
        for index, item in enumerate(value):
            own: Place = (*place, index)
            self.keys(item, ("topic", "max_age"), own)
            if "topic" not in item:
                raise self.document.error(own, "needs 'topic', of std_msgs/msg/Bool")
            age = self.timeout(item.get("max_age", 2.0), (*own, "max_age"))
            result.append(Requirement(self.name(item["topic"], (*own, "topic")), age))
        return tuple(result)


TERMS: Final = {
    "action": TermReader.name,
    "type": TermReader.type,
    "goal": TermReader.mapping,
    "success": TermReader.mapping,
    "timeout": TermReader.timeout,
    "feedback_timeout": TermReader.seconds,
    "retries": TermReader.count,
    "retry_on": TermReader.texts,
    "approval": TermReader.approval,
    "effect": TermReader.truth,
    "idle": TermReader.truth,
    "after": TermReader.skills,
    "requires": TermReader.requirements,
}
"""The names of all terms, and what reads each."""
