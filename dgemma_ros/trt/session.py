"""The session on TensorRT's engines: nothing but a few kilobytes crosses to the host in a step."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from weakref import WeakSet

import numpy as np

from dgemma_ros.checkpoint.config import LayerKind, ModelConfig
from dgemma_ros.checkpoint.traffic import StepTraffic, step_traffic
from dgemma_ros.checkpoint.weights import Weights
from dgemma_ros.errors import DgemmaError
from dgemma_ros.runtime import keys
from dgemma_ros.runtime.contract import RESULTS, CacheBuffers, Feeds, Floats, Ints
from dgemma_ros.runtime.host_side import HostSide
from dgemma_ros.runtime.validity import OpenedCanvases
from dgemma_ros.trt import engine_manifest, profiles
from dgemma_ros.trt.bound_weights import BoundWeights
from dgemma_ros.trt.buffers import NUMPY, Buffers
from dgemma_ros.trt.cache import TrtCache
from dgemma_ros.trt.device import CudaDevice, Device, copy_bandwidth
from dgemma_ros.trt.engine import ExecutionContext, Runtime, TrtRuntime
from dgemma_ros.trt.engine_manifest import CANVAS, IMAGE, PREFILL, STEP, EngineManifest
from dgemma_ros.trt.key_kernels import KeyKernels
from dgemma_ros.trt.steps import Engines, EngineStream, Step, TrtCanvas

_KEPT_STEPS: Final = 4
"""Step shapes whose CUDA graphs are kept: a context before and after it grew, with and without logits."""


def is_built(folder: Path) -> bool:
    """Whether a folder holds engines that ``dgemma build`` wrote."""
    return (folder / engine_manifest.ENGINE_FILE).exists()


def open_session(folder: Path, config: ModelConfig, weights: Weights) -> TrtSession:
    """The session on a built folder, once its manifest fits this machine.

    Raises :class:`BackendError` where TensorRT, the GPU, an engine or (:class:`DeviceMemoryError`) memory is at fault;
    then all that was taken is given back, so that another attempt may follow.
    """
    written = engine_manifest.load(folder)
    runtime = TrtRuntime()
    device = CudaDevice(float(written.target.get("memory_limit", float("inf"))))
    try:
        engine_manifest.check_machine(written, folder, device.info, runtime.version)
        engine_manifest.check_weights(written, folder)
        return TrtSession(folder, config, weights, written, device, runtime)
    except BaseException:
        device.close()
        raise


class TrtSession:
    """See :class:`dgemma_ros.runtime.contract.Session`. Takes ``device`` over and closes it."""

    def __init__(
        self,
        folder: Path,
        config: ModelConfig,
        weights: Weights,
        manifest: EngineManifest,
        device: Device,
        runtime: Runtime,
    ) -> None:
        backbone = manifest.engines["backbone"]
        widest = {name: high for profile in backbone.profiles for name, (_, _, high) in profile.dims.items()}
        limit = min(config.text.max_positions, widest["full_capacity"])
        self.config = config
        self.max_rows = limit
        self.backend = f"TensorRT {runtime.version} ({device.info.name})"
        self._device = device
        self._engines = Engines(folder, manifest, runtime)
        self._caches: WeakSet[TrtCache] = WeakSet()
        self._opened = OpenedCanvases()
        dtype = str(manifest.target["dtype"])
        self._types = (dtype, "nvfp4" if manifest.forms.packed else dtype)
        self._buckets = {
            LayerKind.FULL: tuple(sorted({profile.dims["full_capacity"][2] for profile in backbone.profiles})),
            LayerKind.SLIDING: tuple(manifest.target["window_buckets"]),
        }
        self._dtype = NUMPY[backbone.inputs["inputs_embeds"].dtype]
        self._host = HostSide(config, weights)
        # Encoding yields to denoising: a frame may wait, a plan may not.
        self._encoding = EngineStream(device, self._engines, urgent=False)
        self._denoising = EngineStream(device, self._engines, urgent=True)
        key_norms = keys.full_key_norms(weights, config)
        self._key_kernels = KeyKernels(device, self._encoding.stream, self._dtype, key_norms)
        length = config.canvas_length
        sets = max(profile.dims["allowed_sets"][2] for profile in manifest.engines["head"].profiles)
        sizes = {"canvas_length": length, "rows": length, "rows_or_one": length, "allowed_sets": sets}
        self._step_buffers = Buffers(device, self._denoising.stream, sizes)
        most = max(profile.dims["rows"][2] for profile in backbone.profiles if profile.use == PREFILL)
        self._encode_buffers = Buffers(device, self._encoding.stream, {"rows": most})
        self._image_buffers: Buffers | None = None
        self._steps: dict[tuple[object, ...], Step] = {}
        self._contexts: dict[tuple[object, ...], ExecutionContext] = {}
        self._closed = False
        for name in ("embed", "backbone", "head"):
            self._step_buffers.declare(self._engines.spec(name).inputs)
            self._step_buffers.declare(self._engines.spec(name).outputs)
            self._engines[name]  # loaded now, so that what is wrong shows before the first task
        self._encode_buffers.declare({**backbone.inputs, **backbone.outputs})
        self._weights = BoundWeights(device, self._denoising.stream, weights)
        for name in ("embed", "head", "backbone"):
            self._weights.upload(self._engines.spec(name).inputs)
        self._encode_buffers.write("layer_scalars", self._host.encoder_scalars)
        self._device.wait(self._encoding.stream)

    def soft_tokens(self, feeds: Feeds) -> Floats:
        """See the contract."""
        self._device.activate()
        spec, cell = self._engines.spec("vision"), self.config.vision.pooling**2 if self.config.vision else 1
        if self._image_buffers is None:
            most = spec.profiles[0].dims["patches"][2]
            self._image_buffers = Buffers(
                self._device, self._encoding.stream, {"patches": most, "soft_tokens": most // cell}
            )
            self._image_buffers.declare({**spec.inputs, **spec.outputs})
        buffers, count = self._image_buffers, len(feeds["patches"])
        context = self._encoding_context("vision", IMAGE, {"patches": count})
        context.set_shapes({name: buffers.write(name, value) for name, value in feeds.items()})
        context.bind(buffers.addresses([*spec.inputs, *spec.outputs]))
        context.run(self._encoding.stream)
        buffers.enqueue_read("soft_tokens")
        self._device.wait(self._encoding.stream)
        return buffers.read("soft_tokens", (count // cell, self.config.text.hidden_size)).astype(np.float32)

    def embed_tokens(self, ids: Ints) -> Floats:
        """See the contract."""
        return self._host.embed_tokens(ids)

    def new_cache(self) -> CacheBuffers:
        """See the contract."""
        self._device.activate()
        kinds = {layer.kind for layer in self.config.text.layers}
        buckets = {kind: self._buckets[kind] for kind in kinds}
        cache = TrtCache(self._device, self._encoding.stream, self.config, self._dtype, buckets, self._key_kernels)
        self._caches.add(cache)
        return cache

    def encode(self, cache: CacheBuffers, rows: Floats, feeds: Feeds) -> None:
        """See the contract. Returns when all is enqueued; whatever reads the cache is ordered behind it."""
        assert isinstance(cache, TrtCache)
        self._device.activate()
        self._device.wait(self._encoding.stream)  # the host copies of the last chunk are read until then
        spec, buffers = self._engines.spec("backbone"), self._encode_buffers
        dims = {"rows": len(rows), **cache.capacities}
        context = self._encoding_context("backbone", PREFILL, dims)
        for name, value in {**feeds, "inputs_embeds": rows[None]}.items():
            buffers.write(name, value)
        context.set_shapes({name: profiles.resolved(tensor.shape, dims) for name, tensor in spec.inputs.items()})
        elsewhere = {**cache.addresses, **self._weights.addresses}
        own = [name for name in (*spec.inputs, *spec.outputs) if name not in elsewhere]
        at = {**buffers.addresses(own), **elsewhere}
        context.bind({name: at[name] for name in (*spec.inputs, *spec.outputs)})
        with cache.writing():
            context.run(self._encoding.stream)

    def _encoding_context(self, name: str, use: str, dims: dict[str, int]) -> ExecutionContext:
        """A context for encoding, made once for each profile."""
        self._encoding.reserve(name, use, dims)
        generation = self._encoding.generation
        key = (name, profiles.find_profile(self._engines.spec(name), use, dims), generation)
        if key not in self._contexts:
            self._contexts = {old: kept for old, kept in self._contexts.items() if old[2] == generation}
            self._contexts[key] = self._encoding.context(name, use, dims)
        return self._contexts[key]

    def open_canvas(self, cache: CacheBuffers, feeds: Feeds, with_logits: bool = False) -> TrtCanvas:
        """See the contract."""
        assert isinstance(cache, TrtCache)
        self._device.activate()
        self._device.wait(self._denoising.stream)  # the host copies of the last canvas's feeds are read until then
        length, vocab = self.config.canvas_length, self.config.text.vocab_size
        start = self._host.canvas_feeds(feeds)
        start["allowed_row"] = np.broadcast_to(start["allowed_row"], (length,))
        head = "head_with_logits" if with_logits else "head"
        dims = {**self._step_dims(), **cache.capacities, "allowed_sets": len(start["allowed"])}
        step = self._step(head, cache, dims)
        for name, value in start.items():
            self._step_buffers.write(name, value)
        self._step_buffers.clear("soft")
        # The host goes on: only the canvas's steps wait until the last chunk is encoded.
        self._device.wait_event(self._denoising.stream, cache.written)
        return TrtCanvas(
            self._device,
            self._denoising.stream,
            self._step_buffers,
            step,
            self._opened.next(cache),
            cache.denoised,
            length,
            vocab,
            with_logits,
        )

    def _step_dims(self) -> dict[str, int]:
        length = self.config.canvas_length
        return {"canvas_length": length, "rows": length, "rows_or_one": length}

    def _step(self, head: str, cache: TrtCache, dims: dict[str, int]) -> Step:
        """The step of these sizes over this cache, with its CUDA graph where it has run before."""
        parts = (("embed", STEP), ("backbone", CANVAS), (head, STEP))
        for name, use in parts:
            self._step_buffers.declare(self._engines.spec(name).outputs)
            self._denoising.reserve(name, use, dims)
        key = (head, cache.version, self._denoising.generation, *sorted(dims.items()))
        if key in self._steps:
            self._steps[key] = self._steps.pop(key)  # the latest stands last
            return self._steps[key]
        void = [old for old in self._steps if old[1:3] != key[1:3]]
        for old in [*void, *[old for old in self._steps if old not in void][: 1 - _KEPT_STEPS]]:
            self._steps.pop(old).close()
        contexts: dict[str, ExecutionContext] = {}
        for name, use in parts:
            spec = self._engines.spec(name)
            context = self._denoising.context(name, use, dims)
            context.set_shapes({key: profiles.resolved(tensor.shape, dims) for key, tensor in spec.inputs.items()})
            elsewhere = {**cache.addresses, **self._weights.addresses}
            own = [name for name in (*spec.inputs, *spec.outputs) if name not in elsewhere]
            at = {**self._step_buffers.addresses(own), **elsewhere}
            context.bind({name: at[name] for name in (*spec.inputs, *spec.outputs)})
            contexts[name] = context

        def enqueue_results() -> None:
            for name in RESULTS:
                self._step_buffers.enqueue_read(name)

        for name in RESULTS:  # allocated now: a capture must not allocate
            self._step_buffers.read(name, (1,))
        self._steps[key] = Step(self._device, self._denoising.stream, contexts, enqueue_results)
        return self._steps[key]

    def traffic(self, context: int) -> StepTraffic:
        """See the contract."""
        dtype, experts = self._types
        return step_traffic(self.config, context, dtype, experts, cache=dtype)

    def bandwidth(self) -> float | None:
        """See the contract: of copies within the device."""
        self._device.activate()
        return copy_bandwidth(self._device, self._encoding.stream)

    def device_memory(self) -> int | None:
        """See the contract."""
        self._device.activate()
        return self._device.used()

    def close(self) -> None:
        """See the contract."""
        if self._closed:
            return
        self._closed = True
        with suppress(DgemmaError):  # after an error of the device every call fails; it is let go all the same
            self._device.activate()
            for lane in (self._encoding, self._denoising):
                self._device.wait(lane.stream)
        for step in self._steps.values():
            step.close()
        closing: list[Callable[[], Any]] = [self._steps.clear, self._contexts.clear, self._engines.clear]
        closing += [cache.close for cache in self._caches]
        for call in (*closing, self._device.close):
            with suppress(DgemmaError):
                call()
