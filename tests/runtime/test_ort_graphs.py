"""Damaged graphs are refused in one line that names the file, and never read what the manifest does not list."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto

from dgemma_ros.errors import BackendError, DgemmaError
from dgemma_ros.model import open_model
from tests.conftest import Folders

Edit = Callable[[onnx.ModelProto], object]


def elsewhere(tensor: TensorProto) -> None:
    """Four floats in a file of that name, wherever the process runs."""
    tensor.name, tensor.data_type, tensor.data_location = "evil", TensorProto.FLOAT, TensorProto.EXTERNAL
    tensor.dims.append(4)
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "secret"


def in_a_constant(model: onnx.ModelProto) -> None:
    node = model.graph.node.add()
    node.op_type = "Constant"
    node.output.append("evil")
    attribute = node.attribute.add()
    attribute.name, attribute.type = "value", onnx.AttributeProto.TENSOR
    elsewhere(attribute.t)


def in_a_function(model: onnx.ModelProto) -> None:
    function = model.functions.add()
    function.name, function.domain = "f", "d"
    attribute = function.node.add().attribute.add()
    attribute.name, attribute.type = "body", onnx.AttributeProto.GRAPH
    elsewhere(attribute.g.initializer.add())


def typed(number: int) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        for tensor in model.graph.initializer:
            tensor.data_type = number

    return edit


def output_of_bytes(model: onnx.ModelProto) -> None:
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.UINT8


REFUSED: list[tuple[Edit, str]] = [
    (typed(99), "type-99"),
    (typed(TensorProto.UINT8), "uint8"),
    (output_of_bytes, "refused the graph"),
    (in_a_constant, "the manifest does not list"),
    (in_a_function, "the manifest does not list"),
    (lambda model: elsewhere(model.graph.initializer.add()), "no tensor evil"),
]


@pytest.mark.parametrize(("edit", "said"), REFUSED)
def test_a_damaged_graph(
    edit: Edit, said: str, exported: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(exported("plain"), tmp_path / "broken"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_bytes(bytes(16))
    graph = onnx.load(folder / "embed.onnx", load_external_data=False)
    edit(graph)
    (folder / "embed.onnx").write_bytes(graph.SerializeToString())
    listed = json.loads((folder / "manifest.json").read_text())
    listed["files"].pop("embed.onnx", None)
    (folder / "manifest.json").write_text(json.dumps(listed))
    with pytest.raises(DgemmaError, match=said) as error:
        model = open_model(folder, threads=1)
        sequence = model.sequence()
        sequence.append(model.allowed[0].nonzero()[0][:4])
        sequence.open_canvas({})
        model.session.graphs["embed"]
    assert "\n" not in str(error.value)
    assert isinstance(error.value, BackendError) is ("evil" not in said)
