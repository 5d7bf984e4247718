"""What glibc's allocator keeps of freed memory, for perception shares the machine. Other C libraries are left alone."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
LARGE: Final = 4 << 20
"""Bytes from which a buffer is mapped on its own: a run's workspace, a decoded picture, not a step's arrays."""


def map_large_buffers() -> None:
    """Has buffers of :data:`LARGE` bytes mapped, so that they are gone when they are freed. Before they are allocated.

    By itself glibc raises that threshold to the largest buffer that was freed, 32 MiB at most: from the first picture
    or cleanup on large buffers stand among small ones, in the heap of whichever thread, and leave holes that stay.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, LARGE)
        libc.mallopt(_M_TRIM_THRESHOLD, LARGE)


def give_memory_back() -> None:
    """Frees what only cycles hold, and hands the allocator's free pages to the system."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
