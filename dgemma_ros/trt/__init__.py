"""ONNX compiled and run on NVIDIA GPUs: targets, kernels and plugins, builder, and the session on built engines.

TensorRT, pycuda and cuda-bindings are imported where they are used, so that this room can be imported on any machine.
"""
