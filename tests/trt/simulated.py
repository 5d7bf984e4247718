"""A compiler and a runtime without a GPU: the session's own code runs, over :mod:`simulated_device` and ONNX Runtime.

An "engine" is the very graph that TensorRT's parser would get, with the plugins' functions put back. What a run is told
to read and write, it reads and writes, and nothing but what was allocated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import ModelProto, TensorProto, helper

from dgemma_ros.checkpoint.config import ModelConfig
from dgemma_ros.graphs.builder import DOMAIN, OPSET, PLUGIN
from dgemma_ros.graphs.diffusion import canvas_update, row_stats, scaled_logits
from dgemma_ros.trt import plugin_contracts as contracts
from dgemma_ros.trt import plugins, rewrite
from dgemma_ros.trt.buffers import NUMPY
from dgemma_ros.trt.builder import EngineSource
from dgemma_ros.trt.engine_manifest import EngineSpec, ProfileSpec
from dgemma_ros.trt.targets import Target
from tests.trt import plugin_bodies
from tests.trt.simulated_device import INFO, SimulatedDevice

VERSION = "10.16.2.0"


class SimulatedCompiler:
    version = VERSION
    info = INFO

    def __init__(self, target: Target, config: ModelConfig) -> None:
        self.sizes, self.experts = plugins.Sizes.of(config), config.text.experts

    def refusals(self, config: ModelConfig, dtype: str, packed: bool) -> tuple[str | None, str | None]:
        """Functions of standard operators take any size; packed rows must be whole int32 numbers all the same."""
        text = config.text
        odd = packed and (text.hidden_size % 64 or text.expert_intermediate_size % 64)
        return ("rows of packed experts are no whole numbers" if odd else None), None

    def free_memory(self) -> int:
        return INFO.memory

    def compile(self, source: EngineSource, out: Path, on_progress: Callable[[str, int, int], None]) -> None:
        on_progress("building", 1, 1)
        weights = source.weights
        runnable = with_functions(source.model, self.sizes, self.experts)
        for tensor in runnable.graph.initializer:
            if tensor.data_location == TensorProto.EXTERNAL:
                data = weights[tensor.name]
                tensor.CopyFrom(onnx.numpy_helper.from_array(np.asarray(data), tensor.name))
        onnx.save(runnable, out)


def with_functions(model: ModelProto, sizes: plugins.Sizes, experts: int) -> ModelProto:
    """A rewritten graph as ONNX Runtime can run it: the plugins' calls are functions again."""
    copy = ModelProto()
    copy.CopyFrom(model)
    for node in copy.graph.node:  # which ONNX Runtime refuses
        kept = [attribute for attribute in node.attribute if attribute.name != rewrite.DECOMPOSABLE]
        del node.attribute[:]
        node.attribute.extend(kept)
    for node in [node for node in copy.graph.node if node.op_type == contracts.ROW_STATS]:
        logits, wide = node.input[0], f"{node.name}/wide"  # the function is written for float32, the kernel for any
        node.input[0] = wide
        copy.graph.node.insert(
            list(copy.graph.node).index(node), helper.make_node("Cast", [logits], [wide], to=TensorProto.FLOAT)
        )
    called = [node for node in copy.graph.node if node.domain == DOMAIN]
    for node in called:
        kept = [attribute for attribute in node.attribute if attribute.name in PLUGIN]
        del node.attribute[:]
        node.attribute.extend(kept)
    if called:
        known = [scaled_logits(sizes.softcap), row_stats(sizes.softcap, sizes.vocab), canvas_update()]
        names = {node.op_type for node in called} | {known[0].name}
        copy.functions.extend(one for one in (*known, *plugin_bodies.functions(experts)) if one.name in names)
        del copy.opset_import[:]
        copy.opset_import.extend([helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)])
    return copy


class SimulatedRuntime:
    version = VERSION

    def __init__(self, device: SimulatedDevice) -> None:
        self.device = device
        self.loaded: list[str] = []

    def load(self, file: Path, spec: EngineSpec) -> SimulatedEngine:
        self.loaded.append(file.name)
        return SimulatedEngine(self.device, file, spec)


class SimulatedEngine:
    def __init__(self, device: SimulatedDevice, file: Path, spec: EngineSpec) -> None:
        self.device, self.spec = device, spec
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self.session = ort.InferenceSession(file.read_bytes(), options, providers=["CPUExecutionProvider"])

    def scratch(self, profile: int) -> int:
        return 1000 * (profile + 1)

    def context(self, profile: int, scratch: int, size: int, stream: int) -> SimulatedContext:
        assert size >= self.scratch(profile)
        self.device.view(scratch, size)
        return SimulatedContext(self, self.spec.profiles[profile])


class SimulatedContext:
    def __init__(self, engine: SimulatedEngine, profile: ProfileSpec) -> None:
        self.engine, self.profile = engine, profile
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.addresses: dict[str, int] = {}

    def set_shapes(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        for name, shape in shapes.items():
            spec = self.engine.spec.inputs[name]
            assert len(shape) == len(spec.shape)
            for size, dim in zip(shape, spec.shape, strict=True):
                if isinstance(dim, str):
                    low, _, high = self.profile.dims[dim]
                    assert low <= size <= high, (name, dim, size, self.profile)
                else:
                    assert size == dim, (name, shape)
            self.shapes[name] = tuple(shape)

    def bind(self, addresses: Mapping[str, int]) -> None:
        self.addresses.update(addresses)

    def run(self, stream: int) -> None:
        shapes, addresses = dict(self.shapes), dict(self.addresses)
        self.engine.device.enqueue(lambda: self._run(shapes, addresses), stream)

    def _run(self, shapes: dict[str, tuple[int, ...]], addresses: dict[str, int]) -> None:
        spec, device = self.engine.spec, self.engine.device
        assert set(addresses) == {*spec.inputs, *spec.outputs}
        feeds = {}
        for name, tensor in spec.inputs.items():
            dtype = NUMPY[tensor.dtype]
            shape = shapes[name]
            memory = device.view(addresses[name], int(np.prod(shape)) * dtype.itemsize)
            feeds[name] = np.frombuffer(memory.tobytes(), dtype).reshape(shape)
        names = list(spec.outputs)
        for name, array in zip(names, self.engine.session.run(names, feeds), strict=True):
            assert array.dtype == NUMPY[spec.outputs[name].dtype]
            device.view(addresses[name], array.nbytes)[:] = np.frombuffer(array.tobytes(), np.uint8)
