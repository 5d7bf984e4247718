"""A built folder through open_model, verify and the command, its engines on the simulated device."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgemma_ros.checkpoint.traffic import step_traffic
from dgemma_ros.cli.app import run
from dgemma_ros.errors import BackendError
from dgemma_ros.finding import Finding
from dgemma_ros.model import open_model
from dgemma_ros.trt import compiler, engine_manifest, forms, session
from dgemma_ros.trt.builder import EngineSource, build
from dgemma_ros.trt.device import copy_bandwidth
from dgemma_ros.verification import verify
from dgemma_ros.verification.replay import replay
from tests.conftest import Folders
from tests.tiny import TINIES
from tests.trt.conftest import TARGET, Built
from tests.trt.simulated import SimulatedCompiler, SimulatedRuntime
from tests.trt.simulated_device import SimulatedDevice


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
    assert made["verification"]["right"] and made["verification"]["check"] == "self-consistency"
    assert not list(tmp_path.glob(".engines*"))  # the excerpt that was verified
    assert made["engines"].keys() == {"embed", "backbone", "head", "head_with_logits"}
    assert run(["bench", "--model", str(out), "--prompt", "20", "--rounds", "2", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["backend"].startswith("TensorRT")
    assert figures["bound"]["times_slower"] > 0
    assert [part["name"] for part in figures["bound"]["parts"]] == ["embed", "backbone", "head"]
    assert figures["memory"]["device"] > figures["memory"]["cache"] > 0
    assert run(["build", str(checkpoint("plain")), "--target", str(recipe), "--out", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_the_command_says_that_engines_compute_wrongly(
    checkpoint: Folders,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    devices: list[SimulatedDevice],
) -> None:
    class Wrong(SimulatedCompiler):
        """Fluent garbage: one product of a layer is off."""

        def compile(self, source: EngineSource, *rest: Any) -> None:
            weights = {name: -array if ".o_proj" in name else array for name, array in source.weights.items()}
            super().compile(replace(source, weights=weights), *rest)

    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        "\n".join(f"{name}: {json.dumps(value)}" for name, value in vars(TARGET).items() if name != "name")
    )
    monkeypatch.setattr(compiler, "TrtCompiler", Wrong)
    command = ["build", str(checkpoint("plain")), "--target", str(recipe), "--out", str(tmp_path / "engines")]
    assert run(command) == 1
    told = capsys.readouterr()
    assert "WRONG" in told.out and "must not be used" in told.err
    assert (tmp_path / "engines").is_dir()
    monkeypatch.setattr(compiler, "TrtCompiler", SimulatedCompiler)
    assert run([*command[:-1], str(tmp_path / "unverified"), "--no-verify"]) == 0
    assert "not verified (--no-verify)" in capsys.readouterr().err


def test_half_precision(checkpoint: Folders, tmp_path: Path, devices: list[SimulatedDevice]) -> None:
    """Weights, cache and rows in the engines' own type; the numbers are near float32's, and what is drawn with them."""
    out = build(checkpoint("images"), tmp_path / "out", replace(TARGET, dtype="float16"), SimulatedCompiler)
    ours, theirs = open_model(out), open_model(checkpoint("images"), threads=1)
    for case in verify.made_cases(theirs.config):
        expected, found = (replay(model, case, with_logits=True, with_cache=True) for model in (theirs, ours))
        for name in ("logits", "key_3", "value_3", "entropy"):
            assert np.allclose(found[name], expected[name], atol=0.2), name
        assert (found["argmax"] == expected["argmax"]).mean() > 0.9
    assert ours.session.new_cache().fetch(0, 0, 0)[0].dtype == np.float16
    ours.session.close()


@pytest.mark.parametrize("form", ["plugins", "dense"])
def test_packed_experts(form: str, checkpoint: Folders, tmp_path: Path, devices: list[SimulatedDevice]) -> None:
    """The checkpoint's own NVFP4 bytes, bound as they are, give what unpacked experts give; so do dense ones."""
    source = checkpoint(TINIES["images"].with_(nvfp4=True, hidden=64, expert_inner=64))
    attention = "plugin" if form == "plugins" else "tensorrt"
    out = build(source, tmp_path / "out", replace(TARGET, experts=form, attention=attention), SimulatedCompiler)
    written = engine_manifest.load(out)
    assert (written.forms.experts, written.forms.packed) == (form, form == "plugins")
    inputs = written.engines["backbone"].inputs
    name = "model.decoder.layers.0.experts.gate_up_proj"
    assert (f"{name}/packed" in inputs) == (form == "plugins") and name not in inputs
    ours, theirs = open_model(out), open_model(source, threads=1)
    experts = "nvfp4" if form == "plugins" else "float32"
    assert ours.session.traffic(9) == step_traffic(ours.config, 9, "float32", experts, cache="float32")
    for case in verify.made_cases(theirs.config):
        expected, found = (replay(model, case, with_logits=True) for model in (theirs, ours))
        assert np.allclose(found["logits"], expected["logits"], atol=1e-4)
        assert np.array_equal(found["argmax"], expected["argmax"])
    ours.session.close()


def test_experts_lie_once_beside_small_engines(
    checkpoint: Folders, tmp_path: Path, devices: list[SimulatedDevice]
) -> None:
    """Weights that are inputs are uploaded once, for canvas and prefill, and are in no engine's file."""
    sizes = {}
    for form in ("plugins", "dense"):
        out = build(checkpoint("many_experts"), tmp_path / form, replace(TARGET, experts=form), SimulatedCompiler)
        sizes[form] = engine_manifest.load(out).engines["backbone"].size
        model = open_model(out)
        sequence = model.sequence()
        sequence.append(np.arange(20))
        before = model.session.device_memory()
        sequence.open_canvas({}).step({"temperature": np.ones(1, np.float32)})
        sequence.append(np.arange(5))
        assert model.session.device_memory() - before < 1 << 20
        model.session.close()
    config = model.config.text
    experts = 4 * len(config.layers) * config.experts * 3 * config.expert_intermediate_size * config.hidden_size
    assert sizes["dense"] - sizes["plugins"] > 0.9 * experts


def test_what_the_kernels_do_not_take_is_told(
    checkpoint: Folders, tmp_path: Path, devices: list[SimulatedDevice]
) -> None:
    class Picky(SimulatedCompiler):
        refusals = staticmethod(forms.plugin_refusals)

    warnings: list[Finding] = []
    out = build(checkpoint("plain"), tmp_path / "out", TARGET, Picky, on_warning=warnings.append)
    written = engine_manifest.load(out)
    assert (written.forms.experts, written.forms.attention) == ("dense", "tensorrt")
    assert [one.detail for one in warnings if one.name == "plugins"] == list(written.forms.reasons)
    assert "experts are dense: the kernels are for bfloat16, not float32" in written.forms.reasons
    assert open_model(out).session.new_cache().nbytes == 0


def test_other_weights_than_the_engines(built: Built, tmp_path: Path, devices: list[SimulatedDevice]) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(built("plain"), folder)
    (folder / "manifest.json").write_text((folder / "manifest.json").read_text() + "\n")
    with pytest.raises(BackendError, match="has changed since the engines were built"):
        open_model(folder)
    assert devices[-1].closed
