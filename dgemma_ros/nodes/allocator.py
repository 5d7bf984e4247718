"""What glibc's allocator keeps of freed memory, for perception shares the machine. Other C libraries are left alone."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
LARGE: Final = 4 << 20
"""Bytes from which a buffer is mapped on its own: a run's workspace, a decoded picture, not a step's arrays."""


def limit_what_is_kept() -> None:
    """Keeps what is freed from staying with the process. Before threads are started, and large buffers allocated.

    *Buffers of* :data:`LARGE` *bytes are mapped*, so that they are gone when they are freed. By itself glibc raises
    that threshold to the largest buffer that was freed, 32 MiB at most: from the first picture or cleanup on large
    buffers stand among small ones and leave holes that stay.

    *All threads share one heap.* By itself glibc makes up to eight a core, and ``malloc_trim`` does not give back the
    free end of any but the first: as much as the trim threshold, 4 MiB, in each, and they fill one after another as
    messages of megabytes come in one thread or another. Whoever sets ``MALLOC_ARENA_MAX`` has chosen.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, LARGE)
        libc.mallopt(_M_TRIM_THRESHOLD, LARGE)
        if "MALLOC_ARENA_MAX" not in os.environ:
            libc.mallopt(_M_ARENA_MAX, 1)


def give_memory_back() -> None:
    """Frees what only cycles hold, and hands the allocator's free pages to the system."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
