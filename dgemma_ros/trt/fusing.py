"""Products that read the same rows made one product, before TensorRT tries to.

A layer multiplies the same normed rows by q, k and v, and others by gate and up. TensorRT may fuse such products
horizontally, which was seen to compute garbage in silence (:mod:`dgemma_ros.trt.builder_flags`), and is slower where it
does not. Here they become one ``Gemm`` over weights stacked by rows, whose result is split: the same sums, number for
number.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

JOINT: Final = "+"
"""Between the names of weights that were stacked: ``q_proj.weight+k_proj.weight``."""


def parts(name: str) -> list[str]:
    """The names of the tensors that a stacked weight is made of, in order; of any other, its own."""
    return name.split(JOINT)


def fuse_products(graph: GraphProto) -> None:
    """Stacks, in place, the weights of all products of external weights that read the same rows."""
    weights = {tensor.name: tensor for tensor in graph.initializer if tensor.data_location == TensorProto.EXTERNAL}
    groups: dict[tuple[object, ...], list[NodeProto]] = {}
    for node in graph.node:
        if node.op_type == "Gemm" and len(node.input) == 2 and node.input[1] in weights:
            settings = tuple(sorted((one.name, helper.get_attribute_value(one)) for one in node.attribute))
            groups.setdefault((node.input[0], weights[node.input[1]].data_type, settings), []).append(node)
    uses = [name for node in graph.node for name in node.input]
    for nodes in groups.values():
        if len(nodes) > 1 and all(_stackable(node) and uses.count(node.input[1]) == 1 for node in nodes):
            _fuse(graph, nodes, [weights[node.input[1]] for node in nodes])


def _stackable(node: NodeProto) -> bool:
    return any(one.name == "transB" and one.i == 1 for one in node.attribute)


def _fuse(graph: GraphProto, nodes: list[NodeProto], weights: list[TensorProto]) -> None:
    stacked = TensorProto(
        name=JOINT.join(tensor.name for tensor in weights),
        data_type=weights[0].data_type,
        dims=[sum(tensor.dims[0] for tensor in weights), weights[0].dims[1]],
        data_location=TensorProto.EXTERNAL,
    )
    stacked.external_data.extend(weights[0].external_data)
    name = "+".join([nodes[0].name, *(node.name.rpartition("/")[2] for node in nodes[1:])])
    sizes = numpy_helper.from_array(np.array([tensor.dims[0] for tensor in weights], np.int64), f"{name}/sizes")
    product = NodeProto()
    product.CopyFrom(nodes[0])
    product.name = name
    product.input[1] = stacked.name
    product.output[0] = name
    outputs = [node.output[0] for node in nodes]
    split = helper.make_node("Split", [name, sizes.name], outputs, f"{name}/split", axis=-1)
    at = list(graph.node).index(nodes[0])
    for node in nodes:
        graph.node.remove(node)
    graph.node.insert(at, product)
    graph.node.insert(at + 1, split)
    for tensor in weights:
        graph.initializer.remove(tensor)
    graph.initializer.extend([stacked, sizes])
