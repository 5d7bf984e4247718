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
from typing import Any

import numpy as np
import onnxruntime as ort

from dgemma_ros.checkpoint.config import LayerKind, ModelConfig
from dgemma_ros.model import open_model
from dgemma_ros.runtime import rotary, visibility
from dgemma_ros.runtime.contract import Feeds
from dgemma_ros.runtime.ort_cache import OrtCache
from dgemma_ros.runtime.visibility import VisionMask

PAGE = mmap.PAGESIZE
LIBC = ctypes.CDLL(None, use_errno=True)


class Buffers:
    """What a cache binds: its buffers by name, as a graph is given them."""

    def __init__(self, cache: OrtCache) -> None:
        self.values: dict[str, Any] = {}
        cache.bind(self)

    def bind_ortvalue_input(self, name: str, value: Any) -> None:
        self.values[name] = value

    def bind_ortvalue_output(self, name: str, value: Any) -> None:
        assert value is self.values[name.removesuffix("_out")]  # written in place


def protect(value: Any, start: int, stop: int) -> int:
    """Makes all pages of [1, kv, T, D] read-only but those of rows start … stop, and those that are shared with other
    memory; returns the bytes left writable for the rows.
    """
    _, heads, slots, dim = value.shape()
    row, begin = dim * value.numpy().itemsize, value.data_ptr()
    written: set[int] = set()
    for head in range(heads):
        first, last = (begin + row * (head * slots + slot) for slot in (start, stop))
        written.update(range(first // PAGE, -(-last // PAGE)))
    whole = range(-(-begin // PAGE), (begin + row * heads * slots) // PAGE)
    for page in set(whole) - written:
        if LIBC.mprotect(ctypes.c_void_p(page * PAGE), PAGE, mmap.PROT_READ):
            raise OSError(ctypes.get_errno(), "mprotect")
    return len(written) * PAGE


def placed(config: ModelConfig, length: int, seen: visibility.Visible) -> Feeds:
    """The backbone's feeds for rows behind ``length`` others, in a model of full layers alone."""
    positions = np.arange(length, length + len(seen.last_full), dtype=np.int64)
    tables = rotary.text_tables(config, positions)
    return {**tables, "write_full": np.array([length], np.int64), "last_full": length + seen.last_full}


def main(folder: str, length: int, what: str) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the counter-proof leaves no core behind
    model = open_model(Path(folder), threads=1)
    session, config = model.session, model.config
    assert config.text.rope.keys() == {LayerKind.FULL}
    cache = session.new_cache()
    assert isinstance(cache, OrtCache)
    cache.resize(LayerKind.FULL, length + 64, 0)

    def append(at: int, *ids: int) -> None:
        seen = visibility.encoding(
            np.zeros(len(ids), np.int64), config.text.sliding_window, False, VisionMask.TRANSFORMERS
        )
        session.encode(cache, session.embed_tokens(np.array(ids)), placed(config, at, seen))

    def denoise(at: int) -> None:
        seen = visibility.denoising(config.canvas_length, config.text.sliding_window)
        session.open_canvas(cache, placed(config, at, seen)).step({})

    append(length - 4, 0, 1, 2, 3)  # the rows before them are zeros; both graphs have run once then
    denoise(length)
    rows = 1 if what != "denoise" else config.canvas_length
    values = Buffers(cache).values
    before = cache.fetch(0, 0, length)[0]
    writable = sum(protect(value, length, length + rows) for value in values.values())
    if what == "copy":
        others = {name: ort.OrtValue.ortvalue_from_numpy(value.numpy().copy()) for name, value in values.items()}
        for other in others.values():
            protect(other, length, length + 1)

        def bind(binding: Any) -> None:
            for name, value in values.items():
                binding.bind_ortvalue_input(name, value)
                binding.bind_ortvalue_output(f"{name}_out", others[name])

        cache.bind = bind  # type: ignore[method-assign]
    tracemalloc.start()
    if what == "denoise":
        denoise(length)
    else:
        append(length, 5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    after = cache.fetch(0, 0, length + rows)[0]
    assert np.array_equal(after[:, :length], before)
    assert what == "copy" or after[:, length:].any(axis=(0, 2)).all()
    print(writable, peak)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
