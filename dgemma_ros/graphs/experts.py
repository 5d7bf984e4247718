"""The mixture of experts: router, and the experts as a local function with two bodies.

The sparse body scans over the experts and computes each on the rows that chose it. ONNX Runtime hands a scan
slices of the weights without copying them, which neither a Loop with Gather nor one batched product achieves.
TensorRT's parser has no such scan; its builder puts the dense body in the function's place, which computes every
expert on every row, reads and writes its intermediates and is there for correctness only.
"""

from __future__ import annotations

import numpy as np
from onnx import FunctionProto, helper, numpy_helper

from dgemma_ros.checkpoint.config import TextConfig
from dgemma_ros.graphs.builder import FLOAT, GraphBuilder, function
from dgemma_ros.graphs.layers import rms_norm

INPUTS = ("x", "weights", "index", "gate_up", "down")
NAME = "DGemmaExperts"


def _constant(name: str, value: np.ndarray) -> list[object]:
    return [helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value))]


def _routing() -> list[object]:
    """Nodes that spread the chosen experts' weights [S, k] over all experts: ``routing`` [E, S], zero elsewhere."""
    return [
        helper.make_node("Shape", ["gate_up"], ["expert_count"], start=0, end=1),
        helper.make_node("Shape", ["x"], ["row_count"], start=0, end=1),
        helper.make_node("Concat", ["row_count", "expert_count"], ["routing_shape"], axis=0),
        *_constant("zero_f", np.zeros((), np.float32)),
        helper.make_node("CastLike", ["zero_f", "weights"], ["zero"]),
        helper.make_node("Expand", ["zero", "routing_shape"], ["unrouted"]),
        helper.make_node("ScatterElements", ["unrouted", "index", "weights"], ["by_row"], axis=1),
        helper.make_node("Transpose", ["by_row"], ["routing"], perm=[1, 0]),
    ]


def sparse_experts(dtype: int = FLOAT) -> FunctionProto:
    """x [S, H], weights and index [S, k], gate_up [E, 2I, H], down [E, H, I] → [S, H]; each expert on its own rows."""
    # The weights stand on the left and the rows, transposed, on the right: a matrix product packs its right side
    # first, and of the two the few rows are far the smaller.
    expert = helper.make_graph(
        [
            helper.make_node("NonZero", ["weight_of_row"], ["rows_t"]),
            helper.make_node("Transpose", ["rows_t"], ["rows"], perm=[1, 0]),
            helper.make_node("GatherND", ["x", "rows"], ["chosen"]),
            helper.make_node("Transpose", ["chosen"], ["columns"], perm=[1, 0]),
            helper.make_node("MatMul", ["gate_up_e", "columns"], ["gate_and_up"]),
            helper.make_node("Split", ["gate_and_up"], ["gate", "up"], axis=0, num_outputs=2),
            helper.make_node("Gelu", ["gate"], ["gelu"], approximate="tanh"),
            helper.make_node("Mul", ["gelu", "up"], ["inner"]),
            helper.make_node("GatherND", ["weight_of_row", "rows"], ["weight"]),
            helper.make_node("Mul", ["inner", "weight"], ["weighted"]),
            helper.make_node("MatMul", ["down_e", "weighted"], ["out_columns"]),
            helper.make_node("Transpose", ["out_columns"], ["out"], perm=[1, 0]),
            helper.make_node("ScatterND", ["sum_in", "rows", "out"], ["sum_out"], reduction="add"),
        ],
        "expert",
        [
            helper.make_tensor_value_info("sum_in", dtype, None),
            helper.make_tensor_value_info("weight_of_row", dtype, None),
            helper.make_tensor_value_info("gate_up_e", dtype, None),
            helper.make_tensor_value_info("down_e", dtype, None),
        ],
        [helper.make_tensor_value_info("sum_out", dtype, None)],
    )
    nodes = [
        *_routing(),
        helper.make_node("Shape", ["x"], ["x_shape"]),
        helper.make_node("CastLike", ["zero_f", "x"], ["zero_x"]),
        helper.make_node("Expand", ["zero_x", "x_shape"], ["nothing"]),
        helper.make_node("Scan", ["nothing", "routing", "gate_up", "down"], ["y"], body=expert, num_scan_inputs=3),
    ]
    return function(NAME, INPUTS, ["y"], nodes)


def dense_experts() -> FunctionProto:
    """The same function as batched products over all experts and rows, for TensorRT's parser."""
    nodes = [
        *_routing(),
        helper.make_node("Transpose", ["gate_up"], ["gate_up_t"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["x", "gate_up_t"], ["gate_and_up"]),
        helper.make_node("Split", ["gate_and_up"], ["gate", "up"], axis=-1, num_outputs=2),
        helper.make_node("Gelu", ["gate"], ["gelu"], approximate="tanh"),
        helper.make_node("Mul", ["gelu", "up"], ["inner"]),
        helper.make_node("Transpose", ["down"], ["down_t"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["inner", "down_t"], ["out"]),
        *_constant("last", np.array([2], np.int64)),
        helper.make_node("Unsqueeze", ["routing", "last"], ["routing_column"]),
        helper.make_node("Mul", ["out", "routing_column"], ["weighted"]),
        *_constant("first", np.array([0], np.int64)),
        helper.make_node("ReduceSum", ["weighted", "first"], ["y"], keepdims=0),
    ]
    return function(NAME, INPUTS, ["y"], nodes)


def router(b: GraphBuilder, residual: str, config: TextConfig, prefix: str) -> tuple[str, str]:
    """Weights [S, k], summing to one before each expert's own scale, and indices [S, k] of the chosen experts.

    The router reads the raw residual, not the normed one. All of it is float32 whatever the graph's type: a product in
    a half type would round the scores before the best are chosen. It costs the released model 43 MB a step.
    """
    with b.scope("router"):
        x = b.cast(residual, FLOAT, "residual_f32")
        x = rms_norm(b, x, config.hidden_size, config.rms_norm_eps, "norm", f"{prefix}.scale", FLOAT)
        x = b.add("Mul", x, b.constant(config.hidden_size**-0.5, FLOAT), name="scale")
        scores = b.linear(x, f"{prefix}.proj.weight", config.experts, config.hidden_size, "proj", dtype=FLOAT)
        probabilities = b.add("Softmax", scores, name="softmax", axis=-1)
        weights, index = b.add("TopK", probabilities, b.constant([config.top_k]), name="top_k", outputs=2)
        total = b.add("ReduceSum", weights, b.constant([-1]), name="total", keepdims=1)
        weights = b.add("Div", weights, total, name="normalise")
        scale = b.weight(f"{prefix}.per_expert_scale", (config.experts,), FLOAT)
        weights = b.add("Mul", weights, b.add("Gather", scale, index, name="expert_scale"), name="weights")
        return b.cast(weights, b.dtype, "weights_cast"), index


def experts(b: GraphBuilder, x: str, weights: str, index: str, config: TextConfig, prefix: str) -> str:
    """The chosen experts' weighted sum for the normed rows ``x`` [S, H]."""
    hidden, inner, count = config.hidden_size, config.expert_intermediate_size, config.experts
    gate_up = b.weight(f"{prefix}.gate_up_proj", (count, 2 * inner, hidden))
    down = b.weight(f"{prefix}.down_proj", (count, hidden, inner))
    return str(b.call(sparse_experts(b.dtype), x, weights, index, gate_up, down, name="experts"))
