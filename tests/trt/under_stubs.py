"""Our code over the real bindings of one version of TensorRT, with nothing behind them. Run by test_bindings.py.

``python -m tests.trt.under_stubs CHECKPOINT BUILT WORK`` with tests.trt.bindings' PYTHONPATH. Exits with 0, and a line
of JSON on stdout that says what was called, where every name, keyword and argument type was taken.

Longer than most files: one script, one process, and each part of it takes up what the one before it registered.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import cuda.bindings.runtime
import numpy as np
import tensorrt as trt

CALLS: Counter[str] = Counter()


def spy(owner: Any, name: str, instead: Any = None) -> None:
    """Counts calls of a real method, which is called in any case; ``instead`` replaces what it returns."""
    method = getattr(owner, name)

    def called(*arguments: Any, **keywords: Any) -> Any:
        result = method(*arguments, **keywords)
        CALLS[f"{owner.__name__}.{name}"] += 1
        return result if instead is None else instead(*arguments, **keywords)

    setattr(owner, name, called)


class Registry:
    """TensorRT's plugin registry."""

    def __init__(self) -> None:
        self.creators: dict[tuple[str, str, str], Any] = {}

    def register_creator(self, creator: Any, namespace: str = "") -> bool:
        assert isinstance(creator, trt.IPluginCreatorV3Quick)
        self.creators[creator.name, creator.plugin_version, namespace] = creator
        return True

    def get_creator(self, name: str, version: str, namespace: str = "") -> Any:
        return self.creators.get((name, version, namespace))


class Number:
    """A dimension: TensorRT's own has no constructor."""

    def __init__(self, value: int) -> None:
        self.value = value

    def is_constant(self) -> bool:
        return True

    def get_constant_value(self) -> int:
        return self.value

    def is_size_tensor(self) -> bool:
        return False


class Numbers:
    """The maker of dimensions."""

    def constant(self, value: int) -> Number:
        return Number(value)

    def operation(self, op: Any, first: Number, second: Number) -> Number:
        a, b, kind = first.value, second.value, trt.DimensionOperation
        results = {kind.PROD: a * b, kind.FLOOR_DIV: a // b, kind.CEIL_DIV: -(-a // b), kind.SUM: a + b}
        return Number(results[op])


def plugin(registry: Registry, name: str, inputs: list[tuple[Any, tuple[int, ...]]]) -> tuple[Any, Any, list[int], Any]:
    """One plugin taken through a build: types and shapes of its outputs, launch, arguments, kernel."""
    creator = registry.get_creator(name, "1", "dgemma_ros")
    request = trt.QuickPluginCreationRequest.STRICT_AOT
    made = creator.create_plugin(name, "dgemma_ros", trt.PluginFieldCollection([]), trt.TensorRTPhase.BUILD, request)
    types = made.get_output_data_types([dtype for dtype, _ in inputs], [len(shape) for _, shape in inputs])
    shapes = made.get_output_shapes([[Number(dim) for dim in shape] for _, shape in inputs], [], Numbers())
    shapes = [[dim.value for dim in shape] for shape in shapes]
    descriptions = []
    for dtype, shape in [*inputs, *zip(types, map(tuple, shapes), strict=True)]:
        description = trt.DynamicPluginTensorDesc()
        inner = trt.PluginTensorDesc()
        inner.type, inner.dims, inner.format = dtype, trt.Dims(shape), trt.TensorFormat.LINEAR
        description.desc = inner
        descriptions.append(description)
    made.configure_plugin(descriptions[: len(inputs)], descriptions[len(inputs) :])
    assert len(made.get_supported_format_combinations(descriptions, len(inputs))) == len(descriptions)
    made.set_tactic(0)

    class Collected(dict):  # type: ignore[type-arg]
        nbSymExprs = 0  # noqa: N815

    launch, numbers = type("Launch", (), {})(), Collected()
    made.get_launch_params([], descriptions, len(inputs), launch, numbers, Numbers())
    kernel = made.get_kernel(
        [d.desc for d in descriptions[: len(inputs)]], [d.desc for d in descriptions[len(inputs) :]]
    )
    grid = [getattr(launch, name).expr.value for name in ("grid_x", "grid_y", "grid_z", "block_x", "shared_mem")]
    extra = [numbers[i].expr.value for i in range(numbers.nbSymExprs)]
    return list(zip([t.name for t in types], shapes, strict=True)), grid, extra, kernel


def check_plugins() -> None:
    from dgemma_ros.trt import kernels, plugin_contracts, plugins

    registry = Registry()
    trt.get_plugin_registry = lambda: registry
    plugins.register(plugins.Sizes(50, 30.0, 100), 90)
    plugins.register(plugins.Sizes(262_144, 30.0, 256, 128, 8, 3, 20), 110)  # another model in the same process
    import tensorrt.plugin as trtp

    class Dims(list):  # type: ignore[type-arg]
        def __init__(self, length: int) -> None:
            super().__init__([None] * length)

    class Expression:  # the real one takes TensorRT's own numbers only
        def __init__(self, symbol: Any) -> None:
            assert isinstance(symbol, trtp.SymInt32)
            self.expr = symbol._expr

    from tensorrt.plugin import _tensor

    kept = trt.IDimensionExpr, trt.DimsExprs
    trt.IDimensionExpr, trt.DimsExprs, _tensor.SymExprImpl = Number, Dims, Expression
    compiled = kernels.nvrtc() is not None or kernels.find_nvcc() is not None
    if not compiled:
        kernels.ptx = lambda name, architecture: f".entry dgemma_{name}".encode()
    t = trt.DataType
    for dtype, suffix in ((t.FLOAT, "f32"), (t.HALF, "f16"), (t.BF16, "bf16")):
        inputs = [
            (dtype, (256, 262_144)),
            (t.FLOAT, (1,)),
            (t.FLOAT, (256,)),
            (t.BOOL, (2, 262_144)),
            (t.INT64, (256,)),
        ]
        outputs, grid, extra, (entry, ptx) = plugin(registry, plugin_contracts.ROW_STATS, inputs)
        assert outputs == [
            ("INT64", [256]), ("INT64", [256]), ("FLOAT", [256]), ("FLOAT", [256, 1]), ("FLOAT", [256, 1]),
        ]  # fmt: skip
        assert (grid, extra) == ([256, 1, 1, 512, 0], [262_144, 512, 512, 256, np.float32(30).view(np.int32)])
        assert entry == f"dgemma_row_stats_{suffix}"
        assert not compiled or f".entry {entry}(".encode() in ptx
    names = [(t.INT64, (256,))] * 2 + [(t.FLOAT, (256,)), (t.INT64, (256,)), (t.FLOAT, (1,)), (t.BOOL, (256,))]
    outputs, grid, extra, (entry, ptx) = plugin(registry, plugin_contracts.CANVAS_UPDATE, [*names, (t.INT64, (256,))])
    assert [kind for kind, _ in outputs] == ["INT64", "INT64", "INT64", "FLOAT", "BOOL", "FLOAT"]
    assert [shape for _, shape in outputs] == [[256]] * 5 + [[1]]
    assert (grid, extra, entry) == ([1, 1, 1, 256, 0], [256], "dgemma_canvas_update")
    check_launches(registry)
    for name, order in plugin_contracts.INPUTS.items():
        assert tuple(trtp._lib.QDP_REGISTRY[f"dgemma_ros::{name}"].input_tensor_names) == order
    trt.IDimensionExpr, trt.DimsExprs = kept


def check_launches(registry: Registry) -> None:
    """The experts' and attention's plugins launch what tests and benchmarks launch, at the released model's sizes."""
    from dgemma_ros.trt import kernels, plugin_contracts
    from dgemma_ros.trt.kernels import launches

    t, rows, (experts, top_k, hidden, inner) = trt.DataType, 1280, (128, 8, 2816, 704)
    routed = [(t.INT32, (experts + 1,)), (t.INT32, (rows * top_k,))]
    x, mid, out = (t.BF16, (rows, hidden)), (t.BF16, (rows * top_k, inner)), (t.BF16, (rows * top_k, hidden))

    def packed(out: int, width: int, parts: int) -> list[Any]:
        shapes = ((experts, out, width // 8), (experts, out, width // 64), (experts, parts))
        return list(zip((t.INT32, t.INT32, t.FLOAT), shapes, strict=True))

    sizes = (rows, top_k, experts, hidden, inner)
    cases: list[tuple[str, list[Any], launches.Launch]] = [
        (plugin_contracts.ROUTE, [(t.INT64, (rows, top_k))], launches.route(rows, top_k, experts)),
        (plugin_contracts.ROUTE, [(t.INT32, (rows, top_k))], launches.route(rows, top_k, experts, "i32")),
        (plugin_contracts.UP, [x, *routed, (t.BF16, (experts, 2 * inner, hidden))], launches.up(*sizes, "bf16")),
        (plugin_contracts.UP_NVFP4, [x, *routed, *packed(2 * inner, hidden, 2)], launches.up(*sizes, "nvfp4")),
        (plugin_contracts.DOWN, [mid, *routed, (t.BF16, (experts, hidden, inner))], launches.down(*sizes, "bf16")),
        (plugin_contracts.DOWN_NVFP4, [mid, *routed, *packed(hidden, inner, 1)], launches.down(*sizes, "nvfp4")),
        (plugin_contracts.COMBINE, [out, (t.FLOAT, (rows, top_k))], launches.combine(rows, top_k, hidden)),
        (plugin_contracts.COMBINE, [out, (t.BF16, (rows, top_k))], launches.combine(rows, top_k, hidden, "bf16")),
    ]
    for kv, size in ((8, 256), (2, 512)):
        of = launches.Heads(16, kv, size, rows, 8192)
        cache = (t.BF16, (1, kv, 8192, size))
        for firsts in (1, rows):
            seen = [(t.BF16, (1, 16, rows, size)), cache, cache, (t.INT64, (firsts,)), (t.INT64, (rows,))]
            cases.append((plugin_contracts.ATTENTION, seen, launches.attention(of, firsts)))
            cases.append((plugin_contracts.ATTENTION_SPLIT, seen, launches.attention_split(of, firsts, 3, 20)))
        parts = [(t.FLOAT, (3, 16, rows, size)), (t.FLOAT, (3, 16, rows, 2))]
        cases.append((plugin_contracts.ATTENTION_MERGE, parts, launches.attention_merge(of, 3)))
    kinds = {"BF16": "bfloat16", "FLOAT": "float32", "INT32": "int32"}
    compiled: dict[str, bytes] = {}
    real, kernels.ptx = kernels.ptx, lambda name, architecture: compiled.setdefault(name, name.encode())
    for name, given, launch in cases:
        outputs, grid, extra, (entry, source) = plugin(registry, name, given)
        assert [(tuple(shape), kinds[kind]) for kind, shape in outputs] == list(launch.outputs), name
        assert (entry, source) == (launch.entry, launch.source.encode()), name
        assert (grid, extra) == ([*launch.grid, launch.threads, 0], list(launch.numbers)), name
    kernels.ptx = real


def check_build(checkpoint: Path, work: Path) -> None:
    from dgemma_ros.trt import builder_flags, compiler, engine_manifest
    from dgemma_ros.trt.builder import build
    from tests.trt.conftest import TARGET

    def serialise(builder: Any, network: Any, config: Any, writer: Any) -> bool:
        # What TensorRT does while it builds: it reports to the monitor, and hands over bytes.
        monitor = monitors[-1]
        seen_flags.append(os.environ[builder_flags.VARIABLE])
        monitor.phase_start("Building", None, 2)
        if not monitor.step_complete("Building", 0):
            return False
        monitor.phase_finish("Building")
        return writer.write(b"engine") == 6

    spy(trt.Builder, "build_serialized_network_to_stream", serialise)
    spy(trt.ITimingCache, "serialize", lambda cache: b"timings")
    for owner, names in {
        trt.Builder: ("create_network", "create_builder_config", "create_optimization_profile"),
        trt.OnnxParser: ("load_model_proto", "load_initializer", "parse_model_proto"),
        trt.IOptimizationProfile: ("set_shape",),
        trt.IBuilderConfig: ("set_memory_pool_limit", "clear_flag", "create_timing_cache", "set_timing_cache"),
    }.items():
        for name in names:
            spy(owner, name)
    monitors: list[Any] = []
    seen_flags: list[str] = []
    made = compiler._monitor
    compiler._monitor = lambda *arguments: monitors.append(made(*arguments)) or monitors[-1]
    target = replace(TARGET, dtype="bfloat16")
    seen: list[str] = []
    out = build(checkpoint, work / "out", target, compiler.TrtCompiler, lambda what, done, total: seen.append(what))
    assert "backbone: Building" in seen
    written = engine_manifest.load(out)
    assert written.tensorrt == trt.__version__
    assert written.builder_flags == seen_flags[-1] and "-peep:fc_h_fusion=off" in written.builder_flags
    assert builder_flags.VARIABLE not in os.environ
    assert all((out / spec.file).read_bytes() == b"engine" for spec in written.engines.values())
    assert compiler.timing_cache(written.gpu.name, written.tensorrt).read_bytes() == b"timings"

    def stop(what: str, done: int, total: int) -> None:
        if "Building" in what:
            raise KeyboardInterrupt

    try:
        build(checkpoint, work / "stopped", target, compiler.TrtCompiler, stop)
    except KeyboardInterrupt:
        pass
    else:
        raise AssertionError("Ctrl-C did not end the build")
    assert not (work / "stopped").exists()


def check_session(built: Path, work: Path) -> None:
    from dgemma_ros.errors import BackendError, DeviceMemoryError
    from dgemma_ros.model import open_model
    from dgemma_ros.trt import engine_manifest, kernels

    shutil.copytree(built, work / "built")
    written = engine_manifest.load(work / "built")
    engine_manifest.write(work / "built", replace(written, tensorrt=trt.__version__))
    # What has no meaning here is replaced: a size, which would be an address; a name, which is nothing.
    spy(trt.ICudaEngine, "get_aliased_input_tensor", lambda engine, name: aliased[0](name))
    aliased = [lambda name: name.removesuffix("_out")]
    deserialised, real = trt.Runtime.deserialize_cuda_engine, trt.IStreamReaderV2
    assert (
        "num_bytes: int, stream: int) -> bytes" in real.__doc__ and "offset: int, where: SeekPosition" in real.__doc__
    )

    class Reader:  # the real one cannot be made without a driver
        pass

    def read_through(runtime: Any, reader: Any) -> Any:
        """What TensorRT does with a reader: it reads pieces, seeks, and reads on."""
        assert isinstance(reader, Reader)
        pieces = []
        while piece := reader.read(1 << 20, 0):
            pieces.append(piece)
        assert reader.seek(0, trt.SeekPosition.SET) and reader.read(100, 0) == b"".join(pieces)[:100]
        assert reader.seek(-10, trt.SeekPosition.END) and len(reader.read(100, 0)) == 10
        return deserialised(runtime, b"".join(pieces))

    trt.IStreamReaderV2 = Reader
    trt.Runtime.deserialize_cuda_engine = read_through
    spy(trt.ICudaEngine, "get_device_memory_size_for_profile_v2", lambda engine, profile: 4096)
    for owner, names in {
        trt.Runtime: ("deserialize_cuda_engine",),
        trt.ICudaEngine: ("create_execution_context",),
        trt.IExecutionContext: (
            "set_device_memory", "set_optimization_profile_async", "set_input_shape", "set_tensor_address",
            "execute_async_v3",
        ),
    }.items():  # fmt: skip
        for name in names:
            spy(owner, name)
    model = open_model(work / "built")
    assert model.session.backend == f"TensorRT {trt.__version__} (Simulated NVIDIA Thor)"
    sequence = model.sequence()
    sequence.append(np.arange(20))
    start = sequence.snapshot()
    sequence.append(np.arange(50))
    canvas = sequence.open_canvas({}, with_logits=True)
    length = model.config.canvas_length
    for _ in range(3):
        result = canvas.step({"canvas": np.arange(length), "uniform": np.zeros(length), "temperature": np.ones(1)})
        assert result.logits is not None
        assert result.next_canvas.shape == (length,)
    sequence.restore(start)
    sequence.rows(0)
    sequence.evict(3, 5)
    if kernels.nvrtc() is not None or kernels.find_nvcc() is not None:
        sequence.shift(3, -5)
        assert cuda.bindings.driver.calls["cuLaunchKernel"] == len(model.config.text.layers)
        sequence.shift(3, 5)
    assert isinstance(model.session.device_memory(), int)  # of this machine, as Thor shares its memory
    if model.config.vision is not None:
        cell = model.config.vision.pooling
        grid = np.indices((cell, 2 * cell)).reshape(2, -1)[::-1].T
        soft = model.soft_tokens(np.zeros((len(grid), model.config.vision.patch_dim), np.float32), grid)
        assert soft.shape == (2, model.config.text.hidden_size)
    used = ("GraphLaunch", "StreamBeginCapture", "Memcpy2DAsync", "StreamSynchronize", "EventRecord", "StreamWaitEvent")
    for name in (f"cuda{name}" for name in used):
        assert cuda.bindings.runtime.calls[name], name
    assert CALLS["IExecutionContext.execute_async_v3"] >= 8
    del start  # as snapshots are of the device's memory
    model.session.close()
    driver = cuda.bindings.driver.calls
    assert driver["cuModuleUnload"] == driver["cuModuleLoadData"]
    assert cuda.bindings.runtime.calls["cudaEventDestroy"] == cuda.bindings.runtime.calls["cudaEventCreateWithFlags"]
    assert not cuda.bindings.runtime.memory
    cuda.bindings.runtime.fail = "cudaMalloc"
    try:
        open_model(work / "built")
    except DeviceMemoryError as error:
        assert "no memory left" in str(error)
    else:
        raise AssertionError("no error")
    assert not cuda.bindings.runtime.memory
    cuda.bindings.runtime.fail = None
    open_model(work / "built").session.close()
    for wrong in (None, "key_7"):
        aliased[0] = lambda name, wrong=wrong: wrong
        try:
            open_model(work / "built")
        except BackendError as error:
            assert "in place over key_0" in str(error)
        else:
            raise AssertionError("a cache that is not written in place was taken")


def main() -> None:
    checkpoint, built, work = map(Path, sys.argv[1:])
    from tests.trt.fake_cuda import FakeDriver, FakeRuntime

    cuda.bindings.runtime = FakeRuntime("Simulated NVIDIA Thor", 110)
    cuda.bindings.driver = FakeDriver()
    check_plugins()
    check_build(checkpoint, work)
    check_session(built, work)
    print(json.dumps({"version": trt.__version__, "calls": {**CALLS, **cuda.bindings.runtime.calls}}))


if __name__ == "__main__":
    main()
