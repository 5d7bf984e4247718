"""YAML files that somebody names: JSON's types only, and no few lines that stand for billions of values."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from dgemma_ros.errors import DgemmaError, one_line
from dgemma_ros.files import MIB, read_text

MAX_YAML_BYTES: Final = MIB
MAX_YAML_VALUES: Final = 100_000
"""Values that a YAML file may stand for, each alias counted as what it repeats."""
_MAX_DIGITS: Final = 300
"""Of a number; a float64 has no more than 309 before its point."""


def read_yaml(file: Path, error: type[DgemmaError], hint: str = "") -> Any:
    """What a YAML file holds, made of JSON's types only. Raises ``error``, naming file and line.

    Dates and whatever else YAML reads into bare words stay words; tags, numbers beyond 300 digits, and aliases that
    stand for more than :data:`MAX_YAML_VALUES` values in all are refused.
    """
    return parse_yaml(read_text(file, MAX_YAML_BYTES, error, hint), file, error)


def parse_yaml(text: str, file: Path, error: type[DgemmaError]) -> Any:
    """The same of a text that was read from ``file`` already."""
    try:
        # The loader is a subclass of SafeLoader.
        value = yaml.load(text, Loader=_PlainLoader)
        _count(value)
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        place = f"line {mark.line + 1}: " if mark is not None else ""
        reason = one_line(getattr(problem, "problem", None) or problem, 160)
        raise error(f"{file}: not YAML: {place}{reason}") from problem
    except (RecursionError, _ExpansionError) as problem:
        reason = "is nested too deeply" if isinstance(problem, RecursionError) else str(problem)
        raise error(f"{file}: {reason}") from problem
    return value


class _ExpansionError(Exception):
    """A small file that stands for a great many values."""


class _PlainLoader(yaml.SafeLoader):
    """YAML's safe loader, without dates, sets, pairs and binary data."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merges ``<<`` keys; merged mappings that merge others grow by a factor each."""
        super().flatten_mapping(node)
        if len(node.value) > MAX_YAML_VALUES:
            raise _ExpansionError(f"stands for more than {MAX_YAML_VALUES} values")


_RESOLVERS: Final = {
    letter: [(tag, pattern) for tag, pattern in patterns if not tag.endswith(":timestamp")]
    for letter, patterns in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_PlainLoader.yaml_implicit_resolvers = _RESOLVERS
_PLAIN_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map", "merge")
)
_PlainLoader.yaml_constructors = {
    tag: make for tag, make in yaml.SafeLoader.yaml_constructors.items() if tag is None or tag in _PLAIN_TAGS
}


def _number(loader: _PlainLoader, node: yaml.ScalarNode) -> Any:
    make = loader.construct_yaml_int if node.tag.endswith(":int") else loader.construct_yaml_float
    try:
        if len(node.value) > _MAX_DIGITS:
            raise ValueError
        return make(node)
    except (ValueError, OverflowError):
        raise yaml.constructor.ConstructorError(
            None, None, f"{node.value[:40]!r} is not a number that can be used", node.start_mark
        ) from None


for _kind in ("int", "float"):
    _PlainLoader.add_constructor(f"tag:yaml.org,2002:{_kind}", _number)


def _count(value: Any) -> int:
    """How many values ``value`` stands for, in one walk over the file's own nodes."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: Any) -> int:
        if not isinstance(node, dict | list):
            return 1
        if id(node) in open_nodes:
            raise _ExpansionError("a part of it contains itself")
        if id(node) not in sizes:
            open_nodes.add(id(node))
            inner = list(node.values()) if isinstance(node, dict) else node
            sizes[id(node)] = 1 + sum(map(size, inner))
            open_nodes.discard(id(node))
        if sizes[id(node)] > MAX_YAML_VALUES:
            raise _ExpansionError(f"stands for more than {MAX_YAML_VALUES} values")
        return sizes[id(node)]

    return size(value)
