"""What a training run learns when, by the share of its time that has passed, and how it fits itself to the machine."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from training.train import Run


@dataclass(frozen=True)
class Course:
    """Shares of the time: until when the vision tower learns alone, until when sessions are short ones only, from when
    on prompts are whole, and from when on the learning rate falls; and until when the maps of grounding and relations
    learn alone, so that fresh ones teach a trained network nothing wrong."""

    looking: float
    short: float
    whole: float
    falling: float
    apart: float


FRESH = Course(looking=0.06, short=0.15, whole=0.62, falling=0.5, apart=0.0)
FURTHER = Course(looking=0.0, short=0.02, whole=0.0, falling=0.4, apart=0.06)


class Pacer:
    """Fits the run to an accelerator's machine: how many chunks make a step, and, where it still waits for batches, how
    often a batch is learned from."""

    EVERY = 20
    SLOW, QUICK = 0.22, 0.13  # seconds a step: several thousand steps have to fit
    FEW, MANY = 4, 8  # chunks

    def __init__(self, run: Run):
        self.run, self.waited, self.steps, self.began = run, 0.0, 0, time.monotonic()
        self.slow = 0

    def look(self, passed: float) -> None:
        """After each step."""
        self.steps += 1
        if self.steps % self.EVERY:
            return
        if self.run.device.type == "cuda":
            torch.cuda.synchronize()
        now = time.monotonic()
        whole, waited = now - self.began, self.waited
        self.began, self.waited = now, 0.0
        share, step = waited / whole, (whole - waited) / self.EVERY
        if self.run.device.type == "cuda" and passed > self.run.course.looking and self.steps > 5 * self.EVERY:
            self.fit(share, step)
        print(
            f"{passed:.3f} passed: step {step:.3f} s, waited {share:.0%}; {self.run.chunks} chunks, "
            f"each batch {self.run.repeats} times, {self.run.failed} failed",
            file=sys.stderr,
            flush=True,
        )

    def fit(self, share: float, step: float) -> None:
        """By one chunk at a time, and only where two looks in a row agree: the first steps of a kind are slow."""
        run = self.run
        if share > 0.25:
            run.chunks, run.repeats = max(4, run.chunks - 1), run.repeats + (run.chunks <= 4 and run.repeats < 3)
        elif share < 0.02 and run.repeats > 1:
            run.repeats -= 1
        elif share < 0.02 and step < self.QUICK and run.chunks < self.MANY:
            run.chunks += 1
        self.slow = self.slow + 1 if step > self.SLOW else 0
        if self.slow > 1 and run.chunks > self.FEW:
            run.chunks, self.slow = run.chunks - 1, 0
