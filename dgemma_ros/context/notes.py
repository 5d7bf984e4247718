"""What a note asks for: to be remembered, to stay until it is called off, or to call such a one off."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from dgemma_ros.context.segments import NoteSegment
from dgemma_ros.errors import ContextFullError

PIN: Final = "pin:"
"""What a note begins with that shall stay."""
UNPIN: Final = "unpin:"
"""What a note begins with after which pinned notes that go on so are forgotten; all of them, where it says nothing."""


@dataclass(frozen=True)
class Said:
    """Words to be remembered."""

    text: str
    pinned: bool


@dataclass(frozen=True)
class CalledOff:
    """Pinned notes that begin so are to be forgotten."""

    beginning: str

    def among(self, notes: Collection[NoteSegment]) -> list[int]:
        """The ids of those that it is about."""
        return [note.id for note in notes if note.text.lower().startswith(self.beginning.lower())]


def note_of(words: str) -> Said | CalledOff:
    """What words of one line ask for."""
    lower = words.lower()
    if lower.startswith(UNPIN):
        return CalledOff(words[len(UNPIN) :].strip())
    return Said(words[len(PIN) :].strip(), True) if lower.startswith(PIN) else Said(words, False)


def check_pins(pinned: int, tokens: int, most: int, free: int) -> None:
    """Pins must leave room for what is not pinned: of ``most`` notes for one, of ``free`` tokens for as many.

    ``pinned``: how many notes there are with the one that comes, ``tokens`` what they take. Raises
    :class:`ContextFullError`.
    """
    if pinned >= max(2, most) or 2 * tokens > free:
        raise ContextFullError(
            f"{pinned - 1} notes are pinned, and one more would leave too little room for others: send 'unpin: …' "
            "with the beginning of one, or raise max_notes"
        )
