"""A recorded bag, read in the order of its stamps: MCAP, and rosbag2 with either storage. Knows no ROS.

A bag is anybody's file. What cannot be read of it ends in one line, not in an error of the library that reads it.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from dgemma_ros.errors import DgemmaError, one_line

_STAMP: Final = 4
"""Where a message's header begins behind that of its encoding (CDR): with its stamp."""


class BagError(DgemmaError):
    """A bag cannot be read, or holds nothing that could be played."""


@dataclass(frozen=True)
class Topic:
    """One that was recorded."""

    name: str
    type: str
    """As ``sensor_msgs/msg/Image``."""
    count: int
    """Messages."""


@dataclass(frozen=True)
class Recorded:
    """One message. ``content``: as it travelled, in CDR; ``at_ns``: when it was recorded."""

    topic: str
    at_ns: int
    content: bytes

    @property
    def stamp_ns(self) -> int:
        """Of a message that begins with a header: its stamp. Raises :class:`BagError` where it is cut."""
        try:
            order = "<" if self.content[1] & 1 else ">"
            seconds, nanoseconds = struct.unpack_from(f"{order}iI", self.content, _STAMP)
        except (IndexError, struct.error):
            raise BagError(f"{self.topic}: a message is cut") from None
        return int(seconds) * 10**9 + int(nanoseconds)


class Bag:
    """A context manager. Raises :class:`BagError` where it is no bag, or cannot be read; so does :meth:`messages`."""

    def __init__(self, path: Path) -> None:
        try:
            from rosbags.rosbag2 import Reader
        except ImportError as error:
            raise BagError(
                f"bags cannot be read here ({error}); `pip install rosbags` brings what is missing"
            ) from error
        self.path = path
        if not path.exists():
            raise BagError(f"{path}: no such bag")
        with self._reading():
            self._reader: Any = Reader(path)
            self._reader.open()
        with self._reading():
            counts: Counter[tuple[str, str]] = Counter()
            for connection in self._reader.connections:
                counts[connection.topic, connection.msgtype] += connection.msgcount
            self.topics = tuple(Topic(name, kind, count) for (name, kind), count in sorted(counts.items()))
            self.begin_ns, self.end_ns = int(self._reader.start_time), int(self._reader.end_time)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._reader.close()

    def messages(self, topics: Collection[str], start_ns: int = 0, stop_ns: int | None = None) -> Iterator[Recorded]:
        """Those of some topics, recorded from ``start_ns`` on and before ``stop_ns``."""
        wanted = [connection for connection in self._reader.connections if connection.topic in topics]
        if not wanted:
            return
        with self._reading():
            for connection, at, content in self._reader.messages(wanted, start_ns, stop_ns):
                yield Recorded(connection.topic, int(at), bytes(content))

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (BagError, GeneratorExit):
            raise
        except Exception as error:  # of a library that takes files apart, from anywhere in it
            raise BagError(
                f"{self.path}: is no bag that can be read ({one_line(error) or type(error).__name__})"
            ) from None
