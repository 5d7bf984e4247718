"""Two replays of one case compared: what differs first, by how much, and which differences are only ties.

Two right implementations differ where a uniform number lies on a boundary of the CDF, where two logits are equally
large, or where a sum of entropies meets the bound. How far each choice was from that is its *margin*; a difference
of choices within the tie's margin is counted apart and not held against either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dgemma_ros.runtime.contract import Array

MARGINS: Final = {"argmax": "argmax_margin", "drawn": "draw_margin", "accepted": "bound_margin", "stop": "stop_margin"}
_OUTPUTS: Final = ("logits", "entropy", "mean_entropy", "argmax", "drawn", "accepted", "next_canvas", "stop")
_CHOICES: Final = ("argmax", "drawn", "accepted", "next_canvas", "stop")
_NATS: Final = ("entropy", "mean_entropy")
_CACHE: Final = re.compile(r"(key|value)_(\d+)")


@dataclass(frozen=True)
class Tolerance:
    """What a precision may differ by.

    ``absolute``: one number; ``relative``: the length of a row's error (a row of logits, one key or value) over the
    length of the row; ``nats``: an entropy; ``tie``: the margin of a choice; ``agreement``: the share of rows and of
    choices (ties left out) that must be within these.
    """

    absolute: float
    relative: float
    nats: float
    tie: float
    agreement: float


TOLERANCES: Final[Mapping[str, Tolerance]] = {
    # float32 rounds sums otherwise in another order, no more. Below it a router now and then picks another expert, so
    # single rows may be far off: measured with the reference itself in that type, on small random checkpoints.
    "float32": Tolerance(absolute=1e-4, relative=0.0, nats=1e-4, tie=1e-5, agreement=1.0),
    "float16": Tolerance(absolute=1e-4, relative=0.05, nats=0.1, tie=0.02, agreement=0.9),
    "bfloat16": Tolerance(absolute=1e-4, relative=0.3, nats=0.5, tie=0.1, agreement=0.8),
}


@dataclass(frozen=True, repr=False)
class Difference:
    """One array that differs by more than it may; ``at`` is where first, [step, …] or [head, row]."""

    tensor: str
    at: tuple[int, ...]
    count: int
    total: int
    amount: float | None = None
    """How far off it is there; None for choices."""
    reason: str = ""
    """Said instead of all that, where the arrays cannot be compared."""

    def __str__(self) -> str:
        if self.reason:
            return f"{self.tensor}: {self.reason}"
        off = "" if self.amount is None else f", off by {self.amount:.3g}"
        return f"{self.tensor}: {self.count} of {self.total} differ, the first at {list(self.at)}{off}"

    __repr__ = __str__


@dataclass
class Report:
    """What comparing found; several cases may be added to one report."""

    wrong: list[Difference] = field(default_factory=list)
    """In the order of the computation: the first one is where to look."""
    ties: dict[str, int] = field(default_factory=dict)
    """How many differences of each array of choices lay within the tie's margin."""
    worst: dict[str, float] = field(default_factory=dict)
    """Largest absolute difference of each array of floats."""
    compared: int = 0
    """Positions compared: steps times canvas length."""
    tensors: int = 0
    """Arrays compared."""


def compare(
    ours: Mapping[str, Array],
    expected: Mapping[str, Array],
    tolerance: Tolerance = TOLERANCES["float32"],
    report: Report | None = None,
) -> Report:
    """Compares every output of a replay that both have; ``expected`` holds the margins (see :mod:`.margins`).

    Without a margin every difference of that choice counts.
    """
    report = report or Report()
    report.compared += int(expected["argmax"].size) if "argmax" in expected else 0
    both = [name for name in sorted(expected, key=_place) if name in ours and _place(name) is not _LAST]
    found: list[Difference] = []
    comparable = []
    for name in both:
        if ours[name].shape != expected[name].shape:
            shapes = f"has shape {list(ours[name].shape)}, expected {list(expected[name].shape)}"
            found.append(Difference(name, (), 0, 0, reason=shapes))
        elif expected[name].dtype.kind not in "fiub":
            found.append(Difference(name, (), 0, 0, reason=f"is compared with {expected[name].dtype}, no numbers"))
        else:
            comparable.append(name)
    report.tensors += len(comparable)
    same: dict[str, NDArray[np.bool_]] = {}
    for name in comparable:
        if name not in _CHOICES:
            found += _compare_floats(name, ours[name], expected[name], tolerance, report)
        else:
            found += _compare_choices(name, ours[name], expected, tolerance, same, report)
    report.wrong += sorted(found, key=lambda one: (_place(one.tensor)[0], *one.at[:1], _place(one.tensor)))
    return report


_LAST: Final = (2, 0, 0)


def _place(name: str) -> tuple[int, int, int]:
    """Where in the computation an array is made: the cache layer by layer, then the outputs of each step."""
    if match := _CACHE.fullmatch(name):
        return (0, int(match[2]), int(match[1] == "value"))
    return (1, _OUTPUTS.index(name), 0) if name in _OUTPUTS else _LAST


def _compare_floats(
    name: str, ours: Array, expected: Array, tolerance: Tolerance, report: Report
) -> Iterator[Difference]:
    if not expected.size:
        return
    worst, off, total = 0.0, 0, 0
    first: tuple[tuple[int, ...], float] | None = None
    for index, (mine, right) in enumerate(zip(ours, expected, strict=True)):  # a step or head at a time: logits are big
        amounts, bad = _errors(name, mine, right, tolerance)
        worst, off, total = max(worst, float(amounts.max(initial=0.0))), off + int(bad.sum()), total + bad.size
        if first is None and bad.any():
            at = tuple(int(i) for i in np.argwhere(bad)[0])
            first = ((index, *at), float(amounts[at]))
    report.worst[name] = max(worst, report.worst.get(name, 0.0))
    if first is not None and total - off < tolerance.agreement * total:
        yield Difference(name, first[0], off, total, first[1])


def _errors(name: str, mine: Array, right: Array, tolerance: Tolerance) -> tuple[Array, NDArray[np.bool_]]:
    """Largest error of each row, and whether that is too much; an entropy is a row by itself."""
    difference = np.abs(np.asarray(mine, np.float64) - right)
    difference = np.where(np.isnan(difference), np.inf, difference)
    if name in _NATS:
        return difference, difference > tolerance.nats
    amounts = difference.max(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(difference, axis=-1)
        bad = (amounts > tolerance.absolute) & ~(lengths <= tolerance.relative * np.linalg.norm(right, axis=-1))
    return amounts, bad


def _compare_choices(
    name: str,
    ours: Array,
    expected: Mapping[str, Array],
    tolerance: Tolerance,
    same: dict[str, NDArray[np.bool_]],
    report: Report,
) -> Iterator[Difference]:
    different = ours != expected[name]
    same[name] = ~different
    counted = np.ones_like(different)
    if name == "next_canvas":
        # Where a tie was broken otherwise, the next canvas is otherwise, too.
        counted = same.get("drawn", counted) & same.get("accepted", counted)
    elif name == "stop":
        if "argmax" in same:  # it looks at several canvases
            counted = np.logical_and.accumulate(same["argmax"].all(-1))
        if MARGINS[name] in expected:
            counted &= expected[MARGINS[name]] > tolerance.nats
    elif MARGINS[name] in expected:
        counted = ~(different & (expected[MARGINS[name]] <= tolerance.tie))
        report.ties[name] = report.ties.get(name, 0) + int((~counted).sum())
    wrong = different & counted
    total = int(counted.sum())
    if wrong.any() and total - int(wrong.sum()) < tolerance.agreement * total:
        yield Difference(name, tuple(int(i) for i in np.argwhere(wrong)[0]), int(wrong.sum()), total)
