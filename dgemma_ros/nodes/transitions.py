"""Lifecycle transitions whose errors are told: rclpy alone would lose them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from dgemma_ros.errors import DgemmaError


class Failing(Protocol):
    """A lifecycle node that can fail with a message."""

    def fail(self, text: str) -> Any:
        """Keeps and logs ``text``; what a transition returns to reach the error state."""


Failed = TypeVar("Failed", bound=Failing)


def guarded(transition: Callable[[Failed, Any], Any]) -> Callable[[Failed, Any], Any]:
    """Any error that a transition raises becomes the error state with a message."""

    @functools.wraps(transition)
    def run(self: Failed, state: Any) -> Any:
        try:
            return transition(self, state)
        except DgemmaError as error:
            return self.fail(str(error))
        except Exception as error:
            return self.fail(f"{type(error).__name__}: {error}")

    return run
