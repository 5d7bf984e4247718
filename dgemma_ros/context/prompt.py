"""The prompt in pieces, cut out of the checkpoint's own chat template, so that it can grow by appending.

The template is rendered once, with a placeholder where a user's words go. What stands before it is the system turn and
the start of a user turn; what stands behind it ends the turn and opens the reply. Pieces are cut only next to control
tokens, where tokenising piece by piece equals tokenising the whole; letters that would stand at a cut (``user`` and its
line break, the line break behind a picture) are carried over to the front of the next piece.

Words that come from outside are encoded with control tokens disabled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from dgemma_ros.checkpoint.chat import ChatTemplate
from dgemma_ros.errors import TokenizerError
from dgemma_ros.runtime.contract import Ints
from dgemma_ros.skills.catalogue import SkillCatalogue

PLACEHOLDER = "placeholder"
LINE = "\n"


@dataclass(frozen=True)
class Pieces:
    """The ids that make prompts. ``user`` is plain text: it goes before the next words of the user's turn."""

    system: Ints
    """From the beginning of the text to the control token that opens a user turn."""
    user: str
    reply: Ints
    """Ends the user's turn and opens the model's, with an empty thought channel unless it shall think."""
    close: Ints
    """Behind an answer: ends the model's turn and opens the next of the user's."""
    end: int
    """The control token that ends a turn."""


def make_pieces(chat: ChatTemplate, skills: SkillCatalogue, thinking: bool = False) -> Pieces:
    """Raises :class:`TokenizerError` for a template that cannot be taken apart."""
    messages = [{"role": "user", "content": PLACEHOLDER}]
    tools = skills.tools or None
    ids = chat.prompt_ids(messages, tools, add_generation_prompt=True, enable_thinking=thinking).ids
    control = [i for i, token in enumerate(ids.tolist()) if token in chat.tokenizer.control_ids]
    words = [i for i, (a, b) in enumerate(pairwise(control)) if _holds(chat, ids[a + 1 : b])]
    if not words:
        raise TokenizerError(f"{chat.file}: a user's words do not stand between two control tokens")
    before, behind = control[words[-1]], control[words[-1] + 1]
    user = chat.tokenizer.decode(ids[before + 1 : behind]).split(PLACEHOLDER)[0]
    later = [i for i in control if i > behind]
    if not later:
        raise TokenizerError(f"{chat.file}: opens no turn for the model behind the user's")
    close = np.concatenate([ids[behind : later[0]], ids[before : before + 1]])
    return Pieces(ids[: before + 1], user, ids[behind:], close, int(ids[behind]))


def _holds(chat: ChatTemplate, ids: Ints) -> bool:
    return PLACEHOLDER in chat.tokenizer.decode(ids)


def words_ids(chat: ChatTemplate, words: str) -> Ints:
    """Anybody's words as ids, none of them a control token."""
    return np.array(chat.tokenizer.encode(words), np.int64)


def longer_than(chat: ChatTemplate, words: str, most: int) -> bool:
    """Whether anybody's words are certainly more than ``most`` tokens; reads no more of them than shows it.

    A thousand times too long a text costs no more than one that is twice too long. False is no promise.
    """
    end = 2 * most
    while end < len(words):
        if len(chat.tokenizer.encode(words[:end])) > most:
            return True
        end *= 2
    return False


def answer_ids(ids: Sequence[int], visible: Sequence[bool]) -> Ints:
    """What is remembered of an answer: all but its thoughts."""
    return np.array([token for token, shown in zip(ids, visible, strict=True) if shown], np.int64)
