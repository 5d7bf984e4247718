"""What is looked at before a build: each finding from what causes it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto, helper

from dgemma_ros.checkpoint.config import load_config, read_config
from dgemma_ros.checkpoint.fields import Section
from dgemma_ros.checkpoint.tensors import Tensors
from dgemma_ros.checkpoint.weights import Weights
from dgemma_ros.errors import BackendError
from dgemma_ros.finding import State
from dgemma_ros.graphs.builder import BFLOAT16
from dgemma_ros.graphs.export import graphs
from dgemma_ros.trt import builder_flags, machine, preflight, rewrite, targets
from dgemma_ros.trt.device import DeviceInfo
from dgemma_ros.trt.forms import Forms
from tests.checkpoint_files import write_safetensors
from tests.sparse import RELEASED
from tests.tiny import TINIES, make
from tests.trt.simulated import VERSION
from tests.trt.simulated_device import INFO

THOR = targets.load("thor")


@pytest.fixture
def jetson(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "nv_tegra_release").touch()
    bindings = tmp_path / "usr" / "lib" / "python3.12" / "dist-packages" / "tensorrt"
    bindings.mkdir(parents=True)
    (bindings / "__init__.py").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("info", "text"),
    [
        (replace(INFO, architecture=89), "is sm_110 .* but this machine has .*sm_89"),
        (
            replace(INFO, name="NVIDIA B300"),
            "is for Jetson AGX Thor, but this machine has NVIDIA B300; .*device_names",
        ),
    ],
)
def test_another_device(info: DeviceInfo, text: str) -> None:
    with pytest.raises(BackendError, match=text):
        preflight.refuse([preflight.device(THOR, info)])


@pytest.mark.parametrize("name", targets.names())
@pytest.mark.parametrize("version", [VERSION, "10.20.0", "11.0.0", "11.4.0.106"])
def test_every_recipe_takes_both_majors(name: str, version: str) -> None:
    assert preflight.tensorrt(targets.load(name), version).state is State.OK


@pytest.mark.parametrize("version", ["10.13.3.9", "9.3.0", "12.0.0"])
def test_other_releases_are_refused(version: str, tmp_path: Path, jetson: Path) -> None:
    for root, fix in ((jetson, "--system-site-packages"), (tmp_path / "elsewhere", "pip install")):
        finding = preflight.tensorrt(THOR, version, root)
        assert finding.state is State.WRONG and fix in finding.fix
        assert f"takes TensorRT 10.16 and later 10.x or 11.0 and later 11.x, but this machine has {version}" in str(
            finding
        )


def test_bindings_of_the_system_that_an_environment_does_not_see(jetson: Path) -> None:
    def missing() -> None:
        raise BackendError("TensorRT is not here (No module named 'tensorrt')")

    finding = preflight.bindings(jetson, missing)
    assert finding.state is State.WRONG
    assert "dist-packages/tensorrt" in finding.detail and "--system-site-packages" in finding.fix


def test_pips_major_on_a_jetson(jetson: Path, tmp_path: Path) -> None:
    eleven = SimpleNamespace(__version__="11.4.0", __file__="/venv/tensorrt/__init__.py")
    finding = preflight.bindings(jetson, lambda: eleven)
    assert finding.state is State.WARNING and finding.fix.startswith("pip uninstall tensorrt")
    assert preflight.bindings(tmp_path / "x86", lambda: eleven).state is State.OK
    ten = SimpleNamespace(__version__=VERSION, __file__="/usr/lib/python3/dist-packages/tensorrt/__init__.py")
    assert preflight.bindings(jetson, lambda: ten).state is State.OK


def test_memory_that_is_shared_counts_page_cache_as_free(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text("MemTotal: 100 kB\nMemFree: 1 kB\nMemAvailable:   90 kB\n")
    assert machine.available_memory(tmp_path) == 90 * 1024
    (tmp_path / "proc" / "meminfo").write_text("MemTotal: 100 kB\nMemAvailable:\n")
    assert machine.available_memory(tmp_path) is None
    assert machine.available_memory(tmp_path / "nowhere") is None
    assert "page cache" in preflight.memory(10, 20, "a build", INFO).detail
    assert "page cache" not in preflight.memory(10, 20, "a build", replace(INFO, integrated=False)).detail
    assert preflight.memory(20, 20, "a build", INFO).state is State.OK


def test_no_room_on_the_disk(tmp_path: Path) -> None:
    assert preflight.disk(tmp_path / "not" / "there" / "yet", 1).state is State.OK
    assert "choose another --out" in str(preflight.disk(tmp_path / "out", 1e18))


@pytest.mark.parametrize(
    ("version", "architecture", "count", "some"),
    [
        ("10.12.0", 110, 0, ""),
        ("10.13.3", 110, 1, "-peep:fc_h_fusion=off"),
        ("10.16.2.0", 110, 4, "-mlir:autotune:num_threads=1"),
        ("11.0.0", 89, 4, "-cask_fusion:async_policy=1"),
        ("11.0.0", 110, 5, "-peep:match_dual_gemm=off"),
        ("11.4.0", 90, 5, "-kgen:codegen:cuda_tile=0"),
        ("11.4.0", 120, 6, "-mlir:collective:fp4=off"),
    ],
)
def test_flags_by_release_and_architecture(version: str, architecture: int, count: int, some: str) -> None:
    flags = builder_flags.known(version, architecture)
    assert len(flags) == count and (not some or some in flags)
    value = builder_flags.chosen(["auto"], version, architecture)
    assert value.split() == list(flags)
    assert preflight.flags(value, version, architecture).state is State.OK
    assert preflight.flags("", version, architecture).state is (State.WARNING if count else State.OK)


def test_what_the_environment_says_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    own = "-peep:fc_h_fusion=on -thread_pool_size=4"
    value = builder_flags.chosen(["auto", "-more=1"], VERSION, 110, own)
    assert value.startswith(own) and value.count("fc_h_fusion") == 1 and value.endswith("-more=1")
    finding = preflight.flags(value, VERSION, 110)
    assert finding.state is State.WARNING and "-peep:fc_h_fusion=off" in finding.detail
    for before in (None, own):
        monkeypatch.delenv(builder_flags.VARIABLE, raising=False)
        if before:
            monkeypatch.setenv(builder_flags.VARIABLE, before)
        assert preflight.environment().state is (State.WARNING if before else State.OK)
        with builder_flags.applied(value):
            assert os.environ[builder_flags.VARIABLE] == value
        assert os.environ.get(builder_flags.VARIABLE) == before


@pytest.mark.parametrize(
    ("which", "value", "state"),
    [
        ("weight_scale", np.array(np.nan, ml_dtypes.float8_e4m3fn), State.WRONG),
        ("weight_scale", np.array(0, ml_dtypes.float8_e4m3fn), State.OK),
        ("weight_scale", np.array(-1, ml_dtypes.float8_e4m3fn), State.WARNING),
        ("weight_scale_2", np.float32(np.inf), State.WRONG),
        ("weight_scale_2", np.float32(-1), State.WARNING),
    ],
)
def test_scales(tmp_path: Path, which: str, value: np.ndarray, state: State) -> None:
    folder = make(tmp_path / "model", TINIES["plain"].with_(nvfp4=True))
    stored = Tensors.open(folder)
    tensors = {name: np.array(stored.array(name)) for name in stored}
    name = f"model.decoder.layers.1.experts.2.up_proj.{which}"
    changed = np.array(tensors[name])
    changed.reshape(-1)[-1] = value
    write_safetensors(folder / "model.safetensors", tensors | {name: changed})
    finding = preflight.scales(Weights.open(folder, load_config(folder)))
    assert finding.state is state, finding
    assert state is State.OK or "layers.1.experts.gate_up_proj" in finding.detail


def test_a_router_in_a_half_type_is_found() -> None:
    config = read_config(Section.of_file(RELEASED))
    exported = next(model for name, model in graphs(config, BFLOAT16) if name == "backbone")
    backbone = rewrite.for_tensorrt(exported, Forms("plugins", "plugin", False))
    assert "30 routers in float32" in preflight.precision(backbone).detail
    for tensor in backbone.graph.initializer:
        if tensor.name.endswith("layers.7.router.proj.weight"):
            tensor.data_type = BFLOAT16
    finding = preflight.precision(backbone)
    assert finding.state is State.WRONG and "layers.7.router" in finding.detail


def test_products_that_could_be_fused_are_found() -> None:
    weights = [TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[2, 2]) for name in "ab"]
    nodes = [helper.make_node("Gemm", ["x", name], [f"y{name}"], transB=1) for name in "ab"]
    graph = helper.make_graph(nodes, "two", [], [], weights)
    assert preflight.fusion(helper.make_model(graph)).state is State.WARNING


def test_this_machine() -> None:
    names = [check().name for check in preflight.of_machine()]
    assert names == ["TensorRT", "kernel compiler", "builder flags"]
