"""What was remembered before a restart, put back: the newest at once, the rest in slices, nothing read again.

While older segments are still away, the cache holds what it would if they had been evicted: the plain text that stands
before the first of them stays, for the one that follows the gap (:meth:`CacheMirror.evicted`). A slice goes in at the
end of the gap, so that when the last one is in, every row is where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dgemma_ros.context.log import Log
from dgemma_ros.context.mirror import CacheMirror
from dgemma_ros.context.places import Place
from dgemma_ros.context.segments import FrameSegment, Segment
from dgemma_ros.errors import ContextError
from dgemma_ros.runtime.rows import Layout, Rows, Window


@dataclass(frozen=True)
class Pace:
    """How much is put back at a time, in tokens."""

    at_once: int = 2048
    """Before the first task."""
    slice: int = 1024
    """Behind which a task that waits goes first."""


@dataclass(frozen=True, eq=False)
class Returned:
    """One segment as it was saved, with its rows in the full layers."""

    segment: Segment
    rows: tuple[Rows, ...]

    def rows_from(self, start: int, stop: int | None = None) -> list[Rows]:
        """Rows ``start`` … ``stop`` - 1 of all of them."""
        found, first = [], 0
        for part in self.rows:
            low, high = max(start - first, 0), len(part) if stop is None else min(stop - first, len(part))
            if low < high:
                found.append(part.part(low, high))
            first += len(part)
        return found


@dataclass(frozen=True, eq=False)
class Saved:
    """A context as it was saved. ``load`` raises nothing: it leaves out what cannot be read any more."""

    places: tuple[tuple[int, Place], ...]
    """Of all its segments, in order, by their ids."""
    window: Window
    last_id: int
    """Of the last segment that there ever was."""
    load: Callable[[Sequence[int]], dict[int, Returned]]
    newest: FrameSegment | None = None
    """The last frame of all."""
    layout: Layout | None = None
    """Of the cache that it was saved from."""
    pinned: frozenset[int] = frozenset()
    """Ids of those that are put back first."""
    pace: Pace = Pace()


class Restoring:
    """For the thread that has the model. Makes no room: the caller sees to the bounds after each step.

    Raises :class:`ContextError` where what was saved does not fit this model; then nothing of it is in the log.
    """

    def __init__(self, log: Log, mirror: CacheMirror, saved: Saved) -> None:
        self._log, self._mirror, self._saved = log, mirror, saved
        self._places = dict(saved.places)
        self._order = [number for number, _ in saved.places]
        self._index = {number: index for index, number in enumerate(self._order)}
        self.tokens = sum(place.tokens for place in self._places.values())
        """Of all that was saved."""
        self.lost = 0
        """How often something could not be read any more."""
        first = self._first()
        self._away = [number for number in self._order if number not in first]
        log.put_back((), saved.last_id)
        mirror.resume(saved.window, saved.layout)
        self._put_first(first)

    @property
    def away(self) -> tuple[int, ...]:
        """Ids of the segments that are still away."""
        return tuple(self._away)

    @property
    def left(self) -> int:
        """Tokens that are still away."""
        return sum(self._places[number].tokens for number in self._away)

    @property
    def next_tokens(self) -> int:
        """Tokens of the next slice."""
        return sum(self._places[number].tokens for number in self._slice()) if self._away else 0

    def give_up(self) -> list[int]:
        """What is still away stays away; the ids."""
        away, self._away = self._away, []
        return away

    # -- the newest, at once --------------------------------------------------------------------------------------

    def _first(self) -> set[int]:
        """The newest, and those that are pinned; more where texts have grown together over a segment's edge."""
        found, tokens = set(self._saved.pinned) & set(self._order), 0
        for number in reversed(self._order):
            tokens += self._places[number].tokens
            if tokens > self._saved.pace.at_once and found:
                break
            found.add(number)
        while more := self._inseparable(found):
            found |= more
        return found

    def _inseparable(self, found: set[int]) -> set[int]:
        for index, number in enumerate(self._order):
            away = number not in found
            begins = away and (index == 0 or self._order[index - 1] in found)
            if begins and self._places[number].prefix is None:
                return {number}
            if not away and index and self._order[index - 1] not in found and self._places[number].prefix is None:
                return {self._order[index - 1]}
        return set()

    def _put_first(self, first: set[int]) -> None:
        wanted = [number for number in self._order if number in first]
        gaps = self._gap_heads(first)
        loaded = self._load([*wanted, *set(gaps.values())])
        if any(number not in loaded for number in (*wanted, *gaps.values())):
            raise ContextError("the newest of what was remembered cannot be read any more")
        places: list[tuple[int, Place]] = []
        rows: list[Rows] = []
        for number in wanted:
            place = self._places[number]
            if (head := gaps.get(number)) is None:
                rows += loaded[number].rows
            else:
                kept, own = self._places[head].prefix or 0, place.prefix or 0
                rows += loaded[head].rows_from(0, kept) + loaded[number].rows_from(own)
                place = replace(place, tokens=place.tokens - own + kept, prefix=kept)
            places.append((number, place))
        self._log.put_back([loaded[number].segment for number in wanted])
        self._mirror.put_back(0, 0, places, rows)

    def _gap_heads(self, present: set[int]) -> dict[int, int]:
        """Of each segment behind a gap: the first that is away in it."""
        heads, head = {}, None
        for number in self._order:
            if number in present:
                if head is not None:
                    heads[number] = head
                head = None
            elif head is None:
                head = number
        return heads

    # -- the rest -------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Puts a slice back. Where the cache has become another one meanwhile, all the rest is read instead."""
        slice_ = self._slice()
        head = self._head_of(slice_[0])
        held = [number for number, _ in self._mirror.held]
        behind = next((index for index, number in enumerate(held) if number > slice_[-1]), None)
        if behind is None or held[behind] not in self._places or self._places[held[behind]].prefix is None:
            self.give_up()  # what they stood before is forgotten, too
            return
        follower = held[behind]
        loaded = self._load([*slice_, head, follower])
        if any(number not in loaded for number in (*slice_, head, follower)):
            self.lost += 1
            self.give_up()  # nobody knows what stood there
            return
        kept, whole = self._places[head].prefix or 0, self._places[follower]
        rows: list[Rows] = []
        places: list[tuple[int, Place]] = []
        for number in slice_:
            place = self._places[number]
            if number == slice_[0]:
                own = place.prefix or 0
                rows += loaded[number].rows_from(own)
                place = replace(place, tokens=place.tokens - own + kept, prefix=kept)
            else:
                rows += loaded[number].rows
            places.append((number, place))
        rows += loaded[follower].rows_from(0, whole.prefix)
        self._away = [number for number in self._away if number not in slice_]
        self._log.put_back([loaded[number].segment for number in slice_])
        try:
            self._mirror.put_back(behind, kept, [*places, (follower, whole)], rows)
        except ContextError:
            # Positions were shifted, or all was read again: they no longer fit between. All of it is read anew.
            rest = self._load(self.give_up())
            self._log.put_back([returned.segment for returned in rest.values()])
            self._mirror.doubt()

    def _slice(self) -> list[int]:
        """The newest that are away and stand together, no more than a slice's tokens; its first can be cut off."""
        found: list[int] = []
        tokens = 0
        for number in reversed(self._away):
            if found and self._index[number] != self._index[found[-1]] - 1:
                break
            tokens += self._places[number].tokens
            whole = self._places[found[-1]].prefix is not None if found else True
            if found and tokens > self._saved.pace.slice and whole:
                break
            found.append(number)
        return found[::-1]

    def _head_of(self, number: int) -> int:
        """The first that is away in the gap that this one is in."""
        away, index = set(self._away), self._index[number]
        while index and self._order[index - 1] in away:
            index -= 1
        return self._order[index]

    def _load(self, numbers: list[int]) -> dict[int, Returned]:
        return self._saved.load(sorted(set(numbers)))
