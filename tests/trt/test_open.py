"""A built folder through open_model, verify and the command, its engines on the simulated device."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from dgemma_ros.cli.app import run
from dgemma_ros.errors import BackendError
from dgemma_ros.model import open_model
from dgemma_ros.trt import compiler, session
from dgemma_ros.trt.builder import build
from dgemma_ros.trt.device import copy_bandwidth
from dgemma_ros.verification import verify
from dgemma_ros.verification.replay import replay
from tests.conftest import Folders
from tests.trt.conftest import TARGET, Built
from tests.trt.simulated import SimulatedCompiler, SimulatedDevice, SimulatedRuntime


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[SimulatedDevice]]:
    made: list[SimulatedDevice] = []

    def device(limit: float) -> SimulatedDevice:
        made.append(SimulatedDevice(limit))
        return made[-1]

    monkeypatch.setattr(session, "CudaDevice", device)
    monkeypatch.setattr(session, "TrtRuntime", lambda: SimulatedRuntime(made[-1] if made else device(1e9)))
    monkeypatch.setattr(SimulatedRuntime, "load", _load_on(made))
    yield made


def _load_on(made: list[SimulatedDevice]):
    load = SimulatedRuntime.load

    def on_the_latest(self: SimulatedRuntime, *arguments):
        self.device = made[-1]  # the runtime is made before its device
        return load(self, *arguments)

    return on_the_latest


def test_engines_are_chosen(built: Built, devices: list[SimulatedDevice]) -> None:
    model = open_model(built("images"))
    assert model.session.backend == "TensorRT 10.16.2.0 (Simulated NVIDIA Thor)"
    assert devices[-1].room == TARGET.memory_limit
    sequence = model.sequence()
    sequence.append(np.arange(10))
    model.session.close()
    assert devices[-1].closed


def test_first_layers_are_verified_on_the_engines(
    checkpoint: Folders, tmp_path: Path, devices: list[SimulatedDevice]
) -> None:
    layers = verify.first_period(open_model(checkpoint("images")).config)
    out = build(checkpoint("images"), tmp_path / "out", TARGET, SimulatedCompiler, layers=layers)
    outcome = verify.verify(out)
    assert outcome.right
    assert outcome.layers == layers
    assert outcome.backend.startswith("TensorRT")


def test_a_whole_model_without_cases_says_how(built: Built, devices: list[SimulatedDevice]) -> None:
    with pytest.raises(BackendError, match=r"dgemma build .* --layers 2 --out"):
        verify.verify(built("images"))


def test_the_command_builds(
    checkpoint: Folders,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    devices: list[SimulatedDevice],
) -> None:
    monkeypatch.setattr(session, "copy_bandwidth", partial(copy_bandwidth, rows=2, copies=2))
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        "\n".join(f"{name}: {json.dumps(value)}" for name, value in vars(TARGET).items() if name != "name")
    )
    monkeypatch.setattr(compiler, "TrtCompiler", SimulatedCompiler)
    out = tmp_path / "engines"
    assert run(["build", str(checkpoint("plain")), "--target", str(recipe), "--out", str(out), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["target"] == "mine"
    assert made["engines"].keys() == {"embed", "backbone", "head", "head_with_logits"}
    assert run(["bench", "--model", str(out), "--prompt", "20", "--rounds", "2", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["backend"].startswith("TensorRT")
    assert figures["bound"]["times_slower"] > 0
    assert figures["memory"]["device"] > figures["memory"]["cache"] > 0
    assert run(["build", str(checkpoint("plain")), "--target", str(recipe), "--out", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_half_precision(checkpoint: Folders, tmp_path: Path, devices: list[SimulatedDevice]) -> None:
    """Weights, cache and rows in the engines' own type; the numbers are near float32's, and what is drawn with them."""
    out = build(checkpoint("images"), tmp_path / "out", replace(TARGET, dtype="float16"), SimulatedCompiler)
    ours, theirs = open_model(out), open_model(checkpoint("images"), threads=1)
    for case in verify.made_cases(theirs.config):
        expected, found = (replay(model, case, with_logits=True, with_cache=True) for model in (theirs, ours))
        for name in ("logits", "key_3", "value_3", "entropy"):
            assert np.allclose(found[name], expected[name], atol=0.2), name
        assert (found["argmax"] == expected["argmax"]).mean() > 0.9
    assert ours.session.new_cache().read(0, 0, 0)[0].dtype == np.float32
    ours.session.close()


def test_other_weights_than_the_engines(built: Built, tmp_path: Path, devices: list[SimulatedDevice]) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(built("plain"), folder)
    (folder / "manifest.json").write_text((folder / "manifest.json").read_text() + "\n")
    with pytest.raises(BackendError, match="has changed since the engines were built"):
        open_model(folder)
    assert devices[-1].closed
