"""Run by test_ort_cache.py in a process of its own: appends to a cache whose every other page is write-protected.

    python -m tests.runtime.write_protected FOLDER LENGTH append|denoise|copy

Only the pages that hold the new rows may be written; whoever writes elsewhere, if only a copy of what is there, ends
with a segmentation fault. ``copy`` is the counter-proof: it binds other buffers as outputs. Prints the bytes that may
be written and the most that the host allocated meanwhile.
"""

from __future__ import annotations

import ctypes
import mmap
import resource
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import onnxruntime as ort

from dgemma_ros.checkpoint.config import LayerKind
from dgemma_ros.model import open_model
from dgemma_ros.runtime.ort_cache import OrtCache
from dgemma_ros.runtime.sequence import Sequence

PAGE = mmap.PAGESIZE
LIBC = ctypes.CDLL(None, use_errno=True)


def paged(array: np.ndarray) -> np.ndarray:
    """A copy that begins on a page and shares its pages with nothing."""
    memory = mmap.mmap(-1, -(-array.nbytes // PAGE) * PAGE)
    copy = np.frombuffer(memory, array.dtype, array.size).reshape(array.shape)
    copy[...] = array
    return copy


def protect(array: np.ndarray, start: int, stop: int) -> int:
    """Makes all of [1, kv, T, D] read-only but the pages of rows start … stop; returns the bytes left writable."""
    address, pages = array.ctypes.data, -(-array.nbytes // PAGE)
    open_pages: set[int] = set()
    for head in range(array.shape[1]):
        first = array[0, head, start:stop].ctypes.data - address
        open_pages.update(range(first // PAGE, -(-(first + (stop - start) * array.strides[2]) // PAGE)))
    for page in set(range(pages)) - open_pages:
        if LIBC.mprotect(ctypes.c_void_p(address + page * PAGE), PAGE, mmap.PROT_READ):
            raise OSError(ctypes.get_errno(), "mprotect")
    return len(open_pages) * PAGE


def main(folder: str, length: int, what: str) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the counter-proof leaves no core behind
    model = open_model(Path(folder), threads=1)
    sequence = Sequence(model.session)
    sequence.append(np.arange(4))
    assert sequence.config.text.rope.keys() == {LayerKind.FULL}
    sequence.cache.resize(LayerKind.FULL, length + 64, 4)
    sequence._table.append(length - 4, 4, 4)  # with full layers alone nothing else knows how many rows there are
    sequence.append(np.arange(4))
    canvas = sequence.open_canvas({})
    canvas.step({})
    cache = sequence.cache
    assert isinstance(cache, OrtCache)
    rows = 1 if what != "denoise" else sequence.config.canvas_length
    writable = 0
    for name, array in list(cache._arrays.items()):
        cache._arrays[name] = own = paged(array)
        cache._values[name] = ort.OrtValue.ortvalue_from_numpy(own)
        writable += protect(own, sequence.length, sequence.length + rows)
    if what == "copy":
        others = {name: paged(array) for name, array in cache._arrays.items()}
        for array in others.values():
            protect(array, sequence.length, sequence.length + 1)
        values = {name: ort.OrtValue.ortvalue_from_numpy(array) for name, array in others.items()}

        def bind(binding: object) -> None:
            for name, value in cache._values.items():
                binding.bind_ortvalue_input(name, value)  # type: ignore[attr-defined]
                binding.bind_ortvalue_output(f"{name}_out", values[name])  # type: ignore[attr-defined]

        cache.bind = bind  # type: ignore[method-assign]
    before = sequence.rows(0)[0]
    tracemalloc.start()
    if what == "denoise":
        sequence.open_canvas({}).step({})
    else:
        sequence.append(np.array([5]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    after = sequence.rows(0)[0]
    assert np.array_equal(after[:, : before.shape[1]], before)
    assert what == "copy" or after[:, before.shape[1] :].any(axis=(0, 2)).all()
    print(writable, peak)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
