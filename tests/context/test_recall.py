"""Which forgotten frames have to do with a task."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgemma_ros.checkpoint.config import LayerKind
from dgemma_ros.context.log import Log
from dgemma_ros.context.prompt import make_pieces
from dgemma_ros.context.recall import OVERHEAD, Again, Recall, Words, likeness, unrotated
from dgemma_ros.context.segments import FrameSegment
from dgemma_ros.context.transcript import Transcript
from dgemma_ros.model import Model
from dgemma_ros.planning import SkillCatalogue
from dgemma_ros.runtime import keys, rotary
from tests.desk import frame
from tests.runtime.alike import assert_same


def segments(*counts: int) -> tuple[FrameSegment, ...]:
    return tuple(
        FrameSegment(id=number, frame=frame(number, number), label="", soft=np.zeros((count, 4), np.float32))
        for number, count in enumerate(counts, 1)
    )


def nothing() -> Any:
    raise AssertionError("there is no choice")


def test_no_more_tokens_than_there_is_room_for_and_oldest_first() -> None:
    one, two, three = segments(10, 20, 30)
    best_first = Again((three, one, two))
    room = 30 + 10 + 2 * OVERHEAD
    assert Recall(best_first, 3, room).find(nothing, ()) == [one, three]
    assert Recall(best_first, 3, room - 1).find(nothing, ()) == [three]
    assert Recall(best_first, 3, 29).find(nothing, ()) == []


@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(2, 5), st.integers(1, 3), st.integers(1, 8))
def test_the_frame_that_holds_what_a_word_is_like_comes_first(
    seed: int, heads: int, frames: int, layers: int, words: int
) -> None:
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((heads, 1, 32)) * 20  # what all keys of pictures have in common
    pictures = [
        [(common + rng.standard_normal((heads, 6, 32))).astype(np.float32) for _ in range(layers)]
        for _ in range(frames)
    ]
    asked = [rng.standard_normal((heads, words + 1, 32)).astype(np.float32) for _ in range(layers)]
    meant = int(rng.integers(frames))
    for layer in range(layers):
        word = asked[layer][:, 0] - asked[layer].mean(1)
        pictures[meant][layer][:, 3] += 30 * word / np.linalg.norm(word, axis=-1, keepdims=True)
    assert int(np.argmax(likeness(asked, pictures))) == meant


def test_what_all_words_have_in_common_says_nothing() -> None:
    words = [np.array([[[10, 1], [10, 0], [10, 0]]], np.float32)]
    common, own = [np.array([[[1, 0]]], np.float32)], [np.array([[[0, 1]]], np.float32)]
    like = likeness(words, [common, own])
    assert like[1] > like[0]


def test_layers_count_alike_however_large_their_keys_are() -> None:
    words = [np.array([[[1, 0], [0, 0], [0, 0]]], np.float32) for _ in range(3)]
    one, other = np.array([[[1, 0]]], np.float32), np.array([[[-1, 0]]], np.float32)
    for large in (0.01, 1.0, 100.0):
        like = likeness(words, [[one * large, other, other], [other * large, one, one]])
        assert like[1] > like[0]


def test_words_that_say_nothing_make_no_difference() -> None:
    one = [np.ones((1, 1, 8), np.float32)]  # a single word does not differ from the mean of all
    pictures = [[np.random.default_rng(number).standard_normal((1, 3, 8)).astype(np.float32)] for number in range(4)]
    assert likeness(one, pictures).tolist() == [0.0] * 4


def test_unrotated_dimensions_are_the_same_at_any_position(model: Model) -> None:
    rope = model.config.text.rope[LayerKind.FULL]
    width = 2 * len(rope.inverse_frequencies())
    values = np.random.default_rng(1).standard_normal((1, 5, width)).astype(np.float32)
    made = [
        keys.from_values(
            values, np.ones(width, np.float32), *(table[0] for table in rotary.angles(at, rope.inverse_frequencies()))
        )
        for at in (np.arange(5), np.arange(1000, 1005))
    ]
    still = unrotated(model.config)
    assert 0 < len(still) < width
    np.testing.assert_array_equal(made[0][..., still], made[1][..., still])
    others = np.setdiff1d(np.arange(width), still)
    assert (np.abs(made[0] - made[1]).max((0, 1))[others] > 0).all()


class Choice:
    """A recollection that looks at the task's words, or does not, and finds these."""

    times = ()

    def __init__(self, looks: bool, *found: FrameSegment) -> None:
        self.looks, self.found = looks, found
        self.seen: list[Any] = []

    def recall(self, words: Words, most: int, held: Collection[int]) -> list[FrameSegment]:
        if self.looks:
            self.seen.append(words())
        return list(self.found)

    def clear(self) -> None:
        pass


@pytest.mark.parametrize("looks", [True, False])
@pytest.mark.parametrize("finds", [True, False])
def test_a_task_is_read_once_and_behind_what_is_recalled(
    model: Model, skills: SkillCatalogue, looks: bool, finds: bool
) -> None:
    transcript = Transcript(model.chat, Log(), make_pieces(model.chat, skills))
    soft = np.random.default_rng(1).standard_normal((5, model.config.text.hidden_size)).astype(np.float32)
    old = FrameSegment(id=3, frame=frame(3, 3), label="00:03", soft=soft)
    choice = Choice(looks, *([old] if finds else []))
    ours, other = model.sequence(), model.sequence()
    for sequence in (ours, other):
        sequence.append(transcript.pieces.system)
    alone = transcript.task("what is there")
    recall = Recall(choice, 2, 100)
    assert recall.read(alone, lambda found: transcript.task("what is there", found), ours, ()) == list(choice.found)
    transcript.task("what is there", choice.found).into(other)
    assert_same(ours, other)
    if looks:  # the words' own rows: not those of what stands before them, nor of what opens the reply
        fresh = model.sequence()
        fresh.append(transcript.pieces.system)
        alone.into(fresh)
        words = len(model.chat.tokenizer.encode("what is there"))
        expected = fresh.export_rows(fresh.length - len(transcript.pieces.reply) - words, words).values
        assert len(choice.seen) == 1
        for one, two in zip(choice.seen[0], expected, strict=True):
            np.testing.assert_array_equal(one, two)
