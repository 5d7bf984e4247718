"""Promised times, held on machines that are busy with other things as well."""

from __future__ import annotations

from collections.abc import Callable


def in_time(promised: float, once: Callable[[], float], tries: int = 3) -> None:
    """``once`` does a thing, checks all else about it, and returns the seconds that it took.

    Other processes may hold it up, so what was late is done again: what is late each time is late by itself.
    """
    took: list[float] = []
    while len(took) < tries and not (took and took[-1] < promised):
        took.append(once())
    assert took[-1] < promised, f"{promised:g} s are promised; it took {', '.join(f'{each:.2f}' for each in took)}"
