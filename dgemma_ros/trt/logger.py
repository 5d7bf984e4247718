"""TensorRT's messages: kept for the one line of an error, never printed by themselves."""

from __future__ import annotations

import logging
from typing import Any

_LOG = logging.getLogger("dgemma_ros.tensorrt")


def make_logger(trt: Any) -> Any:
    """A ``tensorrt.ILogger`` that hands on to :mod:`logging`; its ``last`` is the last error, on one line."""
    severity = trt.ILogger.Severity
    levels = {
        severity.INTERNAL_ERROR: logging.ERROR,
        severity.ERROR: logging.ERROR,
        severity.WARNING: logging.WARNING,
        severity.INFO: logging.DEBUG,
        severity.VERBOSE: logging.NOTSET,
    }

    class Logger(trt.ILogger):  # type: ignore[misc, name-defined, unused-ignore]
        """TensorRT may call it from its own threads."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.last = ""

        def log(self, level: Any, message: str) -> None:
            """TensorRT's callback; must not raise."""
            line = " ".join(str(message).split())
            if level in (severity.ERROR, severity.INTERNAL_ERROR):
                self.last = line
            if (number := levels.get(level, logging.NOTSET)) > logging.DEBUG:
                _LOG.log(number, "%s", line)

    return Logger()
