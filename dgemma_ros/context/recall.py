"""Frames that were forgotten, brought back for one answer: which of them matter to a task, and what a plan says of it.

They are read once more before the task's words, from the soft tokens that were kept: behind all that is remembered, so
that afterwards the cache is what it was, bit by bit. Their old rows would be cheaper, but did not help: what came later
has not seen them, nor have they seen each other (docs/memory.md has the figures).

Which ones: on full layers a key is a value by a weight, and the dimensions that rotary positions leave alone say what
a row is about, whenever it was read. A frame counts as much as the one of its rows does whose key is most alike to the
key of any one of the task's words.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dgemma_ros.checkpoint.config import LayerKind, ModelConfig
from dgemma_ros.context.reading import TaskReading
from dgemma_ros.context.segments import FrameSegment
from dgemma_ros.runtime import sequence as rows
from dgemma_ros.runtime.contract import Array, Floats, Ints

Words = Callable[[], Sequence[Array]]
"""Reads a task, and gives its words' values [kv, n, D] of each full layer."""
OVERHEAD = 24
"""Tokens of a frame beside its picture's: time, camera, and what encloses the picture."""


@dataclass(frozen=True)
class Recalled:
    """A frame that an answer rests on besides what is remembered."""

    segment: int
    """Its id in the log, and in the journal."""
    camera: str
    stamp_ns: int
    label: str
    """What the model reads before it: its time, and its camera where there are several."""

    @classmethod
    def of(cls, segment: FrameSegment) -> Recalled:
        """What is told of a frame."""
        return cls(segment.id, segment.frame.camera, segment.frame.stamp_ns, segment.label)


class Recollection(Protocol):
    """Keeps what the context forgets. For the thread that has the model; raises nothing: it leaves out what is lost."""

    @property
    def times(self) -> Collection[float]:
        """Seconds that the last choices took, the reading of words included."""

    def recall(self, words: Words, most: int, held: Collection[int]) -> list[FrameSegment]:
        """Of the forgotten frames at most so many that matter to a task, those that matter most first.

        ``held``: ids of what the context holds. ``words`` is called where there is a choice.
        """

    def clear(self) -> None:
        """All that was forgotten so far is not to be recalled: somebody asked for it to go."""


@dataclass(frozen=True)
class Again:
    """A :class:`Recollection` of what was recalled once, where that answer is made again."""

    segments: tuple[FrameSegment, ...]
    times: tuple[float, ...] = ()

    def recall(self, words: Words, most: int, held: Collection[int]) -> list[FrameSegment]:
        """The same."""
        return list(self.segments)

    def clear(self) -> None:
        """There is nothing else to be recalled."""


@dataclass(frozen=True)
class Recall:
    """One task's: at most ``frames``, of no more than ``tokens`` together."""

    recollection: Recollection
    frames: int
    tokens: int

    def read(
        self,
        task: TaskReading,
        behind: Callable[[list[FrameSegment]], TaskReading],
        sequence: rows.Sequence,
        held: Collection[int],
    ) -> list[FrameSegment]:
        """Reads a task, or what ``behind`` makes of it, the task behind the frames that matter to it; which they are.

        Where there is a choice the task is read alone first, as the rows of its words say which.
        """
        snapshot = sequence.snapshot()

        def words() -> tuple[Array, ...]:
            task.into(sequence)
            return task.words(sequence)

        if found := self.find(words, held):
            sequence.restore(snapshot)
            behind(found).into(sequence)
        elif sequence.length == snapshot.length:
            task.into(sequence)
        return found

    def find(self, words: Words, held: Collection[int]) -> list[FrameSegment]:
        """The frames, oldest first."""
        found, left = [], self.tokens
        for segment in self.recollection.recall(words, self.frames, held):
            left -= len(segment.soft) + OVERHEAD
            if left < 0:
                break
            found.append(segment)
        return sorted(found, key=lambda segment: segment.id)


def unrotated(config: ModelConfig) -> Ints:
    """The dimensions of a full layer's key that do not depend on its position."""
    frequencies = config.text.rope[LayerKind.FULL].inverse_frequencies()
    turned, half = int(np.count_nonzero(frequencies)), len(frequencies)
    return np.concatenate([np.arange(turned, half), np.arange(half + turned, 2 * half)])


def likeness(words: Sequence[Floats], frames: Sequence[Sequence[Floats]]) -> Floats:
    """How much each frame has to do with some words, larger is more; only the differences mean something.

    ``words``: of each full layer the keys [kv, n, U] of n words in the dimensions that do not turn, ``frames`` of each
    frame the same of its rows. Each word is taken by how it differs from the mean of all of them, each row likewise, or
    what all have in common would hide what they are about. Layers count alike.
    """
    total = np.zeros(len(frames), np.float32)
    for layer, asked in enumerate(words):
        own = asked - asked.mean(1, keepdims=True)
        common = np.mean([frame[layer].mean(1, keepdims=True) for frame in frames], 0)
        # [kv, n, rows]; of each head the best pair of a word and a row
        best = np.array([(own @ (frame[layer] - common).transpose(0, 2, 1)).max((1, 2)).mean() for frame in frames])
        if spread := float(best.std()):
            total += (best - best.mean()) / spread
    return total
