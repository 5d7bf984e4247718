"""Exported graphs as TensorRT's parser shall see them.

The plugins' calls are marked, and their functions removed, so that nothing else can be taken for them. The experts
become four plugins, or get their dense body; attention over the cache becomes one, or may be decomposed where TensorRT
has no fused kernel for it, as for heads of 512. Whatever is still a local function is inlined, so that nothing rests on
how the parser treats those. Products that read the same rows become one. Weights that stay outside the engines become
inputs (:mod:`dgemma_ros.trt.bound_weights`).
"""

from __future__ import annotations

from math import prod
from typing import Final

from onnx import FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto, helper, inliner

from dgemma_ros.checkpoint.nvfp4 import BLOCK
from dgemma_ros.errors import BackendError
from dgemma_ros.graphs.builder import DOMAIN, FLOAT, PLUGIN
from dgemma_ros.graphs.experts import NAME as EXPERTS
from dgemma_ros.graphs.experts import dense_experts
from dgemma_ros.trt import plugin_calls
from dgemma_ros.trt import plugin_contracts as contracts
from dgemma_ros.trt.bound_weights import GLOBAL, PACKED, SCALE, is_bound
from dgemma_ros.trt.forms import Forms
from dgemma_ros.trt.fusing import fuse_products

DECOMPOSABLE: Final = "TRT_decomposable"
"""Attribute of Attention by which TensorRT's parser may take it apart. ONNX's checker and ONNX Runtime refuse it."""


def for_tensorrt(model: ModelProto, forms: Forms) -> ModelProto:
    """A copy of an exported graph for TensorRT's parser. Raises :class:`BackendError` where something is left over."""
    copy = ModelProto()
    copy.CopyFrom(model)
    if forms.experts == "plugins":
        plugin_calls.call_experts(copy.graph, forms.packed)
    called = {node.op_type for node in copy.graph.node if node.domain == DOMAIN}
    functions = [_body(one) for one in copy.functions if one.name not in contracts.NAMES and _used(one, called)]
    del copy.functions[:]
    copy.functions.extend(functions)
    for nodes in (copy.graph.node, *(function.node for function in copy.functions)):
        for node in nodes:
            if node.domain == DOMAIN:
                _mark(node)
    copy = inliner.inline_local_functions(copy)
    if forms.attention == "plugin":
        plugin_calls.call_attention(copy.graph)
    for node in copy.graph.node:
        if node.domain == DOMAIN and node.op_type not in contracts.NAMES:
            raise BackendError(f"graph {copy.graph.name}: {node.op_type} is neither a plugin nor a function")
        if node.op_type == "Attention":
            node.attribute.append(helper.make_attribute(DECOMPOSABLE, 1))
    plugin_calls.read_logits_uncast(copy.graph)
    plugin_calls.declare_diffusion(copy.graph)
    _bind_weights(copy.graph, forms)
    plugin_calls.remove_dead_nodes(copy.graph)
    fuse_products(copy.graph)
    return copy


def _used(function: FunctionProto, called: set[str]) -> bool:
    """The experts' function alone may have no caller any more; others may be called by functions."""
    return function.name != EXPERTS or EXPERTS in called


def _body(function: FunctionProto) -> FunctionProto:
    body = dense_experts() if function.name == EXPERTS else function
    del body.attribute[:]
    return body


def _mark(node: NodeProto) -> None:
    """The attributes by which a plugin is known, on plugins' calls and on no others."""
    kept = [attribute for attribute in node.attribute if attribute.name not in {*PLUGIN, *contracts.ATTRIBUTES}]
    del node.attribute[:]
    node.attribute.extend(kept)
    if node.op_type in contracts.NAMES:
        node.attribute.extend(helper.make_attribute(name, value) for name, value in contracts.ATTRIBUTES.items())


def _bind_weights(graph: GraphProto, forms: Forms) -> None:
    """Initializers that stay outside the engine → inputs, in the form in which they lie on the device."""
    bound = [tensor for tensor in graph.initializer if is_bound(tensor.name, forms.experts == "plugins")]
    for tensor in bound:
        graph.initializer.remove(tensor)
        packed = forms.packed and ".experts." in tensor.name
        for suffix, kind, dims in _packed(tensor) if packed else (("", tensor.data_type, list(tensor.dims)),):
            graph.input.append(helper.make_tensor_value_info(tensor.name + suffix, kind, dims))


def _packed(tensor: TensorProto) -> tuple[tuple[str, int, list[int]], ...]:
    """The three parts of an NVFP4 weight [E, out, in]; gate and up have a global scale each."""
    experts, out, columns = tensor.dims
    parts = 2 if tensor.name.endswith("gate_up_proj") else 1
    assert not columns % (4 * BLOCK), "forms chose packed experts whose rows are no whole int32 numbers"
    return (
        (PACKED, TensorProto.INT32, [experts, out, columns // 8]),
        (SCALE, TensorProto.INT32, [experts, out, columns // (4 * BLOCK)]),
        (GLOBAL, FLOAT, [experts, parts]),
    )


def weight_bytes(model: ModelProto) -> int:
    """Bytes of the weights that an engine made of a rewritten graph holds itself."""
    return sum(
        prod(tensor.dims) * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
        for tensor in model.graph.initializer
        if tensor.data_location == TensorProto.EXTERNAL
    )
