"""Calls of the plugins put into a rewritten graph: the experts' four, and attention over intervals.

:mod:`dgemma_ros.trt.plugin_contracts` says what each takes and gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from dgemma_ros.graphs.builder import BOOL, DOMAIN, FLOAT, INT64
from dgemma_ros.graphs.experts import NAME as EXPERTS
from dgemma_ros.trt import plugin_contracts as contracts
from dgemma_ros.trt.bound_weights import GLOBAL, PACKED, SCALE

INT32 = TensorProto.INT32
Dims = Sequence[int | str]
_FIRST_OF_ALL = "constant/first_slot"
_TYPES = {
    **dict.fromkeys(("entropy", "entropy_out", "largest", "total", "mean_entropy"), FLOAT),
    "accepted": BOOL,
}
_DIFFUSION = (contracts.ROW_STATS, contracts.CANVAS_UPDATE)


def call(op: str, inputs: Sequence[str], outputs: Sequence[str], name: str) -> NodeProto:
    """A node that TensorRT's parser takes as the plugin ``op``."""
    return helper.make_node(op, list(inputs), list(outputs), name, domain=DOMAIN, **contracts.ATTRIBUTES)


def call_experts(graph: GraphProto, packed: bool) -> None:
    """The experts' function, called with their weights → Route, Up, Down, Combine."""
    types = {tensor.name: tensor for tensor in graph.initializer}
    casts = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Cast"}
    for node in [node for node in graph.node if node.op_type == EXPERTS]:
        x, weights, index, gate_up, down = node.input
        experts, double, hidden = types[gate_up].dims
        dtype, name = types[gate_up].data_type, node.name
        routed = [f"{name}/offsets", f"{name}/pairs"]
        inner, out = f"{name}/inner", f"{name}/out"
        up_op, down_op = (contracts.UP_NVFP4, contracts.DOWN_NVFP4) if packed else (contracts.UP, contracts.DOWN)
        made = [
            call(contracts.ROUTE, [index], routed, f"{name}/route"),
            call(up_op, [x, *routed, *_parts(gate_up, packed)], [inner], f"{name}/up"),
            call(down_op, [inner, *routed, *_parts(down, packed)], [out], f"{name}/down"),
            # The router's weights as they were before they were rounded to the graph's type.
            call(contracts.COMBINE, [out, casts.get(weights, weights)], [node.output[0]], f"{name}/combine"),
        ]
        at = list(graph.node).index(node)
        graph.node.remove(node)
        for offset, one in enumerate(made):
            graph.node.insert(at + offset, one)
        known: tuple[tuple[str, int, Dims], ...] = (
            (routed[0], INT32, [experts + 1]),
            (routed[1], INT32, ["pairs"]),
            (inner, dtype, ["pairs", double // 2]),
            (out, dtype, ["pairs", hidden]),
            (made[-1].output[0], dtype, ["rows", hidden]),
        )
        graph.value_info.extend(helper.make_tensor_value_info(*one) for one in known)


def _parts(name: str, packed: bool) -> list[str]:
    return [name + suffix for suffix in ((PACKED, SCALE, GLOBAL) if packed else ("",))]


def call_attention(graph: GraphProto) -> None:
    """Attention over a cache, and the mask made for it → the plugin, told each row's first and last slot.

    Attention without a cache, the vision tower's, stays as it is.
    """
    makers = {value: node for node in graph.node for value in node.output}
    inputs = [value.name for value in graph.input]
    intervals: dict[str, tuple[str, str]] = {}
    for node in [node for node in graph.node if node.op_type == "Attention" and len(node.input) > 3]:
        query, keys, values, mask = node.input
        if mask not in intervals:
            seen = set(_ancestors(mask, makers))
            last = next(name for name in inputs if name.startswith("last_") and name in seen)
            first = next((name for name in inputs if name.startswith("first_") and name in seen), _FIRST_OF_ALL)
            intervals[mask] = first, last
        y = node.output[0]
        made = call(contracts.ATTENTION, [query, keys, values, *intervals[mask]], [y], node.name)
        at = list(graph.node).index(node)
        graph.node.remove(node)
        graph.node.insert(at, made)
        cache = next(value for value in graph.output if value.name == keys)
        kind, dims = cache.type.tensor_type.elem_type, cache.type.tensor_type.shape.dim
        graph.value_info.append(helper.make_tensor_value_info(y, kind, [1, "heads", "rows", dims[3].dim_value]))
    if any(first == _FIRST_OF_ALL for first, _ in intervals.values()):
        graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.int64), _FIRST_OF_ALL))


def _ancestors(value: str, makers: dict[str, NodeProto]) -> Iterator[str]:
    waiting, seen = [value], set()
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            yield one
            waiting += makers[one].input if one in makers else ()


def read_logits_uncast(graph: GraphProto) -> None:
    """RowStats reads the head's product in the type that it has: its cast to float32 would be written and read for it.

    Nothing is lost, as the kernel widens each number.
    """
    casts = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Cast"}
    for node in graph.node:
        if node.op_type == contracts.ROW_STATS and node.input[0] in casts:
            node.input[0] = casts[node.input[0]]


def declare_diffusion(graph: GraphProto) -> None:
    """Types and ranks behind the diffusion step's plugins, which no shape inference knows."""
    known = {value.name for value in (*graph.output, *graph.value_info)}
    for node in graph.node:
        if node.domain != DOMAIN or node.op_type not in _DIFFUSION:
            continue
        for value, name in zip(node.output, contracts.OUTPUTS[node.op_type], strict=True):
            if value and value not in known:
                shape: Dims = ("canvas_length", 1) if name in ("largest", "total") else ("canvas_length",)
                shape = (1,) if name == "mean_entropy" else shape
                graph.value_info.append(helper.make_tensor_value_info(value, _TYPES.get(name, INT64), shape))


def remove_dead_nodes(graph: GraphProto) -> None:
    """Nodes and initializers that no output needs, in place."""
    needed, kept = {value.name for value in graph.output}, []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    initializers = [tensor for tensor in graph.initializer if tensor.name in needed]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(reversed(kept))
    graph.initializer.extend(initializers)
