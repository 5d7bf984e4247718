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

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from dgemma_ros.execution import units
from dgemma_ros.execution.entry import NOBODY, OURS, Entry, Field
from dgemma_ros.execution.located import Located, Place, TableError
from dgemma_ros.execution.terms import FIELD, TERMS, TermReader
from dgemma_ros.skills.catalogue import Argument, Skill, SkillCatalogue
from dgemma_ros.yaml_files import read_yaml

_SECTIONS: Final = ("defaults", "skills")


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

    @classmethod
    def load_if_any(cls, file: Path | str, catalogue: SkillCatalogue) -> ExecutionTable | None:
        """The same; None for a skills file that has no table."""
        content = read_yaml(Path(file), TableError, "it is the robot's skills")
        has = isinstance(content, dict) and "execution" in content
        return cls.load(file, catalogue) if has else None


class _Reader:
    def __init__(self, document: Located, catalogue: SkillCatalogue) -> None:
        self._document, self._catalogue = document, catalogue
        self._terms = TermReader(document, catalogue)

    def read(self, section: Any) -> dict[str, Entry]:
        place: Place = ("execution",)
        self._terms.keys(section, _SECTIONS, place)
        defaults = section.get("defaults") or {}
        self._terms.keys(defaults, TERMS, (*place, "defaults"))
        for name, value in defaults.items():
            TERMS[name](self._terms, value, (*place, "defaults", name))
        skills = section.get("skills")
        if not isinstance(skills, dict) or not skills:
            raise self._document.error((*place, "skills"), "names no skill")
        entries = {}
        for name, given in skills.items():
            own: Place = (*place, "skills", name)
            skill = self._catalogue.skills.get(name)
            if skill is None:
                raise self._document.error(own, f"no such skill; there are {', '.join(self._catalogue.skills)}")
            self._terms.keys(given if given is not None else {}, TERMS, own)
            entries[name] = self._entry(skill, {**defaults, **(given or {})}, own)
        return entries

    def _entry(self, skill: Skill, given: Mapping[str, Any], place: Place) -> Entry:
        terms: dict[str, Any] = {}
        for name, value in given.items():
            terms[name] = TERMS[name](self._terms, value, (*place, name))
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
        if not FIELD.fullmatch(path):
            raise self._document.error(place, "is no field of a goal, as pose.position.x")
        self._terms.keys(given, ("value", "argument", "unit", "choices"), place)
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
