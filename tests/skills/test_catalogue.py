"""The skills catalogue: read, declared, and refused with one line that names file and field."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from dgemma_ros.planning import SkillCatalogue, SkillsError
from tests.desk import SKILLS

NANO = Path(__file__).resolve().parents[2] / "engines" / "nano"


def test_declares_tools_as_json_schema(skills: SkillCatalogue) -> None:
    place = skills.tools[1]["function"]
    assert skills.tools[1]["type"] == "function" and place["name"] == "place"
    assert place["parameters"]["required"] == ["object", "target"]
    assert place["parameters"]["properties"]["target"] == {"type": "string", "enum": ["table", "blue plate", "left"]}
    turn = skills.tools[2]["function"]["parameters"]["properties"]
    assert turn["by"] == {"type": "integer", "minimum": -90, "maximum": 90}


def test_nanos_objects_and_sayings_are_closed_sets() -> None:
    nano = SkillCatalogue.load(NANO / "skills.yaml").skills
    texts = [a for s in nano.values() for a in s.arguments if a.type == "string"]
    assert all(argument.choices for argument in texts)
    assert {"cannot", "not understood", "not there", "which one"} < set(nano["say"].argument("text").choices)


def test_skills_are_switched_off_and_on(skills: SkillCatalogue) -> None:
    off = skills.without(["turn"])
    assert "turn" not in off.usable and len(off.tools) == 3
    assert "turn" in off.without([]).usable
    with pytest.raises(SkillsError, match="'fly': no such skill; there are pick"):
        skills.without(["fly"])


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["skills"], [], "skills: "),
        (["skills", 0, "name"], "pick up", "skills[0].name"),
        (["skills", 1, "name"], "pick", "skills[1].name: 'pick' is there twice"),
        (["skills", 0, "arguments", "object", "type"], "text", "skills[0].arguments.object.type"),
        (["skills", 1, "arguments", "target", "choices"], [1], "choices: 1 is not of type string"),
        (["skills", 0, "arguments", "object", "range"], [0, 1], "range: only integers and numbers"),
        (["skills", 2, "arguments", "by", "range"], [9, 1], "range: [9, 1] is not [lowest, highest]"),
        (["skills", 0, "examples"], [{"objekt": "x"}], "skills[0].examples[0]"),
        (["skills", 0, "colour"], "red", "colour"),
        (["skills", 0, "arguments", True], {"type": "string"}, "key True is not text; put it in quotes"),
    ],
)
def test_an_error_names_the_field(path: list[Any], value: Any, message: str) -> None:
    content: Any = copy.deepcopy(SKILLS)
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(SkillsError) as error:
        SkillCatalogue.of(content, "robot.yaml")
    text = str(error.value)
    assert text.startswith("robot.yaml: ") and message in text and "\n" not in text


@pytest.mark.parametrize("text", ["skills: [", "[]", "", "- 1", "skills: &a [*a]", "a: !!python/object:os.system x"])
def test_a_file_that_is_no_catalogue_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "skills.yaml"
    file.write_text(text)
    with pytest.raises(SkillsError, match=r"skills\.yaml") as error:
        SkillCatalogue.load(file)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(SkillsError, match="no such file"):
        SkillCatalogue.load(tmp_path / "none.yaml")


@pytest.mark.parametrize("content", [SKILLS, None], ids=["tests", "nano"])
def test_its_content_makes_the_same_catalogue_again(content: Any) -> None:
    catalogue = SkillCatalogue.of(content) if content else SkillCatalogue.load(NANO / "skills.yaml")
    again = SkillCatalogue.of(json.loads(json.dumps(catalogue.content)))
    assert again == catalogue and again.tools == catalogue.tools
