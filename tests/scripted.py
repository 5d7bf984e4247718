"""A model whose answers are written by the test, behind the real sequence, canvas loop and tokenizer.

Its cache holds the ids that were read, so a test can see what the model would have seen.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dgemma_ros.checkpoint.config import LayerKind, ModelConfig
from dgemma_ros.model import Model
from dgemma_ros.runtime.contract import Feeds, Floats, Ints, StepResult

KINDS = (LayerKind.FULL, LayerKind.SLIDING)


@dataclass
class ScriptedCache:
    """One number a row, the token's id, in each kind of layer."""

    dtype: Any = field(default_factory=lambda: np.dtype(np.float32))
    rows: dict[LayerKind, np.ndarray] = field(default_factory=lambda: {kind: np.zeros(0) for kind in KINDS})

    def capacity(self, kind: LayerKind) -> int:
        return len(self.rows[kind])

    def resize(self, kind: LayerKind, capacity: int, used: int) -> None:
        rows = np.full(capacity, -1.0)
        rows[:used] = self.rows[kind][:used]
        self.rows[kind] = rows

    def move(self, kind: LayerKind, source: int, target: int, count: int) -> None:
        self.rows[kind][target : target + count] = self.rows[kind][source : source + count].copy()

    def save(self, kind: LayerKind, start: int, count: int) -> list[np.ndarray]:
        return [self.rows[kind][start : start + count].copy()]

    def load(self, kind: LayerKind, start: int, saved: list[np.ndarray]) -> None:
        if start + len(saved[0]) > len(self.rows[kind]):
            self.resize(kind, start + len(saved[0]), 0)
        self.rows[kind][start : start + len(saved[0])] = saved[0]

    def rotate(self, kind: LayerKind, start: int, count: int, cos: Floats, sin: Floats) -> None:
        """An id has no position."""


@dataclass
class Asked:
    """One step that the model is asked for."""

    read: list[int]
    """The ids in the cache."""
    step: int
    number: int
    """How many canvases were opened before."""
    feeds: Feeds
    pin: np.ndarray
    pin_ids: np.ndarray


Script = Callable[[Asked], tuple[list[int], Any]]
"""The argmax canvas, padded by the caller, and the entropy of each token or of all."""


class ScriptedSession:
    backend = "a script"

    def __init__(self, config: ModelConfig, script: Script, soft_id: int) -> None:
        self.config, self.script, self._soft = config, script, soft_id
        self.max_rows = config.text.max_positions
        self.canvases = 0
        self.steps = 0
        self.pictures = 0
        self.encoded: list[int] = []
        self.users: set[int] = set()

    def _used(self) -> None:
        self.users.add(threading.get_ident())

    def soft_tokens(self, feeds: Feeds) -> Floats:
        self._used()
        self.pictures += 1
        pooling = self.config.vision.pooling if self.config.vision else 1
        return np.full((len(feeds["patches"]) // pooling**2, 1), self._soft, np.float32)

    def embed_tokens(self, ids: Ints) -> Floats:
        return np.asarray(ids, np.float32)[:, None].copy()

    def new_cache(self) -> ScriptedCache:
        return ScriptedCache()

    def encode(self, cache: ScriptedCache, rows: Floats, feeds: Feeds) -> None:
        self._used()
        self.encoded.append(len(rows))
        for kind, name in ((LayerKind.FULL, "write_full"), (LayerKind.SLIDING, "write_sliding")):
            if name in feeds:
                at = int(feeds[name][0])
                cache.rows[kind][at : at + len(rows)] = rows[:, 0]

    def open_canvas(self, cache: ScriptedCache, feeds: Feeds, with_logits: bool = False) -> ScriptedCanvas:
        self._used()
        read = cache.rows[LayerKind.FULL][: int(feeds["write_full"][0])].astype(int).tolist()
        count = self.config.canvas_length
        empty = np.zeros(count, np.bool_)
        pin, ids = feeds.get("pin", empty), feeds.get("pin_ids", np.zeros(count, np.int64))
        self.canvases += 1
        return ScriptedCanvas(self, Asked(read, -1, self.canvases - 1, feeds, pin, ids))

    def close(self) -> None:
        pass


class ScriptedCanvas:
    def __init__(self, session: ScriptedSession, asked: Asked) -> None:
        self.session, self.asked = session, asked

    def step(self, feeds: Feeds) -> StepResult:
        self.session.steps += 1
        self.asked = replace(self.asked, step=self.asked.step + 1)
        ids, entropy = self.session.script(self.asked)
        count = self.session.config.canvas_length
        argmax = np.zeros(count, np.int64)
        argmax[: len(ids)] = ids[:count]
        argmax = np.where(self.asked.pin, self.asked.pin_ids, argmax)
        unsure = np.zeros(count, np.float32)
        unsure[:] = entropy if np.isscalar(entropy) else np.resize(entropy, count)
        unsure[self.asked.pin] = 0.0
        return StepResult(argmax, argmax, argmax, unsure, unsure < 0.1, float(unsure.mean()), 0)


def scripted(model: Model, script: Script) -> Model:
    """The same checkpoint with another mind."""
    tokens = model.chat.tokenizer.images
    session = ScriptedSession(model.config, script, tokens.soft if tokens else 0)
    return replace(model, session=session)  # type: ignore[arg-type]


class Says:
    """A script that gives one answer after another, each stable and sure from the first step; the last one stays."""

    def __init__(self, model: Model, *answers: str, end: str = "<turn|>", entropy: Any = 0.0) -> None:
        self.tokenizer = model.chat.tokenizer
        self.answers = [self.tokenizer.encode(answer + end, trusted=True) for answer in answers]
        self.entropy = entropy
        self.asked: list[Asked] = []

    def __call__(self, asked: Asked) -> tuple[list[int], Any]:
        self.asked.append(asked)
        pad = self.tokenizer.id("<pad>")
        ids = list(self.answers[min(asked.number, len(self.answers) - 1)])
        return ids + [pad] * 1000, self.entropy

    def read(self, index: int = -1) -> str:
        """What the model had read at a step."""
        return self.tokenizer.decode(self.asked[index].read)


class Held:
    """A script that waits in its first step until it is let go; then as ``then`` says."""

    def __init__(self, then: Script, at: int = 0) -> None:
        self.then, self.at = then, at
        self.inside, self.go = threading.Event(), threading.Event()

    def __call__(self, asked: Asked) -> Any:
        if asked.step >= self.at and not self.go.is_set():
            self.inside.set()
            assert self.go.wait(60)
        return self.then(asked)


def call(text: str) -> str:
    """``pick{object:'red cube'}`` as the model writes it."""
    parts = text.split("'")
    return "<|tool_call>call:" + '<|"|>'.join(parts) + "<tool_call|>"
