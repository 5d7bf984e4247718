"""Which rows of the cache go where segments are forgotten, so that those behind them can move down over the gap.

What a segment leaves for the next one (its carry) was read as the next one's first tokens, its prefix. So of segments
that go, the prefix of the first one stays, for the one behind them instead of that one's own.
"""

from __future__ import annotations

from dataclasses import replace

from dgemma_ros.context.places import Places

Run = tuple[int, int]
"""[start, stop) of segments, by their indices, or of rows."""


def movable(places: Places, runs: list[Run]) -> bool:
    """Whether what lies behind these segments, which may have to carry on other words, can be moved over them."""
    return all(
        stop >= places.read or (places[first].prefix is not None and places[stop].prefix is not None)
        for first, stop in runs
    )


def move(places: Places, runs: list[Run], base: int) -> list[Run]:
    """The first row and the number of rows to evict, one eviction after the other, where these segments go.

    ``base``: rows before the first segment. The segments that stay get the places that they have then; those that go
    are still there.
    """
    return _forget_partial(places, runs, base) + [
        rows for run in reversed(runs) for rows in _move_over(places, run, base)
    ]


def _forget_partial(places: Places, runs: list[Run], base: int) -> list[Run]:
    """Rows of the segment that has been read in part, where it goes, or what it carries on."""
    if not places.partial or not any(first <= places.read <= stop for first, stop in runs):
        return []
    rows = (base + places.before(places.read), places.partial)
    places.partial = 0
    return [rows]


def _move_over(places: Places, run: Run, base: int) -> list[Run]:
    """The rows of one run; those behind it are moved already.

    The carry before it stays, for the next segment instead of its own; but where none follows, it goes, too: it is read
    with the next one.
    """
    first, stop = run
    start, end = (base + places.before(min(index, places.read)) for index in run)
    if stop < places.read:
        kept, follower = places[first].prefix or 0, places[stop]
        own = follower.prefix or 0
        start, end = start + kept, end + own
        places.put(stop, replace(follower, tokens=follower.tokens - own + kept, prefix=kept))
    return [(start, end - start)] if end > start else []
