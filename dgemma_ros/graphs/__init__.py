"""A checkpoint written as ONNX graphs, with ``onnx`` and numpy alone.

Weights never enter the graphs: initializers are named, and a manifest says where in the checkpoint's own files
each one lies.
"""
