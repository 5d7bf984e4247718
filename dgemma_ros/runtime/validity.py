"""Which canvas of a session may be stepped: the last one, over a cache that is as it was when it was opened."""

from __future__ import annotations

from dataclasses import dataclass, field

from dgemma_ros.errors import ContextError
from dgemma_ros.runtime.contract import CacheBuffers


@dataclass
class OpenedCanvases:
    """A session's count of its canvases: they share buffers, so that only the last one is valid."""

    count: int = 0

    def next(self, cache: CacheBuffers) -> CanvasValidity:
        """Of the next canvas, over ``cache``; those before are void."""
        self.count += 1
        return CanvasValidity(self, self.count, cache, cache.revision)


@dataclass(frozen=True)
class CanvasValidity:
    """Whether one canvas may still be stepped."""

    opened: OpenedCanvases = field(repr=False)
    number: int
    cache: CacheBuffers = field(repr=False)
    revision: int

    def check(self) -> None:
        """Raises :class:`ContextError` where the canvas is void."""
        if self.cache.revision != self.revision:
            raise ContextError("this canvas is void: the cache was written or resized since; open another one")
        if self.opened.count != self.number:
            raise ContextError("this canvas is void: another one was opened since")
