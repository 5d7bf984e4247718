"""Ours against the judge's, by the numbers that MODEL.md asks for: stricter about ties than `dgemma verify` is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from dgemma_ros.verification.compare import TOLERANCES, Report
from dgemma_ros.verification.compare import compare as compare_replays

__all__ = ["Report", "compare"]


def compare(
    ours: Mapping[str, np.ndarray],
    judge: Mapping[str, np.ndarray],
    tolerance: float = 1e-4,
    tie: float = 1e-6,
    report: Report | None = None,
) -> Report:
    """Compare every array that both have. ``tolerance`` is absolute, for floats; ``tie`` the margin of a choice."""
    allowed = replace(TOLERANCES["float32"], absolute=tolerance, nats=tolerance, tie=tie)
    return compare_replays(ours, judge, allowed, report)
