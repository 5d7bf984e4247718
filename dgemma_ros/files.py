"""The one way in which a file that somebody names is read: a regular file, whole, and no larger than its kind may be.

Model folders, skills, recipes and cases come from outside. A link to ``/dev/zero`` would fill the memory, a pipe would
wait for ever, and a YAML file of a few lines can stand for billions of values. Each reader here has a bound that is
checked before the bytes are read, and raises the caller's own class of error with one line that names the file.
"""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import Any, Final

import yaml

from dgemma_ros.errors import DgemmaError

KIB: Final = 1 << 10
MIB: Final = 1 << 20
MAX_YAML_BYTES: Final = MIB
MAX_YAML_VALUES: Final = 100_000
"""Values that a YAML file may stand for, each alias counted as what it repeats."""
_MAX_DIGITS: Final = 300
"""Of a number; a float64 has no more than 309 before its point."""


def open_regular(file: Path, error: type[DgemmaError], hint: str = "") -> io.BufferedReader:
    """``file`` opened for reading, links followed; never waits. The caller closes it.

    Raises ``error`` where it is missing (``hint`` says what to do), cannot be read, or is no regular file.
    """
    try:
        # Without O_NONBLOCK a pipe that nobody writes to would hold the caller in open() itself.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise error(f"{file}: no such file{'; ' + hint if hint else ''}") from None
    except (OSError, ValueError) as problem:  # ValueError: a NUL in the name
        raise error(f"{_named(file)}: cannot be read ({getattr(problem, 'strerror', None) or problem})") from problem
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise error(f"{file}: cannot be read (it is a folder)")
        if not stat.S_ISREG(mode):
            raise error(f"{file}: cannot be read (it is a device, pipe or socket, not a file)")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_bytes(file: Path, limit: int, error: type[DgemmaError], hint: str = "") -> bytes:
    """The content of ``file``, at most ``limit`` bytes. Raises ``error``, see :func:`open_regular`."""
    with open_regular(file, error, hint) as stream:
        try:
            # One byte more than allowed: a file may grow, and those of /proc say that they have none.
            content = stream.read(limit + 1) if os.fstat(stream.fileno()).st_size <= limit else b""
        except OSError as problem:
            raise error(f"{file}: cannot be read ({problem.strerror or problem})") from problem
        if len(content) > limit or os.fstat(stream.fileno()).st_size > limit:
            raise error(f"{file}: is larger than {_size(limit)}, which is the most that such a file may have")
    return content


def read_text(file: Path, limit: int, error: type[DgemmaError], hint: str = "") -> str:
    """The same as text in UTF-8. Raises ``error``, see :func:`open_regular`."""
    try:
        return read_bytes(file, limit, error, hint).decode("utf-8")
    except UnicodeDecodeError as problem:
        raise error(f"{file}: cannot be read (not UTF-8 text, byte {problem.start})") from problem


def read_yaml(file: Path, error: type[DgemmaError], hint: str = "") -> Any:
    """What a YAML file holds, made of JSON's types only. Raises ``error``, naming file and line.

    Dates and whatever else YAML reads into bare words stay words; tags, numbers beyond 300 digits, and aliases that
    stand for more than :data:`MAX_YAML_VALUES` values in all are refused.
    """
    text = read_text(file, MAX_YAML_BYTES, error, hint)
    try:
        # The loader is a subclass of SafeLoader.
        value = yaml.load(text, Loader=_PlainLoader)
        _count(value)
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        place = f"line {mark.line + 1}: " if mark is not None else ""
        reason = getattr(problem, "problem", None) or " ".join(str(problem).split())
        raise error(f"{file}: not YAML: {place}{str(reason)[:160]}") from problem
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


def _size(limit: int) -> str:
    return f"{limit // MIB} MiB" if limit >= MIB else f"{limit // KIB} KiB"


def _named(file: Path) -> str:
    return str(file) if str(file).isprintable() else repr(str(file))
