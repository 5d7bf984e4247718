"""Built folders and sessions on the simulated device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgemma_ros.checkpoint.config import load_config, load_generation_config
from dgemma_ros.checkpoint.tensors import Tensors
from dgemma_ros.checkpoint.weights import Weights
from dgemma_ros.graphs import manifest
from dgemma_ros.model import Model
from dgemma_ros.runtime.noise import Noise
from dgemma_ros.trt import engine_manifest, targets
from dgemma_ros.trt.builder import build
from dgemma_ros.trt.session import TrtSession
from tests.conftest import Folders
from tests.tiny import TINIES, Tiny
from tests.trt.emulated import Emulated, shared
from tests.trt.simulated import SimulatedCompiler, SimulatedRuntime
from tests.trt.simulated_device import SimulatedDevice

TARGET = replace(
    targets.load("thor"),
    dtype="float32",
    context_buckets=(64, 192, 512),
    window_buckets=(256, 512),
    prefill_rows=(32, 256),
    image_tokens=(6, 64),
    allowed_sets=4,
)
NAMES = [name for name, tiny in TINIES.items() if tiny.dtype == "float32" and not tiny.nvfp4][:4]
Built = Callable[[str | Tiny], Path]
Opened = Callable[..., Model]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, checkpoint: Folders) -> Built:
    made: dict[Path, Path] = {}

    def folder(tiny: str | Tiny) -> Path:
        source = checkpoint(tiny)
        if source not in made:
            made[source] = build(source, tmp_path_factory.mktemp("built") / "out", TARGET, SimulatedCompiler)
        return made[source]

    return folder


@pytest.fixture(scope="session")
def open_built(built: Built) -> Opened:
    """A built model on a simulated device, which is the session's ``_device``."""

    def opened(tiny: str | Tiny, device: SimulatedDevice | None = None) -> Model:
        folder = built(tiny)
        listed = manifest.load(folder)
        config = load_config(folder)
        weights = Weights(
            Tensors(listed.checkpoint, {name: record.entry for name, record in listed.tensors.items()}), config
        )
        device = device or SimulatedDevice()
        written = engine_manifest.load(folder)
        engine_manifest.check_machine(written, folder, device.info, SimulatedRuntime.version)
        session = TrtSession(folder, config, weights, written, device, SimulatedRuntime(device))
        return Model(folder, config, load_generation_config(folder, config), session)

    return opened


@pytest.fixture(scope="module")
def emulated() -> Emulated:
    """The kernels on this machine's CPU, compiled once a process; copies arrive late until a test says otherwise."""
    kernels = shared()
    kernels.eager = False
    return kernels


def tokens(model: Model, sequence: Any, seed: int, steps: int = 4, feeds: Any = None) -> list[list[int]]:
    """Free-running canvases: what each step makes is the next one's input."""
    length, vocab = model.config.canvas_length, model.config.text.vocab_size
    noise = Noise(seed, length, vocab)
    canvas = sequence.open_canvas({"entropy_bound": np.array([1.0], np.float32), **(feeds or {})})
    current, out = noise.canvas(0), []
    for step in range(steps):
        uniform, random_tokens = noise.step(0, step)
        result = canvas.step(
            {
                "canvas": current,
                "uniform": uniform,
                "random_tokens": random_tokens,
                "temperature": np.array([0.6], np.float32),
            }
        )
        current = result.next_canvas
        out.append(current.tolist())
    return out
