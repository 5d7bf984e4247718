"""Frames that the context has forgotten, found again in the journal for a task to which they matter.

Candidates are the newest forgotten keyframes: all other frames show what their keyframe shows. Their rows are read from
the file when they are first compared, and the part of them that is compared stays in memory while they are candidates.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import numpy as np

from dgemma_ros.checkpoint.config import LayerKind
from dgemma_ros.context.recall import Words, likeness, unrotated
from dgemma_ros.context.segments import FrameSegment, Segment
from dgemma_ros.errors import DgemmaError
from dgemma_ros.journal.archive import Archive
from dgemma_ros.journal.row_codec import RowCodec
from dgemma_ros.runtime.contract import Array, Floats
from dgemma_ros.runtime.rows import layers_of

CANDIDATES: Final = 64
"""Forgotten keyframes that are compared: 33 MB of keys for the released 26B at 66 soft tokens a frame."""


class JournalRecollection:
    """A :class:`~dgemma_ros.context.recall.Recollection`, and the log's listener that it needs to be.

    ``forgotten``: ids of the candidates that the journal holds from before; ``last``: the log's last id so far;
    ``on_clear`` is told the id up to which nothing is to be recalled any more.
    """

    def __init__(
        self, file: Path, codec: RowCodec, forgotten: Iterable[int], last: int, on_clear: Callable[[int], None]
    ) -> None:
        self.times: deque[float] = deque(maxlen=16)
        self._file, self._codec, self._on_clear, self._last = file, codec, on_clear, last
        self._candidates: deque[int] = deque(sorted(forgotten), CANDIDATES)
        self._keys: dict[int, list[Floats]] = {}
        self._layers = layers_of(codec.config, LayerKind.FULL)
        self._dimensions = unrotated(codec.config) if self._layers else np.zeros(0, np.int64)

    # -- the log --------------------------------------------------------------------------------------------------

    def appended(self, segment: Segment) -> None:
        """See the protocol."""
        self._last = max(self._last, segment.id)

    def evicted(self, segments: tuple[Segment, ...]) -> None:
        """Keyframes among them are candidates from now on."""
        self._candidates.extend(one.id for one in segments if isinstance(one, FrameSegment) and one.kept)

    def clear(self) -> None:
        """See the protocol."""
        self._candidates.clear()
        self._keys.clear()
        self._on_clear(self._last)

    # -- a task ---------------------------------------------------------------------------------------------------

    def recall(self, words: Words, most: int, held: Collection[int]) -> list[FrameSegment]:
        """See the protocol. What the journal's thread has not written yet is left out, too."""
        known = frozenset(held)
        numbers = sorted({number for number in self._candidates if number not in known}, reverse=True)
        if not numbers:
            return []
        began = time.monotonic()
        chosen = numbers if len(numbers) <= most else self._likest(words, numbers)[:most]
        found = self._read(chosen)
        self.times.append(time.monotonic() - began)
        return found

    def _likest(self, words: Words, numbers: list[int]) -> list[int]:
        """Those that can be compared, the likest first; the newer of two that are as like."""
        self._keys = {number: keys for number, keys in self._keys.items() if number in numbers}
        with suppress(DgemmaError), closing(Archive(self._file)) as archive:
            for number in numbers:
                if number not in self._keys:
                    with suppress(DgemmaError):
                        self._keys[number] = [
                            keys.astype(np.float16)
                            for keys in self._keys_of(archive.picture_values(self._codec, number))
                        ]
        compared = [number for number in numbers if number in self._keys]
        if not compared:
            return []
        asked = self._keys_of(words())
        frames = [[keys.astype(np.float32) for keys in self._keys[number]] for number in compared]
        scores = likeness(asked, frames)
        return [compared[index] for index in np.argsort(-scores, kind="stable")]

    def _keys_of(self, values: Sequence[Array]) -> list[Floats]:
        """The keys [kv, n, U] that values [kv, n, D] of each full layer say, in the dimensions that do not turn."""
        return [
            (own.astype(np.float32) * self._codec.norms[layer.index])[..., self._dimensions]
            for layer, own in zip(self._layers, values, strict=True)
        ]

    def _read(self, numbers: list[int]) -> list[FrameSegment]:
        found: list[FrameSegment] = []
        with suppress(DgemmaError), closing(Archive(self._file)) as archive:
            for number in numbers:
                with suppress(DgemmaError):
                    segment = archive.segment(number, self._codec.config.text.hidden_size, lambda _: 0.0)
                    if isinstance(segment, FrameSegment):
                        found.append(segment)
        return found
