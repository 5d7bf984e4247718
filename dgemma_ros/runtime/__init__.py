"""Graphs run: the session contract, ONNX Runtime's session, the KV cache and the canvas loop."""
