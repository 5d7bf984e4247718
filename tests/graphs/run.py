"""Small graphs run in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnxruntime as ort
from onnx import ModelProto

from dgemma_ros.graphs.builder import GraphBuilder


def session(model: GraphBuilder | ModelProto, weights: Mapping[str, np.ndarray] | None = None) -> ort.InferenceSession:
    """One thread, the optimisations that the runtime has, and ``weights`` for the initializers that are only named."""
    model = model.model() if isinstance(model, GraphBuilder) else model
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if weights:
        values = [ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array)) for array in weights.values()]
        options.add_external_initializers(list(weights), values)
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
