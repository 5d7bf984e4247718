"""The allocator's settings, looked at in a process of their own: they hold for all of one."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import ctypes, sys
import numpy as np
from dgemma_ros.nodes.allocator import LARGE, map_large_buffers

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")]

mallinfo = ctypes.CDLL(None).mallinfo2
mallinfo.restype = Info
if sys.argv[1] == "set":
    map_large_buffers()
largest = np.ones(6 * LARGE, np.uint8)  # by itself the allocator takes its threshold from the largest that is freed
del largest
before = mallinfo().hblkhd
kept = [np.ones(2 * LARGE, np.uint8) for _ in range(3)]
print((mallinfo().hblkhd - before) // LARGE)
"""


@pytest.mark.parametrize(("settings", "mapped"), [("set", 6), ("as they are", 0)])
def test_large_buffers_are_mapped_also_after_a_larger_one_was_freed(settings: str, mapped: int) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT, settings], capture_output=True, text=True, check=False)
    if "mallinfo2" in done.stderr:
        pytest.skip("this C library does not tell how much is mapped")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == mapped
