"""The contract between a model's sequence of tokens and the device that runs its graphs.

A session holds weights and graphs on one device. Everything small that a graph is told (positions, masks, noise,
temperatures) reaches it as *feeds*: host arrays by the names of the graphs' inputs. What is large stays on the device.
Sessions are not thread-safe: one thread at a time, whoever calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from dgemma_ros.checkpoint.config import LayerKind, ModelConfig
from dgemma_ros.checkpoint.traffic import StepTraffic

Array = NDArray[Any]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Feeds = Mapping[str, Array]

RESULTS: Final = ("next_canvas", "argmax", "drawn", "entropy", "accepted", "mean_entropy")
"""The head's outputs that a step sends back, the last of one element."""


@dataclass(frozen=True)
class StepResult:
    """What one denoising step sends back to the host; arrays over the canvas, [C]."""

    next_canvas: Ints
    argmax: Ints
    drawn: Ints
    entropy: Floats
    accepted: Bools
    mean_entropy: float
    logits: Floats | None = None
    """[C, V], softcapped and before temperature; only where the canvas was opened with logits."""

    @classmethod
    def of(cls, outputs: Feeds, logits: Floats | None) -> StepResult:
        """From the head's outputs ``RESULTS``, whose arrays become the result's own."""
        return cls(
            next_canvas=outputs["next_canvas"],
            argmax=outputs["argmax"],
            drawn=outputs["drawn"],
            entropy=outputs["entropy"],
            accepted=outputs["accepted"],
            mean_entropy=float(outputs["mean_entropy"][0]),
            logits=logits,
        )


class SavedRows(Protocol):
    """Rows that :meth:`CacheBuffers.save` copied, wherever they lie; freed with the last reference."""

    @property
    def nbytes(self) -> int:
        """Bytes that they take."""


class CacheBuffers(Protocol):
    """The key and value rows of every layer, [1, kv, capacity, D] each; capacities are the same for all of a kind."""

    dtype: np.dtype[Any]
    """Of keys and values."""
    revision: int
    """Another after each change of a slot or a capacity, a canvas's scratch rows excepted."""

    @property
    def nbytes(self) -> int:
        """Bytes that the buffers take."""

    def capacity(self, kind: LayerKind) -> int:
        """Slots a layer of this kind has now."""

    def resize(self, kind: LayerKind, capacity: int, used: int) -> None:
        """Changes the capacity and keeps the first ``used`` slots."""

    def move(self, kind: LayerKind, source: int, target: int, count: int) -> None:
        """Copies ``count`` slots within each buffer; the ranges may overlap. No buffer as long as they is made."""

    def rotate(self, kind: LayerKind, start: int, count: int, cos: Floats, sin: Floats) -> None:
        """Turns the keys in ``count`` slots of every layer of the kind, all by the same angles.

        ``cos`` and ``sin`` float32 [P], of the first P pairs of dimensions (i, i + D/2); the others stay as they are.
        Computed in float32, whatever the buffers' type.
        """

    def rebuild_keys(self, start: int, cos: Floats, sin: Floats) -> None:
        """Makes the full layers' keys from slot ``start`` on anew: their values by the key norm's weight, rotated.

        ``cos`` and ``sin`` float32 [count, D/2], a row for each slot. A full layer's key and value are one projection,
        normed with and without a weight, so that keys rounded many times become as good as new.
        """

    def save(self, kind: LayerKind, start: int, count: int) -> SavedRows:
        """A copy of ``count`` slots of every layer of the kind, for :meth:`load` of the same cache."""

    def load(self, kind: LayerKind, start: int, saved: SavedRows) -> None:
        """Puts saved slots back, from ``start`` on."""

    def fetch(self, layer: int, start: int, count: int) -> tuple[Array, Array]:
        """Host copies of one layer's keys and values, [kv, count, D] each, in the buffers' type."""

    def put(self, layer: int, start: int, keys: Array | None, values: Array) -> None:
        """Writes keys (where they are given) and values [kv, count, D] of one layer, from slot ``start`` on."""


class Canvas(Protocol):
    """One canvas being denoised. Self-conditioning carries over from step to step, on the device."""

    def step(self, feeds: Feeds) -> StepResult:
        """One step with its ``canvas``, ``uniform``, ``random_tokens``, ``temperature``, and what else has changed.

        Raises :class:`ContextError` for a canvas that is no longer valid, see :meth:`Session.open_canvas`.
        """

    def time_parts(self, rounds: int) -> Mapping[str, list[float]]:
        """Milliseconds of each graph of a step, in order, run alone so many times with what the last step had.

        Launching and waiting are part of them, so together they are more than a step. Raises as :meth:`step` does.
        """


class Session(Protocol):
    """A model's graphs on one device."""

    config: ModelConfig
    backend: str
    """What runs it, for people: ``ONNX Runtime 1.31 (CPU, 2 threads)``."""
    max_rows: int
    """Rows that the full layers of one of its caches can hold; no more than the model has positions."""

    def soft_tokens(self, feeds: Feeds) -> Floats:
        """The vision tower on one picture: [n, H]."""

    def embed_tokens(self, ids: Ints) -> Floats:
        """Scaled embeddings of token ids: [S, H], gathered on the host."""

    def new_cache(self) -> CacheBuffers:
        """Empty buffers of capacity 0."""

    def encode(self, cache: CacheBuffers, rows: Floats, feeds: Feeds) -> None:
        """Runs the encoder over ``rows`` [S, H] and writes its keys and values into the cache."""

    def open_canvas(self, cache: CacheBuffers, feeds: Feeds, with_logits: bool = False) -> Canvas:
        """Starts a canvas without self-conditioning; ``feeds`` are those that hold for all of its steps.

        The canvas is valid until the cache is written or resized, or the session opens the next canvas.
        """

    def traffic(self, context: int) -> StepTraffic:
        """Bytes that a step must read behind ``context`` cached tokens, in the types that weights and cache have here.

        A lower bound of any way to compute the step, not a count of what this backend reads.
        """

    def bandwidth(self) -> float | None:
        """Bytes a second that this device reads or copies, measured now on more than its caches hold.

        None where the backend has no way to. Raises :class:`DeviceMemoryError`.
        """

    def device_memory(self) -> int | None:
        """Bytes of the GPU's memory taken since the session was opened, by whomever; None where that is not told."""

    def close(self) -> None:
        """Frees what the session holds; idempotent."""
