"""Ours against the judge's: what differs, and which differences are ties.

Two right implementations in float32 differ where a uniform number lies on a boundary of the CDF, where two logits
are equally large, or where a sum of entropies meets the bound. The judge says how far each decision was from that;
a difference closer than ``tie`` is counted, not held against us.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

MARGINS = {"argmax": "argmax_margin", "drawn": "draw_margin", "accepted": "bound_margin"}


@dataclass
class Report:
    wrong: list[str] = field(default_factory=list)
    ties: dict[str, int] = field(default_factory=dict)
    """How many differences of each array lay within the tie's margin."""
    worst: dict[str, float] = field(default_factory=dict)
    """Largest absolute difference of each array of floats."""
    compared: int = 0
    """Positions compared: steps times canvas length."""


def compare(
    ours: Mapping[str, np.ndarray],
    judge: Mapping[str, np.ndarray],
    tolerance: float = 1e-4,
    tie: float = 1e-6,
    report: Report | None = None,
) -> Report:
    """Compare every array that both have. ``tolerance`` is absolute, for floats."""
    report = report or Report()
    report.compared += judge["argmax"].size
    for name in judge:
        if name.endswith("_margin"):
            continue
        if name in ours and np.shape(ours[name]) != judge[name].shape:
            report.wrong.append(f"{name}: shape {np.shape(ours[name])}, expected {judge[name].shape}")
        elif name in ours and judge[name].dtype == np.float32 and judge[name].size:
            _compare_floats(name, ours[name], judge[name], tolerance, report)
    if report.wrong:
        return report
    same = {name: _compare_choices(name, ours[name], judge, tie, report) for name in MARGINS if name in ours}
    if {"next_canvas", "drawn", "accepted"} <= ours.keys():
        # Where a tie was broken otherwise, the next canvas is otherwise, too.
        same_so_far = same["drawn"] & same["accepted"]
        _note("next_canvas", (ours["next_canvas"] != judge["next_canvas"]) & same_so_far, report)
    if "stop" in ours:
        settled = np.logical_and.accumulate(same["argmax"].all(-1)) & (judge["stop_margin"] > tolerance)
        _note("stop", (ours["stop"] != judge["stop"]) & settled, report)
    return report


def _compare_floats(name: str, ours: np.ndarray, judge: np.ndarray, tolerance: float, report: Report) -> None:
    difference = np.abs(ours.astype(np.float64) - judge.astype(np.float64))
    worst = float(np.where(np.isnan(difference), np.inf, difference).max())
    report.worst[name] = max(worst, report.worst.get(name, 0.0))
    if not worst <= tolerance:
        report.wrong.append(f"{name}: off by {worst:.3g}, allowed is {tolerance:g}")


def _compare_choices(
    name: str, ours: np.ndarray, judge: Mapping[str, np.ndarray], tie: float, report: Report
) -> np.ndarray:
    """Where the choices are the same."""
    different = ours != judge[name]
    tied = different & (judge[MARGINS[name]] <= tie)
    report.ties[name] = report.ties.get(name, 0) + int(tied.sum())
    _note(name, different & ~tied, report)
    return ~different


def _note(name: str, wrong: np.ndarray, report: Report) -> None:
    if wrong.any():
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        report.wrong.append(f"{name}: {int(wrong.sum())} of {wrong.size} differ, the first at {first}")
