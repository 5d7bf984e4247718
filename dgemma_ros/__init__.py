"""An edge runtime for DiffusionGemma: camera video and tasks in, checked plans out, by a deadline."""

import os

__version__ = "0.1.0"

# ONNX Runtime's Linux wheels report to their maker and leave a device id in the user's cache, unless this is set before
# they are first imported. What a robot computes is its owner's business; who wants to report sets it to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
