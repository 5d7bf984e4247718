"""The table of rows against a plain list of them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dgemma_ros.runtime.row_table import Row, RowTable

EDITS = st.lists(
    st.tuples(
        st.sampled_from(["append", "truncate", "evict", "shift", "insert"]), st.integers(0, 40), st.integers(0, 9)
    ),
    max_size=12,
)
GAPS = [("append", 0, 8), ("shift", 2, 5), ("shift", 4, 7)]
"""Three runs: rows 0 and 1, 2 and 3, 4 to 7."""


@given(EDITS)
@example([*GAPS, ("shift", 6, 3)])
@example([*GAPS, ("evict", 5, 2)])
@example([*GAPS, ("truncate", 7, 0), ("append", 0, 3)])
@example([*GAPS, ("insert", 5, 4)])
def test_it_says_what_a_list_says(edits: list[tuple[str, int, int]]) -> None:
    table, rows = RowTable(), list[tuple[int, int]]()  # of each row, order and position
    order = position = 0
    for what, start, number in edits:
        start = min(start, len(rows))
        if what == "append":
            table.append(number, order, position)
            rows += [(order + more, position + more) for more in range(number)]
            order, position = order + number, position + number
        elif what == "truncate":
            table.truncate(start)
            order, position = (*rows[start:], (order, position))[0]
            del rows[start:]
        elif what == "evict":
            count = min(number, len(rows) - start)
            table.evict(start, count)
            del rows[start : start + count]
        elif what == "shift":
            stop = len(rows) if number % 2 else min(start + number, len(rows))
            table.shift(start, stop, number)
            rows[start:stop] = [(own, at + number) for own, at in rows[start:stop]]
            position += number
        else:
            put = [(1000 * len(rows) + more + more // 3, 500 + more + more // 2) for more in range(number)]
            table.insert(start, *np.array(put, np.int64).reshape(-1, 2).T)
            rows[start:start] = put
        assert table.count == len(rows)
        assert [table.at(slot) for slot in range(len(rows))] == [Row(slot, *row) for slot, row in enumerate(rows)]
        for low, high in ((0, len(rows)), (start, min(start + number, len(rows))), (len(rows) // 2, len(rows))):
            assert np.stack(table.numbers(low, high), 1).tolist() == [list(row) for row in rows[low:high]]


@pytest.mark.parametrize(
    ("first", "second", "may"), [((1, 1), (2, 2), True), ((1, 2), (2, 2), False), ((2, 1), (2, 2), False)]
)
def test_a_row_lies_before_another_by_order_and_by_position(
    first: tuple[int, int], second: tuple[int, int], may: bool
) -> None:
    assert Row(9, *first).precedes(Row(0, *second)) == may


def test_it_grows_with_edits_and_neither_with_rows_nor_with_what_is_done_again() -> None:
    table = RowTable()

    def size() -> int:
        return len(pickle.dumps(table)) // 24  # bytes of a run's three numbers

    table.append(5, 0, 0)
    small = size()
    for _ in range(100):
        table.append(3, table.count, table.count)
    assert size() == small
    for _ in range(100):
        table.shift(0, table.count, 1)
        table.shift(0, table.count, -1)
    assert size() == small
    table.shift(5, 8, 0)
    cut = size()
    for _ in range(100):
        table.shift(5, 8, 0)
    assert small < size() == cut
    table = RowTable()
    table.append(5, 0, 0)
    table.append(3, 90, 90)  # another run
    two = size()
    for _ in range(100):
        table.append(3, 85 + table.count, 85 + table.count)
    assert size() == two > small
    table = RowTable()
    table.append(8, 0, 0)
    for _ in range(100):
        table.evict(3, 2)
        table.insert(3, np.arange(3, 5), np.arange(3, 5))  # what was taken out is put back
    assert size() == small
