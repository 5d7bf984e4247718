"""Which rows go where segments are forgotten: against a plain list of the rows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dgemma_ros.context.moving import movable, move
from dgemma_ros.context.places import Place, Places

BASE = 5
Row = tuple[int, int]
"""The segment that a row was read for, and which of its tokens it is."""


def places_of(prefixes: list[int | None], read: int, partial: int) -> Places:
    """Segments 1, 2, … of 4, 5, … tokens."""
    places = Places()
    for index, prefix in enumerate(prefixes):
        places.append(index + 1, Place(4 + index, prefix, "\n"))
    places.read, places.partial = read, partial
    return places


def rows_of(places: Places) -> list[Row]:
    rows = [(0, number) for number in range(BASE)]
    for index in range(places.read):
        rows += [(index + 1, number) for number in range(places[index].tokens)]
    return rows + [(places.read + 1, number) for number in range(places.partial)]


@given(st.data())
def test_the_rows_left_are_the_segments_own_behind_what_is_carried_over(data: st.DataObject) -> None:
    prefixes = data.draw(st.lists(st.one_of(st.integers(0, 3), st.none()), min_size=1, max_size=7))
    read = data.draw(st.integers(0, len(prefixes)))
    partial = data.draw(st.integers(0, 3)) if read < len(prefixes) else 0
    gone = data.draw(st.sets(st.integers(0, len(prefixes) - 1), min_size=1))
    places = places_of(prefixes, read, partial)
    before, runs = rows_of(places), places.runs(index + 1 for index in gone)

    expected: list[Row] = before[:BASE]
    can, first = True, None
    for index in range(read):
        if index in gone:
            first = index if first is None else first
            continue
        start = 0
        if first is not None:  # it takes the place of what stood there, and with it what was carried over
            kept, start = prefixes[first], prefixes[index] or 0
            can = can and kept is not None and prefixes[index] is not None
            expected += [(first + 1, number) for number in range(kept or 0)]
        expected += [(index + 1, number) for number in range(start, places[index].tokens)]
        first = None
    if read not in gone and first is None:
        expected += [(read + 1, number) for number in range(partial)]

    assert movable(places, runs) == can
    if can:
        rows = before
        for start, count in move(places, runs, BASE):
            assert start >= BASE and count > 0
            del rows[start : start + count]
        assert rows == expected
        for start, stop in reversed(runs):
            places.remove(start, stop)
        assert len(rows) == BASE + places.before(places.read) + places.partial


def test_what_has_grown_together_with_something_that_stays_is_not_moved() -> None:
    assert not movable(places_of([1, 1, None], 3, 0), [(1, 2)])
    assert not movable(places_of([1, None, 1], 3, 0), [(1, 2)])
    assert movable(places_of([1, None, 1], 3, 0), [(0, 3)])
    assert movable(places_of([1, 1, None], 2, 0), [(1, 2)])  # the one behind it has not been read
