"""How a segment reads: as plain words and fixed ids, in the pieces of the checkpoint's own chat template."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dgemma_ros.checkpoint.chat import ChatTemplate
from dgemma_ros.context.prompt import LINE, Pieces, words_ids
from dgemma_ros.context.results import result_ids
from dgemma_ros.context.segments import FrameSegment, NoteSegment, Reply, ResultSegment, Segment, TurnSegment
from dgemma_ros.errors import ContextError
from dgemma_ros.runtime.contract import Floats, Ints
from dgemma_ros.skills.calls import call_text

NOTHING = np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Rendered:
    """Plain words, then fixed ids, and the soft tokens that stand for some of them.

    ``carry`` is plain text of ours that belongs before the next one's words: letters are never cut from letters.
    """

    words: str = ""
    ids: Ints = field(default_factory=lambda: NOTHING)
    carry: str = ""
    soft: Floats | None = None


@dataclass(frozen=True)
class Renderer:
    """Renders segments for one model and one system turn. Pure."""

    chat: ChatTemplate
    pieces: Pieces

    def render(self, segment: Segment) -> Rendered:
        """Raises :class:`ContextError` for a picture where the tokenizer has no tokens for one."""
        match segment:
            case FrameSegment():
                if (images := self.chat.tokenizer.images) is None:
                    raise ContextError("this model's tokenizer has no tokens to hold a picture's place")
                return Rendered(f"{segment.label} ", np.array(images.span(len(segment.soft))), LINE, segment.soft)
            case NoteSegment():
                # It ends in a line break, over which words do not grow together: the one other place to cut.
                return Rendered(f"note: {segment.text}{LINE}")
            case TurnSegment():
                ids = np.concatenate([self.pieces.reply, self.answer(segment.reply)])
                return Rendered(segment.task, ids, self.pieces.user)
            case ResultSegment():
                return Rendered("", result_ids(self.chat, segment.result), LINE)
        raise TypeError(f"{type(segment).__name__} is no segment that can be read")

    def task(self, text: str) -> Rendered:
        """A task, and the reply opened."""
        return Rendered(text, self.pieces.reply)

    def answer(self, reply: Reply) -> Ints:
        """A reply's ids, and what ends the model's turn and opens the user's next one."""
        ids = reply.ids
        if ids is None:
            calls = "".join(call_text(name, arguments) for name, arguments in reply.calls)
            tokenizer = self.chat.tokenizer
            ids = np.array(tokenizer.encode(reply.text) + tokenizer.encode(calls, trusted=True), np.int64)
        return np.concatenate([ids, self.pieces.close]).astype(np.int64)

    def prefix(self, rendered: Rendered, carry: str) -> int | None:
        """How many of :meth:`ids` are the carry's, so that they can be exchanged; None where words have grown over."""
        words = words_ids(self.chat, rendered.words)
        for left in (carry, LINE):
            if words_ids(self.chat, left + rendered.words).tolist() != [*words_ids(self.chat, left), *words]:
                return None
        return len(words_ids(self.chat, carry))

    def ids(self, rendered: Rendered, carry: str) -> Ints:
        """All of it, behind something that left ``carry`` over."""
        words = carry + rendered.words
        ids = [words_ids(self.chat, words), rendered.ids] if words else [rendered.ids]
        return np.concatenate(ids).astype(np.int64)
