"""The session on ONNX Runtime: CPU, or CUDA where ``onnxruntime-gpu`` is installed.

Weights are handed over by name, over the mapped files where no cast is needed. All buffers of a canvas are bound once
and written in place, so a step is three runs and a few copied kilobytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

from dgemma_ros.checkpoint.config import ModelConfig
from dgemma_ros.checkpoint.weights import DECODER, EMBEDDING, ENCODER, Weights
from dgemma_ros.errors import BackendError
from dgemma_ros.runtime.contract import Array, CacheBuffers, Feeds, Floats, Ints, StepResult
from dgemma_ros.runtime.ort_cache import OrtCache

_ENCODER = f"{ENCODER}.language_model"
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_NUMPY: Mapping[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}


class OrtSession:
    """See :class:`dgemma_ros.runtime.contract.Session`. Graphs are loaded when they are first needed.

    ``threads``: of ONNX Runtime's pool; 0 leaves it to ONNX Runtime (one a core). ``device``: ``cpu`` or ``cuda``.
    """

    def __init__(
        self, folder: Path, config: ModelConfig, weights: Weights, threads: int = 0, device: str = "cpu"
    ) -> None:
        self.config = config
        self.device = device
        self._folder = folder
        self._weights = weights
        self._threads = threads
        if device not in _PROVIDERS:
            raise BackendError(f"device {device!r} is neither {' nor '.join(_PROVIDERS)}")
        self._provider = _PROVIDERS[device]
        if self._provider not in ort.get_available_providers():
            raise BackendError(f"this ONNX Runtime has no {self._provider}; install onnxruntime-gpu, or use device cpu")
        self.backend = f"ONNX Runtime {ort.__version__} ({device.upper()}, {threads or 'all'} threads)"
        self._values: dict[str, Any] = {}
        self._graphs: dict[str, Any] = {}
        text = config.text
        self._table = weights.array(EMBEDDING, None)
        self._scale = np.float32(text.hidden_size**0.5)
        self._scalars = {
            side: np.concatenate([weights.array(f"{side}.layers.{layer.index}.layer_scalar") for layer in text.layers])
            for side in (DECODER, _ENCODER)
        }
        self.dtype = _NUMPY[next(i.type for i in self.graph("backbone").get_inputs() if i.name == "inputs_embeds")]

    # -- graphs and values ----------------------------------------------------------------------------------------

    def graph(self, name: str) -> Any:
        """The named graph as an ``onnxruntime.InferenceSession``, loaded on first use."""
        if name not in self._graphs:
            file = self._folder / f"{name}.onnx"
            try:
                model = onnx.load(file, load_external_data=False)
            except Exception as error:  # protobuf's DecodeError is nobody's subclass
                raise BackendError(f"{file}: cannot be read ({_line(error)}); export the checkpoint again") from error
            options, proto = self._options(model), model.SerializeToString()
            try:
                self._graphs[name] = ort.InferenceSession(proto, options, providers=[self._provider])
            except Exception as error:  # ONNX Runtime raises classes of its own, straight under Exception
                raise BackendError(f"{file}: ONNX Runtime refused the graph ({_line(error)})") from error
        return self._graphs[name]

    def _options(self, model: onnx.ModelProto) -> Any:
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.log_severity_level = 3
        # A pool that keeps spinning after its run would take the cores from the next graph's pool.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        references = [tensor for tensor in model.graph.initializer if tensor.data_location == TensorProto.EXTERNAL]
        names = [tensor.name for tensor in references]
        for tensor in references:
            if tensor.name not in self._values:  # one copy for all graphs that share it
                dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
                array = np.require(self._weights.array(tensor.name, dtype), requirements=["C", "A"])
                self._values[tensor.name] = ort.OrtValue.ortvalue_from_numpy(array)
        options.add_external_initializers(names, [self._values[name] for name in names])
        return options

    def value(self, array: Array) -> Any:
        """A device value that holds ``array``, to be bound; on the CPU a copy of its own."""
        return ort.OrtValue.ortvalue_from_numpy(np.array(array, order="C"), self.device, 0)

    # -- the contract ---------------------------------------------------------------------------------------------

    def soft_tokens(self, feeds: Feeds) -> Floats:
        """See the contract."""
        (out,) = self._run("vision", feeds)
        return np.asarray(out, np.float32)

    def token_rows(self, ids: Ints) -> Floats:
        """See the contract."""
        return np.asarray(self._table[ids], np.float32) * self._scale

    def new_cache(self) -> CacheBuffers:
        """See the contract."""
        return OrtCache(self.config, self.dtype, self.device)

    def encode(self, cache: CacheBuffers, rows: Floats, feeds: Feeds) -> None:
        """See the contract."""
        assert isinstance(cache, OrtCache)
        binding = self.graph("backbone").io_binding()
        cache.bind(binding)
        inputs = {"inputs_embeds": rows[None].astype(self.dtype), "layer_scalars": self._scalars[_ENCODER]}
        for name, array in {**feeds, **inputs}.items():
            binding.bind_ortvalue_input(name, self.value(array))
        self.run_bound("backbone", binding)

    def open_canvas(self, cache: CacheBuffers, feeds: Feeds, with_logits: bool = False) -> OrtCanvas:
        """See the contract."""
        assert isinstance(cache, OrtCache)
        return OrtCanvas(self, cache, {"layer_scalars": self._scalars[DECODER], **feeds}, with_logits)

    def close(self) -> None:
        """See the contract."""
        self._graphs.clear()
        self._values.clear()

    # -- running --------------------------------------------------------------------------------------------------

    def _run(self, graph: str, feeds: Feeds) -> list[Array]:
        try:
            return list(self.graph(graph).run(None, dict(feeds)))
        except Exception as error:
            raise _refused(graph, error) from error

    def run_bound(self, graph: str, binding: Any) -> None:
        """Runs a graph on bound values."""
        try:
            self.graph(graph).run_with_iobinding(binding)
        except Exception as error:
            raise _refused(graph, error) from error


class OrtCanvas:
    """See :class:`dgemma_ros.runtime.contract.Canvas`."""

    def __init__(self, session: OrtSession, cache: OrtCache, feeds: Feeds, with_logits: bool) -> None:
        self._session = session
        self._head = "head_with_logits" if with_logits else "head"
        config = session.config
        count = config.canvas_length
        wide = np.zeros((1, count, config.text.hidden_size), session.dtype)
        start: dict[str, Array] = {
            "canvas": np.zeros(count, np.int64),
            "uniform": np.zeros(count, np.float32),
            "random_tokens": np.zeros(count, np.int64),
            "temperature": np.ones(1, np.float32),
            "entropy_bound": np.zeros(1, np.float32),
            "pin": np.zeros(count, np.bool_),
            "pin_ids": np.zeros(count, np.int64),
            "allowed": np.ones((1, config.text.vocab_size), np.bool_),
            "allowed_row": np.zeros(1, np.int64),
            "inputs_embeds": wide,
            "hidden": wide,
            "soft": wide,
            **feeds,
        }
        self._values = {name: session.value(array) for name, array in start.items()}
        self._bindings = {name: self._bind(name, cache) for name in ("embed", "backbone", self._head)}

    def _bind(self, graph: str, cache: OrtCache) -> Any:
        """Binds inputs and outputs of the same name to the same value: what one graph writes the next one reads."""
        session = self._session.graph(graph)
        binding = session.io_binding()
        if graph == "backbone":
            cache.bind(binding)
        for meta in session.get_inputs():
            if meta.name in self._values:
                binding.bind_ortvalue_input(meta.name, self._values[meta.name])
        for meta in session.get_outputs():
            if meta.name in self._values:
                binding.bind_ortvalue_output(meta.name, self._values[meta.name])
            elif not meta.name.endswith("_out"):  # the cache's outputs are bound to its inputs' buffers
                self._values[meta.name] = self._session.value(self._empty(meta))
                binding.bind_ortvalue_output(meta.name, self._values[meta.name])
        return binding

    def _empty(self, meta: Any) -> Array:
        sizes = {"canvas_length": self._session.config.canvas_length}
        return np.zeros([sizes.get(dim, dim) for dim in meta.shape], _NUMPY[meta.type])

    def step(self, feeds: Feeds) -> StepResult:
        """See the contract."""
        for name, array in feeds.items():
            self._values[name].update_inplace(np.ascontiguousarray(array))
        for graph, binding in self._bindings.items():
            self._session.run_bound(graph, binding)
        # Copied: on the CPU these are views of what the next step overwrites.
        out: Mapping[str, Array] = {
            name: self._values[name].numpy().copy()
            for name in ("next_canvas", "argmax", "drawn", "entropy", "accepted", "mean_entropy", "changed")
        }
        return StepResult(
            next_canvas=out["next_canvas"],
            argmax=out["argmax"],
            drawn=out["drawn"],
            entropy=out["entropy"],
            accepted=out["accepted"],
            mean_entropy=float(out["mean_entropy"][0]),
            changed=int(out["changed"][0]),
            logits=self._values["logits"].numpy().copy() if self._head == "head_with_logits" else None,
        )


def _refused(graph: str, error: Exception) -> BackendError:
    return BackendError(f"ONNX Runtime could not run {graph}: {_line(error)}")


def _line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
