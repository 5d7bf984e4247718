"""Batches made ahead by other processes: they fill slots of shared memory, a thread carries them to the device.

The processes are forked before anything touches the accelerator, hold nothing but the slots, and die with their parent.
"""

from __future__ import annotations

import ctypes
import mmap
import multiprocessing
import os
import queue
import signal
import threading
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from training import batches
from training.batches import Bucket
from training.checkpoint_sizes import CELLS, NARROW, WIDE
from training.objective import Batch

_WAIT = 120.0


def die_with_parent(parent: int) -> None:
    """This process ends when the one that started it does, however that ends (Linux)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)


class Feeder:
    """Chunks of every bucket, from `workers` processes. `slots`: how many chunks of each bucket may wait; `changes`:
    of all sessions' shapes."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        workers: int,
        slots: dict[str, int],
        rows: int = 16,
        changes: dict[str, Any] | None = None,
    ):
        self.buckets = {
            b.name: batches.scaled(replace(b, shape=replace(b.shape, **changes or {})), rows / 16)
            for b in batches.BUCKETS
            if slots.get(b.name)
        }
        fork = multiprocessing.get_context("fork")
        self._free: multiprocessing.Queue[tuple[str, int]] = fork.Queue()
        self._ready = {name: fork.Queue() for name in self.buckets}
        self._slots = {name: [_slot(b) for _ in range(slots[name])] for name, b in self.buckets.items()}
        for number in range(max(slots.values())):
            for name in self.buckets:
                if number < slots[name]:
                    self._free.put((name, number))
        self._processes = [
            fork.Process(target=self._work, args=(folder, (seed, rank), os.getpid()), daemon=True)
            for rank in range(workers)
        ]
        for process in self._processes:
            process.start()

    def _work(self, folder: Path, seed: tuple[int, int], parent: int) -> None:
        die_with_parent(parent)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.nice(5)
        cv2.setNumThreads(1)
        number = 0
        while True:
            name, slot = self._free.get()
            number += 1
            try:
                batches.fill(str(folder), self.buckets[name], (*seed, number), self._slots[name][slot])
            except Exception:  # one odd session must not cost a run: said, and another drawn
                traceback.print_exc()
                self._free.put((name, slot))
                continue
            self._ready[name].put(slot)

    def waiting(self, name: str) -> int:
        """Chunks of that bucket that are ready."""
        return int(self._ready[name].qsize())

    def batch(self, name: str, chunks: int, device: torch.device) -> Batch:
        """The next chunks of a bucket as one batch on the device."""
        parts: list[Batch] = []
        used, wide = [], []
        for _ in range(chunks):
            slot = self._ready[name].get(timeout=_WAIT)
            arrays = self._slots[name][slot]
            count = int(arrays["count"][0])
            used.append(count)
            wide.append(bool(arrays["count"][1]))
            part = {}
            for key, value in arrays.items():
                if key != "count":
                    kept = value[:count] if key in ("pixels", "things") else value
                    part[key] = torch.from_numpy(kept).to(device, copy=True)
            parts.append(part)
            self._free.put((name, slot))
        return joined(parts, used, wide)

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.join()


def joined(parts: list[Batch], used: list[int], wide: list[bool]) -> Batch:
    """Chunks as one batch: pictures of one shape together, narrow ones first, and each token's soft token."""
    batch: Batch = {}
    for name in parts[0]:
        if name not in ("pixels", "things", "picture"):
            value = torch.cat([p[name] for p in parts])
            batch[name] = value if value.dtype == torch.bool else value.long()
    device = batch["ids"].device
    last = int((batch["leaf"] > -2).any(0).nonzero().max()) + 1
    length = min(-(-last // 64) * 64, batch["ids"].shape[1])
    for name in ("ids", "see", "leaf", "rank", "position", "told", "question"):
        batch[name] = batch[name][:, :length]
    narrow = sum(count for count, w in zip(used, wide, strict=True) if not w)
    at = {False: 0, True: 0}
    pictures, soft = [], []
    for part, count, w in zip(parts, used, wide, strict=True):
        cells = CELLS[WIDE if w else NARROW]
        own = part["picture"][:, :length].long()
        first = at[w] * cells + (narrow * CELLS[NARROW] if w else 0)
        within = (own >= 0).flatten().cumsum(0).view_as(own) - 1
        soft.append(torch.where(own >= 0, within + first, own))
        pictures.append(torch.where(own >= 0, own, own))
        at[w] += count
    batch["soft_index"], batch["picture"] = torch.cat(soft), torch.cat(pictures)
    # Where there is something, as numbers: a choice by truth values would make the step wait for the device.
    batch["soft_at"] = (batch["soft_index"].flatten() >= 0).nonzero().flatten()
    batch["told_at"] = batch["told"].flatten().nonzero().flatten()
    batch["leaves_at"] = (batch["kind"].flatten() >= 0).nonzero().flatten()
    for name in ("pixels", "things"):
        for kind in (False, True):
            chosen = [p[name] for p, w in zip(parts, wide, strict=True) if w == kind]
            key = f"{name}_{'wide' if kind else 'narrow'}"
            batch[key] = torch.cat(chosen) if chosen else parts[0][name][:0].to(device)
    return batch


def _slot(bucket: Bucket) -> batches.Arrays:
    """Arrays in memory that parent and children share."""
    arrays = {}
    for name, (shape, kind) in batches.spec(bucket).items():
        size = int(np.prod(shape)) * np.dtype(kind).itemsize
        arrays[name] = np.frombuffer(mmap.mmap(-1, max(size, 1)), kind, int(np.prod(shape))).reshape(shape)
    return arrays


class Ahead:
    """A thread that makes `jobs` (bucket, chunks) into batches before they are needed."""

    def __init__(self, feeder: Feeder, device: torch.device, depth: int = 3):
        self._feeder, self._device = feeder, device
        self._wanted: queue.Queue[tuple[str, int]] = queue.Queue()
        self._made: queue.Queue[Batch | BaseException] = queue.Queue(depth)
        self._stream = torch.cuda.Stream() if device.type == "cuda" else None
        threading.Thread(target=self._run, daemon=True).start()

    def ask(self, name: str, chunks: int) -> None:
        self._wanted.put((name, chunks))

    def next(self) -> Batch:
        """The batch asked for first; what went wrong in making it is raised here."""
        got = self._made.get(timeout=2 * _WAIT)
        if isinstance(got, BaseException):
            raise got
        if self._stream is not None:
            for value in got.values():
                value.record_stream(torch.cuda.current_stream())
        return got

    def _run(self) -> None:
        try:
            while True:
                name, chunks = self._wanted.get()
                if self._stream is None:
                    self._made.put(self._feeder.batch(name, chunks, self._device))
                    continue
                with torch.cuda.stream(self._stream):
                    made = self._feeder.batch(name, chunks, self._device)
                    self._stream.synchronize()
                self._made.put(made)
        except BaseException as error:
            self._made.put(error)
