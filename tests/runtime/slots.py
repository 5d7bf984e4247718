"""A session that computes nothing and remembers which token lies in which cache slot.

Each row's visible slots are read back as tokens, so that a sequence's bookkeeping can be checked exactly, and fast.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dgemma_ros.checkpoint.config import LayerKind, ModelConfig
from dgemma_ros.runtime.contract import Feeds

GARBAGE = -1
SCRATCH = -2  # what a canvas leaves behind


class SlotCache:
    """Token ids in place of keys and values, one buffer a kind of layer; counts the slots that are copied."""

    def __init__(self) -> None:
        self.slots = {kind: np.empty(0, np.int64) for kind in LayerKind}
        self.copied = dict.fromkeys(LayerKind, 0)
        self.resizes = dict.fromkeys(LayerKind, 0)

    def capacity(self, kind: LayerKind) -> int:
        return len(self.slots[kind])

    def resize(self, kind: LayerKind, capacity: int, used: int) -> None:
        assert used <= min(capacity, self.capacity(kind))
        self.slots[kind] = np.r_[self.slots[kind][:used], np.full(capacity - used, GARBAGE)]
        self.copied[kind] += used
        self.resizes[kind] += 1

    def move(self, kind: LayerKind, source: int, target: int, count: int) -> None:
        slots = self.slots[kind]
        assert min(source, target) >= 0 and max(source, target) + count <= len(slots)
        moved = slots[source : source + count].copy()
        slots[target + count :] = GARBAGE  # whatever lay behind need not be kept
        slots[target : target + count] = moved
        self.copied[kind] += count

    def save(self, kind: LayerKind, start: int, count: int) -> list[np.ndarray]:
        assert start >= 0 and start + count <= self.capacity(kind)
        return [self.slots[kind][start : start + count].copy()]

    def load(self, kind: LayerKind, start: int, saved: list[np.ndarray]) -> None:
        (rows,) = saved
        self.slots[kind][:] = GARBAGE
        self.slots[kind][start : start + len(rows)] = rows

    def write(self, kind: LayerKind, start: int, ids: np.ndarray) -> None:
        assert start >= 0 and start + len(ids) <= self.capacity(kind), "written beyond the buffer"
        self.slots[kind][start : start + len(ids)] = ids


@dataclass
class SlotSession:
    """See :class:`dgemma_ros.runtime.contract.Session`. ``seen`` holds, for each row encoded or denoised since it was
    last cleared, the tokens that it saw in full and in sliding layers."""

    config: ModelConfig
    backend: str = "slots"
    seen: list[tuple[list[int], list[int]]] = field(default_factory=list)

    def token_rows(self, ids: np.ndarray) -> np.ndarray:
        return ids.astype(np.float64)[:, None]

    def new_cache(self) -> SlotCache:
        return SlotCache()

    def encode(self, cache: SlotCache, rows: np.ndarray, feeds: Feeds) -> None:
        self._run(cache, rows[:, 0].astype(np.int64), feeds)

    def open_canvas(self, cache: SlotCache, feeds: Feeds, with_logits: bool = False) -> None:
        self._run(cache, np.full(self.config.canvas_length, SCRATCH), feeds)

    def _run(self, cache: SlotCache, ids: np.ndarray, feeds: Feeds) -> None:
        kinds = set(self.config.text.rope)
        for kind in kinds:
            cache.write(kind, int(feeds[f"write_{kind}"][0]), ids)
            assert len(feeds[f"last_{kind}"]) == len(ids) == feeds[f"cos_{kind}"].shape[1]
        for row in range(len(ids)):
            seen: list[list[int]] = []
            for kind in LayerKind.FULL, LayerKind.SLIDING:
                if kind not in kinds:
                    seen.append([])
                    continue
                first = int(feeds["first_sliding"][row]) if kind is LayerKind.SLIDING else 0
                last = int(feeds[f"last_{kind}"][row])
                assert 0 <= first <= last < cache.capacity(kind)
                seen.append(cache.slots[kind][first : last + 1].tolist())
            self.seen.append((seen[0], seen[1]))
