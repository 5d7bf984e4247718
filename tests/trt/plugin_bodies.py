"""The plugins as functions of standard operators, so that ONNX Runtime can stand in for TensorRT.

Written from the contracts' words alone (``dgemma_ros/trt/plugin_contracts.py``), not from the kernels: slow, plain, and
in whatever type they are given.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np
from onnx import FunctionProto, numpy_helper, parser

from dgemma_ros.checkpoint.nvfp4 import E2M1
from dgemma_ros.trt import plugin_contracts as contracts

_HEAD = '<domain: "dgemma_ros", opset_import: ["" : 24, "dgemma_ros" : 1]>'
_NUMBERS = """
    zero = Constant <value = int64[1] {0}> ()
    one = Constant <value = int64[1] {1}> ()
    two = Constant <value = int64[1] {2}> ()
    rest = Constant <value = int64[1] {-1}> ()
    nought = Constant <value_int = 0> ()
    unit = Constant <value_int = 1> ()
"""
_WHO = """
    offsets_long = Cast <to = 7> (offsets)
    pairs_long = Cast <to = 7> (pairs)
    ends_all = Shape (offsets)
    ends = Slice (offsets_long, one, ends_all, zero)
    count = Shape (pairs)
    count_scalar = Squeeze (count)
    place = Range (nought, count_scalar, unit)
    ends_column = Unsqueeze (ends, one)
    passed = LessOrEqual (ends_column, place)
    passed_long = Cast <to = 7> (passed)
    expert = ReduceSum <keepdims = 0> (passed_long, zero)
"""
"""``expert``: whose each place in ``pairs`` is."""


def _function(name: str, inputs: str, outputs: str, body: str) -> FunctionProto:
    text = f"{_HEAD}\n{name} <plugin_namespace, plugin_version> ({inputs}) => ({outputs}) {{ {_NUMBERS} {body} }}"
    return parser.parse_function(text)


def _route(experts: int) -> FunctionProto:
    return _function(
        contracts.ROUTE,
        "index",
        "offsets, pairs",
        f"""
        long = Cast <to = 7> (index)
        flat = Reshape (long, rest)
        count = Shape (flat)
        count_scalar = Squeeze (count)
        place = Range (nought, count_scalar, unit)
        by_expert = Mul (flat, count)
        key = Add (by_expert, place)
        sorted, order = TopK <largest = 0, sorted = 1> (key, count)
        pairs = Cast <to = 6> (order)
        last = Constant <value_int = {experts + 1}> ()
        numbers = Range (nought, last, unit)
        column = Unsqueeze (numbers, one)
        before = Less (flat, column)
        before_long = Cast <to = 7> (before)
        offsets_long = ReduceSum <keepdims = 0> (before_long, one)
        offsets = Cast <to = 6> (offsets_long)
        """,
    )


_UP = """
    rows_count = Shape <start = 0, end = 1> (x)
    each = Div (count, rows_count)
    row = Div (pairs_long, each)
    mine = Gather (x, row)
    mine_column = Unsqueeze (mine, two)
    matrices = Gather (gate_up_whole, expert)
    both_column = MatMul (matrices, mine_column)
    both = Squeeze (both_column, two)
    gate, up = Split <axis = 1, num_outputs = 2> (both)
    bent = Gelu <approximate = "tanh"> (gate)
    inner = Mul (bent, up)
"""
_DOWN = """
    matrices = Gather (down_whole, expert)
    inner_column = Unsqueeze (inner, two)
    done_column = MatMul (matrices, inner_column)
    done = Squeeze (done_column, two)
    nothing = Sub (done, done)
    home = Unsqueeze (pairs_long, one)
    out = ScatterND (nothing, home, done)
"""


def _unpack(name: str, like: str) -> str:
    """``name`` in NVFP4 → ``name_whole``, in the type of ``like``."""
    return f"""
    {name}_long = Cast <to = 7> ({name})
    wrap = Constant <value = int64[1] {{4294967296}}> ()
    {name}_positive = Mod ({name}_long, wrap)
    {name}_each = Unsqueeze ({name}_positive, rest)
    sixteens = Constant <value = int64[8] {{1, 16, 256, 4096, 65536, 1048576, 16777216, 268435456}}> ()
    {name}_shifted = Div ({name}_each, sixteens)
    sixteen = Constant <value = int64[1] {{16}}> ()
    {name}_nibbles = Mod ({name}_shifted, sixteen)
    {name}_numbers = Gather (numbers_table, {name}_nibbles)
    in_blocks = Constant <value = int64[4] {{0, 0, -1, 16}}> ()
    {name}_blocks = Reshape ({name}_numbers, in_blocks)
    {name}_scale_long = Cast <to = 7> ({name}_scale)
    {name}_scale_positive = Mod ({name}_scale_long, wrap)
    {name}_scale_each = Unsqueeze ({name}_scale_positive, rest)
    bytes_of = Constant <value = int64[4] {{1, 256, 65536, 16777216}}> ()
    {name}_scale_shifted = Div ({name}_scale_each, bytes_of)
    byte = Constant <value = int64[1] {{256}}> ()
    {name}_scale_bytes = Mod ({name}_scale_shifted, byte)
    {name}_scale_numbers = Gather (scales_table, {name}_scale_bytes)
    by_block = Constant <value = int64[4] {{0, 0, -1, 1}}> ()
    {name}_scale_blocks = Reshape ({name}_scale_numbers, by_block)
    {name}_scaled = Mul ({name}_blocks, {name}_scale_blocks)
    {name}_parts = Shape ({name}_global)
    {name}_by_part_shape = Concat <axis = 0> ({name}_parts, rest)
    {name}_by_part = Reshape ({name}_scaled, {name}_by_part_shape)
    {name}_global_column = Unsqueeze ({name}_global, two)
    {name}_true = Mul ({name}_by_part, {name}_global_column)
    {name}_two = Shape <start = 0, end = 2> ({name})
    {name}_shape = Concat <axis = 0> ({name}_two, rest)
    {name}_f32 = Reshape ({name}_true, {name}_shape)
    {name}_whole = CastLike ({name}_f32, {like})
    """


def _with_tables(function: FunctionProto) -> FunctionProto:
    from onnx import helper

    scales = np.arange(256, dtype=np.uint8).view(ml_dtypes.float8_e4m3fn).astype(np.float32)
    for name, table in (("numbers_table", E2M1), ("scales_table", scales)):
        constant = helper.make_node("Constant", [], [name], value=numpy_helper.from_array(table))
        function.node.insert(0, constant)
    return function


def functions(experts: int) -> list[FunctionProto]:
    """All but the diffusion step's, for a model of so many experts."""
    packed_up, packed_down = "gate_up, gate_up_scale, gate_up_global", "down, down_scale, down_global"
    return [
        _route(experts),
        _function(
            contracts.UP, "x, offsets, pairs, gate_up", "inner", _WHO + "gate_up_whole = Identity (gate_up)\n" + _UP
        ),
        _function(
            contracts.DOWN, "inner, offsets, pairs, down", "out", _WHO + "down_whole = Identity (down)\n" + _DOWN
        ),
        _with_tables(
            _function(
                contracts.UP_NVFP4,
                f"x, offsets, pairs, {packed_up}",
                "inner",
                _WHO + _unpack("gate_up", "x") + _UP,
            )
        ),
        _with_tables(
            _function(
                contracts.DOWN_NVFP4,
                f"inner, offsets, pairs, {packed_down}",
                "out",
                _WHO + _unpack("down", "inner") + _DOWN,
            )
        ),
        _function(
            contracts.COMBINE,
            "out, weights",
            "y",
            """
            slots = Shape (weights)
            by_row = Concat <axis = 0> (slots, rest)
            outs = Reshape (out, by_row)
            like = CastLike (weights, out)
            column = Unsqueeze (like, two)
            weighted = Mul (outs, column)
            y = ReduceSum <keepdims = 0> (weighted, one)
            """,
        ),
        _function(
            contracts.ATTENTION,
            "query, keys, values, first, last",
            "y",
            """
            capacity = Shape <start = 2, end = 3> (keys)
            capacity_scalar = Squeeze (capacity)
            slots = Range (nought, capacity_scalar, unit)
            first_column = Unsqueeze (first, one)
            last_column = Unsqueeze (last, one)
            behind = GreaterOrEqual (slots, first_column)
            upto = LessOrEqual (slots, last_column)
            seen = And (behind, upto)
            outer = Constant <value = int64[2] {0, 1}> ()
            mask = Unsqueeze (seen, outer)
            y = Attention <scale = 1.0, softmax_precision = 1> (query, keys, values, mask)
            """,
        ),
    ]
