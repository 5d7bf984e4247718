"""The allocator's settings, looked at in a process of their own: they hold for all of one."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left alone")

BEGIN = """
import ctypes, sys, threading
from pathlib import Path
from dgemma_ros.nodes.allocator import LARGE, give_memory_back, limit_what_is_kept

if sys.argv[1] == "set":
    limit_what_is_kept()
import numpy as np  # and its threads
"""
LARGE_BUFFERS = """
class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")]

mallinfo = ctypes.CDLL(None).mallinfo2
mallinfo.restype = Info
largest = np.ones(6 * LARGE, np.uint8)  # by itself the allocator takes its threshold from the largest that is freed
del largest
before = mallinfo().hblkhd
kept = [np.ones(2 * LARGE, np.uint8) for _ in range(3)]
print((mallinfo().hblkhd - before) // LARGE)
"""
THREADS = """
def memory():  # MiB of our own
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["RssAnon"].split()[0]) // 1024

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes, libc.memset.argtypes = [ctypes.c_void_p], [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]

def use_and_free():
    began.wait()
    for _ in range(2):  # the first may be mapped on its own
        buffer = libc.malloc(size := LARGE - 2**19)
        libc.memset(buffer, 1, size)
        libc.free(buffer)
    used.wait()
    freed.wait()

began, used, freed = (threading.Barrier(7) for _ in range(3))
threads = [threading.Thread(target=use_and_free) for _ in range(6)]
for thread in threads:
    thread.start()
give_memory_back()
before = memory()  # with the threads' stacks
began.wait()
used.wait()
give_memory_back()
print(memory() - before)
freed.wait()
"""


def told(script: str, settings: str) -> int:
    command = [sys.executable, "-c", BEGIN + script, settings]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if "mallinfo2" in done.stderr:
        pytest.skip("this C library does not tell how much is mapped")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize(("settings", "mapped"), [("set", 6), ("as they are", 0)])
def test_large_buffers_are_mapped_also_after_a_larger_one_was_freed(settings: str, mapped: int) -> None:
    assert told(LARGE_BUFFERS, settings) == mapped


def test_what_threads_freed_is_given_back() -> None:
    """Six threads that live on have each freed 3.5 MiB."""
    assert told(THREADS, "set") < 3
    assert told(THREADS, "as they are") > 15
