"""Names that stay, graphs that are the same each time, and what the checker says of them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from dgemma_ros.checkpoint.config import ModelConfig, read_config
from dgemma_ros.checkpoint.fields import Section
from dgemma_ros.checkpoint.weights import expected_shapes
from dgemma_ros.graphs.builder import DOMAIN, FLOAT, INT64, GraphBuilder
from dgemma_ros.graphs.export import DTYPES, export, graphs
from tests.conftest import Folders
from tests.tiny import TINIES, config_json

ALL = {"vision", "embed", "backbone", "head", "head_with_logits"}
NAME = re.compile(r"[A-Za-z0-9_./]+")


def config_of(name: str) -> ModelConfig:
    return read_config(Section(Path("config.json"), config_json(TINIES[name])))


def weights_of(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    return (tensor for tensor in graph.initializer if tensor.data_location == TensorProto.EXTERNAL)


def digests(name: str) -> dict[str, str]:
    return {
        graph: hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()
        for graph, model in graphs(config_of(name))
    }


# -- the builder --------------------------------------------------------------------------------------------------


def test_scopes_name_nodes_and_values() -> None:
    b = GraphBuilder("g")
    x = b.input("x", FLOAT, ("rows", 4))
    with b.scope("layers.0"), b.scope("attention"):
        y = b.add("Relu", x, name="relu")
        halves = b.add("Split", y, name="halves", outputs=2, num_outputs=2, axis=-1)
    assert y == "layers.0/attention/relu"
    assert halves == ("layers.0/attention/halves:0", "layers.0/attention/halves:1")
    assert [node.name for node in b.graph().node] == ["layers.0/attention/relu", "layers.0/attention/halves"]
    with pytest.raises(ValueError, match="two nodes are named"), b.scope("layers.0"), b.scope("attention"):
        b.add("Relu", x, name="relu")


def test_constants_are_stored_once_and_never_taken_for_one_another() -> None:
    b = GraphBuilder("g")
    values = [1, 1.0, [1], [1.0], np.arange(7), np.arange(7) + 1, np.arange(7)[None], True, [0, 1], [0, 10], -1, [-1]]
    names = [b.constant(value) for value in values]
    assert len(set(names)) == len(names)
    assert [b.constant(value) for value in values] == names
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in b.graph().initializer}
    for name, value in zip(names, values, strict=True):
        assert np.array_equal(stored[name], value) and stored[name].shape == np.shape(value)
    long = [np.arange(20), np.r_[np.arange(19), 0]]  # alike in the part that is spelled out
    assert b.constant(long[0]) != b.constant(long[1])


def test_an_output_is_renamed_where_it_is_made_and_used() -> None:
    b = GraphBuilder("g")
    y = b.add("Relu", b.input("x", FLOAT, (2,)), name="relu")
    b.output(b.add("Neg", y, name="neg"), "z", FLOAT, (2,))
    b.output(y, "y", FLOAT, (2,))
    assert [(list(node.input), list(node.output)) for node in b.graph().node] == [(["x"], ["y"]), (["y"], ["z"])]
    onnx.checker.check_model(b.model(), full_check=True)


def test_a_weight_is_a_name_and_a_shape() -> None:
    b = GraphBuilder("g")
    assert b.weight("w", (3, 4)) == b.weight("w", (3, 4)) == "w"
    (tensor,) = b.graph().initializer
    assert (tensor.dims, tensor.data_type) == ([3, 4], FLOAT) and not tensor.raw_data
    assert [(entry.key, entry.value) for entry in tensor.external_data] == [("location", "manifest.json")]


# -- the graphs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TINIES)
def test_every_tensor_is_used_and_none_is_invented(name: str) -> None:
    config = config_of(name)
    expected, used = expected_shapes(config), set()
    made = dict(graphs(config))
    assert made.keys() == ALL - (set() if config.vision else {"vision"})
    for graph, model in made.items():
        read = {value for node in model.graph.node for value in node.input}
        for tensor in weights_of(model.graph):
            assert expected[tensor.name] == tuple(tensor.dims), (graph, tensor.name)
            assert tensor.name in read, (graph, tensor.name)
            used.add(tensor.name)
    # The layer scalars are inputs: they are all that differs between encoder and decoder.
    assert used == {tensor for tensor in expected if not tensor.endswith("layer_scalar")}
    heads = [{t.name for t in weights_of(made[graph].graph)} for graph in ("head", "head_with_logits")]
    assert heads[0] == heads[1]


@pytest.mark.parametrize("name", TINIES)
def test_names_are_unique_and_readable(name: str) -> None:
    for model in dict(graphs(config_of(name))).values():
        nodes = model.graph.node
        assert len({node.name for node in nodes}) == len(nodes)
        assert all(NAME.fullmatch(node.name) for node in nodes)
        outputs = {output.name for output in model.graph.output}
        for node in nodes:
            for value in node.output:
                assert value in outputs or value.partition(":")[0] == node.name
        assert all(node.domain in ("", DOMAIN) for node in nodes)


def test_names_that_others_read() -> None:
    """A profile, an engine's layer list and the benchmark's table are read by these."""
    config = config_of("images")
    made = dict(graphs(config))
    names = {graph: {node.name for node in model.graph.node} for graph, model in made.items()}
    attention = ("q_proj", "q_norm", "q_rope", "k_proj", "write_key", "write_value", "attend", "o_proj")
    for layer in range(4):
        assert {f"layers.{layer}/attention/{part}" for part in attention} <= names["backbone"]
        assert {f"layers.{layer}/mlp/{part}_proj" for part in ("gate", "up", "down")} <= names["backbone"]
        assert {f"layers.{layer}/experts/{part}" for part in ("router/top_k", "experts")} <= names["backbone"]
        assert (f"layers.{layer}/attention/v_proj" in names["backbone"]) == (layer % 2 == 0)  # full layers have none
    assert {"row_stats", "canvas_update", "soft_embedding/expected_embedding"} <= names["head"]
    assert "self_conditioning/gate_proj" in names["embed"] and "pooler/cells" in names["vision"]
    inputs = [value.name for value in made["backbone"].graph.input]
    assert inputs[:2] == ["inputs_embeds", "layer_scalars"] and {"key_0", "value_3", "last_full"} <= set(inputs)
    calls = {node.op_type for model in made.values() for node in model.graph.node if node.domain == DOMAIN}
    assert {"DGemmaExperts", "DGemmaRowStats", "DGemmaCanvasUpdate"} <= calls


def test_plugins_are_called_by_name_and_version() -> None:
    """By these TensorRT takes a plugin where ONNX Runtime inlines the function."""
    for graph, model in graphs(config_of("plain")):
        plugins = {function.name for function in model.functions if function.attribute}
        assert plugins == {"backbone": {"DGemmaExperts"}, "embed": set()}.get(
            graph, {"DGemmaRowStats", "DGemmaCanvasUpdate"}
        )
        for node in model.graph.node:
            if node.op_type in plugins:
                values = {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}
                assert values == {"plugin_namespace": b"dgemma_ros", "plugin_version": b"1"}


def test_graphs_are_the_same_in_every_process() -> None:
    code = "import json; from tests.graphs.test_builder import digests; print(json.dumps(digests('odd_pattern')))"
    root = Path(__file__).parents[2]
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        for seed in ("1", "2")
    ]
    assert digests("odd_pattern") == json.loads(runs[0].stdout) == json.loads(runs[1].stdout)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", TINIES)
def test_checker_and_shape_inference(name: str, dtype: str, checkpoint: Folders, tmp_path: Path) -> None:
    folder = export(checkpoint(name), tmp_path / "exported", dtype)
    files = sorted(folder.glob("*.onnx"))
    assert {file.stem for file in files} | {"vision"} == ALL
    for file in files:
        onnx.checker.check_model(str(file), full_check=True)
        model = onnx.load(file, load_external_data=False)
        inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
        declared = {output.name: output.type.tensor_type for output in model.graph.output}
        for output in inferred.graph.output:
            assert output.type.tensor_type.elem_type == declared[output.name].elem_type
        known = {value.name for value in inferred.graph.value_info} | set(declared)
        missing = {value for node in model.graph.node for value in node.output if value} - known
        assert not missing, (file.stem, missing)
        for tensor in weights_of(model.graph):  # routers are float32 in every type
            expected = "float32" if ".router." in tensor.name else dtype
            assert tensor.data_type == DTYPES[expected], tensor.name


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_crosses_to_the_host_has_one_type(dtype: str) -> None:
    """Noise, ids, statistics and masks are the same whatever the weights are in."""
    own = {"inputs_embeds", "hidden", "soft", "soft_tokens"}
    for _, model in graphs(config_of("images"), DTYPES[dtype]):
        for value in (*model.graph.input, *model.graph.output):
            kind = value.type.tensor_type.elem_type
            is_cache = re.fullmatch(r"(key|value)_\d+(_out)?", value.name)
            if value.name in own or is_cache:
                assert kind == DTYPES[dtype], value.name
            else:
                assert kind in (FLOAT, INT64, TensorProto.BOOL), value.name
