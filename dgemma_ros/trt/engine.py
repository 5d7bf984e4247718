"""Engines as the session sees them: profiles that are run on a stream, over addresses that the session binds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

from dgemma_ros.errors import BackendError, DeviceMemoryError
from dgemma_ros.trt import machine
from dgemma_ros.trt.engine_manifest import EngineSpec
from dgemma_ros.trt.logger import make_logger

SUPPORTED: Final = ((10, 16), (11, 0))
"""The oldest release of each major version that is supported."""
_PIECE: Final = 200 << 20
"""Bytes of an engine that are read at once."""


class ExecutionContext(Protocol):
    """One engine under one of its profiles."""

    def set_shapes(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """The inputs' shapes. Raises :class:`BackendError` where they are outside the profile."""

    def bind(self, addresses: Mapping[str, int]) -> None:
        """Where inputs and outputs lie."""

    def run(self, stream: int) -> None:
        """Enqueues one inference. Raises :class:`BackendError`."""


class Engine(Protocol):
    """A deserialised engine."""

    def scratch(self, profile: int) -> int:
        """Bytes of scratch memory that a profile needs."""

    def context(self, profile: int, scratch: int, size: int, stream: int) -> ExecutionContext:
        """A context in ``size`` bytes of scratch memory at address ``scratch``."""


class Runtime(Protocol):
    """What deserialises."""

    version: str

    def load(self, file: Path, spec: EngineSpec) -> Engine:
        """A file that was checked before. Raises :class:`BackendError`."""


def import_tensorrt() -> Any:
    """The module ``tensorrt``, in a version that is supported. Raises :class:`BackendError`."""
    try:
        import tensorrt
    except Exception as error:  # a missing library is an ImportError; a wrong one whatever its loader says
        line = next(iter(str(error).splitlines()), type(error).__name__)
        raise BackendError(f"TensorRT is not here ({line}); {machine.install_tensorrt()}") from error
    version = tuple(int(part) for part in str(tensorrt.__version__).split(".")[:2])
    if not any(version[0] == oldest[0] and version >= oldest for oldest in SUPPORTED):
        raise BackendError(
            f"TensorRT {tensorrt.__version__} is not supported; 10.16 and later 10.x, and 11.x are: "
            f"{machine.install_tensorrt()}"
        )
    return tensorrt


class TrtRuntime:
    """See :class:`Runtime`."""

    def __init__(self) -> None:
        self._trt = import_tensorrt()
        self.version = str(self._trt.__version__)
        self._logger = make_logger(self._trt)
        self._runtime = self._trt.Runtime(self._logger)

    def load(self, file: Path, spec: EngineSpec) -> TrtEngine:
        """See the protocol."""
        with file.open("rb") as stream:
            engine = self._runtime.deserialize_cuda_engine(_reader(self._trt, stream))
        if engine is None:
            reason = self._logger.last or "no reason given"
            if "out of memory" in reason.lower():
                raise DeviceMemoryError(f"{file}: the GPU has no memory left for its weights ({reason})")
            raise BackendError(f"{file}: TensorRT refused the engine ({reason}); build it again")
        _check_aliases(engine, file, spec)
        return TrtEngine(self._trt, self._logger, engine)


def _check_aliases(engine: Any, file: Path, spec: EngineSpec) -> None:
    """Raises :class:`BackendError` where a cache's output does not lie where its input does.

    Both are bound to one address. An engine that thinks them two tensors might copy between them, over itself.
    """
    for name in spec.outputs:
        cache = name.removesuffix("_out")
        if cache != name and cache in spec.inputs and (found := engine.get_aliased_input_tensor(name)) != cache:
            raise BackendError(
                f"{file}: {name} is written {f'where {found} lies' if found else 'to a place of its own'}, not in "
                f"place over {cache}; this TensorRT does not write the cache in place: update it, and build again"
            )


def _reader(trt: Any, stream: BinaryIO) -> Any:
    class Reader(trt.IStreamReaderV2):  # type: ignore[misc, name-defined, unused-ignore]
        """Hands TensorRT the file in pieces, so that no second copy of an engine stands in memory."""

        def __init__(self) -> None:
            trt.IStreamReaderV2.__init__(self)

        def read(self, num_bytes: int, cuda_stream: int) -> bytes:
            """TensorRT's callback; asked again until it has all, and told the end by nothing."""
            try:
                return stream.read(min(num_bytes, _PIECE))
            except OSError:
                return b""

        def seek(self, offset: int, where: Any) -> bool:
            """TensorRT's callback."""
            try:
                stream.seek(offset, int(where))  # its numbers are the operating system's
                return True
            except (OSError, ValueError):
                return False

    return Reader()


class TrtEngine:
    """See :class:`Engine`."""

    def __init__(self, trt: Any, logger: Any, engine: Any) -> None:
        self._trt, self._logger, self._engine = trt, logger, engine

    def scratch(self, profile: int) -> int:
        """See the protocol."""
        return int(self._engine.get_device_memory_size_for_profile_v2(profile))

    def context(self, profile: int, scratch: int, size: int, stream: int) -> TrtContext:
        """See the protocol."""
        context = self._engine.create_execution_context(self._trt.ExecutionContextAllocationStrategy.USER_MANAGED)
        if context is None:
            raise BackendError(f"TensorRT made no execution context ({self._logger.last})")
        context.set_device_memory(scratch, size)
        if not context.set_optimization_profile_async(profile, stream):
            raise BackendError(f"TensorRT refused profile {profile} ({self._logger.last})")
        return TrtContext(self._logger, context)


class TrtContext:
    """See :class:`ExecutionContext`."""

    def __init__(self, logger: Any, context: Any) -> None:
        self._logger, self._context = logger, context

    def set_shapes(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """See the protocol."""
        for name, shape in shapes.items():
            if not self._context.set_input_shape(name, shape):
                raise BackendError(f"TensorRT refused {list(shape)} for {name} ({self._logger.last})")

    def bind(self, addresses: Mapping[str, int]) -> None:
        """See the protocol."""
        for name, address in addresses.items():
            if not self._context.set_tensor_address(name, address):
                raise BackendError(f"TensorRT refused the address of {name} ({self._logger.last})")

    def run(self, stream: int) -> None:
        """See the protocol."""
        if not self._context.execute_async_v3(stream):
            raise BackendError(f"TensorRT could not run ({self._logger.last or 'no reason given'})")
