"""ONNX Runtime's session where values do not lie in the host's memory, as with ``device: cuda``, without a GPU.

The second device is stood in for by copies: a value shares no memory with the array it was made of, and changes only by
what is bound or sent to it. What only a GPU can show, that its kernels compute right, is not shown.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from dgemma_ros.checkpoint.config import LayerKind
from dgemma_ros.errors import BackendError
from dgemma_ros.model import Model, open_model
from dgemma_ros.runtime import ort_graphs
from dgemma_ros.runtime.noise import Noise
from dgemma_ros.verification.replay import replay
from dgemma_ros.verification.verify import made_cases
from tests.conftest import Folders, Models

CUDA = "CUDAExecutionProvider"


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    """Lets ``device="cuda"`` run on the CPU over copies; the providers that sessions were asked for."""
    asked: list[tuple[str, dict[str, str]]] = []
    make_value, make_session = ort.OrtValue.ortvalue_from_numpy, ort.InferenceSession

    def value(array: np.ndarray, device: str = "cpu", number: int = 0) -> Any:
        return make_value(array.copy() if device == "cuda" else array, "cpu", 0)

    def session(model: bytes, options: Any, providers: list[tuple[str, dict[str, str]]]) -> Any:
        asked.extend(providers)
        return make_session(model, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(ort.OrtValue, "ortvalue_from_numpy", staticmethod(value))
    monkeypatch.setattr(ort, "InferenceSession", session)
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CUDA, "CPUExecutionProvider"])
    return asked


def tokens(model: Model, sequence: Any, seed: int) -> list[list[int]]:
    length, vocab = model.config.canvas_length, model.config.text.vocab_size
    noise = Noise(seed, length, vocab)
    canvas, current, out = sequence.open_canvas({"entropy_bound": np.ones(1, np.float32)}), noise.canvas(0), []
    for step in range(4):
        uniform, random_tokens = noise.step(0, step)
        feeds = {"canvas": current, "uniform": uniform, "random_tokens": random_tokens}
        current = canvas.step({**feeds, "temperature": np.array([0.6], np.float32)}).next_canvas
        out.append(current.tolist())
    return out


@pytest.mark.parametrize("name", ["images", "small_window", "many_experts"])
def test_replays_alike(
    name: str, opened: Models, exported: Folders, elsewhere: list[tuple[str, dict[str, str]]]
) -> None:
    theirs, ours = opened(name), open_model(exported(name), device="cuda", threads=1)
    assert "CUDA" in ours.session.backend
    for case in made_cases(theirs.config):
        expected, found = (replay(model, case, with_logits=True, with_cache=True) for model in (theirs, ours))
        for key, value in expected.items():
            assert np.allclose(found[key], value, rtol=1e-5, atol=1e-5), key
    ours_options = [options for provider, options in elsewhere if provider == CUDA]
    assert len(ours_options) >= 4 and all(options["use_tf32"] == "0" for options in ours_options)
    ours.session.close()


def test_rows_that_move_grow_and_come_back(
    opened: Models, exported: Folders, elsewhere: list[tuple[str, dict[str, str]]]
) -> None:
    """What on the CPU happens in place is fetched, changed and sent back."""
    logs = []
    for model in (opened("small_window"), open_model(exported("small_window"), device="cuda", threads=1)):
        random = np.random.Generator(np.random.Philox(key=5))
        sequence, log = model.sequence(), []
        sequence.append(random.integers(0, 100, 20))
        start = sequence.snapshot()
        for length in (30, 130):
            sequence.append(random.integers(0, 100, length))
            log.append(tokens(model, sequence, length))
        sequence.rollback(sequence.length - 10)
        log.append(tokens(model, sequence, 7))
        sequence.evict(20, 30)
        log.append(tokens(model, sequence, 8))
        sequence.shift(20, -30)
        log.append(tokens(model, sequence, 9))
        sequence.restore(start)
        log.append(tokens(model, sequence, 1))
        logs.append(log)
        assert sequence.cache.capacity(LayerKind.FULL) > 0
    assert logs[0] == logs[1]


def test_without_the_provider_it_is_one_line(exported: Folders) -> None:
    if CUDA in ort.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    with pytest.raises(BackendError, match="has no CUDAExecutionProvider; install onnxruntime-gpu, or use device cpu"):
        open_model(exported("plain"), device="cuda")
    assert ort_graphs.PROVIDERS["cuda"] == CUDA
