"""Exported graphs as TensorRT's parser shall see them.

The plugins' calls are marked, and their functions removed, so that nothing else can be taken for them. The experts get
their dense body. Whatever is still a local function is inlined, so that nothing rests on how the parser treats those.
The embedding table becomes an input: TensorRT's engines cannot share weights, and this one is needed by three of them.
Experts that stay packed become four-bit weights behind a DequantizeLinear.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from onnx import FunctionProto, ModelProto, NodeProto, TensorProto, helper, inliner

from dgemma_ros.checkpoint.nvfp4 import BLOCK
from dgemma_ros.errors import BackendError
from dgemma_ros.graphs.builder import BOOL, DOMAIN, FLOAT, INT64, PLUGIN
from dgemma_ros.graphs.diffusion import CANVAS_UPDATE_OUTPUTS, ROW_STATS_OUTPUTS
from dgemma_ros.graphs.embed import TABLE
from dgemma_ros.graphs.experts import NAME as EXPERTS
from dgemma_ros.graphs.experts import dense_experts
from dgemma_ros.trt import plugins

VALUES, SCALES = "/nvfp4", "/scale"
"""What a packed weight's two parts are called behind its name: four-bit numbers, and a float32 factor for every 16."""
BODIES: Final = {EXPERTS: dense_experts}
"""Functions that get another body. A plugin for the experts would join ``plugins.NAMES`` and leave here."""
_TYPES: Final = {
    **dict.fromkeys(("entropy", "entropy_out", "largest", "total", "mean_entropy"), FLOAT),
    "accepted": BOOL,
}
_OUTPUTS: Final = {plugins.ROW_STATS: ROW_STATS_OUTPUTS, plugins.CANVAS_UPDATE: CANVAS_UPDATE_OUTPUTS}


def for_tensorrt(model: ModelProto, packed: Collection[str] = ()) -> ModelProto:
    """A copy of an exported graph for TensorRT's parser. Raises :class:`BackendError` where something is left over.

    ``packed``: the weights that stay in NVFP4.
    """
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
    _share_table(copy)
    _keep_packed(copy, packed)
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
            shape = (1,) if name in ("mean_entropy", "changed") else shape
            model.graph.value_info.append(helper.make_tensor_value_info(value, _TYPES.get(name, INT64), shape))


def _share_table(model: ModelProto) -> None:
    for index, tensor in enumerate(model.graph.initializer):
        if tensor.name == TABLE:
            model.graph.input.append(helper.make_tensor_value_info(TABLE, tensor.data_type, list(tensor.dims)))
            del model.graph.initializer[index]
            return


def _keep_packed(model: ModelProto, packed: Collection[str]) -> None:
    """``weight`` → DequantizeLinear(weight/nvfp4, weight/scale), cast to the type that the weight had.

    Both scales of NVFP4 are one factor here, a block's times its matrix's, which float32 holds without rounding twice.
    """
    graph = model.graph
    for tensor in [tensor for tensor in graph.initializer if tensor.name in packed]:
        name, dims = tensor.name, list(tensor.dims)
        parts = ((VALUES, TensorProto.FLOAT4E2M1, dims), (SCALES, FLOAT, [*dims[:-1], dims[-1] // BLOCK]))
        for suffix, kind, shape in parts:
            part = TensorProto(name=name + suffix, data_type=kind, dims=shape, data_location=TensorProto.EXTERNAL)
            part.external_data.extend(tensor.external_data)
            graph.initializer.append(part)
        inputs, axis = [name + VALUES, name + SCALES], len(dims) - 1
        unpack = helper.make_node(
            "DequantizeLinear", inputs, [f"{name}/f32"], f"{name}/unpack", axis=axis, block_size=BLOCK
        )
        cast = helper.make_node("Cast", [f"{name}/f32"], [name], f"{name}/cast", to=tensor.data_type)
        graph.initializer.remove(tensor)
        graph.node.insert(0, cast)
        graph.node.insert(0, unpack)
