"""What a note asks for, and how many may stay for good."""

from __future__ import annotations

import pytest

from dgemma_ros.context.notes import CalledOff, Said, check_pins, note_of
from dgemma_ros.context.segments import NoteSegment
from dgemma_ros.errors import ContextFullError


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("mind the dog", Said("mind the dog", pinned=False)),
        ("pin: mind the dog", Said("mind the dog", pinned=True)),
        ("PIN:mind the dog", Said("mind the dog", pinned=True)),
        ("unpin: mind", CalledOff("mind")),
        ("Unpin:", CalledOff("")),
        ("a pin: is on the table", Said("a pin: is on the table", pinned=False)),
        ("", Said("", pinned=False)),
    ],
)
def test_a_note_says_by_its_beginning_what_it_asks_for(words: str, meant: Said | CalledOff) -> None:
    assert note_of(words) == meant


def test_a_note_is_called_off_by_its_beginning_whatever_its_case() -> None:
    notes = [
        NoteSegment(id=number, text=text) for number, text in enumerate(("Mind the dog", "mind it", "Be quiet"), 1)
    ]
    assert CalledOff("MIND").among(notes) == [1, 2]
    assert CalledOff("mind the").among(notes) == [1]
    assert CalledOff("the dog").among(notes) == []
    assert CalledOff("").among(notes) == [1, 2, 3]


@pytest.mark.parametrize(
    ("pinned", "tokens", "most", "free", "fits"),
    [
        (1, 10, 1, 20, True),  # one may be pinned even where there is but one note
        (1, 11, 1, 20, False),
        (2, 1, 1, 20, False),
        (3, 1, 4, 20, True),
        (4, 1, 4, 20, False),
    ],
)
def test_pins_leave_one_note_and_half_of_the_room_to_others(
    pinned: int, tokens: int, most: int, free: int, fits: bool
) -> None:
    if fits:
        check_pins(pinned, tokens, most, free)
    else:
        with pytest.raises(ContextFullError, match=f"^{pinned - 1} notes are pinned"):
            check_pins(pinned, tokens, most, free)
