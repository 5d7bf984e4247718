"""Engines run one behind the other on a stream, captured as one CUDA graph from the second time on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from dgemma_ros.errors import BackendError
from dgemma_ros.runtime.contract import RESULTS, Feeds, StepResult
from dgemma_ros.runtime.validity import CanvasValidity
from dgemma_ros.trt import engine_manifest, profiles
from dgemma_ros.trt.buffers import Buffers
from dgemma_ros.trt.device import Device, Graph
from dgemma_ros.trt.engine import Engine, ExecutionContext, Runtime
from dgemma_ros.trt.engine_manifest import EngineManifest, EngineSpec

_LOG = logging.getLogger("dgemma_ros.tensorrt")


@dataclass
class Engines:
    """The engines of a built folder: each checked and loaded when first asked for."""

    folder: Path
    manifest: EngineManifest
    runtime: Runtime
    _loaded: dict[str, Engine] = field(default_factory=dict)

    def spec(self, name: str) -> EngineSpec:
        """What an engine is. Raises :class:`BackendError` where the folder has none of that name."""
        if name not in self.manifest.engines:
            raise BackendError(f"{self.folder}: has no engine {name}; build the engines again")
        return self.manifest.engines[name]

    def __getitem__(self, name: str) -> Engine:
        if name not in self._loaded:
            spec = self.spec(name)
            self._loaded[name] = self.runtime.load(engine_manifest.check_file(self.folder, spec), spec)
        return self._loaded[name]

    def clear(self) -> None:
        """Lets go of all of them."""
        self._loaded.clear()


class EngineStream:
    """A stream with scratch memory of its own, which all contexts on it share: they run one behind the other."""

    def __init__(self, device: Device, engines: Engines, urgent: bool) -> None:
        self.stream = device.stream(urgent)
        self.generation = 0
        """Raised when the scratch memory moves: contexts from before are void."""
        self._device = device
        self._engines = engines
        self._scratch = 0
        self._size = 0

    def context(self, name: str, use: str, dims: Mapping[str, int]) -> ExecutionContext:
        """A context of an engine for these sizes; its scratch memory may grow, which raises ``generation``.

        Raises :class:`BackendError` where the engine has no profile for them.
        """
        index = self._profile(name, use, dims)
        self.reserve(name, use, dims)
        return self._engines[name].context(index, self._scratch, self._size, self.stream)

    def reserve(self, name: str, use: str, dims: Mapping[str, int]) -> None:
        """Makes sure that the scratch memory is large enough, before contexts are made."""
        needed = self._engines[name].scratch(self._profile(name, use, dims))
        if needed > self._size or not self._scratch:
            self._device.wait(self.stream)
            if self._scratch:
                self._device.release(self._scratch)
                self._scratch, self._size = 0, 0
            self.generation += 1
            self._scratch = self._device.allocate(needed, f"{needed / 1e9:.2f} GB of scratch memory for {name}")
            self._size = needed

    def _profile(self, name: str, use: str, dims: Mapping[str, int]) -> int:
        index = profiles.find_profile(self._engines.spec(name), use, dict(dims))
        if index is None:
            sizes = ", ".join(f"{key} {value}" for key, value in sorted(dims.items()))
            raise BackendError(
                f"the engine {name} was not built for {sizes}; widen the target's recipe and build again"
            )
        return index


class Step:
    """Contexts that make up one denoising step of one shape, by their engines' names.

    The first run is an ordinary one: TensorRT settles what depends on the shapes in it. The second is captured. Where
    something in the engines cannot be captured, all runs stay ordinary.
    """

    def __init__(
        self, device: Device, stream: int, contexts: Mapping[str, ExecutionContext], enqueue_results: Callable[[], None]
    ) -> None:
        self._device = device
        self._stream = stream
        self._contexts = contexts
        self._enqueue_results = enqueue_results
        self._graph: Graph | None = None
        self._runs = 0
        self.capturable = True

    @property
    def captured(self) -> bool:
        """Whether it runs as a CUDA graph."""
        return self._graph is not None

    def run(self) -> None:
        """Enqueues the step and the download of its results."""
        if self._graph is None and self._runs and self.capturable:
            try:
                self._graph = self._device.capture(self._stream, self._enqueue)
            except BackendError as error:
                self.capturable = False
                _LOG.warning("a step runs without a CUDA graph: %s", error)
        self._runs += 1
        if self._graph is not None:
            self._graph.launch(self._stream)
        else:
            self._enqueue()

    def time_parts(self, rounds: int) -> dict[str, list[float]]:
        """Milliseconds of each context, run alone and waited for."""
        times: dict[str, list[float]] = {name: [] for name in self._contexts}
        for _ in range(rounds):
            for name, context in self._contexts.items():
                self._device.wait(self._stream)
                begun = perf_counter()
                context.run(self._stream)
                self._device.wait(self._stream)
                times[name].append(1e3 * (perf_counter() - begun))
        return times

    def close(self) -> None:
        """Frees the graph; idempotent."""
        if self._graph is not None:
            with suppress(BackendError):
                self._graph.close()
            self._graph = None

    def _enqueue(self) -> None:
        for context in self._contexts.values():
            context.run(self._stream)
        self._enqueue_results()


class TrtCanvas:
    """See :class:`dgemma_ros.runtime.contract.Canvas`."""

    def __init__(
        self,
        device: Device,
        stream: int,
        buffers: Buffers,
        step: Step,
        validity: CanvasValidity,
        denoised: int,
        length: int,
        vocab: int,
        with_logits: bool,
    ) -> None:
        """``denoised``: the event that whoever writes the cache waits for."""
        self._validity, self._denoised = validity, denoised
        self._device = device
        self._stream = stream
        self._buffers = buffers
        self._step = step
        self._shapes = {name: (1,) if name == "mean_entropy" else (length,) for name in RESULTS}
        self._logits = (length, vocab) if with_logits else None

    def step(self, feeds: Feeds) -> StepResult:
        """See the contract."""
        self._validity.check()
        self._device.activate()
        for name, value in feeds.items():
            self._buffers.write(name, value)
        self._step.run()
        self._device.record(self._denoised, self._stream)
        if self._logits:
            self._buffers.enqueue_read("logits")
        self._device.wait(self._stream)
        out = {name: self._buffers.read(name, shape) for name, shape in self._shapes.items()}
        return StepResult.of(out, self._buffers.read("logits", self._logits) if self._logits else None)

    def time_parts(self, rounds: int) -> dict[str, list[float]]:
        """See the contract."""
        self._validity.check()
        self._device.activate()
        times = self._step.time_parts(rounds)
        self._device.record(self._denoised, self._stream)
        return times
