"""When positions run out, and how those of what is gone are made free again: keys are turned, nothing is read."""

from __future__ import annotations

from typing import Final

from dgemma_ros.model import Model
from dgemma_ros.runtime.sequence import Sequence

EARLY: Final = 16
"""Positions are shifted when fewer than one in so many are left, …"""
WORTH: Final = 8
"""… if that makes one in so many of them free."""


def most_remembered(model: Model) -> int:
    """Tokens that leave so many positions that shifting them in time pays, instead of again and again."""
    most = model.session.config.text.max_positions
    return most - most // WORTH - _early(model)


def cramped(model: Model, sequence: Sequence) -> bool:
    """Whether positions will run out before long, and :func:`shift` would give many back."""
    most = model.session.config.text.max_positions
    return most - sequence.position < _early(model) and sequence.position - sequence.length >= most // WORTH


def lacking(model: Model, sequence: Sequence, count: int) -> bool:
    """Whether there are not ``count`` positions behind what is there, and :func:`shift` can make some free."""
    return sequence.position + count > model.session.config.text.max_positions and sequence.position > sequence.length


def shift(model: Model, sequence: Sequence, first: int) -> int:
    """Rows from ``first`` on are shifted down to those before; how many positions that makes free.

    Where that gives few, as what is gone stood between them, to one another, too: then nothing in the positions says
    any more how much went by between them.
    """
    gap = sequence.gap(first)
    if gap < model.session.config.text.max_positions // WORTH:
        return sequence.close_gaps(first)
    sequence.shift(first, -gap)
    return gap


def _early(model: Model) -> int:
    """Positions are shifted when fewer are left."""
    return max(model.session.config.text.max_positions // EARLY, 4 * model.config.canvas_length)
