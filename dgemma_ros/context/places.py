"""Where each segment of the log lies in the cache: how many tokens it has, and how many segments have been read."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice


@dataclass(frozen=True)
class Place:
    """Of a segment."""

    tokens: int
    """In all, the carry of the one before it among them."""
    prefix: int | None
    """Of them, the carry of the one before; None where it cannot be told from the segment's own words."""
    carry: str
    """What it leaves for the next one."""


class Places:
    """One place for each segment of the log, in its order, in which ids rise. The first ``read`` are in the cache."""

    def __init__(self) -> None:
        self.read = 0
        self.partial = 0
        """Tokens in the cache of the first segment that is not wholly read."""
        self.total = 0
        """Tokens of all of them."""
        self._ids: list[int] = []
        self._places: list[Place] = []
        self._tokens: list[int] = []  # of each, for sums

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> Place:
        return self._places[index]

    @property
    def ids(self) -> tuple[int, ...]:
        """The segments' ids."""
        return tuple(self._ids)

    @property
    def tokens(self) -> tuple[int, ...]:
        """The segments' tokens."""
        return tuple(self._tokens)

    def tokens_of(self, number: int) -> int:
        """A segment's tokens, by its id; 0 where there is none."""
        index = bisect_left(self._ids, number)
        return self._tokens[index] if index < len(self) and self._ids[index] == number else 0

    def before(self, index: int) -> int:
        """Tokens of all places before one."""
        return sum(islice(self._tokens, index))

    @property
    def behind(self) -> int:
        """Tokens that are not in the cache."""
        return self.total - self.before(self.read) - self.partial

    def newest(self, most: int) -> range:
        """The indices of the newest segments, nothing of them read, that have no more than so many tokens."""
        first, lowest = len(self), self.read + bool(self.partial)
        while first > lowest and (most := most - self._tokens[first - 1]) >= 0:
            first -= 1
        return range(first, len(self))

    def unread(self) -> None:
        """None of them is in the cache."""
        self.read = self.partial = 0

    def append(self, number: int, place: Place) -> None:
        """Of a segment behind all, which has not been read."""
        self._ids.append(number)
        self._places.append(place)
        self._tokens.append(place.tokens)
        self.total += place.tokens

    def insert(self, number: int, place: Place) -> None:
        """Of a segment that is in the cache, at the place that its id says; or another place for it."""
        index = bisect_left(self._ids, number)
        if index < len(self) and self._ids[index] == number:
            self.put(index, place)
            return
        self._ids.insert(index, number)
        self._places.insert(index, place)
        self._tokens.insert(index, place.tokens)
        self.total += place.tokens
        self.read += 1

    def put(self, index: int, place: Place) -> None:
        """Another place for the same segment."""
        self.total += place.tokens - self._tokens[index]
        self._places[index], self._tokens[index] = place, place.tokens

    def remove(self, start: int, stop: int) -> None:
        """Segments ``start`` … ``stop`` - 1 are gone."""
        self.total -= sum(self._tokens[start:stop])
        for values in (self._ids, self._places, self._tokens):
            del values[start:stop]
        self.read -= max(0, min(self.read, stop) - start)

    def runs(self, numbers: Iterable[int]) -> list[tuple[int, int]]:
        """[start, stop) of each run of neighbours among segments of these ids; unknown ones are passed over."""
        found: list[tuple[int, int]] = []
        for number in sorted(numbers):
            index = bisect_left(self._ids, number)
            if index == len(self) or self._ids[index] != number:
                continue
            if found and found[-1][1] == index:
                found[-1] = (found[-1][0], index + 1)
            else:
                found.append((index, index + 1))
        return found
