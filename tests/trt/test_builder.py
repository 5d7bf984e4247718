"""What a build writes and refuses, without TensorRT: the compiler is simulated."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import onnx
import pytest

from dgemma_ros.checkpoint.config import read_config
from dgemma_ros.checkpoint.fields import Section
from dgemma_ros.errors import BackendError, ExportError
from dgemma_ros.finding import State
from dgemma_ros.graphs.builder import BFLOAT16, FLOAT
from dgemma_ros.graphs.export import graphs
from dgemma_ros.graphs.manifest import MANIFEST_FILE
from dgemma_ros.trt import builder, costs, engine_manifest, operators, preflight, profiles, rewrite, targets
from dgemma_ros.trt import plugin_contracts as contracts
from dgemma_ros.trt.builder import build, check_memory
from dgemma_ros.trt.forms import Forms
from tests.conftest import Folders
from tests.sparse import RELEASED
from tests.trt.conftest import TARGET, Built
from tests.trt.simulated import VERSION, SimulatedCompiler
from tests.trt.simulated_device import INFO

CONFIG = read_config(Section.of_file(RELEASED))


def test_a_built_folder_is_an_export_with_engines(built: Built) -> None:
    folder = built("images")
    assert (folder / MANIFEST_FILE).is_file()
    written = engine_manifest.load(folder)
    assert list(written.engines) == ["vision", "embed", "backbone", "head", "head_with_logits"]
    assert (written.tensorrt, written.gpu, written.target["name"]) == (VERSION, INFO, "thor")
    for spec in written.engines.values():
        assert engine_manifest.check_file(folder, spec).stat().st_size == spec.size
    backbone = written.engines["backbone"]
    assert backbone.inputs["inputs_embeds"].shape == (1, "rows", 48)
    assert [profile.use for profile in backbone.profiles] == ["canvas"] * 3 + ["prefill"] * 3
    assert profiles.find_profile(backbone, "prefill", {"rows": 40, "full_capacity": 192, "sliding_capacity": 256}) == 4
    assert profiles.find_profile(backbone, "canvas", {"rows": 40, "full_capacity": 192}) is None
    assert builder.summary(folder)["engines"]["head"] > 0


def test_from_an_export_of_another_type(exported: Folders, tmp_path: Path) -> None:
    out = build(exported("plain"), tmp_path / "out", TARGET, SimulatedCompiler)
    assert engine_manifest.load(out).checkpoint == engine_manifest.sha256(out / MANIFEST_FILE)


def test_first_layers(checkpoint: Folders, tmp_path: Path) -> None:
    out = build(checkpoint("plain"), tmp_path / "out", TARGET, SimulatedCompiler, layers=1)
    assert json.loads((out / MANIFEST_FILE).read_text())["settings"]["layers"] == 1
    assert "key_1" not in engine_manifest.load(out).engines["backbone"].inputs


def test_nothing_is_left_of_a_build_that_fails(checkpoint: Folders, tmp_path: Path) -> None:
    class Failing(SimulatedCompiler):
        def compile(self, source: builder.EngineSource, *rest: Any) -> None:
            if source.model.graph.name == "head":
                raise BackendError("no")
            super().compile(source, *rest)

    with pytest.raises(BackendError, match=r"^no$"):
        build(checkpoint("plain"), tmp_path / "out", TARGET, Failing)
    assert not list(tmp_path.iterdir())

    class Silent(SimulatedCompiler):
        def compile(self, *rest: Any) -> None:
            pass

    with pytest.raises(BackendError, match="wrote no engine"):
        build(checkpoint("plain"), tmp_path / "out", TARGET, Silent)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(ExportError, match="exists already"):
        build(checkpoint("plain"), tmp_path / "out", TARGET, SimulatedCompiler)


BF16, NVFP4 = Forms("plugins", "plugin", False), Forms("plugins", "plugin", True)
DENSE = Forms("dense", "tensorrt", False)


def test_memory_of_the_released_model(tmp_path: Path) -> None:
    thor = costs.of(CONFIG, targets.load("thor"), BF16)
    check_memory(thor, INFO, 120_000_000_000, tmp_path)
    with pytest.raises(BackendError, match=r"of free memory \(shared with the CPU; .*but 20\.0 GB are free"):
        check_memory(thor, INFO, 20_000_000_000, tmp_path)
    for name in ("rtx5090", "rtx4090"):
        with pytest.raises(BackendError, match=f"target {name} allows"):
            check_memory(costs.of(CONFIG, targets.load(name), BF16), INFO, 32_000_000_000, tmp_path)
        assert costs.of(CONFIG, targets.load(name), NVFP4).fits


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"tensorrt": "10.16.1.0"}, "built with TensorRT 10.16.1.0, but this machine has"),
        ({"gpu": {"name": "Other", "architecture": 110, "memory": 1, "driver": 1}}, "built for Other"),
        ({"format": 9}, "build the engines again with this version"),
        ({"engines": {"head": {"file": "../x.engine"}}}, "is not the name of an engine"),
    ],
)
def test_a_manifest_of_elsewhere(built: Built, tmp_path: Path, change: dict[str, Any], text: str) -> None:
    content = json.loads((built("plain") / engine_manifest.ENGINE_FILE).read_text())
    (tmp_path / engine_manifest.ENGINE_FILE).write_text(json.dumps({**content, **change}))
    with pytest.raises(BackendError, match=text):
        engine_manifest.check_machine(engine_manifest.load(tmp_path), tmp_path, INFO, VERSION)


def test_a_changed_engine_is_not_loaded(built: Built, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(built("plain"), folder)
    spec = engine_manifest.load(folder).engines["head"]
    content = bytearray((folder / spec.file).read_bytes())
    content[-1] ^= 1
    (folder / spec.file).write_bytes(content)
    with pytest.raises(BackendError, match="SHA-256"):
        engine_manifest.check_file(folder, spec)
    (folder / spec.file).write_bytes(content[:-1])
    with pytest.raises(BackendError, match="not the file that was built"):
        engine_manifest.check_file(folder, spec)


@pytest.mark.parametrize("name", targets.names())
def test_recipes(name: str) -> None:
    target = targets.load(name)
    assert target.name == name
    window = CONFIG.text.sliding_window - 1 + CONFIG.canvas_length  # as Sequence makes room: window, slack, chunk
    assert target.window_buckets[0] >= window + CONFIG.canvas_length
    assert target.window_buckets[-1] >= window + target.image_tokens[1]
    assert target.prefill_rows[1] >= target.image_tokens[1]


def test_recipes_are_checked(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="there are dgx-spark, dgx-station, h100, h200"):
        targets.load("toaster")
    text = (targets.folder() / "thor.yaml").read_text()
    for old, new, problem in (
        ("dtype: bfloat16", "dtype: int4", "dtype: 'int4' is not one of"),
        ("dtype: bfloat16", "", "dtype is missing"),
        ("dtype: bfloat16", "dtype: bfloat16\nspeed: 3", "'speed' is not a recipe's"),
        ("[8192, 32768, 131072]", "[32768, 8192]", "context_buckets: .* ascending"),
        ("memory_limit: 96", "memory_limit: 960", "at most the device's memory"),
        ("[[10, 16], [11, 0]]", "[10, 16]", "tensorrt: .* a list of releases"),
        ("experts: plugins", "experts: nvfp4", "experts: 'nvfp4' is not one of plugins, dense"),
        ("attention: plugin", "attention: flash", "attention: 'flash' is not one of plugin, tensorrt"),
        ("[auto]", "auto", "builder_flags: 'auto' is not a list of texts"),
    ):
        file = tmp_path / "mine.yaml"
        file.write_text(text.replace(old, new))
        with pytest.raises(BackendError, match=problem):
            targets.load(str(file))


def expected_plugins(name: str, forms: Forms) -> Counter[str]:
    if name.startswith("head"):
        return Counter([contracts.ROW_STATS, contracts.CANVAS_UPDATE])
    if name != "backbone" or forms is DENSE:
        return Counter()
    up_down = (contracts.UP_NVFP4, contracts.DOWN_NVFP4) if forms.packed else (contracts.UP, contracts.DOWN)
    layers = len(CONFIG.text.layers)
    return Counter(dict.fromkeys((contracts.ROUTE, *up_down, contracts.COMBINE, contracts.ATTENTION), layers))


@pytest.mark.parametrize(("name", "model"), list(graphs(CONFIG, BFLOAT16)), ids=lambda value: str(value)[:20])
def test_the_released_graphs_pass_the_parsers_table(name: str, model: onnx.ModelProto) -> None:
    for forms in (BF16, NVFP4, DENSE):
        rewritten = rewrite.for_tensorrt(model, forms)
        assert operators.problems(rewritten) == []
        taken = Counter(node.op_type for node in rewritten.graph.node if node.domain)
        assert taken == expected_plugins(name, forms)
        assert not any(node.op_type == "Scan" for node in rewritten.graph.node)
    assert preflight.precision(rewritten).state is State.OK
    assert preflight.fusion(rewritten).state is State.OK


def test_row_stats_reads_the_product_as_it_is() -> None:
    """In bfloat16, without a cast of 268 MB in between; in float32 there is none to begin with."""
    for dtype in (BFLOAT16, FLOAT):
        head = rewrite.for_tensorrt(next(model for name, model in graphs(CONFIG, dtype) if name == "head"), BF16)
        makers = {value: node for node in head.graph.node for value in node.output}
        (stats,) = (node for node in head.graph.node if node.op_type == contracts.ROW_STATS)
        assert makers[stats.input[0]].op_type == "Gemm"


def test_the_table_refuses() -> None:
    backbone = next(model for name, model in graphs(CONFIG, BFLOAT16) if name == "backbone")
    text = " ".join(operators.problems(backbone))
    assert "local functions are left" in text
    assert "(DGemmaExperts): of the domain dgemma_ros" in text
    rewritten = rewrite.for_tensorrt(backbone, DENSE)
    rewritten.opset_import[0].version = 25
    next(node for node in rewritten.graph.node if node.op_type == "Gelu").op_type = "Mish"
    for node in rewritten.graph.node:
        if node.op_type == "TopK":
            node.attribute.append(onnx.helper.make_attribute("sorted", 0))
        if node.op_type == "TensorScatter":
            node.attribute[0].i = -3
        if node.op_type == "Attention":
            node.attribute.pop()
    text = " ".join(operators.problems(rewritten))
    for part in (
        "opset 25",
        "(Mish): is not in the parser's table",
        "sorted must be 1",
        "the axis must be -2",
        "decomposed",
    ):
        assert part in text
