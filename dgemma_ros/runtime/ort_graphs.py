"""Exported graphs loaded into ONNX Runtime, with the checkpoint's weights bound by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

from dgemma_ros.checkpoint.weights import Weights
from dgemma_ros.errors import BackendError
from dgemma_ros.files import MIB, read_bytes

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_RUNNABLE = {
    "CPUExecutionProvider": {TensorProto.FLOAT},
    "CUDAExecutionProvider": {TensorProto.FLOAT, TensorProto.FLOAT16},
}
PROVIDER_OPTIONS: Mapping[str, dict[str, str]] = {
    # By default float32 products are rounded to ten bits of mantissa there, which verify would find wrong.
    "CUDAExecutionProvider": {"use_tf32": "0"},
}
MAX_GRAPH_BYTES = 256 * MIB
"""Without weights a graph of 30 layers takes less than one."""
ENCODER = "encoder"
"""The backbone once more without its hidden rows, so that encoding ends at the last layer's keys and values."""


class OrtGraphs:
    """The graphs of one exported folder, each loaded when first asked for. A weight exists once for all of them.

    Weights stand over the mapped files where their type and alignment allow, else they are cast here, once.
    """

    def __init__(self, folder: Path, weights: Weights, threads: int, device: str, profile: Path | None = None) -> None:
        if device not in PROVIDERS:
            raise BackendError(f"device {device!r} is neither {' nor '.join(PROVIDERS)}")
        if PROVIDERS[device] not in ort.get_available_providers():
            raise BackendError(
                f"this ONNX Runtime has no {PROVIDERS[device]}; install onnxruntime-gpu, or use device cpu"
            )
        self._provider = PROVIDERS[device]
        self._folder = folder
        self._weights = weights
        self._threads = threads
        self._profile = profile
        self._values: dict[str, Any] = {}
        self._sessions: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        """The named graph as an ``onnxruntime.InferenceSession``. Raises :class:`BackendError`."""
        if name not in self._sessions:
            self._sessions[name] = self._load(name)
        return self._sessions[name]

    def run(self, name: str, binding: Any) -> None:
        """Runs a graph on bound values. Raises :class:`BackendError`."""
        try:
            self[name].run_with_iobinding(binding)
        except BackendError:
            raise
        except Exception as error:  # ONNX Runtime raises classes of its own, straight under Exception
            raise BackendError(f"ONNX Runtime could not run {name}: {_line(error)}") from error

    def clear(self) -> None:
        """Frees sessions and weights."""
        self._sessions.clear()
        self._values.clear()

    def _load(self, name: str) -> Any:
        file = self._folder / f"{'backbone' if name == ENCODER else name}.onnx"
        content = read_bytes(file, MAX_GRAPH_BYTES, BackendError, "export the checkpoint again")
        try:
            model = onnx.load_model_from_string(content)
        except Exception as error:  # protobuf's DecodeError is nobody's subclass
            raise BackendError(f"{file}: cannot be read ({_line(error)}); export the checkpoint again") from error
        if name == ENCODER:
            _prune(model, "hidden")
        self._check_type(file, model)
        options = self._options(model, prepack=name != ENCODER)
        try:
            providers = [(self._provider, PROVIDER_OPTIONS.get(self._provider, {}))]
            return ort.InferenceSession(model.SerializeToString(), options, providers=providers)
        except Exception as error:
            raise BackendError(f"{file}: ONNX Runtime refused the graph ({_line(error)})") from error

    def _check_type(self, file: Path, model: onnx.ModelProto) -> None:
        types = {tensor.data_type for tensor in model.graph.initializer if tensor.data_location == TensorProto.EXTERNAL}
        for refused in types - _RUNNABLE[self._provider]:
            known = refused in TensorProto.DataType.values()
            name = TensorProto.DataType.Name(refused).lower() if known else f"type-{refused}"
            raise BackendError(
                f"{file}: ONNX Runtime cannot run {name} graphs with its {self._provider}; export the checkpoint again "
                "as float32"
            )
        # ONNX Runtime would look for those in the folder that the process happens to run in.
        if any(tensor.data_location == TensorProto.EXTERNAL for tensor in _inner_tensors(model)):
            raise BackendError(f"{file}: has weights that the manifest does not list; export the checkpoint again")

    def _options(self, model: onnx.ModelProto, prepack: bool) -> Any:
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        if self._profile is not None:
            options.enable_profiling = True
            options.profile_file_prefix = str(self._profile / model.graph.name)
        options.log_severity_level = 3
        # A pool that keeps spinning after its run would take the cores from the next graph's pool.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        # Packed weights are copies, worth having for a canvas's few rows; a prompt's many hardly notice the packing.
        options.add_session_config_entry("session.disable_prepacking", "0" if prepack else "1")
        references = [tensor for tensor in model.graph.initializer if tensor.data_location == TensorProto.EXTERNAL]
        for tensor in references:
            if tensor.name not in self._values:
                dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
                array = np.require(self._weights.array(tensor.name, dtype), requirements=["C", "A"])
                self._values[tensor.name] = ort.OrtValue.ortvalue_from_numpy(array)
        names = [tensor.name for tensor in references]
        options.add_external_initializers(names, [self._values[name] for name in names])
        return options


def _inner_tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    """All tensors of a model but its graph's own initializers: constants, and those of inner graphs and functions."""
    waiting = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    while waiting:
        for attribute in waiting.pop().attribute:
            yield from (attribute.t, *attribute.tensors)
            for graph in (attribute.g, *attribute.graphs):
                waiting += graph.node
                yield from graph.initializer


def _prune(model: onnx.ModelProto, output: str) -> None:
    """Removes a graph output and every node that only it needs, which ONNX Runtime would run all the same."""
    graph = model.graph
    outputs = [value for value in graph.output if value.name != output]
    needed = {value.name for value in outputs}
    nodes = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            nodes.append(node)
    initializers = [tensor for tensor in graph.initializer if tensor.name in needed]
    del graph.output[:], graph.node[:], graph.initializer[:]
    graph.output.extend(outputs)
    graph.node.extend(reversed(nodes))
    graph.initializer.extend(initializers)


def _line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
