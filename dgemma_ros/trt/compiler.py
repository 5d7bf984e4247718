"""One graph compiled by TensorRT: parser, profiles, timing cache, progress, an engine streamed to its file."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from onnx import ModelProto

from dgemma_ros.checkpoint.config import ModelConfig
from dgemma_ros.errors import BackendError, DeviceMemoryError
from dgemma_ros.graphs.builder import DOMAIN, PLUGIN
from dgemma_ros.runtime.contract import Array
from dgemma_ros.trt import plugin_contracts as contracts
from dgemma_ros.trt import plugins, profiles
from dgemma_ros.trt.builder import EngineSource, Progress
from dgemma_ros.trt.device import CudaDevice
from dgemma_ros.trt.engine import import_tensorrt
from dgemma_ros.trt.engine_manifest import ProfileSpec, TensorSpec
from dgemma_ros.trt.forms import plugin_refusals
from dgemma_ros.trt.logger import make_logger
from dgemma_ros.trt.targets import Target

_LOG = logging.getLogger("dgemma_ros.tensorrt")


class TrtCompiler:
    """See :class:`dgemma_ros.trt.builder.Compiler`. Raises :class:`BackendError` where TensorRT or a GPU is missing."""

    def __init__(self, target: Target, config: ModelConfig) -> None:
        self._trt = import_tensorrt()
        self._target = target
        self._sizes = plugins.Sizes.of(config)
        self._device = CudaDevice()
        self.version = str(self._trt.__version__)
        self.info = self._device.info

    def free_memory(self) -> int:
        """See the protocol."""
        return self._device.free_memory()

    def refusals(self, config: ModelConfig, dtype: str, packed: bool) -> tuple[str | None, str | None]:
        """See the protocol. What TensorRT's registry does not know cannot be called, whatever the kernels take."""
        plugins.register(self._sizes, self.info.architecture)
        registry = self._trt.get_plugin_registry()
        up_down = (contracts.UP_NVFP4, contracts.DOWN_NVFP4) if packed else (contracts.UP, contracts.DOWN)

        def unknown(*names: str) -> str | None:
            missing = [name for name in names if registry.get_creator(name, PLUGIN["plugin_version"], DOMAIN) is None]
            return f"TensorRT has no plugin {missing[0]}" if missing else None

        experts, attention = plugin_refusals(config, dtype, packed)
        return (
            experts or unknown(contracts.ROUTE, *up_down, contracts.COMBINE),
            attention or unknown(contracts.ATTENTION),
        )

    def compile(self, source: EngineSource, out: Path, on_progress: Progress) -> None:
        """See the protocol."""
        trt, name = self._trt, source.model.graph.name
        plugins.register(self._sizes, self.info.architecture)
        logger = make_logger(trt)
        builder = trt.Builder(logger)
        flags = trt.NetworkDefinitionCreationFlag
        # 11 is strongly typed in any case, and keeps the flag.
        network = builder.create_network(1 << int(flags.STRONGLY_TYPED) | 1 << int(flags.PREFER_AOT_PYTHON_PLUGINS))
        parser = trt.OnnxParser(network, logger)
        self._parse(parser, source.model, source.weights, logger)
        config = builder.create_builder_config()
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, self._target.workspace)
        config.builder_optimization_level = self._target.optimization_level
        config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # layers keep our names
        # TF32 would round float32 products to ten bits of mantissa, where the statistics are made.
        config.clear_flag(trt.BuilderFlag.TF32)
        for profile in source.profiles:
            self._add_profile(builder, config, source.inputs, profile)
        cache_file = timing_cache(self.info.name, self.version)
        cache = config.create_timing_cache(cache_file.read_bytes() if cache_file.is_file() else b"")
        config.set_timing_cache(cache, False)
        monitor = _monitor(trt, name, on_progress)
        config.progress_monitor = monitor
        with out.open("wb") as stream:
            writer = _writer(trt, stream)
            built = builder.build_serialized_network_to_stream(network, config, writer)
        if monitor.interrupted is not None:
            raise monitor.interrupted
        if not built:
            self._refuse(f"graph {name}: TensorRT built no engine", logger.last)
        if writer.failed is not None:
            raise writer.failed
        _keep(cache_file, config.get_timing_cache().serialize())

    def _parse(self, parser: Any, model: ModelProto, weights: Mapping[str, Array], logger: Any) -> None:
        name = model.graph.name
        if not parser.load_model_proto(model.SerializeToString()):
            self._refuse(f"graph {name}: TensorRT's parser could not read it", _first_error(parser) or logger.last)
        for tensor, array in weights.items():  # which live until the engine is built: the caller holds them
            if not parser.load_initializer(tensor, array.ctypes.data, array.nbytes):
                self._refuse(f"graph {name}: TensorRT's parser did not take {tensor}", _first_error(parser))
        if not parser.parse_model_proto():
            self._refuse(f"graph {name}: TensorRT's parser refused it", _first_error(parser) or logger.last)

    def _add_profile(self, builder: Any, config: Any, inputs: Mapping[str, TensorSpec], made: ProfileSpec) -> None:
        profile = builder.create_optimization_profile()
        for name, spec in inputs.items():
            if (ranges := profiles.input_ranges(spec, made)) is not None:
                profile.set_shape(name, *ranges)
        if config.add_optimization_profile(profile) < 0:
            raise BackendError(f"TensorRT refused the profile {made}")

    @staticmethod
    def _refuse(what: str, reason: str) -> None:
        if "out of memory" in reason.lower() or "outofmemory" in reason.lower():
            raise DeviceMemoryError(f"{what}: the GPU has no memory left ({reason})")
        raise BackendError(f"{what} ({reason or 'no reason given'})")


def timing_cache(gpu: str, tensorrt: str) -> Path:
    """Where the measured times of kernels are kept, one file a GPU and TensorRT: a second build takes minutes."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dgemma_ros" / "timing"
    return base / f"{re.sub(r'[^A-Za-z0-9]+', '-', gpu).strip('-')}-{tensorrt}.cache"


def _keep(file: Path, content: Any) -> None:
    """The next build starts from it; a build that cannot write it is none the worse."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{file.name}.{os.getpid()}")
        temporary.write_bytes(content)
        temporary.replace(file)
    except OSError as error:
        _LOG.warning("%s: the timing cache cannot be written (%s)", file, error.strerror or error)


def _first_error(parser: Any) -> str:
    if not parser.num_errors:
        return ""
    error = parser.get_error(0)
    return " ".join(f"{error.node_name()}: {error.desc()}".split())


def _writer(trt: Any, stream: BinaryIO) -> Any:
    class Writer(trt.IStreamWriter):  # type: ignore[misc, name-defined, unused-ignore]
        """Hands TensorRT's bytes to the file as they come: an engine is as large as its weights."""

        def __init__(self) -> None:
            trt.IStreamWriter.__init__(self)
            self.failed: BackendError | None = None

        def write(self, data: bytes) -> int:
            """TensorRT's callback; must not raise. Bytes that were taken."""
            try:
                return stream.write(data)
            except OSError as error:
                self.failed = BackendError(f"{stream.name}: cannot be written ({error.strerror or error})")
                return 0

    return Writer()


def _monitor(trt: Any, graph: str, on_progress: Progress) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc, name-defined, unused-ignore]
        """TensorRT's phases as progress; called from its own threads, and must not raise."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.steps: dict[str, int] = {}
            self.interrupted: BaseException | None = None

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            """TensorRT's callback."""
            self.steps[phase_name] = num_steps
            self._tell(phase_name, 0)

        def step_complete(self, phase_name: str, step: int) -> bool:
            """TensorRT's callback; False ends the build."""
            self._tell(phase_name, step + 1)
            return self.interrupted is None

        def phase_finish(self, phase_name: str) -> None:
            """TensorRT's callback."""
            self._tell(phase_name, self.steps.pop(phase_name, 0))

        def _tell(self, phase: str, done: int) -> None:
            try:
                on_progress(f"{graph}: {phase}", done, self.steps.get(phase, done))
            except BaseException as error:  # Ctrl-C among them: it ends the build, and is raised once that is over
                self.interrupted = error

    return Monitor()
