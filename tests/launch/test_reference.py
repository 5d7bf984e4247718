"""The tables of docs/ros.md are those of the code."""

from __future__ import annotations

from dataclasses import fields

from dgemma_ros.nodes import parameter_table, topics
from dgemma_ros.nodes.reference import PAGE, filled
from dgemma_ros.planning.types import Settings


def test_the_page_is_up_to_date() -> None:
    text = PAGE.read_text()
    assert filled(text) == text, "run: python -m dgemma_ros.nodes.reference"


def test_every_setting_is_a_parameter() -> None:
    names = {parameter.name for parameter in parameter_table.PLANNER}
    assert {entry.name for entry in fields(Settings)} <= names


def test_tables_are_whole() -> None:
    tables = (parameter_table.PLANNER, parameter_table.CAMERA, parameter_table.EXECUTOR, parameter_table.TABLETOP)
    for table in tables:
        assert len({parameter.name for parameter in table}) == len(table)
        for parameter in table:
            assert parameter.about and parameter.wrong(parameter.default) is None
            assert (parameter.low is None) == (parameter.high is None)
    for names in (topics.PLANNER, topics.CAMERA, topics.TABLETOP):
        assert len({name.name for name in names}) == len(names)
        assert all(name.about and name.type.count("/") == 2 for name in names)
