"""The session on ONNX Runtime: CPU, or CUDA where ``onnxruntime-gpu`` is installed.

All values of a canvas are bound once and written in place, so a step is three runs and a few copied kilobytes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import numpy as np
import onnxruntime as ort

from dgemma_ros.checkpoint.config import ModelConfig
from dgemma_ros.checkpoint.traffic import StepTraffic, step_traffic
from dgemma_ros.checkpoint.weights import Weights
from dgemma_ros.runtime import ort_graphs
from dgemma_ros.runtime.contract import RESULTS, Array, CacheBuffers, Feeds, Floats, Ints, StepResult
from dgemma_ros.runtime.host_side import HostSide
from dgemma_ros.runtime.keys import full_key_norms
from dgemma_ros.runtime.ort_cache import OrtCache
from dgemma_ros.runtime.ort_graphs import OrtGraphs
from dgemma_ros.runtime.validity import CanvasValidity, OpenedCanvases

_NUMPY: Mapping[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}
_READ_BYTES: Final = 1 << 28
"""What a measurement of the memory's bandwidth reads: more than any cache holds."""


class OrtSession:
    """See :class:`dgemma_ros.runtime.contract.Session`.

    ``threads``: of ONNX Runtime's pool; 0 leaves it to ONNX Runtime (one a core). ``device``: ``cpu`` or ``cuda``.
    ``profile``: a folder for ONNX Runtime's own profile of each graph, written when it is freed.
    Raises :class:`BackendError` where the device or a graph is refused.
    """

    def __init__(
        self,
        folder: Path,
        config: ModelConfig,
        weights: Weights,
        threads: int = 0,
        device: str = "cpu",
        profile: Path | None = None,
    ) -> None:
        self.config = config
        self.max_rows = config.text.max_positions
        self.backend = f"ONNX Runtime {ort.__version__} ({device.upper()}, {threads or 'all'} threads)"
        self.graphs = OrtGraphs(folder, weights, threads, device, profile)
        self._device = device
        self._threads = threads
        self._opened = OpenedCanvases()
        self._host = HostSide(config, weights)
        self._key_norms = full_key_norms(weights, config)
        inputs = {meta.name: meta.type for meta in self.graphs["backbone"].get_inputs()}
        self._dtype = _NUMPY[inputs["inputs_embeds"]]

    def soft_tokens(self, feeds: Feeds) -> Floats:
        """See the contract."""
        binding = self.graphs["vision"].io_binding()
        for name, array in feeds.items():
            binding.bind_ortvalue_input(name, self.value(array))
        binding.bind_output("soft_tokens")
        self.graphs.run("vision", binding)
        return np.asarray(binding.copy_outputs_to_cpu()[0], np.float32)

    def embed_tokens(self, ids: Ints) -> Floats:
        """See the contract."""
        return self._host.embed_tokens(ids)

    def new_cache(self) -> CacheBuffers:
        """See the contract."""
        return OrtCache(self.config, self._dtype, self._device, self._key_norms, self.max_rows)

    def encode(self, cache: CacheBuffers, rows: Floats, feeds: Feeds) -> None:
        """See the contract."""
        assert isinstance(cache, OrtCache)
        binding = self.graphs[ort_graphs.ENCODER].io_binding()
        cache.bind(binding)
        own = {"inputs_embeds": rows[None].astype(self._dtype), "layer_scalars": self._host.encoder_scalars}
        for name, array in {**feeds, **own}.items():
            binding.bind_ortvalue_input(name, self.value(array))
        cache.revision += 1
        self.graphs.run(ort_graphs.ENCODER, binding)

    def open_canvas(self, cache: CacheBuffers, feeds: Feeds, with_logits: bool = False) -> OrtCanvas:
        """See the contract."""
        assert isinstance(cache, OrtCache)
        count = self.config.canvas_length
        wide = np.zeros((1, count, self.config.text.hidden_size), self._dtype)
        start: dict[str, Array] = {
            "canvas": np.zeros(count, np.int64),
            "uniform": np.zeros(count, np.float32),
            "random_tokens": np.zeros(count, np.int64),
            "inputs_embeds": wide,
            "hidden": wide,
            "soft": wide,
            **self._host.canvas_feeds(feeds),
        }
        values = {name: self.value(array) for name, array in start.items()}
        head = "head_with_logits" if with_logits else "head"
        return OrtCanvas(self, cache, values, head, self._opened.next(cache))

    def traffic(self, context: int) -> StepTraffic:
        """See the contract."""
        dtype = np.dtype(self._dtype).name
        return step_traffic(self.config, context, dtype, cache=dtype)

    def bandwidth(self) -> float | None:
        """See the contract. On the CPU, what all threads read together; ONNX Runtime has no copy within a GPU."""
        if self._device != "cpu":
            return None
        parts = np.array_split(np.ones(_READ_BYTES // 4, np.float32), self._threads or os.cpu_count() or 1)
        times = []
        with ThreadPoolExecutor(len(parts)) as pool:
            for _ in range(5):
                begun = perf_counter()
                list(pool.map(np.max, parts))  # numpy lets go of the interpreter meanwhile
                times.append(perf_counter() - begun)
        return _READ_BYTES / min(times)

    def device_memory(self) -> int | None:
        """See the contract."""
        return None

    def close(self) -> None:
        """See the contract."""
        self.graphs.clear()

    def value(self, array: Array) -> Any:
        """A device value with a copy of ``array``, to be bound."""
        return ort.OrtValue.ortvalue_from_numpy(np.array(array, order="C"), self._device, 0)


class OrtCanvas:
    """See :class:`dgemma_ros.runtime.contract.Canvas`."""

    def __init__(
        self, session: OrtSession, cache: OrtCache, values: dict[str, Any], head: str, validity: CanvasValidity
    ) -> None:
        self._session = session
        self._validity = validity
        self._values = values
        self._head = head
        self._bindings = {name: self._bind(name, cache) for name in ("embed", "backbone", head)}

    def _bind(self, graph: str, cache: OrtCache) -> Any:
        """Binds inputs and outputs of the same name to the same value: what one graph writes the next one reads."""
        session = self._session.graphs[graph]
        binding = session.io_binding()
        if graph == "backbone":
            cache.bind(binding)
        for meta in session.get_inputs():
            if meta.name in self._values:
                binding.bind_ortvalue_input(meta.name, self._values[meta.name])
        for meta in session.get_outputs():
            if meta.name.endswith("_out"):
                continue  # the cache's, bound to its inputs' buffers
            if meta.name not in self._values:
                sizes = {"canvas_length": self._session.config.canvas_length}
                empty = np.zeros([sizes.get(dim, dim) for dim in meta.shape], _NUMPY[meta.type])
                self._values[meta.name] = self._session.value(empty)
            binding.bind_ortvalue_output(meta.name, self._values[meta.name])
        return binding

    def step(self, feeds: Feeds) -> StepResult:
        """See the contract."""
        self._validity.check()
        for name, array in feeds.items():
            value = self._values[name]
            # In the value's own type: bytes of another would be taken for it without a word.
            value.update_inplace(np.ascontiguousarray(array, _NUMPY[value.data_type()]))
        for graph, binding in self._bindings.items():
            self._session.graphs.run(graph, binding)
        # Copied: on the CPU these are views of what the next step overwrites.
        out: dict[str, Array] = {name: self._values[name].numpy().copy() for name in RESULTS}
        with_logits = self._head == "head_with_logits"
        return StepResult.of(out, self._values["logits"].numpy().copy() if with_logits else None)

    def time_parts(self, rounds: int) -> dict[str, list[float]]:
        """See the contract."""
        self._validity.check()
        times: dict[str, list[float]] = {graph: [] for graph in self._bindings}
        for _ in range(rounds):
            for graph, binding in self._bindings.items():
                begun = perf_counter()
                self._session.graphs.run(graph, binding)
                times[graph].append(1e3 * (perf_counter() - begun))
        return times
