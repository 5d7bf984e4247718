"""A small model builder: each call adds one named node and returns the name of its output."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from onnx import FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

OPSET = 24  # TensorScatter and Attention over a cache of fixed capacity
IR_VERSION = 11
MANIFEST = "manifest.json"  # external data "lie" where it says; the checker wants the name of a file that exists
DOMAIN = "dgemma_ros"  # of the local functions
PLUGIN = {"plugin_namespace": DOMAIN, "plugin_version": "1"}  # on the calls that TensorRT may take as plugins

FLOAT, FLOAT16, BFLOAT16 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16
INT64, BOOL = TensorProto.INT64, TensorProto.BOOL

Dim = int | str


class GraphBuilder:
    """Collects one ONNX graph, in the order in which its nodes run.

    Values are named after the node that makes them, nodes after the scopes they stand in
    (``layers.3/attention/q_proj``), so that a profile or an engine's layer list reads like the model.

    ``dtype`` is the type in which weights are bound and matrices multiplied; norms, router and statistics are
    computed in float32 whatever it is.
    """

    def __init__(self, name: str, dtype: int = FLOAT) -> None:
        self.name = name
        self.dtype = dtype
        self.weights: dict[str, tuple[int, ...]] = {}
        self._nodes: list[NodeProto] = []
        self._inputs: list[ValueInfoProto] = []
        self._outputs: list[ValueInfoProto] = []
        self._initializers: dict[str, TensorProto] = {}
        self._functions: dict[str, FunctionProto] = {}
        self._scopes: list[str] = []
        self._names: set[str] = set()

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Prefixes the names of the nodes added inside with ``name/``."""
        self._scopes.append(name)
        yield
        self._scopes.pop()

    def input(self, name: str, dtype: int, shape: Sequence[Dim]) -> str:
        """Declares a graph input."""
        self._inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def output(self, value: str, name: str, dtype: int, shape: Sequence[Dim]) -> None:
        """Declares ``value`` as a graph output: it is renamed, not copied, so that it can be bound in place."""
        self._outputs.append(helper.make_tensor_value_info(name, dtype, shape))
        for node in self._nodes:
            for values in (node.input, node.output):
                for index, old in enumerate(values):
                    if old == value:
                        values[index] = name

    def weight(self, name: str, shape: Sequence[int], dtype: int | None = None) -> str:
        """Declares an initializer by name only; its data are bound from the manifest when the graph is loaded."""
        if name not in self.weights:
            self.weights[name] = tuple(shape)
            tensor = TensorProto(name=name, data_type=dtype or self.dtype, dims=list(shape))
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value=MANIFEST)
            self._initializers[name] = tensor
        return name

    def constant(self, value: Any, dtype: int | None = None) -> str:
        """Adds a small constant; equal constants are stored once."""
        array = np.asarray(value)
        if dtype is None:
            dtype = INT64 if array.dtype.kind in "iu" else BOOL if array.dtype.kind == "b" else FLOAT
        array = array.astype(helper.tensor_dtype_to_np_dtype(dtype))
        text = "x".join(map(str, array.shape)) + "_" + "_".join(map(str, array.ravel().tolist()[:6]))
        name = f"constant/{TensorProto.DataType.Name(dtype).lower()}_{text}"
        if array.size > 6:
            name += f"_{zlib.crc32(array.tobytes()):08x}"
        if name not in self._initializers:
            self._initializers[name] = numpy_helper.from_array(array, name)
        return name

    def add(
        self, op: str, *inputs: str, name: str, outputs: int = 1, domain: str = "", **attributes: Any
    ) -> Any:  # a name, or a tuple of names when outputs > 1
        """Adds one node; returns its output's name, or a tuple of names when ``outputs`` is more than one."""
        full = "/".join([*self._scopes, name])
        if full in self._names:
            raise ValueError(f"graph {self.name}: two nodes are named {full}")
        self._names.add(full)
        names = [full] if outputs == 1 else [f"{full}:{index}" for index in range(outputs)]
        self._nodes.append(helper.make_node(op, list(inputs), names, name=full, domain=domain, **attributes))
        return names[0] if outputs == 1 else tuple(names)

    def call(self, function: FunctionProto, *inputs: str, name: str, **attributes: Any) -> Any:
        """Calls a local function, which ONNX Runtime inlines and TensorRT may take as a plugin of the same name."""
        self.define(function)
        plugin = {name: value for name, value in PLUGIN.items() if name in function.attribute}
        return self.add(
            function.name, *inputs, name=name, outputs=len(function.output), domain=DOMAIN, **plugin, **attributes
        )

    def define(self, function: FunctionProto) -> None:
        """Makes a local function known to the model; for those that only other functions call."""
        self._functions[function.name] = function

    def cast(self, value: str, dtype: int, name: str) -> str:
        """Casts from the graph's own type to ``dtype`` or back; nothing at all where the graph is float32."""
        if self.dtype == FLOAT:
            return value
        return str(self.add("Cast", value, name=name, to=dtype))

    def linear(
        self,
        value: str,
        weight: str,
        out_features: int,
        in_features: int,
        name: str,
        alpha: float = 1.0,
        dtype: int | None = None,
    ) -> str:
        """``alpha`` · ``value`` [S, in] · the transpose of a weight stored as [out, in], as checkpoints store it.

        ``dtype``: of ``value`` and the product, else the graph's.
        """
        matrix = self.weight(weight, (out_features, in_features), dtype)
        return str(self.add("Gemm", value, matrix, name=name, transB=1, alpha=alpha))

    def reshape(self, value: str, shape: Sequence[int], name: str) -> str:
        """Reshape to static numbers; 0 keeps a dimension and -1 infers one."""
        return str(self.add("Reshape", value, self.constant(np.array(shape, np.int64)), name=name))

    def graph(self) -> GraphProto:
        """The graph collected so far, weights left as references."""
        return helper.make_graph(
            self._nodes, self.name, self._inputs, self._outputs, initializer=list(self._initializers.values())
        )

    def model(self) -> ModelProto:
        """The model collected so far."""
        opsets = [helper.make_opsetid("", OPSET)]
        if self._functions:
            opsets.append(helper.make_opsetid(DOMAIN, 1))
        return helper.make_model(
            self.graph(),
            functions=list(self._functions.values()),
            opset_imports=opsets,
            ir_version=IR_VERSION,
            producer_name="dgemma_ros",
        )


def function(
    name: str, inputs: Sequence[str], outputs: Sequence[str], nodes: Sequence[NodeProto], plugin: bool = True
) -> FunctionProto:
    """A local function of standard operators. ``plugin``: its calls carry the attributes by which TensorRT knows it."""
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)]
    return helper.make_function(
        DOMAIN, name, list(inputs), list(outputs), list(nodes), opsets, list(PLUGIN) if plugin else []
    )
