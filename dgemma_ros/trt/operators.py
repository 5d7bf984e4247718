"""What TensorRT's ONNX parser takes, as far as our graphs use it, and a check of a graph against it.

Source: ``docs/operators.md`` of github.com/onnx/onnx-tensorrt in its edition for TensorRT 10.15 ("supports operators in
the inclusive range of opset 9 to opset 24"), and ``CHANGELOG.md`` of github.com/NVIDIA/TensorRT, by which 10.16 adds to
the parser DistCollective and a flag for DLA, and nothing else: so this is the set of 10.16, as far as ours goes. The
parser's own answer, on the device, is what counts: this one comes before an hour of building, and on machines without
TensorRT.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, shape_inference

from dgemma_ros.graphs.builder import DOMAIN
from dgemma_ros.trt import plugin_contracts

OPSETS: Final = range(9, 25)

_FLOATS: Final = frozenset({"FLOAT", "FLOAT16", "BFLOAT16"})
_NUMBERS: Final = _FLOATS | {"INT32", "INT64"}
_ANY: Final = _NUMBERS | {"BOOL"}
_BOOL: Final = frozenset({"BOOL"})
OPERATORS: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Max", "Range", "ReduceMax", "ReduceMean", "ReduceSum"), _NUMBERS),
    **dict.fromkeys(("Equal", "GreaterOrEqual", "LessOrEqual", "Less", "ScatterElements", "TopK", "ArgMax"), _NUMBERS),
    **dict.fromkeys(("Cast", "CastLike", "Concat", "Constant", "Expand", "Gather", "GatherElements"), _ANY),
    **dict.fromkeys(("GatherND", "Reshape", "Shape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"), _ANY),
    **dict.fromkeys(("Where", "Identity"), _ANY),
    **dict.fromkeys(("And", "Or", "Not"), _BOOL),
    **dict.fromkeys(("Attention", "Exp", "Gemm", "Log", "MatMul", "RMSNormalization", "Softmax", "Tanh"), _FLOATS),
    **dict.fromkeys(("CumSum", "Gelu", "RotaryEmbedding", "Sqrt", "Pow", "Reciprocal"), _FLOATS),
    "TensorScatter": _FLOATS | {"INT32"},
}
"""Operator → types of its first input. (The parser makes Gelu and Range of others, too; ours are these.)"""
_CONSTANT_INPUTS: Final = {"ReduceSum": 1, "ReduceMax": 1, "ReduceMean": 1, "Squeeze": 1, "Unsqueeze": 1, "CumSum": 1}
"""Inputs that must be known when the engine is built."""


def problems(model: ModelProto) -> list[str]:
    """What of a rewritten graph the parser would refuse, a line each; nothing where it should take all."""
    return list(_problems(model))


def _problems(model: ModelProto) -> Iterator[str]:
    for opset in model.opset_import:
        if opset.domain == "" and opset.version not in OPSETS:
            yield f"opset {opset.version}; {OPSETS[0]} … {OPSETS[-1]} are supported"
    if model.functions:
        yield f"local functions are left: {', '.join(function.name for function in model.functions)}"
    inferred = shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    types = _types(inferred)
    constants = _constants(model)
    for node in inferred.graph.node:
        where = f"{node.name or node.op_type} ({node.op_type})"
        if node.domain == DOMAIN and node.op_type in plugin_contracts.NAMES:
            if {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute} != _MARKED:
                yield f"{where}: is not marked as a plugin"
        elif node.domain:
            yield f"{where}: of the domain {node.domain}"
        elif (allowed := OPERATORS.get(node.op_type)) is None:
            yield f"{where}: is not in the parser's table"
        else:
            first = next((name for name in (*node.input, *node.output) if name), "")
            if first not in types:
                yield f"{where}: the type of {first} is unknown"
            elif (name := TensorProto.DataType.Name(types[first][0])) not in allowed:
                yield f"{where}: takes {', '.join(sorted(allowed))}, not {name}"
            for text in _RESTRICTIONS.get(node.op_type, _none)(node, types):
                yield f"{where}: {text}"
            index = _CONSTANT_INPUTS.get(node.op_type)
            if index is not None and len(node.input) > index and node.input[index] not in constants:
                yield f"{where}: {node.input[index]} must be a constant"


_MARKED: Final = {
    name: value.encode() if isinstance(value, str) else value for name, value in plugin_contracts.ATTRIBUTES.items()
}
_Types = Mapping[str, tuple[int, int]]


def _types(model: ModelProto) -> dict[str, tuple[int, int]]:
    """Tensor → element type and rank (-1 where unknown)."""
    types = {tensor.name: (tensor.data_type, len(tensor.dims)) for tensor in model.graph.initializer}
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        tensor = value.type.tensor_type
        types[value.name] = (tensor.elem_type, len(tensor.shape.dim) if tensor.HasField("shape") else -1)
    return types


def _constants(model: ModelProto) -> set[str]:
    made = {name for node in model.graph.node if node.op_type == "Constant" for name in node.output}
    return made | {tensor.name for tensor in model.graph.initializer}


def _none(node: NodeProto, types: _Types) -> Iterator[str]:
    yield from ()


def _attention(node: NodeProto, types: _Types) -> Iterator[str]:
    if any(types.get(name, (0, -1))[1] != 4 for name in node.input if name):
        yield "Q, K, V and the mask must have four dimensions"
    if len(node.input) > 4 or len([name for name in node.output if name]) > 1:
        yield "takes no past and gives one output"
    if not _attribute(node, "TRT_decomposable", 0):
        yield "must be allowed to be decomposed: there is no fused kernel for each size of a head"
    if _attribute(node, "softcap", 0.0) or _attribute(node, "qk_matmul_output_mode", 0):
        yield "softcap and qk_matmul_output_mode are not supported"


def _tensor_scatter(node: NodeProto, types: _Types) -> Iterator[str]:
    if any(types.get(name, (0, -1))[1] != 4 for name in node.input[:2]):
        yield "cache and update must have four dimensions"
    if _attribute(node, "axis", -2) != -2 or _attribute(node, "mode", b"linear") != b"linear":
        yield "the axis must be -2, the mode linear"


def _top_k(node: NodeProto, types: _Types) -> Iterator[str]:
    if not _attribute(node, "sorted", 1):
        yield "sorted must be 1"


_RESTRICTIONS: Final[Mapping[str, Callable[[NodeProto, _Types], Iterator[str]]]] = {
    "Attention": _attention,
    "TensorScatter": _tensor_scatter,
    "TopK": _top_k,
}


def _attribute(node: NodeProto, name: str, default: Any) -> Any:
    for attribute in node.attribute:
        if attribute.name == name:
            return onnx.helper.get_attribute_value(attribute)
    return default
