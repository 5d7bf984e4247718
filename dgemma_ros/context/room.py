"""How many tokens a context may hold, by the bounds, the model and the machine; and what must fit into them."""

from __future__ import annotations

from dataclasses import dataclass

from dgemma_ros.context import memory
from dgemma_ros.context.prompt import Pieces, longer_than, make_pieces
from dgemma_ros.context.recall import OVERHEAD
from dgemma_ros.context.types import Bounds
from dgemma_ros.errors import ContextFullError
from dgemma_ros.model import Model
from dgemma_ros.skills.catalogue import SkillCatalogue

SHORT_TASK = 16
"""Tokens of the words of a short task."""


@dataclass(frozen=True)
class Room:
    """Safe from any thread."""

    model: Model
    spare: int
    """Tokens that suit the machine, where the bounds say nothing."""

    def limit(self, bounds: Bounds) -> int:
        """Tokens that may be held with these bounds, a canvas included."""
        most = self.model.session.max_rows
        if bounds.context_tokens:
            most = min(most, bounds.context_tokens)
        if bounds.context_bytes:
            return min(most, memory.tokens_within(self.model, bounds.context_bytes))
        return most if bounds.context_tokens else min(most, self.spare)

    def recallable(self, bounds: Bounds) -> int:
        """Of these, such as are kept free for frames that are recalled."""
        if not bounds.recall or self.model.config.vision is None:
            return 0
        return bounds.recall * ((bounds.image_tokens or self.model.images.soft_tokens) + OVERHEAD)

    def fillable(self, bounds: Bounds) -> int:
        """The others: they may be remembered, a task and its canvases included."""
        return self.limit(bounds) - self.recallable(bounds)

    def needed(self, skills: SkillCatalogue, bounds: Bounds) -> int:
        """Tokens that hold these skills, recalled frames, a short task and its answer."""
        pieces = self.pieces(skills, bounds)
        answer = SHORT_TASK + len(pieces.reply) + 2 * self.model.config.canvas_length
        return len(pieces.system) + self.recallable(bounds) + answer

    def misfit(self, skills: SkillCatalogue, bounds: Bounds) -> str:
        """Which bound is too small for that; empty where it fits."""
        needed, limit = self.needed(skills, bounds), self.limit(bounds)
        if needed <= limit:
            return ""
        recalled = ", recalled frames" if self.recallable(bounds) else ""
        words = f"skills{recalled}, a task and its answer need {needed} tokens"
        if bounds.context_tokens and limit == bounds.context_tokens:
            return f"context_tokens: {limit} is too small: {words}"
        if bounds.context_bytes and limit < self.model.session.max_rows:
            return f"context_bytes: {bounds.context_bytes} is too small, it holds {limit} tokens: {words}"
        if limit < self.model.session.max_rows:
            return f"{words}, and a quarter of the machine's free memory holds {limit}: say how many by context_tokens"
        return f"{words}, and this model holds no more than {limit}: switch skills off"

    def pieces(self, skills: SkillCatalogue, bounds: Bounds) -> Pieces:
        """Of the prompt. Raises :class:`TokenizerError` for an unusable template."""
        return make_pieces(self.model.chat, skills, bounds.thinking)

    def fitting_pieces(self, skills: SkillCatalogue, bounds: Bounds) -> Pieces:
        """The same. Raises :class:`ContextFullError` where the skills leave no room for a canvas."""
        pieces = self.pieces(skills, bounds)
        if len(pieces.system) + self.model.config.canvas_length > self.fillable(bounds):
            raise ContextFullError(self.misfit(skills, bounds))
        return pieces

    def check(self, needed: int, what: str, bounds: Bounds) -> None:
        """Raises :class:`ContextFullError` where so many tokens, the system turn's among them, do not fit."""
        if needed > self.fillable(bounds):
            raise ContextFullError(f"{what} does not fit: the context holds {self.fillable(bounds)}")

    def check_words(self, words: str, what: str, bounds: Bounds) -> None:
        """The same of anybody's words; reads no more of them than shows it."""
        if longer_than(self.model.chat, words, limit := self.limit(bounds)):
            raise ContextFullError(f"{what} of {len(words)} characters does not fit: the context holds {limit}")
