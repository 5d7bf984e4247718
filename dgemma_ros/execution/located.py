"""YAML whose errors can name the line: values as ever, and where each of them stands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from dgemma_ros.errors import DgemmaError
from dgemma_ros.files import read_text
from dgemma_ros.yaml_files import MAX_YAML_BYTES, parse_yaml

Key = str | int
Place = tuple[Key, ...]


class TableError(DgemmaError):
    """The execution table cannot be used; the text names file and line."""


class Located:
    """A YAML document. Raises :class:`TableError` for what cannot be read."""

    def __init__(self, file: Path) -> None:
        self.file = file
        text = read_text(file, MAX_YAML_BYTES, TableError, "the parameter skills names the robot's skills")
        self.content: Any = parse_yaml(text, file, TableError)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        self._lines: dict[Place, int] = {}
        if root is not None:
            self._lines = dict(_lines(root, (), 0))

    def line(self, place: Place) -> int:
        """The line, from 1, of a value or of what is closest around it."""
        while place not in self._lines and place:
            place = place[:-1]
        return self._lines.get(place, 1)

    def error(self, place: Place, text: str) -> TableError:
        """An error about a value, with its line."""
        return TableError(f"{self.file}:{self.line(place)}: {'.'.join(map(str, place))}: {text}")


def _lines(node: yaml.Node, place: Place, depth: int) -> Iterator[tuple[Place, int]]:
    yield place, node.start_mark.line + 1
    if depth > 12:  # an alias may lead in circles
        return
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*place, str(key.value))
            yield from _lines(value, inner, depth + 1)
            yield inner, key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _lines(value, (*place, index), depth + 1)
