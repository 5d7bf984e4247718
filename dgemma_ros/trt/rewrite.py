"""Exported graphs as TensorRT's parser shall see them.

The plugins' calls are marked, and their functions removed, so that nothing else can be taken for them. The experts get
their dense body. Whatever is still a local function is inlined, so that nothing rests on how the parser treats those.
Products that read the same rows become one. Attention may be decomposed where TensorRT has no fused kernel for it, as
for heads of 512. The embedding table becomes an input: TensorRT's engines cannot share weights, and this one is needed
by three of them.
"""

from __future__ import annotations

from typing import Final

from onnx import FunctionProto, ModelProto, NodeProto, helper, inliner

from dgemma_ros.errors import BackendError
from dgemma_ros.graphs.builder import BOOL, DOMAIN, FLOAT, INT64, PLUGIN
from dgemma_ros.graphs.diffusion import CANVAS_UPDATE_OUTPUTS, ROW_STATS_OUTPUTS
from dgemma_ros.graphs.embed import TABLE
from dgemma_ros.graphs.experts import NAME as EXPERTS
from dgemma_ros.graphs.experts import dense_experts
from dgemma_ros.trt import plugins
from dgemma_ros.trt.fusing import fuse_products

DECOMPOSABLE: Final = "TRT_decomposable"
"""Attribute of Attention by which TensorRT's parser may take it apart. ONNX's checker and ONNX Runtime refuse it."""
BODIES: Final = {EXPERTS: dense_experts}
"""Functions that get another body. A plugin for the experts would join ``plugins.NAMES`` and leave here."""
_TYPES: Final = {
    **dict.fromkeys(("entropy", "entropy_out", "largest", "total", "mean_entropy"), FLOAT),
    "accepted": BOOL,
}
_OUTPUTS: Final = {plugins.ROW_STATS: ROW_STATS_OUTPUTS, plugins.CANVAS_UPDATE: CANVAS_UPDATE_OUTPUTS}


def for_tensorrt(model: ModelProto) -> ModelProto:
    """A copy of an exported graph for TensorRT's parser. Raises :class:`BackendError` where something is left over."""
    copy = ModelProto()
    copy.CopyFrom(model)
    functions = [_body(function) for function in copy.functions if function.name not in plugins.NAMES]
    del copy.functions[:]
    copy.functions.extend(functions)
    for nodes in (copy.graph.node, *(function.node for function in copy.functions)):
        for node in nodes:
            if node.domain == DOMAIN:
                _mark(node)
    copy = inliner.inline_local_functions(copy)
    for node in copy.graph.node:
        if node.domain == DOMAIN:
            if node.op_type not in plugins.NAMES:
                raise BackendError(f"graph {copy.graph.name}: {node.op_type} is neither a plugin nor a function")
            _declare_outputs(copy, node)
        if node.op_type == "Attention":
            node.attribute.append(helper.make_attribute(DECOMPOSABLE, 1))
    _share_table(copy)
    fuse_products(copy.graph)
    return copy


def _body(function: FunctionProto) -> FunctionProto:
    body = BODIES[function.name]() if function.name in BODIES else function
    del body.attribute[:]
    return body


def _mark(node: NodeProto) -> None:
    """The attributes by which a plugin is known, on plugins' calls and on no others."""
    kept = [attribute for attribute in node.attribute if attribute.name not in PLUGIN]
    del node.attribute[:]
    node.attribute.extend(kept)
    if node.op_type in plugins.NAMES:
        node.attribute.extend(helper.make_attribute(name, value) for name, value in plugins.ATTRIBUTES.items())


def _declare_outputs(model: ModelProto, node: NodeProto) -> None:
    """Types and ranks behind a plugin, which no shape inference knows."""
    known = {value.name for value in (*model.graph.output, *model.graph.value_info)}
    rows = "canvas_length"
    for value, name in zip(node.output, _OUTPUTS[node.op_type], strict=True):
        if value and value not in known:
            shape: tuple[int | str, ...] = (rows, 1) if name in ("largest", "total") else (rows,)
            shape = (1,) if name == "mean_entropy" else shape
            model.graph.value_info.append(helper.make_tensor_value_info(value, _TYPES.get(name, INT64), shape))


def _share_table(model: ModelProto) -> None:
    for index, tensor in enumerate(model.graph.initializer):
        if tensor.name == TABLE:
            model.graph.input.append(helper.make_tensor_value_info(TABLE, tensor.data_type, list(tensor.dims)))
            del model.graph.initializer[index]
            return
