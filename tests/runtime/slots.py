"""A session that computes nothing and remembers which token lies in which cache slot, and how its key is turned.

Each row's visible slots are read back as tokens, so that a sequence's bookkeeping can be checked exactly, and fast.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dgemma_ros.checkpoint.config import LayerKind, ModelConfig, read_config
from dgemma_ros.checkpoint.fields import Section
from dgemma_ros.runtime.contract import Feeds
from tests.cases import GOLDEN
from tests.tiny import Tiny, config_json

GARBAGE = -1
SCRATCH = -2  # what a canvas leaves behind


@dataclass(frozen=True)
class SavedSlots:
    slots: np.ndarray
    turns: np.ndarray
    nbytes: int = 0


class SlotCache:
    """Token ids in place of values and, in place of keys, complex numbers of length 1 that turn as they do; one buffer
    a kind of layer. Counts the slots that are copied, and those that are turned."""

    def __init__(self, config: ModelConfig) -> None:
        self.dtype = np.dtype(np.float32)
        self.layers = config.text.layers
        self.pairs = {kind: len(rope.inverse_frequencies()) for kind, rope in config.text.rope.items()}
        self.slots = {kind: np.empty(0, np.int64) for kind in LayerKind}
        self.turns = {kind: np.empty((0, self.pairs.get(kind, 0)), np.complex128) for kind in LayerKind}
        self.copied = dict.fromkeys(LayerKind, 0)
        self.turned = dict.fromkeys(LayerKind, 0)
        self.resizes = dict.fromkeys(LayerKind, 0)

    def capacity(self, kind: LayerKind) -> int:
        return len(self.slots[kind])

    def resize(self, kind: LayerKind, capacity: int, used: int) -> None:
        assert used <= min(capacity, self.capacity(kind))
        self.slots[kind] = np.r_[self.slots[kind][:used], np.full(capacity - used, GARBAGE)]
        self.turns[kind] = np.r_[self.turns[kind][:used], np.full((capacity - used, self.turns[kind].shape[1]), np.nan)]
        self.copied[kind] += used
        self.resizes[kind] += 1

    def move(self, kind: LayerKind, source: int, target: int, count: int) -> None:
        assert min(source, target) >= 0 and max(source, target) + count <= self.capacity(kind)
        for rows, garbage in ((self.slots[kind], GARBAGE), (self.turns[kind], np.nan)):
            moved = rows[source : source + count].copy()
            rows[target + count :] = garbage  # whatever lay behind need not be kept
            rows[target : target + count] = moved
        self.copied[kind] += count

    def rotate(self, kind: LayerKind, start: int, count: int, cos: np.ndarray, sin: np.ndarray) -> None:
        assert start >= 0 and start + count <= self.capacity(kind)
        self.turns[kind][start : start + count, : len(cos)] *= cos + 1j * sin
        self.turned[kind] += count

    def rebuild_keys(self, start: int, cos: np.ndarray, sin: np.ndarray) -> None:
        assert start >= 0 and start + len(cos) <= self.capacity(LayerKind.FULL)
        self.turns[LayerKind.FULL][start : start + len(cos)] = cos + 1j * sin
        self.turned[LayerKind.FULL] += len(cos)

    def save(self, kind: LayerKind, start: int, count: int) -> SavedSlots:
        assert start >= 0 and start + count <= self.capacity(kind)
        here = slice(start, start + count)
        return SavedSlots(self.slots[kind][here].copy(), self.turns[kind][here].copy())

    def load(self, kind: LayerKind, start: int, saved: SavedSlots) -> None:
        self.slots[kind][:], self.turns[kind][:] = GARBAGE, np.nan
        here = slice(start, start + len(saved.slots))
        self.slots[kind][here], self.turns[kind][here] = saved.slots, saved.turns

    def fetch(self, layer: int, start: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Each id in all dimensions of its value, each turn's parts in the two halves of its key."""
        config = self.layers[layer]
        assert start >= 0 and start + count <= self.capacity(config.kind)
        here = slice(start, start + count)
        turns = self.turns[config.kind][here]
        key, value = np.hstack([turns.real, turns.imag]), self.slots[config.kind][here, None]
        shape = (config.kv_heads, count, config.head_dim)
        return np.broadcast_to(key, shape).copy(), np.broadcast_to(value, shape).copy()

    def put(self, layer: int, start: int, keys: np.ndarray | None, values: np.ndarray) -> None:
        kind, here = self.layers[layer].kind, slice(start, start + values.shape[1])
        assert start >= 0 and here.stop <= self.capacity(kind)
        self.slots[kind][here] = values[0, :, 0]
        if keys is not None:
            half = keys.shape[-1] // 2
            self.turns[kind][here] = keys[0, :, :half] + 1j * keys[0, :, half:]

    def write(self, kind: LayerKind, start: int, ids: np.ndarray, turns: np.ndarray) -> None:
        assert start >= 0 and start + len(ids) <= self.capacity(kind), "written beyond the buffer"
        self.slots[kind][start : start + len(ids)] = ids
        self.turns[kind][start : start + len(ids)] = turns


@dataclass
class SlotSession:
    """See :class:`dgemma_ros.runtime.contract.Session`. ``seen`` holds, for each row encoded or denoised since it was
    last cleared, the tokens that it saw in full and in sliding layers."""

    config: ModelConfig
    backend: str = "slots"
    max_rows: int = 1 << 18
    seen: list[tuple[list[int], list[int]]] = field(default_factory=list)

    def embed_tokens(self, ids: np.ndarray) -> np.ndarray:
        return ids.astype(np.float64)[:, None]

    def new_cache(self) -> SlotCache:
        return SlotCache(self.config)

    def encode(self, cache: SlotCache, rows: np.ndarray, feeds: Feeds) -> None:
        self._run(cache, rows[:, 0].astype(np.int64), feeds)

    def open_canvas(self, cache: SlotCache, feeds: Feeds, with_logits: bool = False) -> None:
        self._run(cache, np.full(self.config.canvas_length, SCRATCH), feeds)

    def _run(self, cache: SlotCache, ids: np.ndarray, feeds: Feeds) -> None:
        kinds = set(self.config.text.rope)
        for kind in kinds:
            turns = feeds[f"cos_{kind}"][0] + 1j * feeds[f"sin_{kind}"][0]
            cache.write(kind, int(feeds[f"write_{kind}"][0]), ids, turns)
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


def session_of(window: int, canvas: int, layers: str = "SF", positions: int = 1 << 18) -> SlotSession:
    tiny = Tiny(layers=layers, window=window, canvas=canvas, positions=positions)
    return SlotSession(read_config(Section(GOLDEN, config_json(tiny))), max_rows=positions)
